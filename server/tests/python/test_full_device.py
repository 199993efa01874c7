"""A daemon whose device is full: it keeps what it acknowledged, answers reads, and is emptied by deletes.

The device is a small tmpfs in a mount namespace of the test's own, which needs no rights but that of making one.
"""

import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from daemon import Daemon

TABLE = "filled"
DEVICE_BYTES = 48 << 20
SPACE_SECONDS_MAX = 30
FILLER = "x" * 20_000


@pytest.fixture
def device(tmp_path):
    """A small device: the directory where it is mounted, and what a command must begin with to see it."""
    mounted = tmp_path / "device"
    mounted.mkdir()
    mount = f'mount -t tmpfs -o size={DEVICE_BYTES} none "$0" && echo mounted && exec sleep infinity'
    holder = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(mounted)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if holder.stdout.readline() != "mounted\n":
        pytest.skip(f"a file system cannot be mounted here: {holder.communicate()[1].strip()}")
    yield mounted, ["nsenter", "--user", "--preserve-credentials", "--mount", "--target", str(holder.pid)]
    holder.kill()
    holder.communicate()


@pytest.fixture
def daemon(device, tmp_path):
    directory, prefix = device
    daemon = Daemon(directory / "data", "--memory", "64MiB", prefix=prefix, log_path=tmp_path / "log")
    yield daemon.start()
    daemon.kill()


def put(client, number):
    client.put_item(TableName=TABLE, Item={"pk": {"S": f"k{number}"}, "filler": {"S": FILLER}})


def is_full(error):
    """Whether the daemon refuses because its device is full."""
    return error.response["Error"]["Code"] == "InternalServerError" and "device is full" in error.response["Error"]["Message"]


def fill(client):
    """Puts items until the device takes no more; how many were acknowledged."""
    number = 0
    while True:
        try:
            put(client, number)
        except ClientError as error:
            assert is_full(error), error
            return number
        number += 1


def put_when_there_is_space(client, number):
    """Puts an item, again for as long as the device may still get space back; whether it was taken."""
    deadline = time.monotonic() + SPACE_SECONDS_MAX
    while True:
        try:
            put(client, number)
            return True
        except ClientError as error:
            assert is_full(error), error
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)  # Nothing tells a client that there is space again.


def delete(client, numbers):
    for number in numbers:
        client.delete_item(TableName=TABLE, Key={"pk": {"S": f"k{number}"}})


def expect(client, numbers):
    for number in numbers:
        reply = client.get_item(TableName=TABLE, Key={"pk": {"S": f"k{number}"}}, ConsistentRead=True)
        assert reply["Item"]["filler"]["S"] == FILLER, number


def test_a_full_device_loses_nothing_and_is_emptied_by_deletes(daemon):
    client = daemon.client()
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    written = fill(client)
    assert written * len(FILLER) > DEVICE_BYTES / 8, "most of the device was written"
    expect(client, range(written))
    delete(client, range(50))

    for _ in range(3):
        daemon.kill()
        daemon.start()
        client = daemon.client()
        expect(client, range(50, written))

    delete(client, range(50, written))
    assert client.scan(TableName=TABLE)["Count"] == 0
    for number in range(written):
        assert put_when_there_is_space(client, number), f"the space of {written} items takes only {number}"
    assert daemon.stop() == 0, daemon.log()
