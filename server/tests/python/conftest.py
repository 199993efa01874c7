"""One daemon for all tests of a module, on a directory of its own."""

import pytest

from daemon import Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("basalt") / "data").start()
    yield daemon
    assert daemon.stop() == 0, daemon.log()
