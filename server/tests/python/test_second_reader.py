"""The second reader, which was written from the format's tables, reads what the engine answers.

Directories are made by the real daemon: every type, large values, both kinds of indexes, streams, transactions under
way, tables that are gone; after a clean stop, and after kills under load that leave a log to replay. The reader reads
them as they lie there; then the daemon starts on them and is asked. Damaged copies must be noticed.
"""

import base64
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import boto3
import pytest
from boto3.dynamodb.types import Binary
from botocore.exceptions import BotoCoreError, ClientError

from daemon import Daemon

READER = pathlib.Path(__file__).resolve().parents[3] / "format-spec/python"
SEED = int(os.environ.get("SECOND_READER_SEED", "1"))
WRITES, FEW_WRITES = 250, 40
KILLS = 2
WRITES_BEFORE_A_KILL = 150
FLIPS = 16
BEGINNING_BYTES = 1 << 20
ANSWER_SECONDS_MAX = 20


def read(directory, *arguments):
    """Runs the reader; returns its exit code, output and complaints."""
    environment = {**os.environ, "PYTHONPATH": str(READER), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "basalt_reader", str(directory), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout, done.stderr


def read_all(directory):
    """What the reader says that a directory holds: (table, index) to entries, and (table, partition) to records."""
    code, output, complaint = read(directory, "--indexes", "--streams")
    assert code == 0, complaint
    found, streams = {}, {}
    for line in output.splitlines():
        told = json.loads(line)
        if "Record" in told and not told.get("deleted"):
            streams.setdefault((told["Table"], told["Partition"]), []).append(record_form(told["Record"]))
        elif "Item" in told:
            found.setdefault((told["Table"], told.get("Index")), []).append(form(told["Item"]))
    return {place: sorted(items) for place, items in found.items()}, streams


def ask_all(client):
    """The same, as the daemon answers."""
    found = {}
    for table in client.list_tables()["TableNames"]:
        described = client.describe_table(TableName=table)["Table"]
        indexes = described.get("LocalSecondaryIndexes", []) + described.get("GlobalSecondaryIndexes", [])
        for index in [None, *(index["IndexName"] for index in indexes)]:
            name = {"IndexName": index, "Select": "ALL_PROJECTED_ATTRIBUTES"} if index else {}
            pages = client.get_paginator("scan").paginate(TableName=table, **name)
            items = [form(item) for page in pages for item in page["Items"]]
            if items:
                found[table, index] = sorted(items)
    return found


def form(item):
    """An item as text: equal items are equal texts."""
    return json.dumps({name: value_form(value) for name, value in item.items()}, sort_keys=True)


def value_form(value):
    (kind, content), = value.items()
    if kind == "M":
        return {kind: {name: value_form(inner) for name, inner in content.items()}}
    if kind == "L":
        return {kind: [value_form(inner) for inner in content]}
    if kind in ("SS", "NS", "BS"):
        return {kind: sorted(text_of(member) for member in content)}
    return {kind: content if isinstance(content, bool) else text_of(content)}


def text_of(content):
    raw = content.value if isinstance(content, Binary) else content
    return base64.b64encode(raw).decode() if isinstance(raw, bytes) else raw


def record_form(record):
    images = {name: form(record[name]) for name in ("Keys", "NewImage", "OldImage") if name in record}
    return json.dumps([record["eventName"], images], sort_keys=True)


class Load:
    """Tables and random writes to them."""

    def __init__(self, daemon, seed, large_bytes_max=180_000):
        self.daemon, self.random, self.large_bytes_max = daemon, random.Random(seed), large_bytes_max

    def make_tables(self):
        client = self.daemon.client()
        attribute = lambda name, kind: {"AttributeName": name, "AttributeType": kind}
        key = lambda *names: [
            {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"))
        ]
        everything = {"ProjectionType": "ALL"}
        some = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["text"]}
        client.create_table(
            TableName="indexed",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[attribute("pk", "S"), attribute("sk", "N"), attribute("a", "S"), attribute("b", "B")],
            KeySchema=key("pk", "sk"),
            LocalSecondaryIndexes=[
                {"IndexName": "by_a", "KeySchema": key("pk", "a"), "Projection": {"ProjectionType": "KEYS_ONLY"}},
                {"IndexName": "by_b", "KeySchema": key("pk", "b"), "Projection": everything},
            ],
            GlobalSecondaryIndexes=[{"IndexName": "of_a", "KeySchema": key("a", "sk"), "Projection": some}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        for name, kind in (("numbered", "N"), ("binary", "B"), ("gone", "S")):
            client.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[attribute("pk", kind)],
                KeySchema=key("pk"),
            )
        client.put_item(TableName="gone", Item={"pk": {"S": "forgotten"}})
        client.delete_table(TableName="gone")

    def write(self, client):
        """One random write, of one item or of several at once."""
        choice = self.random.random()
        if choice < 0.5:
            self._put(client)
        elif choice < 0.7:
            client.delete_item(TableName="indexed", Key=self._key())
        elif choice < 0.8:
            client.put_item(TableName="numbered", Item={"pk": self._number(), "value": self._value(0)})
        elif choice < 0.85:
            client.put_item(TableName="binary", Item={"pk": {"B": self.random.randbytes(9)}})
        else:
            self.transact(client, f"{self.random.random()}")

    def transact(self, client, mark):
        """Puts an item of each of several partition keys, all of them or none."""
        items = [{**self._key(), "a": {"S": "t"}, "text": {"S": mark}} for _ in range(12)]
        of_each = {item["pk"]["S"]: item for item in items}
        puts = [{"Put": {"TableName": "indexed", "Item": item}} for item in of_each.values()]
        client.transact_write_items(TransactItems=puts)

    def _put(self, client):
        item = {**self._key(), "value": self._value(0), "text": self._text()}
        if self.random.random() < 0.7:
            item["a"] = {"S": f"a{self.random.randrange(5)}"}
        if self.random.random() < 0.5:
            item["b"] = {"B": self.random.randbytes(3)}
        if self.random.random() < 0.05:
            item["large"] = {"B": self.random.randbytes(self.random.randrange(self.large_bytes_max))}
        client.put_item(TableName="indexed", Item=item)

    def _key(self):
        begins = self.random.choice(["short", "with\0zero", "m" * 30, "l" * 150, "x" * 700, ""])
        return {"pk": {"S": f"{begins}{self.random.randrange(9)}"}, "sk": {"N": str(self.random.randrange(-40, 40) / 4)}}

    def _number(self):
        return {"N": f"{self.random.randrange(-99999, 99999)}e{self.random.randrange(-90, 90)}"}

    def _text(self):
        return {"S": "ßä\0𝄞"[: self.random.randrange(5)]}

    def _value(self, level):
        members = range(self.random.randrange(4))
        kinds = [
            lambda: {"NULL": True},
            lambda: {"BOOL": self.random.random() < 0.5},
            self._number,
            self._text,
            lambda: {"B": self.random.randbytes(5)},
            lambda: {"SS": ["a", "b\0", "𝄞"]},
            lambda: {"NS": ["1", "-2.5", "1e30", "0"]},
            lambda: {"BS": [b"", b"\xff", b"\x00"]},
            lambda: {"L": [self._value(level + 1) for _ in members]},
            lambda: {"M": {f"n{place}": self._value(level + 1) for place in members}},
        ]
        return self.random.choice(kinds if level < 4 else kinds[:8])()


def kill_under_load(daemon, load):
    """Writes from several threads, transactions among them, and kills the daemon in the middle."""
    enough, over = threading.Event(), threading.Event()

    def keep_writing(seed):
        own, client, count = Load(daemon, seed), daemon.client(), 0
        while not over.is_set():
            try:
                if seed % 2:
                    own.write(client)
                else:
                    own.transact(client, str(count))
            except ClientError:
                pass  # A conflict of two transactions is an answer.
            except BotoCoreError:
                return  # The daemon is gone.
            count += 1
            if count == WRITES_BEFORE_A_KILL // 4:
                enough.set()

    seeds = [2 * load.random.randrange(1 << 30) + odd for odd in (0, 1, 0, 1)]
    writers = [threading.Thread(target=keep_writing, args=(seed,)) for seed in seeds]
    for writer in writers:
        writer.start()
    enough.wait()
    daemon.kill()
    over.set()
    for writer in writers:
        writer.join()


def records_of_shards(daemon):
    """The records of each shard of the one stream, from its beginning."""
    streams = boto3.client("dynamodbstreams", **daemon._session({}))
    arn = streams.list_streams(TableName="indexed")["Streams"][0]["StreamArn"]
    shards = {}
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        name = {"StreamArn": arn, "ShardId": shard["ShardId"]}
        iterator = streams.get_shard_iterator(ShardIteratorType="TRIM_HORIZON", **name)["ShardIterator"]
        found = shards.setdefault(shard["ShardId"], [])
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            if not page["Records"]:
                break
            found += [record_form({**record["dynamodb"], "eventName": record["eventName"]}) for record in page["Records"]]
            iterator = page.get("NextShardIterator")
    return shards


def check_against_daemon(directory, daemon, is_settled):
    """The reader's answer on the directory as it lies there, and the daemon's after starting on it."""
    items, streams = read_all(directory)
    daemon.start()
    client = daemon.client()
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    # What a crash left on its way to an index arrives by itself.
    while (answered := ask_all(client)) != items and time.monotonic() < deadline:
        pass
    assert answered.keys() == items.keys()
    for place, entries in items.items():
        assert answered[place] == entries, place
    shards = list(records_of_shards(daemon).values())
    for place, records in streams.items():
        begins = [shard for shard in shards if shard[: len(records)] == records]
        assert begins, f"no shard begins with the {len(records)} records of {place}"
        # Settling a transaction that a crash interrupted adds its records.
        assert not is_settled or records in shards
    return items


@pytest.fixture
def daemon(tmp_path):
    """A running daemon on a new directory; it ends with the test, however that ends."""
    print(f"SECOND_READER_SEED={SEED}")
    daemon = Daemon(tmp_path / "data").start()
    yield daemon
    if daemon.process.poll() is None:
        daemon.kill()


def write(daemon, writes):
    """Makes the tables and so many writes; returns what can go on with that."""
    load, client = Load(daemon, SEED), daemon.client()
    load.make_tables()
    for _ in range(writes):
        load.write(client)
    return load


def test_the_reader_agrees_after_a_clean_stop_and_after_kills(daemon):
    load = write(daemon, WRITES)
    assert daemon.stop() == 0, daemon.log()
    items = check_against_daemon(daemon.directory, daemon, is_settled=True)
    assert {place for place in items if place[0] == "indexed"} == {
        ("indexed", index) for index in (None, "by_a", "by_b", "of_a")
    }
    for _ in range(KILLS):
        kill_under_load(daemon, load)
        check_against_daemon(daemon.directory, daemon, is_settled=False)
    assert daemon.stop() == 0, daemon.log()
    check_against_daemon(daemon.directory, daemon, is_settled=True)


def test_what_deleted_tables_have_left_is_read(daemon):
    client, put = daemon.client(), lambda table, key: {"Put": {"TableName": table, "Item": {"pk": {"S": key}}}}
    for table, stream in (("told", {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}), ("silent", None)):
        client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            **({"StreamSpecification": stream} if stream else {}),
        )
        client.transact_write_items(TransactItems=[put(table, "a"), put(table, "b")], ClientRequestToken=f"once {table}")
        client.delete_table(TableName=table)
    assert daemon.stop() == 0, daemon.log()
    code, output, complaint = read(daemon.directory, "--streams")
    assert code == 0, complaint
    records = [json.loads(line) for line in output.splitlines()]
    assert {(record["Table"], record["deleted"]) for record in records} == {("told", True)}
    assert sorted(record["Record"]["NewImage"]["pk"]["S"] for record in records) == ["a", "b"]


def test_a_damaged_directory_is_noticed_or_reads_the_same(daemon):
    load = write(daemon, FEW_WRITES)
    # After a kill, damage to the very last frame would look like a write that the crash tore.
    assert daemon.stop() == 0, daemon.log()
    directory = pathlib.Path(daemon.directory)
    sound, noticed = read_all(directory), 0
    for _ in range(FLIPS):
        path, at, bit = a_bit(directory, load.random)
        flip(path, at, bit)
        code, _, complaint = read(directory, "--verify")
        what = (path.name, at, bit, complaint)
        if code == 0:
            assert read_all(directory) == sound, what
        else:
            assert code == 1 and complaint.startswith("damaged: "), what
            noticed += 1
        flip(path, at, bit)
    assert noticed > 0, "no flip was noticed"


def a_bit(directory, chance):
    """Some bit of a byte that is not zero, near the beginning of a file: most zeros are room that nothing used yet."""
    beginnings = {}
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        with open(path, "rb") as file:
            begins = file.read(BEGINNING_BYTES)
        beginnings[path] = [at for at, byte in enumerate(begins) if byte]
    path = chance.choice([path for path, places in beginnings.items() if places])
    return path, chance.choice(beginnings[path]), 1 << chance.randrange(8)


def flip(path, at, bit):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bit]))
