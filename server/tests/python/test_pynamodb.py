"""PynamoDB: an order book of models with indexes, conditions, atomic updates, batches, versions and transactions."""

import pytest
from pynamodb.attributes import (
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, TransactWriteError, UpdateError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection, LocalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite

CUSTOMERS = 5
ORDERS = 30


class Address(MapAttribute):
    street = UnicodeAttribute()
    city = UnicodeAttribute()


@pytest.fixture(scope="module")
def order_model(daemon):
    class ByStatus(GlobalSecondaryIndex):
        class Meta:
            index_name = "by-status"
            projection = AllProjection()

        status = UnicodeAttribute(hash_key=True)
        cents = NumberAttribute(range_key=True)

    class ByAmount(LocalSecondaryIndex):
        class Meta:
            index_name = "by-amount"
            projection = KeysOnlyProjection()

        customer = UnicodeAttribute(hash_key=True)
        cents = NumberAttribute(range_key=True)

    class Order(Model):
        class Meta:
            table_name = "Orders"
            host = daemon.url
            region = "us-east-1"
            aws_access_key_id = "test"
            aws_secret_access_key = "test"
            billing_mode = "PAY_PER_REQUEST"

        customer = UnicodeAttribute(hash_key=True)
        number = NumberAttribute(range_key=True)
        status = UnicodeAttribute(default="open")
        cents = NumberAttribute()
        labels = UnicodeSetAttribute(null=True)
        address = Address(null=True)
        history = ListAttribute(default=list)
        version = VersionAttribute()
        by_status = ByStatus()
        by_amount = ByAmount()

    Order.create_table(wait=True)
    with Order.batch_write() as batch:
        for customer in range(CUSTOMERS):
            for number in range(ORDERS):
                batch.save(order(Order, customer, number))
    return Order


def order(model, customer, number):
    return model(
        f"customer {customer}",
        number,
        cents=(number * 37) % 1000,
        status="open" if number % 3 else "paid",
        labels={"gift"} if number % 10 == 0 else None,
        address=Address(street=f"{number} Main Street", city="Vík"),
    )


def test_orders_are_read_back_whole(order_model):
    found = order_model.get("customer 2", 20, consistent_read=True)
    assert (found.cents, found.status, found.labels) == (740, "open", {"gift"})
    assert found.address.city == "Vík"


def test_indexes_answer_in_their_order(order_model):
    paid = list(order_model.by_status.query("paid", order_model.cents.between(100, 500)))
    expected = [
        (number * 37) % 1000 for number in range(0, ORDERS, 3) if 100 <= (number * 37) % 1000 <= 500
    ] * CUSTOMERS
    assert [found.cents for found in paid] == sorted(expected)
    cheapest = list(order_model.by_amount.query("customer 1", limit=3))
    assert [found.cents for found in cheapest] == sorted((number * 37) % 1000 for number in range(ORDERS))[:3]


def test_a_scan_with_a_filter_is_paged(order_model):
    found = order_model.scan(order_model.labels.contains("gift"), page_size=11)
    assert sum(1 for _ in found) == CUSTOMERS * 3


def test_updates_are_atomic_and_versions_are_kept(order_model):
    mine = order_model.get("customer 0", 1)
    stale = order_model.get("customer 0", 1)
    mine.update(
        actions=[
            order_model.cents.add(5),
            order_model.history.set(order_model.history.append(["raised"])),
            order_model.address.city.set("Selfoss"),
        ],
        condition=order_model.status == "open",
    )
    assert (mine.cents, mine.history, mine.address.city) == (42, ["raised"], "Selfoss")
    with pytest.raises(UpdateError) as refused:
        stale.update(actions=[order_model.cents.set(0)])
    assert refused.value.cause_response_code == "ConditionalCheckFailedException"


def test_a_put_does_not_replace_what_is_there(order_model):
    with pytest.raises(PutError):
        order(order_model, 3, 3).save(condition=order_model.number.does_not_exist())


def test_a_transaction_moves_money_or_does_not(order_model, daemon):
    connection = Connection(region="us-east-1", host=daemon.url)
    connection.session.set_credentials("test", "test")
    source, target = order_model.get("customer 4", 10), order_model.get("customer 4", 11)
    total = source.cents + target.cents
    with TransactWrite(connection=connection) as transaction:
        transaction.update(source, actions=[order_model.cents.add(-100)], condition=order_model.cents >= 100)
        transaction.update(target, actions=[order_model.cents.add(100)])
    with pytest.raises(TransactWriteError), TransactWrite(connection=connection) as transaction:
        transaction.update(
            order_model.get("customer 4", 10), actions=[order_model.cents.add(-10_000)],
            condition=order_model.cents >= 10_000,
        )
        transaction.update(order_model.get("customer 4", 11), actions=[order_model.cents.add(10_000)])
    with TransactGet(connection=connection) as transaction:
        reads = [transaction.get(order_model, "customer 4", number) for number in (10, 11)]
    assert sum(read.get().cents for read in reads) == total


def test_a_batch_of_reads_and_a_batch_of_deletes(order_model):
    keys = [("customer 3", number) for number in range(ORDERS)]
    assert sum(1 for _ in order_model.batch_get(keys)) == ORDERS
    with order_model.batch_write() as batch:
        for found in order_model.query("customer 3", order_model.number >= 20):
            batch.delete(found)
    assert order_model.count("customer 3") == 20
