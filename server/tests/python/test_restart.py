"""Stopping, killing and starting the daemon again."""

import os
import subprocess

import pytest

from daemon import Daemon

TABLE = "restarted"


@pytest.fixture
def start(tmp_path):
    """Starts a daemon on the test's directory; kills it when the test ends, however it ends."""
    started = []

    def start(*arguments):
        daemon = Daemon(tmp_path / "data", *arguments)
        started.append(daemon)
        return daemon.start()

    yield start
    for daemon in started:
        daemon.kill()


def make_table(client):
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def put(client, number):
    client.put_item(TableName=TABLE, Item={"pk": {"S": f"k{number}"}, "n": {"N": str(number)}})


def read(client, number):
    return client.get_item(TableName=TABLE, Key={"pk": {"S": f"k{number}"}}, ConsistentRead=True)["Item"]["n"]["N"]


def test_acknowledged_writes_survive_stop_and_kill(start):
    daemon = start()
    client = daemon.client()
    make_table(client)
    written = 0
    for end in ["stop", "kill", "kill", "stop"]:
        for number in range(written, written + 50):
            put(client, number)
        written += 50
        if end == "stop":
            assert daemon.stop() == 0, daemon.log()
        else:
            daemon.kill()
        daemon.start()
        for number in range(written):
            assert read(client, number) == str(number)


def test_shard_count_may_change_between_starts(start):
    written = 0
    for shards in ["1", "2", "3", "1", "2"]:
        daemon = start("--shards", shards)
        client = daemon.client()
        if written == 0:
            make_table(client)
        for number in range(written):
            assert read(client, number) == str(number)
        for number in range(written, written + 40):
            put(client, number)
        written += 40
        daemon.kill()


def test_second_daemon_on_a_directory_is_refused(start):
    daemon = start()
    second = subprocess.run(
        [os.environ["BASALTD"], "--data-dir", daemon.directory, "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode not in (0, 1, 101)
    assert "in use" in second.stderr
    make_table(daemon.client())
    assert daemon.stop() == 0


def test_an_idle_daemon_is_small(start):
    daemon = start("--shards", "2")
    assert daemon.client().list_tables()["TableNames"] == []
    with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as status:
        resident_kib = int(next(line for line in status if line.startswith("VmRSS:")).split()[1])
    assert resident_kib <= 12 * 1024
