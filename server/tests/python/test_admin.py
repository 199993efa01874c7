"""What operators ask a running daemon for, beside backups: how far indexes are behind."""

import json
import urllib.error
import urllib.request

import pytest

import basaltctl
from daemon import Daemon, free_port

TABLE = "orders"
ITEMS = 50


@pytest.fixture
def asked(tmp_path):
    """A client of a daemon, the address of its admin listener, and what asks that."""
    listen = f"127.0.0.1:{free_port()}"
    admin = f"http://{listen}"
    daemon = Daemon(tmp_path / "data", "--admin-listen", listen, "--shards", "2").start()

    def ask(what, body):
        request = urllib.request.Request(f"{admin}/_basalt/admin/{what}", json.dumps(body).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    yield daemon.client(), admin, ask
    assert daemon.stop() == 0, daemon.log()


def test_the_lag_of_a_tables_indexes_is_a_number(asked):
    client, admin, ask = asked
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
    none = {"entry_count": 0, "bytes": 0, "oldest_age_us": 0}
    assert ask("index-lag", {"table": TABLE}) == none
    assert basaltctl.report("index-lag", admin, "--table", TABLE) == none
    told = basaltctl.run("index-lag", f"{admin}/", "--table", TABLE)
    assert (told.returncode, told.stdout) == (0, "every index has every write\n"), told.stderr


def test_the_lag_of_a_table_that_is_not_there_is_refused(asked):
    _, admin, ask = asked
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask("index-lag", {"table": "nowhere"})
    assert refused.value.code == 400
    assert "nowhere" in json.load(refused.value)["message"]
    told = basaltctl.run("index-lag", admin, "--table", "nowhere")
    assert told.returncode == 2
    assert "nowhere" in told.stderr


def test_the_lag_cannot_be_asked_of_a_directory_or_of_nobody(tmp_path):
    assert basaltctl.run("index-lag", tmp_path, "--table", TABLE).returncode == 2
    nobody = f"http://127.0.0.1:{free_port()}"
    assert basaltctl.run("index-lag", nobody, "--table", TABLE).returncode == 3
