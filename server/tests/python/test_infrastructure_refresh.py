"""What Terraform, Pulumi and the CDK ask of a table when they make, refresh, change and destroy it.

An error where such a tool expects an answer leaves a tainted resource, and an answer that changes from refresh to
refresh is a difference that it would try to mend for ever.
"""

import pytest
from botocore.exceptions import ClientError

TABLE = "infrastructure"


@pytest.fixture(scope="module")
def client(daemon):
    return daemon.client()


def error_of(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]["Code"]


def create(client, **settings):
    client.create_table(
        TableName=TABLE,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "mail", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_mail",
                "KeySchema": [{"AttributeName": "mail", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        **settings,
    )
    client.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 10})


def refresh(client):
    """Everything that a refresh reads, without what differs from reply to reply."""
    table = client.describe_table(TableName=TABLE)["Table"]
    arn = table["TableArn"]
    replies = {
        "backups": client.describe_continuous_backups(TableName=TABLE),
        "expiry": client.describe_time_to_live(TableName=TABLE),
        "tags": client.list_tags_of_resource(ResourceArn=arn),
        "kinesis": client.describe_kinesis_streaming_destination(TableName=TABLE),
        "insights": client.describe_contributor_insights(TableName=TABLE),
        "index insights": client.describe_contributor_insights(TableName=TABLE, IndexName="by_mail"),
        "scaling": client.describe_table_replica_auto_scaling(TableName=TABLE),
    }
    for reply in replies.values():
        del reply["ResponseMetadata"]
    return {"table": table, "policy": error_of(client.get_resource_policy, ResourceArn=arn), **replies}


def test_a_table_is_made_refreshed_changed_and_destroyed(client):
    create(client)
    first = refresh(client)
    assert first["table"]["TableStatus"] == "ACTIVE"
    assert first["table"]["DeletionProtectionEnabled"] is False
    assert {"StreamSpecification", "SSEDescription", "Replicas", "LocalSecondaryIndexes"}.isdisjoint(first["table"])
    assert first["backups"] == {
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
        }
    }
    assert first["expiry"] == {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
    assert first["tags"] == {"Tags": []}
    assert first["kinesis"] == {"TableName": TABLE, "KinesisDataStreamDestinations": []}
    assert first["policy"] == "PolicyNotFoundException"
    assert first["insights"]["ContributorInsightsStatus"] == "DISABLED"
    assert first["index insights"]["IndexName"] == "by_mail"
    scaling = first["scaling"]["TableAutoScalingDescription"]
    assert (scaling["TableName"], scaling["TableStatus"]) == (TABLE, "ACTIVE")
    assert refresh(client) == first

    arn = first["table"]["TableArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "storage"}])
    client.update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    client.update_table(
        TableName=TABLE, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    client.update_table(TableName=TABLE, DeletionProtectionEnabled=True)
    changed = refresh(client)
    assert changed["tags"] == {"Tags": [{"Key": "team", "Value": "storage"}]}
    assert changed["expiry"]["TimeToLiveDescription"]["AttributeName"] == "expires"
    assert changed["expiry"]["TimeToLiveDescription"]["TimeToLiveStatus"] in ("ENABLING", "ENABLED")
    assert changed["table"]["LatestStreamArn"].startswith(f"{arn}/stream/")
    assert changed["table"]["TableId"] == first["table"]["TableId"]

    assert error_of(client.delete_table, TableName=TABLE) == "ValidationException"
    client.update_table(TableName=TABLE, DeletionProtectionEnabled=False)
    client.delete_table(TableName=TABLE)
    client.get_waiter("table_not_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 10})


def test_what_a_tool_switches_off_at_the_start_is_a_change_of_nothing(client):
    create(client, SSESpecification={"Enabled": False}, TableClass="STANDARD")
    before = refresh(client)
    client.update_continuous_backups(
        TableName=TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    client.update_contributor_insights(TableName=TABLE, ContributorInsightsAction="DISABLE")
    client.delete_resource_policy(ResourceArn=before["table"]["TableArn"])
    assert refresh(client) == before
    client.delete_table(TableName=TABLE)


def test_a_table_that_is_gone_is_not_found_in_the_words_of_each_family(client):
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{TABLE}-gone"
    name = {"TableName": f"{TABLE}-gone"}
    assert error_of(client.describe_table, **name) == "ResourceNotFoundException"
    assert error_of(client.describe_time_to_live, **name) == "ResourceNotFoundException"
    assert error_of(client.describe_continuous_backups, **name) == "TableNotFoundException"
    assert error_of(client.list_tags_of_resource, ResourceArn=arn) == "ResourceNotFoundException"
    assert error_of(client.get_resource_policy, ResourceArn=arn) == "ResourceNotFoundException"
    assert error_of(client.describe_kinesis_streaming_destination, **name) == "ResourceNotFoundException"
    assert error_of(client.describe_contributor_insights, **name) == "ResourceNotFoundException"
