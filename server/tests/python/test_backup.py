"""Backups of a daemon that is being written to, by the stock tools, to a directory and to a bucket."""

import random
import threading
import time

import boto3
import pytest
from botocore.exceptions import BotoCoreError
from moto.server import ThreadedMotoServer

import basaltctl
from daemon import Daemon, free_port

TABLE = "accounts"
WRITERS = 4
ACCOUNTS = 8
OPENING_BALANCE = 1000
# Small enough that partitions are split while backups are made.
SPLITTING = ("--partition-size", "64KiB")
INDEX_SECONDS_MAX = 20


def make_table(client):
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "turn", "AttributeType": "N"},
        ],
        GlobalSecondaryIndexes=[{
            "IndexName": "by_turn",
            "KeySchema": [{"AttributeName": "turn", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        BillingMode="PAY_PER_REQUEST",
    )


class Client(threading.Thread):
    """Does one turn after the other until it is told to stop, or the daemon is gone."""

    def __init__(self, client):
        super().__init__()
        self.client = client
        self.failure = None
        self.is_over = threading.Event()

    def run(self):
        try:
            while not self.is_over.is_set():
                self.do_turn()
        except BotoCoreError as failure:
            self.failure = failure

    def end(self):
        self.is_over.set()
        self.join()


class Writer(Client):
    """Writes turn after turn: an item of its own each, two of one transaction, on shards as it happens, and one more
    entry of its register's list."""

    def __init__(self, client, number):
        super().__init__(client)
        self.number = number
        self.begun = self.acknowledged = 0

    def do_turn(self):
        turn = self.begun + 1
        self.begun = turn
        self.client.put_item(TableName=TABLE, Item=self.item(f"turn-{turn}", turn))
        pair = [{"Put": {"TableName": TABLE, "Item": self.item(side, turn)}} for side in ("left", "right")]
        self.client.transact_write_items(TransactItems=pair)
        self.client.update_item(
            TableName=TABLE, Key={"pk": {"S": f"{self.number}-register"}},
            UpdateExpression="SET turns = list_append(if_not_exists(turns, :none), :turn)",
            ExpressionAttributeValues={":none": {"L": []}, ":turn": {"L": [{"N": str(turn)}]}},
        )
        self.acknowledged = turn

    def item(self, name, turn):
        return {"pk": {"S": f"{self.number}-{name}"}, "turn": {"N": str(turn)}, "data": {"S": "x" * 500}}


class Bank(Client):
    """Moves money from account to account, each time in one transaction: there is never more of it, nor less."""

    def __init__(self, client):
        super().__init__(client)
        self.random = random.Random(1)
        self.moved = 0

    def open_accounts(self):
        for account in range(ACCOUNTS):
            item = {"pk": {"S": f"account-{account}"}, "balance": {"N": str(OPENING_BALANCE)}}
            self.client.put_item(TableName=TABLE, Item=item)

    def do_turn(self):
        source, target = self.random.sample(range(ACCOUNTS), 2)
        amount = self.random.randint(1, 50)
        # Nobody else moves money, and what is refused for want of it is refused whole.
        try:
            self.client.transact_write_items(TransactItems=[change(source, -amount), change(target, amount)])
            self.moved += 1
        except self.client.exceptions.TransactionCanceledException:
            return


def change(account, amount):
    """An update of a balance that never makes it negative."""
    return {"Update": {
        "TableName": TABLE, "Key": {"pk": {"S": f"account-{account}"}},
        "UpdateExpression": "SET balance = balance + :amount",
        "ConditionExpression": "balance >= :least",
        "ExpressionAttributeValues": {":amount": {"N": str(amount)}, ":least": {"N": str(max(0, -amount))}},
    }}


def everything(client, **of_index):
    pages = client.get_paginator("scan").paginate(TableName=TABLE, **of_index)
    return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


def check(client, bounds):
    """What a writer was told of before the backup began is there, and nothing from after its end."""
    items = everything(client)
    for number, (least, most) in enumerate(bounds):
        left, right = (items.get(f"{number}-{side}") for side in ("left", "right"))
        turn = int(left["turn"]["N"]) if left else 0
        assert (left and left["turn"]) == (right and right["turn"]), "a transaction is whole"
        assert least <= turn <= most
        turns = {int(key.rsplit("-", 1)[1]) for key in items if key.startswith(f"{number}-turn-")}
        assert turns == set(range(1, len(turns) + 1)), "no write without those before it"
        assert turn <= len(turns) <= turn + 1
        register = items.get(f"{number}-register", {"turns": {"L": []}})
        appended = [int(entry["N"]) for entry in register["turns"]["L"]]
        assert appended == list(range(1, len(appended) + 1)), "a register has the turns in their order"
        assert len(appended) <= turn <= len(appended) + 1
    balances = [int(items[f"account-{account}"]["balance"]["N"]) for account in range(ACCOUNTS)]
    assert sum(balances) == ACCOUNTS * OPENING_BALANCE, balances
    assert min(balances) >= 0
    indexed = {key: item for key, item in items.items() if "turn" in item}
    deadline = time.monotonic() + INDEX_SECONDS_MAX
    while everything(client, IndexName="by_turn") != indexed:
        assert time.monotonic() < deadline, "the index comes to match its table"
        time.sleep(0.05)  # Nothing tells a client that an index has caught up.


def start_load(daemon):
    """Starts the writers and the bank."""
    make_table(daemon.client())
    bank = Bank(daemon.client())
    bank.open_accounts()
    writers = [Writer(daemon.client(), number) for number in range(WRITERS)]
    for client in [*writers, bank]:
        client.start()
    return writers, bank


@pytest.fixture
def loaded(tmp_path):
    """A daemon that is written to, and its writers."""
    admin = f"127.0.0.1:{free_port()}"
    daemon = Daemon(tmp_path / "data", "--admin-listen", admin, "--shards", "2", *SPLITTING).start()
    writers, bank = start_load(daemon)
    yield daemon, f"http://{admin}", writers
    for client in [*writers, bank]:
        client.end()
        assert client.failure is None
    assert bank.moved > 0
    assert daemon.stop() == 0, daemon.log()


def backed_up(writers, *arguments, environment=None):
    """Makes a backup and returns what each writer's turn may be in it."""
    least = [writer.acknowledged for writer in writers]
    report = basaltctl.report("backup", *arguments, environment=environment)
    return report, list(zip(least, [writer.begun for writer in writers]))


def restored(tmp_path, backup, bounds, name, environment=None):
    directory = tmp_path / name
    basaltctl.report("restore", "--from", backup, "--to", directory, environment=environment)
    assert basaltctl.report("verify", directory)["is_sound"]
    daemon = Daemon(directory, *SPLITTING).start()
    try:
        check(daemon.client(), bounds)
    finally:
        assert daemon.stop() == 0, daemon.log()


def until_turn(writers, turn):
    while min(writer.acknowledged for writer in writers) < turn:
        assert all(writer.is_alive() for writer in writers)
        time.sleep(0.01)  # Writers tell nobody.


def test_backups_under_load_restore_to_one_instant_each(loaded, tmp_path):
    daemon, admin, writers = loaded
    until_turn(writers, 30)
    full, of_full = backed_up(writers, "--from", admin, "--to", tmp_path / "full")
    assert not full["is_incremental"]
    until_turn(writers, 60)
    arguments = ("--from", admin, "--to", tmp_path / "more", "--base", tmp_path / "full")
    more, of_more = backed_up(writers, *arguments)
    assert more["is_incremental"]
    assert basaltctl.report("backup", "verify", tmp_path / "more")["backups"] == 2
    compacted = basaltctl.report("compact", admin)
    assert compacted["bytes_after"] <= compacted["bytes_before"]
    restored(tmp_path, tmp_path / "full", of_full, "of full")
    restored(tmp_path, tmp_path / "more", of_more, "of more")
    assert daemon.process.poll() is None, daemon.log()


def test_a_bucket_holds_backups_as_a_directory_does(loaded, tmp_path):
    _, admin, writers = loaded
    store = ThreadedMotoServer(port=0)
    store.start()
    host, port = store.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    }
    try:
        boto3.client(
            "s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        ).create_bucket(Bucket="backups")
        until_turn(writers, 20)
        arguments = ("--from", admin, "--to", "s3://backups/monday")
        _, _ = backed_up(writers, *arguments, environment=environment)
        until_turn(writers, 40)
        arguments = ("--from", admin, "--to", "s3://backups/tuesday", "--base", "s3://backups/monday")
        _, bounds = backed_up(writers, *arguments, environment=environment)
        basaltctl.report("backup", "verify", "s3://backups/tuesday", environment=environment)
        restored(tmp_path, "s3://backups/tuesday", bounds, "of bucket", environment=environment)
    finally:
        store.stop()


def test_what_a_kill_leaves_verifies_and_is_salvaged_whole(tmp_path):
    """No false alarm on what a crash leaves; salvage finds what a start does: splits, transactions, the log's tail."""
    daemon = Daemon(tmp_path / "data", "--shards", "2", *SPLITTING).start()
    writers, bank = start_load(daemon)
    until_turn(writers, 60)
    daemon.kill()
    for client in [*writers, bank]:
        client.end()
    assert basaltctl.report("verify", tmp_path / "data")["contradictions"] == []
    salvaged = basaltctl.report("salvage", tmp_path / "data", "--to", tmp_path / "salvaged")
    assert salvaged["lost"] == []
    served = {}
    for name in ("data", "salvaged"):
        daemon = Daemon(tmp_path / name, *SPLITTING).start()
        served[name] = everything(daemon.client())
        assert daemon.stop() == 0, daemon.log()
    assert served["salvaged"] == served["data"]
