"""The Python client of the binary protocol beside boto3: the same calls, the same outcomes."""

import re
import struct
import sys
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from daemon import Daemon, free_port

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "server/client-python"))

import basalt_client  # noqa: E402
from basalt_client import document, frames, stored  # noqa: E402

ITEM = {
    "pk": {"S": "a"}, "n": {"N": "1.50"}, "b": {"B": b"\x00\x01"}, "t": {"BOOL": True}, "nothing": {"NULL": True},
    "ss": {"SS": ["y", "x"]}, "ns": {"NS": ["2", "-1e3", "0.25"]}, "bs": {"BS": [b"\x00", b"\xff"]},
    "l": {"L": [{"S": "größer"}, {"M": {"deep": {"L": []}}}]}, "m": {"M": {"k": {"N": "7"}}},
}
KEY = {"pk": {"S": "a"}}
MANY = [{"PutRequest": {"Item": {"pk": {"S": f"k{n}"}, "n": {"N": str(n)}, "x": {"S": "x" * 5000}}}} for n in range(25)]

CASES = [
    ("create_table", {
        "TableName": "rocks", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    }),
    ("put_item", {"TableName": "rocks", "Item": ITEM, "ReturnConsumedCapacity": "TOTAL"}),
    ("put_item", {"TableName": "rocks", "Item": ITEM, "ReturnValues": "ALL_OLD"}),
    ("put_item", {"TableName": "rocks", "Item": ITEM, "ConditionExpression": "attribute_not_exists(pk)",
                  "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
    ("put_item", {"TableName": "rocks", "Item": {"pk": {"S": "a"}, "x": {"SS": ["a", "a"]}}}),
    ("put_item", {"TableName": "rocks", "Item": {"pk": {"S": "a"}, "x": {"N": "1" * 39}}}),
    ("put_item", {"TableName": "rocks", "Item": {"pk": {"S": "a"}, "x": {"N": "ten"}}}),
    ("put_item", {"TableName": "rocks", "Item": {"pk": {"S": "a"}, "x": {"N": "1e126"}}}),
    ("put_item", {"TableName": "nowhere", "Item": ITEM}),
    ("put_item", {}),
    ("update_item", {"TableName": "rocks", "Key": KEY, "UpdateExpression": "SET #n = #n + :one ADD ss :more",
                     "ExpressionAttributeNames": {"#n": "n"}, "ReturnValues": "ALL_NEW",
                     "ExpressionAttributeValues": {":one": {"N": "1"}, ":more": {"SS": ["z"]}}}),
    ("update_item", {"TableName": "rocks", "Key": KEY, "UpdateExpression": "SET nonsense"}),
    ("get_item", {"TableName": "rocks", "Key": KEY, "ConsistentRead": True}),
    ("get_item", {"TableName": "rocks", "Key": {"pk": {"S": "nobody"}}}),
    ("batch_write_item", {"RequestItems": {"rocks": MANY}}),
    ("batch_get_item", {"RequestItems": {"rocks": {"Keys": [{"pk": {"S": f"k{n}"}} for n in range(20)]}}}),
    ("query", {"TableName": "rocks", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "a"}}}),
    ("scan", {"TableName": "rocks", "FilterExpression": "n > :n", "ExpressionAttributeValues": {":n": {"N": "5"}}}),
    ("transact_write_items", {"TransactItems": [
        {"Put": {"TableName": "rocks", "Item": {"pk": {"S": "t"}}, "ConditionExpression": "attribute_exists(pk)"}},
        {"Delete": {"TableName": "rocks", "Key": {"pk": {"S": "k1"}}}}]}),
    ("transact_get_items", {"TransactItems": [{"Get": {"TableName": "rocks", "Key": KEY}}]}),
    ("execute_statement", {"Statement": "SELECT * FROM rocks WHERE pk = ?", "Parameters": [{"S": "a"}]}),
    ("batch_execute_statement", {"Statements": [{"Statement": "INSERT INTO rocks VALUE {'pk': 'a'}"}]}),
    ("execute_transaction", {"TransactStatements": [{"Statement": "DELETE FROM rocks WHERE pk = 'k2'"}]}),
    ("delete_item", {"TableName": "rocks", "Key": KEY, "ReturnValues": "ALL_OLD"}),
    ("list_tables", {}),
]


@pytest.fixture
def native(tmp_path):
    """Starts daemons that speak both protocols; kills them when the test ends."""
    started = []

    def start(name, *arguments):
        port = free_port()
        daemon = Daemon(tmp_path / name, "--native-listen", f"127.0.0.1:{port}", *arguments)
        daemon.native_port = port
        started.append(daemon)
        return daemon.start()

    yield start
    for daemon in started:
        daemon.kill()


def connect(daemon):
    return basalt_client.Client("127.0.0.1", daemon.native_port, "id", "secret")


def outcome(call):
    try:
        answer = dict(call())
    except (ClientError, basalt_client.ServiceError) as error:
        told = error.response["Error"]
        return told["Code"], told["Message"], error.response.get("Item"), reasons(error.response)
    answer.pop("ResponseMetadata", None)
    return comparable(answer)


def reasons(response):
    return response.get("CancellationReasons")


def comparable(answer):
    """Tables have times and numbers of their own, and an order in which they are scanned."""
    compared = {name: value for name, value in answer.items() if name != "TableDescription"}
    if "Items" in compared:
        compared["Items"] = sorted(compared["Items"], key=lambda item: item["pk"]["S"])
    return compared


def test_every_call_comes_to_what_it_comes_to_in_boto3(native):
    theirs, ours = native("boto3"), native("native")
    boto3_client = theirs.client(parameter_validation=False)
    with connect(ours) as client:
        for operation, members in CASES:
            expected = outcome(lambda: getattr(boto3_client, operation)(**members))
            assert outcome(lambda: getattr(client, operation)(**members)) == expected, (operation, members)


def test_answers_find_their_calls_among_many(native):
    daemon = native("many")
    with connect(daemon) as client:
        client.create_table(**CASES[0][1])

        def write_and_read(thread):
            futures = [client.submit("put_item", TableName="rocks", Item={"pk": {"S": f"{thread}-{n}"}, "n": {"N": str(n)}})
                       for n in range(100)]
            for future in futures:
                future.result()
            reads = [client.submit("get_item", TableName="rocks", Key={"pk": {"S": f"{thread}-{n}"}}) for n in range(100)]
            read[thread] = [future.result()["Item"]["n"]["N"] for future in reads]

        read = {}
        threads = [threading.Thread(target=write_and_read, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read == {thread: [str(n) for n in range(100)] for thread in range(4)}


def test_pages_come_one_after_the_other(native):
    daemon = native("pages")
    with connect(daemon) as client:
        client.create_table(**CASES[0][1])
        client.batch_write_item(RequestItems={"rocks": MANY})
        pages = list(client.pages("scan", TableName="rocks", Limit=10))
        assert [page["Count"] for page in pages] == [10, 10, 5]
        assert "LastEvaluatedKey" not in pages[-1]
        first = next(client.pages("scan", TableName="rocks", Limit=1))
        assert first["Count"] == 1
        with pytest.raises(basalt_client.ServiceError, match="ResourceNotFound"):
            list(client.pages("scan", TableName="nowhere"))


def test_a_client_connects_again_after_the_daemon_was_killed(native):
    daemon = native("killed")
    with connect(daemon) as client:
        client.create_table(**CASES[0][1])
        client.put_item(TableName="rocks", Item=KEY)
        daemon.kill()
        with pytest.raises((basalt_client.ConnectionLost, OSError)):
            client.get_item(TableName="rocks", Key=KEY)
        daemon.start()
        assert client.get_item(TableName="rocks", Key=KEY)["Item"] == KEY


def specified(page, table):
    """The rows of a table of the specification: number and name."""
    text = (ROOT / "format-spec/spec" / page).read_text(encoding="utf-8")
    rows = text.split(f"<!-- table: {table} -->")[1].strip().split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip().strip("`") for cell in row.strip("|").split("|")] for row in rows]
    return [(int(cell[0]), cell[1], cell[2] if len(cell) > 2 else "") for cell in cells]


def test_the_numbers_are_those_of_the_specification():
    members = specified("native_document.md", "native_members")
    assert [(number, name) for number, name, _ in members] == list(enumerate(document.MEMBERS, document.MEMBER_MIN))
    for kind, names in [("item", document.HOLDS_ITEM), ("value", document.HOLDS_VALUE), ("names", document.HOLDS_NAMES)]:
        assert {name for _, name, holds in members if holds == kind} == names
    for table, names in [("native_operations", frames.OPERATIONS), ("native_exceptions", frames.EXCEPTIONS)]:
        assert [name for _, name, _ in specified("native_frame.md", table)] == list(names)


def golden(name):
    return (ROOT / f"format-spec/golden/v1/{name}.bin").read_bytes()


def test_golden_bytes_are_read_and_written():
    request = golden("native_request")
    body = document.encode({
        "TableName": "rocks", "KeyConditionExpression": "pk = :v",
        "ExpressionAttributeValues": {":v": {"S": "x"}}, "Limit": 10,
    })
    assert frames.frame(frames.REQUEST, 7, frames.FLAG_PAGES, 5, body) == request
    item = golden("item_of_every_type")
    assert stored.encode_item(stored.decode_item(item)) == item
    everything = document.decode(golden("native_document"))
    assert everything["Limit"] == -300 and everything["größer"] == "é" and everything["Parameters"] == [{"S": "x"}]


def test_a_damaged_frame_is_noticed():
    sound = frames.frame(frames.ANSWER, 1, body=b"body")
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1
        position = 0

        def read_exactly(count):
            nonlocal position
            data = bytes(damaged[position:position + count])
            position += count
            return data

        with pytest.raises((ValueError, struct.error)):
            frames.read_frame(read_exactly)


def test_the_client_needs_nothing_but_python():
    for source in (ROOT / "server/client-python/basalt_client").glob("*.py"):
        imported = re.findall(r"^(?:import|from) ([a-z0-9_]+)", source.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(imported) <= set(sys.stdlib_module_names), source
