"""Idempotency tokens of transactions outlive the daemon, whether it is stopped or killed."""

import pytest
from botocore.exceptions import ClientError

from daemon import Daemon

TABLE = "accounts"
KEYS = [f"account-{number}" for number in range(8)]


@pytest.fixture
def daemon(tmp_path):
    daemon = Daemon(tmp_path / "data", "--shards", "2").start()
    client = daemon.client()
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield daemon
    daemon.kill()


def stop(daemon):
    assert daemon.stop() == 0, daemon.log()


def deposit(client, keys, amount, token):
    """Adds to several accounts, which is seen when it is done twice."""
    return client.transact_write_items(
        TransactItems=[
            {
                "Update": {
                    "TableName": TABLE,
                    "Key": {"pk": {"S": key}},
                    "UpdateExpression": "ADD amount :amount",
                    "ExpressionAttributeValues": {":amount": {"N": str(amount)}},
                }
            }
            for key in keys
        ],
        ClientRequestToken=token,
        ReturnConsumedCapacity="TOTAL",
    )


def deposit_by_statement(client, key, amount, token):
    return client.execute_transaction(
        TransactStatements=[
            {
                "Statement": f'UPDATE "{TABLE}" SET amount = amount + ? WHERE pk = ?',
                "Parameters": [{"N": str(amount)}, {"S": key}],
            }
        ],
        ClientRequestToken=token,
    )


def amounts(client):
    items = client.scan(TableName=TABLE, ConsistentRead=True)["Items"]
    return {item["pk"]["S"]: int(item["amount"]["N"]) for item in items}


@pytest.mark.parametrize("end", [stop, Daemon.kill], ids=["stopped", "killed"])
# One item: one shard, one entry. All of them: over both shards.
@pytest.mark.parametrize("keys", [KEYS[:1], KEYS], ids=["one-item", "both-shards"])
def test_a_request_that_was_answered_is_not_done_again(daemon, end, keys):
    first = deposit(daemon.client(), keys, 5, "token")
    assert "WriteCapacityUnits" in first["ConsumedCapacity"][0]
    for _ in range(2):
        end(daemon)
        daemon.start()
        again = deposit(daemon.client(), keys, 5, "token")
        # The replay is charged as the reads that it is.
        assert "ReadCapacityUnits" in again["ConsumedCapacity"][0]
        assert amounts(daemon.client()) == dict.fromkeys(keys, 5)
    with pytest.raises(ClientError) as other_request:
        deposit(daemon.client(), keys, 6, "token")
    assert other_request.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"
    deposit(daemon.client(), keys, 1, "another token")
    assert amounts(daemon.client()) == dict.fromkeys(keys, 6)


@pytest.mark.parametrize("end", [stop, Daemon.kill], ids=["stopped", "killed"])
def test_tokens_of_statements_are_a_space_of_their_own(daemon, end):
    deposit(daemon.client(), KEYS[:1], 5, "token")
    deposit_by_statement(daemon.client(), KEYS[0], 7, "token")
    end(daemon)
    daemon.start()
    deposit_by_statement(daemon.client(), KEYS[0], 7, "token")
    deposit(daemon.client(), KEYS[:1], 5, "token")
    assert amounts(daemon.client()) == {KEYS[0]: 12}
