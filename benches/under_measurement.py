"""What the measurements have in common: the daemon as a process, requests over plain sockets, tables of results.

Standard library only. Nothing here knows what is measured.
"""

import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 120
MIB = 1 << 20
# How long to wait between looks at a port that is about to open: short against what is measured.
LOOK_AGAIN_SECONDS = 0.0002
# The two services, as targets of requests name them.
TABLES, STREAMS = "DynamoDB_20120810", "DynamoDBStreams_20120810"


class Lost(Exception):
    """The server's end of a connection is gone."""


class Connection:
    """One keep-alive connection that speaks DynamoDB's JSON."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def call(self, operation, **members):
        """Sends one request; returns its answer, or raises RuntimeError with what the server said instead."""
        return self._answer(operation, members, TABLES)

    def call_streams(self, operation, **members):
        """The same of the streams service."""
        return self._answer(operation, members, STREAMS)

    def _answer(self, operation, members, service):
        status, body = self.exchange(operation, json.dumps(members).encode(), service)
        if status != 200:
            raise RuntimeError(f"{operation}: {status} {body[:500]!r}")
        return json.loads(body)

    def exchange(self, operation, body, service=TABLES):
        """Sends one request; returns status and body of the answer."""
        head = (
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"X-Amz-Target: {service}.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=load/20260101/us-east-1/dynamodb/aws4_request, "
            f"SignedHeaders=host;x-amz-date;x-amz-target, Signature={'0' * 64}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            self.socket.sendall(head.encode() + body)
            while b"\r\n\r\n" not in self.received:
                self._receive()
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )
            parts, missing = [self.received], length - len(self.received)
            while missing > 0:
                self.received = b""
                self._receive()
                parts.append(self.received)
                missing -= len(self.received)
            whole = b"".join(parts)
        except OSError as error:
            raise Lost(str(error)) from error
        self.received = whole[length:]
        return int(head.split(b" ")[1]), whole[:length]

    def _receive(self):
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise Lost("the server closed the connection")
        self.received += chunk


class Server:
    """A server's process. `command` is a list in which {directory} and {port} are filled in."""

    def __init__(self, command, directory):
        self.directory = str(directory)
        self.port = free_port()
        self.command = [part.format(directory=self.directory, port=self.port) for part in command]
        self.log_path = f"{self.directory}.log"
        self.process = None

    def spawn(self):
        """Starts the process and does not wait for it; returns when it was started."""
        with open(self.log_path, "ab") as log:
            started = time.monotonic()
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, close_fds=False)
        return started

    def start(self):
        """Starts the process; returns the seconds until it answered ListTables."""
        started = self.spawn()
        self.first_answer(started)
        return time.monotonic() - started

    def first_answer(self, started):
        """Waits until the server answers ListTables; returns the answer."""
        while True:
            try:
                return Connection(self.port).call("ListTables")
            except (OSError, Lost):
                pass
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() - started > START_SECONDS_MAX:
                raise RuntimeError(f"no answer within {START_SECONDS_MAX} s:\n{self.log()}")
            time.sleep(LOOK_AGAIN_SECONDS)

    def connection(self):
        return Connection(self.port)

    def kill(self):
        """Ends the process as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Asks the process to stop; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=START_SECONDS_MAX)

    def memory_mib(self, name="VmRSS"):
        """Resident memory as the kernel counts it; VmHWM is its peak."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as status:
            line = next(line for line in status if line.startswith(f"{name}:"))
        return int(line.split()[1]) / 1024

    def disk_mib(self):
        """Blocks allocated to everything in the directory."""
        blocks = 0
        for folder, _, files in os.walk(self.directory):
            blocks += sum(os.stat(os.path.join(folder, name)).st_blocks for name in files)
        return blocks * 512 / MIB

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def log_since(self, length):
        """Lines of the log behind its first `length` characters."""
        return self.log()[length:].splitlines()


def basaltd(*options):
    """The command of the daemon, as built for release."""
    binary = os.environ.get("BASALTD", str(ROOT / "target/release/basaltd"))
    return [binary, "--data-dir", "{directory}", "--listen", "127.0.0.1:{port}", *options]


def fixed_answer(operation):
    """The command of the yardstick: hyper, with the same answer to every request of an operation."""
    binary = os.environ.get("FIXED_ANSWER", str(ROOT / "target/release/fixed_answer"))
    item_bytes = {"get": "300", "put": "0"}[operation]
    return [binary, "--listen", "127.0.0.1:{port}", "--item-bytes", item_bytes]


def http_load(port, *options):
    """Runs the load driver to its end; returns its figures."""
    binary = os.environ.get("HTTP_LOAD", str(ROOT / "target/release/http_load"))
    return figures_of([binary, "--endpoint", f"http://127.0.0.1:{port}", "--json", *options])


def basalt_bench(*options):
    """Runs a workload to its end; returns its figures."""
    binary = os.environ.get("BASALT_BENCH", str(ROOT / "target/release/basalt-bench"))
    return figures_of([binary, "--quiet", "--json", "-", *options])


def figures_of(command):
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise RuntimeError(f"{' '.join(command[1:])}: {finished.stderr.strip()}")
    return json.loads(finished.stdout)


class Workplace:
    """A temporary directory on the device that is to be measured."""

    def __init__(self, parent):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="basalt-measure-", dir=parent))

    def __enter__(self):
        return self.path

    def __exit__(self, *_error):
        shutil.rmtree(self.path, ignore_errors=True)


def create_table(connection, name):
    connection.call(
        "CreateTable",
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def payload(number, length):
    """The payload of the load driver's item `number` (benches/src/test_item.rs)."""
    state, mask = number, (1 << 64) - 1
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    word = f"{state ^ (state >> 31):016x}"
    return (word * (length // 16 + 1))[:length]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def machine():
    """One line: processor, memory, kernel, file system of the temporary directory, commit."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        model = next((line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")), "unknown")
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return (
        f"{os.cpu_count()} x {model}, {memory_gib:.0f} GiB, Linux {platform.release()}, "
        f"load {os.getloadavg()[0]:.1f} at the end, commit {commit()}"
    )


def commit():
    """The commit that is measured; marked when the tree differs from it."""
    told = os.environ.get("BASALT_COMMIT")
    if told:
        return told
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    return name.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def median(values):
    return statistics.median(values)


def tell(message):
    """Progress, for whoever waits; results go to standard output."""
    print(message, file=sys.stderr, flush=True)
