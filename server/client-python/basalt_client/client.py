"""The client: boto3's calls over frames."""

import base64
import json
import threading
from concurrent.futures import Future

from . import document, frames
from .connection import Connection, PageQueue
from .errors import ConnectionLost, ServiceError
from .stored import NoStoredForm, varint

STREAM_OPERATIONS = frozenset(("ListStreams", "DescribeStream", "GetShardIterator", "GetRecords"))
PAGED_OPERATIONS = frozenset(("Query", "Scan"))


class Client:
    """A client that threads may share. `client.put_item(...)` and every other operation are called as boto3's are."""

    def __init__(self, host, port, access_key_id, secret_access_key, connect_timeout=10):
        self._parameters = (host, port, access_key_id, secret_access_key, connect_timeout)
        self._lock = threading.Lock()
        self._connection = Connection(*self._parameters)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def call(**members):
            return self.submit(name, **members).result()

        return call

    def submit(self, operation, **members):
        """Sends a request and returns a `concurrent.futures.Future` of its answer."""
        name = _operation_name(operation)
        kind, code, body = _request(name, members)
        future = Future()

        def finish(exception, _has_next, whole):
            try:
                future.set_result(_answer(kind, exception, whole))
            except Exception as error:  # Whatever it is, it is the caller's.
                future.set_exception(error)

        self._open_connection().send(kind, code, 0, body, finish)
        return future

    def pages(self, operation, **members):
        """The pages of a query or scan, which the server sends one after the other. They come on a connection of their
        own, so that a caller who takes them slowly holds up nothing else."""
        name = _operation_name(operation)
        if name not in PAGED_OPERATIONS:
            raise ValueError(f"{name} has no pages")
        kind, code, body = _request(name, members)
        if kind == frames.JSON_REQUEST:
            # Attributes without a stored form: there is a fault to be told, not a page.
            yield self.submit(operation, **members).result()
            return
        connection, pages = Connection(*self._parameters), PageQueue()
        try:
            connection.send(kind, code, frames.FLAG_PAGES, body, pages.finish)
            has_next = True
            while has_next:
                exception, has_next, whole = pages.take()
                yield _answer(kind, exception, whole)
        finally:
            pages.abandon()
            connection.close()

    def close(self):
        """Closes the connection; calls in flight fail."""
        self._connection.close()

    def _open_connection(self):
        """The connection, or another one if it was lost."""
        with self._lock:
            if self._connection.is_lost:
                self._connection = Connection(*self._parameters)
            return self._connection


def _operation_name(operation):
    """`put_item` or `PutItem`, as PutItem."""
    return "".join(part[:1].upper() + part[1:] for part in operation.split("_"))


def _request(name, members):
    """Kind, code and body of a request: a document if it can be one."""
    code = frames.OPERATION_NUMBERS.get(name)
    if code is not None:
        try:
            return frames.REQUEST, code, document.encode(members)
        except NoStoredForm:
            pass  # The server has the words for what is wrong.
    service = "DynamoDBStreams" if name in STREAM_OPERATIONS else "DynamoDB"
    target = f"{service}_20120810.{name}".encode()
    return frames.JSON_REQUEST, 0, varint(len(target)) + target + json.dumps(members, default=_json_value).encode()


def _json_value(value):
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is nothing that a request can hold")


def _answer(kind, exception, whole):
    if isinstance(whole, ConnectionLost):
        raise whole
    if exception is not None:
        raise ServiceError(frames.exception_name(exception), document.decode(whole))
    return json.loads(whole) if kind == frames.JSON_REQUEST else document.decode(whole)
