"""Whole directories that an earlier Basalt wrote, as they are kept in `format-spec/golden/v1/directories`.

`stopped` was left by a clean stop, `killed` by `kill -9`: its log has what its trees lack. Today's daemon and the second
reader find in each what the text beside it says. What is missing is made by

    BASALT_WRITE_GOLDEN=1 server/tests/python/run target/release/basaltd -k golden

which never changes what is there: see `format-spec/spec/versions.md`.
"""

import json
import os
import pathlib
import shutil

import pytest

from daemon import Daemon
from test_second_reader import Load, ask_all, form, read, read_all

GOLDEN = pathlib.Path(__file__).resolve().parents[3] / "format-spec/golden/v1/directories"
# One stream of the log keeps the directories small.
SHARDS = ("--shards", "1")
WRITES, WRITES_AFTER_A_STOP = 30, 12
LARGE_BYTES_MAX = 3000
SEED = 20261123


@pytest.fixture(params=["stopped", "killed"])
def golden(request):
    """A golden directory: its folder has `data` and `items.jsonl`."""
    place = GOLDEN / request.param
    if not place.exists() and os.environ.get("BASALT_WRITE_GOLDEN") == "1":
        write_golden(place, is_killed=request.param == "killed")
    return place


@pytest.fixture
def data(golden, tmp_path):
    """A copy that a daemon may change."""
    return shutil.copytree(golden / "data", tmp_path / "data")


def write_golden(place, is_killed):
    daemon = Daemon(place / "data", *SHARDS)
    place.mkdir(parents=True)
    daemon.start()
    load = Load(daemon, SEED, LARGE_BYTES_MAX)
    load.make_tables()
    put_overflowing(daemon)
    some_writes(load, WRITES)
    assert daemon.stop() == 0, daemon.log()
    if is_killed:
        daemon.start()
        some_writes(load, WRITES_AFTER_A_STOP)
        # No index follows: the log's last frame is this write's.
        daemon.client().put_item(TableName="numbered", Item={"pk": {"N": "7"}})
        daemon.kill()
    os.remove(daemon.log_path)
    code, items, complaint = read(daemon.directory, "--indexes", "--streams")
    assert code == 0, complaint
    (place / "items.jsonl").write_text(items, encoding="utf-8")


def put_overflowing(daemon):
    """An item that no page has room for."""
    item = {"pk": {"B": b"large"}, "text": {"S": "0123456789abcdef" * 1024}}
    daemon.client().put_item(TableName="binary", Item=item)


def some_writes(load, count):
    client = load.daemon.client()
    for _ in range(count):
        load.write(client)


def told_items(golden):
    """What `items.jsonl` says: (table, index) to entries."""
    found = {}
    for line in (golden / "items.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if "Record" not in told:
            found.setdefault((told["Table"], told.get("Index")), []).append(form(told["Item"]))
    return {place: sorted(items) for place, items in found.items()}


def test_the_second_reader_reads_a_golden_directory(golden):
    code, items, complaint = read(golden / "data", "--indexes", "--streams")
    assert code == 0, complaint
    assert items == (golden / "items.jsonl").read_text(encoding="utf-8")


def test_the_daemon_serves_a_golden_directory(golden, data):
    daemon = Daemon(data, *SHARDS).start()
    try:
        assert ask_all(daemon.client()) == told_items(golden)
    finally:
        daemon.kill()


def test_a_golden_directory_serves_after_it_was_written_to(golden, data):
    daemon = Daemon(data).start()
    try:
        daemon.client().put_item(TableName="numbered", Item={"pk": {"N": "12345678901"}})
        daemon.kill()
        items, _ = read_all(data)
        expected = told_items(golden)
        new = form({"pk": {"N": "12345678901"}})
        expected["numbered", None] = sorted([*expected.get(("numbered", None), []), new])
        assert items == expected
    finally:
        daemon.kill()
