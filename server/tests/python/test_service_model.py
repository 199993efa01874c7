"""Walks the service models that botocore ships: every operation is answered, and no member of a request is dropped.

DynamoDB ignores members that it does not know, and tells a value of the wrong JSON type before anything else. So a
member that is given such a value shows whether the server reads it at all: one that is read is a
SerializationException, one that Basalt refuses to have is told by its name, and one that would be dropped in silence
leads to some other answer, which is a fault.
"""

import json
import pathlib
import re
import urllib.error
import urllib.request

import botocore.session
import pytest

README = pathlib.Path(__file__).parents[3] / "README.md"
SERVICES = ("dynamodb", "dynamodbstreams")
TABLE = "walked"
TABLE_ARN = f"arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}"
BACKUP_ARN = f"{TABLE_ARN}/backup/01489602797149-73d8d5bc"
KEYS = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}
# Requests that would be done but for the member in question, where a refusal of that comes after other checks.
COMPLETE = {
    "CreateTable": {"TableName": "another", "BillingMode": "PAY_PER_REQUEST", **KEYS},
    "UpdateTable": {"TableName": TABLE, "DeletionProtectionEnabled": False},
}
# Operations that no member can lead to success, because what they work on does not exist in Basalt, and how they fail.
CAN_ONLY_FAIL = {
    "ExportTableToPointInTime": (
        {"TableArn": TABLE_ARN, "S3Bucket": "bucket"}, "PointInTimeRecoveryUnavailableException",
    ),
    "RestoreTableFromBackup": ({"TargetTableName": "restored", "BackupArn": BACKUP_ARN}, "BackupNotFoundException"),
    "RestoreTableToPointInTime": (
        {"SourceTableName": TABLE, "TargetTableName": "restored", "UseLatestRestorableTime": True},
        "PointInTimeRecoveryUnavailableException",
    ),
    "SearchVectors": (
        {"TableName": TABLE, "IndexName": "vectors", "SearchVector": [1.0], "TopK": 1}, "ValidationException",
    ),
    "UpdateGlobalTable": ({"GlobalTableName": TABLE, "ReplicaUpdates": []}, "GlobalTableNotFoundException"),
    "UpdateGlobalTableSettings": ({"GlobalTableName": TABLE}, "GlobalTableNotFoundException"),
}
# What no member of a type can be.
WRONG_VALUE = {"list": {}, "map": [], "structure": []}


def operations():
    """Every operation of the models, with the target prefix of its service."""
    session = botocore.session.get_session()
    for service in SERVICES:
        model = session.get_service_model(service)
        for name in model.operation_names:
            yield model.metadata["targetPrefix"], model.operation_model(name)


def call(daemon, target, body):
    """The status and the body of one raw request."""
    request = urllib.request.Request(
        daemon.url,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": target,
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=f",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def table(daemon):
    status, reply = call(
        daemon, "DynamoDB_20120810.CreateTable", {"TableName": TABLE, "BillingMode": "PAY_PER_REQUEST", **KEYS}
    )
    assert status == 200, reply


def error_type(reply):
    return reply.get("__type", "").rpartition("#")[2]


def documented_as_not_done():
    """The operations that README's table names as unknown."""
    return {
        name
        for cell in re.findall(r"\*\*([^*|]*): unknown operation\*\*", README.read_text())
        for name in re.findall(r"[A-Z]\w+", cell)
    }


def test_every_operation_is_answered_or_documented_as_not_done(daemon):
    refused, names = set(), set()
    for prefix, operation in operations():
        names.add(operation.name)
        status, reply = call(daemon, f"{prefix}.{operation.name}", {})
        assert status in (200, 400), (operation.name, status, reply)
        if error_type(reply) == "UnknownOperationException":
            assert operation.name in reply.get("message", ""), f"{operation.name} is not known at all: {reply}"
            refused.add(operation.name)
    assert len(names) == 66
    # EnableKinesisStreamingDestination and the like are told by what they would begin: "enabling".
    spoken = documented_as_not_done()
    assert {name for name in refused if not name.startswith("Enable")} == spoken & names
    assert len(refused) == 7


def members_of(shape, seen=()):
    """Paths to every member below `shape`, each with the shapes that it leads through."""
    if shape.type_name == "structure":
        if shape.name in seen:
            return
        for name, member in shape.members.items():
            yield [(shape, name)]
            for rest in members_of(member, (*seen, shape.name)):
                yield [(shape, name), *rest]
    elif shape.type_name in ("list", "map"):
        inner = shape.member if shape.type_name == "list" else shape.value
        yield [(shape, None)]
        for rest in members_of(inner, seen):
            yield [(shape, None), *rest]


def leaf_of(path):
    shape, name = path[-1]
    if name is not None:
        return shape.members[name]
    return shape.member if shape.type_name == "list" else shape.value


def request_with(operation, path):
    """A request with a value of the wrong type for the member at the end of `path`."""
    value = WRONG_VALUE.get(leaf_of(path).type_name, {})
    for shape, name in reversed(path):
        value = [value] if shape.type_name == "list" else {name or "name": value}
    return {**COMPLETE.get(operation.name, {}), **value}


def printed(path):
    return ".".join(name or "*" for _, name in path)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("name", CAN_ONLY_FAIL)
def test_what_does_not_exist_cannot_be_worked_on(daemon, name):
    request, exception = CAN_ONLY_FAIL[name]
    status, reply = call(daemon, f"DynamoDB_20120810.{name}", request)
    assert (status, error_type(reply)) == (400, exception), reply


def cases():
    """Operations that may succeed, and have members."""
    return [
        pytest.param(prefix, operation, id=operation.name)
        for prefix, operation in operations()
        if operation.input_shape.members and operation.name not in CAN_ONLY_FAIL
    ]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(("prefix", "operation"), cases())
def test_no_member_is_dropped(daemon, prefix, operation):
    target = f"{prefix}.{operation.name}"
    if error_type(call(daemon, target, {})[1]) == "UnknownOperationException":
        return  # The whole operation is refused, as the test above holds.
    refused, dropped = [], []
    for path in members_of(operation.input_shape):
        name = printed(path)
        if any(name.startswith(above + ".") for above in refused):
            continue  # Refused as a whole.
        status, reply = call(daemon, target, request_with(operation, path))
        if error_type(reply) == "SerializationException":
            continue
        message = reply.get("message", "")
        if status == 400 and "does not support these members" in message and path[0][1] in message:
            refused.append(name)
            continue
        dropped.append((name, reply))
    assert not dropped, f"{operation.name}: {len(dropped)} members are not read: {dropped}"
