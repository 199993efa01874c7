"""HTTPS: a stock boto3 client that verifies the daemon's certificate, and clients that must not get through."""

import http.client
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError

from daemon import Daemon

CERTIFICATE = Path(__file__).parent.parent / "certificate"
ITEMS = [{"pk": str(number % 7), "sk": number, "text": "t" * 10_000} for number in range(300)]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    files = (str(CERTIFICATE / "certificate.pem"), str(CERTIFICATE / "key.pem"))
    daemon = Daemon(tmp_path_factory.mktemp("basalt") / "data", tls=files).start()
    yield daemon
    assert daemon.stop() == 0, daemon.log()


def test_items_go_and_come_within_tls(daemon):
    table = daemon.resource().create_table(
        TableName="secret",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    table.wait_until_exists()
    with table.batch_writer() as batch:
        for item in ITEMS:
            batch.put_item(Item=item)
    pages = daemon.client().get_paginator("scan").paginate(TableName="secret", ConsistentRead=True)
    found = [item for page in pages for item in page["Items"]]
    assert sorted(int(item["sk"]["N"]) for item in found) == [item["sk"] for item in ITEMS]
    assert all(item["text"]["S"] == "t" * 10_000 for item in found)


def test_a_client_that_does_not_know_the_certificate_asks_nothing(daemon):
    stranger = boto3.client(
        "dynamodb",
        endpoint_url=daemon.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )
    with pytest.raises(SSLError):
        stranger.list_tables()


def test_http_without_tls_gets_no_answer(daemon):
    bare = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        bare.request("GET", "/")
        bare.getresponse()
