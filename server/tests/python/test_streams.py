"""Streams and time to live through the stock clients."""

import time

import boto3
import pytest
from botocore.config import Config

EXPIRY_SECONDS_MAX = 30


@pytest.fixture
def streams(daemon):
    return boto3.client(
        "dynamodbstreams",
        endpoint_url=daemon.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}),
    )


def create(client):
    client.create_table(
        TableName="streamed",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )


@pytest.fixture
def table(daemon):
    client = daemon.client()
    create(client)
    yield client
    client.delete_table(TableName="streamed")


def records(streams, arn):
    """All records of a stream, shard by shard."""
    found = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator, Limit=10)
            found += page["Records"]
            iterator = page.get("NextShardIterator") if page["Records"] else None
    return found


def test_the_stream_of_a_deleted_table_can_be_read(table, streams):
    table.put_item(TableName="streamed", Item={"pk": {"S": "last"}})
    arn = table.describe_table(TableName="streamed")["Table"]["LatestStreamArn"]
    table.delete_table(TableName="streamed")
    stream = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert stream["StreamStatus"] == "DISABLED"
    assert all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in stream["Shards"])
    assert [record["dynamodb"]["Keys"] for record in records(streams, arn)] == [{"pk": {"S": "last"}}]
    # The fixture deletes a table of this name.
    create(table)
    assert table.describe_table(TableName="streamed")["Table"]["LatestStreamArn"] != arn


def test_every_change_is_told_in_order(table, streams):
    for number in range(25):
        table.put_item(TableName="streamed", Item={"pk": {"S": f"k{number % 5}"}, "n": {"N": str(number)}})
    table.delete_item(TableName="streamed", Key={"pk": {"S": "k0"}})
    arn = table.describe_table(TableName="streamed")["Table"]["LatestStreamArn"]
    # Streams of deleted tables of this name may come before it.
    assert streams.list_streams(TableName="streamed")["Streams"][-1]["StreamArn"] == arn
    told = records(streams, arn)
    assert len(told) == 26
    assert len({record["eventID"] for record in told}) == 26
    for key in range(5):
        numbers = [
            record["dynamodb"]["NewImage"]["n"]["N"]
            for record in told
            if record["dynamodb"]["Keys"]["pk"]["S"] == f"k{key}" and record["eventName"] != "REMOVE"
        ]
        assert numbers == [str(number) for number in range(key, 25, 5)]
    assert [record["eventName"] for record in told].count("REMOVE") == 1


def test_expired_items_go_within_seconds(table, streams):
    specification = {"Enabled": True, "AttributeName": "until"}
    table.update_time_to_live(TableName="streamed", TimeToLiveSpecification=specification)
    now = int(time.time())
    for number in range(50):
        item = {"pk": {"S": f"k{number}"}, "until": {"N": str(now - 10 if number < 40 else now + 10_000)}}
        table.put_item(TableName="streamed", Item=item)
    deadline = time.monotonic() + EXPIRY_SECONDS_MAX
    while table.scan(TableName="streamed")["Count"] != 10:
        assert time.monotonic() < deadline
    description = table.describe_time_to_live(TableName="streamed")["TimeToLiveDescription"]
    assert description == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}
    arn = table.describe_table(TableName="streamed")["Table"]["LatestStreamArn"]
    removed = [record for record in records(streams, arn) if record["eventName"] == "REMOVE"]
    assert len(removed) == 40
