"""The AWS command line interface, as an operator types it: tables, batches from files, paging, transactions, PartiQL."""

import json
import os
import subprocess
import sys

import pytest

TABLE = "Observatory"
STATIONS = 3
READINGS = 40
BATCH = 25


@pytest.fixture(scope="module")
def aws(daemon):
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }
    program = os.path.join(os.path.dirname(sys.executable), "aws")

    def run(*arguments):
        command = [sys.executable, program, "--endpoint-url", daemon.url, "--output", "json", "dynamodb", *arguments]
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            raise RuntimeError(finished.stderr)
        return json.loads(finished.stdout) if finished.stdout.strip() else {}

    return run


@pytest.fixture(scope="module")
def loaded(aws, tmp_path_factory):
    aws(
        "create-table", "--table-name", TABLE, "--billing-mode", "PAY_PER_REQUEST",
        "--attribute-definitions", "AttributeName=station,AttributeType=S", "AttributeName=at,AttributeType=N",
        "--key-schema", "AttributeName=station,KeyType=HASH", "AttributeName=at,KeyType=RANGE",
        "--tags", "Key=purpose,Value=test",
    )
    aws("wait", "table-exists", "--table-name", TABLE)
    file = tmp_path_factory.mktemp("batches") / "batch.json"
    puts = [{"PutRequest": {"Item": reading(station, at)}} for station in range(STATIONS) for at in range(READINGS)]
    for start in range(0, len(puts), BATCH):
        file.write_text(json.dumps({TABLE: puts[start : start + BATCH]}), encoding="utf-8")
        answer = aws("batch-write-item", "--request-items", f"file://{file}", "--return-consumed-capacity", "TOTAL")
        assert answer["UnprocessedItems"] == {}
    return aws


def reading(station, at):
    return {
        "station": {"S": f"station {station}"},
        "at": {"N": str(at)},
        "celsius": {"N": f"{at / 4 - 3}"},
        "wind": {"M": {"speed": {"N": str(at % 9)}, "from": {"S": "NESW"[at % 4]}}},
    }


def test_a_query_with_filter_and_projection(loaded):
    answer = loaded(
        "query", "--table-name", TABLE,
        "--key-condition-expression", "station = :station AND #at BETWEEN :first AND :last",
        "--filter-expression", "wind.speed > :calm",
        "--projection-expression", "#at, wind.speed",
        "--expression-attribute-names", '{"#at": "at"}',
        "--expression-attribute-values",
        '{":station": {"S": "station 1"}, ":first": {"N": "10"}, ":last": {"N": "19"}, ":calm": {"N": "4"}}',
    )
    expected = [at for at in range(10, 20) if at % 9 > 4]
    assert [int(item["at"]["N"]) for item in answer["Items"]] == expected
    assert answer["ScannedCount"] == 10
    assert answer["Items"][0].keys() == {"at", "wind"}


def test_a_scan_is_paged_by_the_client(loaded):
    items = loaded("scan", "--table-name", TABLE, "--page-size", "7")["Items"]
    assert len(items) == STATIONS * READINGS
    first = loaded("scan", "--table-name", TABLE, "--max-items", "10")
    rest = loaded("scan", "--table-name", TABLE, "--starting-token", first["NextToken"])
    assert len(first["Items"]) + len(rest["Items"]) == STATIONS * READINGS


def test_an_update_with_a_condition(loaded):
    key = json.dumps({"station": {"S": "station 0"}, "at": {"N": "3"}})
    update = [
        "update-item", "--table-name", TABLE, "--key", key,
        "--update-expression", "SET checked = :yes ADD revision :one",
        "--condition-expression", "attribute_not_exists(checked)",
        "--expression-attribute-values", '{":yes": {"BOOL": true}, ":one": {"N": "1"}}',
        "--return-values", "UPDATED_NEW",
    ]
    assert loaded(*update)["Attributes"] == {"checked": {"BOOL": True}, "revision": {"N": "1"}}
    with pytest.raises(RuntimeError, match="ConditionalCheckFailedException"):
        loaded(*update)


def test_a_transaction_is_whole_or_not_at_all(loaded):
    def put(at, condition):
        item = {"station": {"S": "transactions"}, "at": {"N": str(at)}}
        return {"Put": {"TableName": TABLE, "Item": item, "ConditionExpression": condition}}

    absent = "attribute_not_exists(station)"
    loaded("transact-write-items", "--transact-items", json.dumps([put(1, absent), put(2, absent)]))
    with pytest.raises(RuntimeError, match=r"\[None, ConditionalCheckFailed\]"):
        loaded("transact-write-items", "--transact-items", json.dumps([put(3, absent), put(2, absent)]))
    reads = [
        {"Get": {"TableName": TABLE, "Key": {"station": {"S": "transactions"}, "at": {"N": str(at)}}}}
        for at in (1, 2, 3)
    ]
    answers = loaded("transact-get-items", "--transact-items", json.dumps(reads))["Responses"]
    assert ["Item" in answer for answer in answers] == [True, True, False]


def test_statements_in_partiql(loaded):
    loaded(
        "execute-statement", "--statement",
        f"INSERT INTO \"{TABLE}\" VALUE {{'station': 'statements', 'at': 1, 'celsius': 20}}",
    )
    loaded(
        "execute-statement", "--statement",
        f"UPDATE \"{TABLE}\" SET celsius = celsius + ? WHERE station = ? AND \"at\" = 1",
        "--parameters", '[{"N": "2.5"}, {"S": "statements"}]',
    )
    answer = loaded(
        "execute-statement", "--statement", f"SELECT celsius FROM \"{TABLE}\" WHERE station = 'statements'"
    )
    assert answer["Items"] == [{"celsius": {"N": "22.5"}}]


def test_what_a_table_is_set_to(loaded):
    table = loaded("describe-table", "--table-name", TABLE)["Table"]
    assert table["ItemCount"] >= STATIONS * READINGS
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    tags = loaded("list-tags-of-resource", "--resource-arn", table["TableArn"])["Tags"]
    assert tags == [{"Key": "purpose", "Value": "test"}]
    assert loaded("list-tables")["TableNames"] == [TABLE]


def test_a_table_comes_and_goes(aws):
    aws(
        "create-table", "--table-name", "Passing", "--billing-mode", "PAY_PER_REQUEST",
        "--attribute-definitions", "AttributeName=id,AttributeType=B",
        "--key-schema", "AttributeName=id,KeyType=HASH",
    )
    aws("wait", "table-exists", "--table-name", "Passing")
    aws("delete-table", "--table-name", "Passing")
    aws("wait", "table-not-exists", "--table-name", "Passing")
    with pytest.raises(RuntimeError, match="ResourceNotFoundException"):
        aws("describe-table", "--table-name", "Passing")
