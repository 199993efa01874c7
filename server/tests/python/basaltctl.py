"""Runs the tools that are built beside the daemon."""

import json
import os
import pathlib
import subprocess

SECONDS_MAX = 120


def run(*arguments, environment=None):
    """Runs the tool to its end; what it printed and its exit code."""
    tool = os.environ.get("BASALTCTL") or str(pathlib.Path(os.environ["BASALTD"]).with_name("basaltctl"))
    return subprocess.run(
        [tool, *map(str, arguments)],
        capture_output=True, text=True, env={**os.environ, **(environment or {})}, timeout=SECONDS_MAX, check=False,
    )


def report(*arguments, environment=None):
    """The tool's report; fails the test if the tool fails."""
    done = run("--json", *arguments, environment=environment)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout)
