"""Starts and stops the real daemon for tests."""

import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import boto3
from botocore.config import Config

START_SECONDS_MAX = 30


def free_port():
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Daemon:
    """One data directory and, while it runs, the daemon that serves it."""

    def __init__(self, directory, *arguments, tls=None, prefix=(), log_path=None):
        """`tls` is the certificate and the key with which it speaks HTTPS; `prefix` is a command that runs the daemon."""
        self.directory = str(directory)
        self.prefix = prefix
        self.tls = tls
        self.arguments = [*arguments, *(("--tls-cert", tls[0], "--tls-key", tls[1]) if tls else ())]
        self.port = free_port()
        self.process = None
        self.log_path = log_path or f"{self.directory}.log"

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        """Starts the daemon and returns once it answers."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.prefix,
                    os.environ["BASALTD"],
                    "--data-dir", self.directory,
                    "--listen", f"127.0.0.1:{self.port}",
                    *self.arguments,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the daemon did not start (exit {self.process.poll()}):\n{self.log()}")
        return self

    def _answers(self):
        trust = ssl.create_default_context(cafile=self.tls[0]) if self.tls else None
        try:
            with urllib.request.urlopen(self.url, timeout=1, context=trust) as reply:
                return reply.status == 200
        except OSError:
            time.sleep(0.005)  # Nothing tells a client that a port is about to open.
            return False

    def kill(self):
        """Ends the daemon as a crash would; nothing happens if it has ended."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks the daemon to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def client(self, **config):
        """A stock boto3 client of this daemon."""
        return boto3.client("dynamodb", **self._session(config))

    def resource(self, **config):
        """A stock boto3 resource of this daemon."""
        return boto3.resource("dynamodb", **self._session(config))

    def _session(self, config):
        return {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "verify": self.tls[0] if self.tls else None,
            "config": Config(retries={"max_attempts": 1}, **config),
        }
