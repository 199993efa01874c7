"""What operators ask a running daemon for, beside backups: how far indexes are behind."""

import json
import urllib.error
import urllib.request

import pytest

from daemon import Daemon, free_port

TABLE = "orders"
ITEMS = 50


@pytest.fixture
def asked(tmp_path):
    """A client of a daemon, and what asks its admin listener."""
    admin = f"127.0.0.1:{free_port()}"
    daemon = Daemon(tmp_path / "data", "--admin-listen", admin, "--shards", "2").start()

    def ask(what, body):
        request = urllib.request.Request(f"http://{admin}/_basalt/admin/{what}", json.dumps(body).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    yield daemon.client(), ask
    assert daemon.stop() == 0, daemon.log()


def test_the_lag_of_a_tables_indexes_is_a_number(asked):
    client, ask = asked
    client.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "by")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_by",
                "KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    for number in range(ITEMS):
        client.put_item(TableName=TABLE, Item={"pk": {"S": str(number)}, "by": {"S": "all"}})
    # Writes are answered when their indexes show them, unless the daemon is told otherwise.
    assert ask("index-lag", {"table": TABLE}) == {"entry_count": 0, "bytes": 0, "oldest_age_us": 0}


def test_the_lag_of_a_table_that_is_not_there_is_refused(asked):
    _, ask = asked
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask("index-lag", {"table": "nowhere"})
    assert refused.value.code == 400
    assert "nowhere" in json.load(refused.value)["message"]
