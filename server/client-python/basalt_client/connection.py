"""One connection: requests go out as they come, a thread gives each answer to the call that it belongs to."""

import hashlib
import hmac
import os
import queue
import socket
import struct
import threading

from . import frames
from .errors import ConnectionLost, Fault
from .stored import varint

VERSION = 1
FEATURE_PAGES = 1
MAGIC = b"BASALT\x00\x01"
PROOF_PREFIX = b"basalt native 1\x00"
# So many pages may wait for the caller before nothing more is read.
PAGES_WAITING_MAX = 2


class Connection:
    """An open connection, ready for requests."""

    def __init__(self, host, port, access_key_id, secret_access_key, timeout):
        self._socket = socket.create_connection((host, port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb", 1 << 16)
        try:
            self._shake_hands(access_key_id, secret_access_key)
        except BaseException:
            self.close()
            raise
        # From now on nobody knows when the next answer is due.
        self._socket.settimeout(None)
        self._sending = threading.Lock()
        self._calls_lock = threading.Lock()
        self._calls = {}
        self._last_number = 0
        self._lost = None
        threading.Thread(target=self._read, name="basalt-read", daemon=True).start()

    @property
    def is_lost(self):
        return self._lost is not None

    def send(self, kind, code, flags, body, finish):
        """Sends a request. `finish` is called with each of its bodies: code of the exception or None, whether another
        body follows, and the bytes; or with the error that ended the connection in place of the bytes. Returns the
        request's number."""
        self._room.acquire()
        with self._calls_lock:
            if self._lost is not None:
                self._room.release()
                raise self._lost
            number = self._last_number
            while True:
                number = (number + 1) & 0xFFFFFFFF
                if number not in self._calls:
                    break
            self._last_number = number
            self._calls[number] = (finish, bytearray())
        self._send_frame(frames.frame(kind, number, flags, code, body))
        return number

    def cancel(self, number):
        """Asks for no further page."""
        self._send_frame(frames.frame(frames.CANCEL, number))

    def close(self):
        """Closes the connection; calls in flight fail."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It was closed by the other side.
        self._socket.close()

    def _send_frame(self, data):
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError as error:
            # The reader learns of it too, and may still find a fault that says why.
            self._shut_down_sending()
            if self._lost is not None:
                raise self._lost from error

    def _shut_down_sending(self):
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It was closed by the other side.

    def _shake_hands(self, access_key_id, secret_access_key):
        nonce = os.urandom(16)
        hello = MAGIC + struct.pack("<HHQ", VERSION, VERSION, FEATURE_PAGES) + nonce
        self._socket.sendall(frames.frame(frames.HELLO, body=hello))
        welcome = self._expect(frames.WELCOME)
        version, _features, server_nonce, requests_max, _bytes_max = struct.unpack("<HQ16sII", welcome)
        if version != VERSION:
            raise ConnectionLost(f"the server speaks version {version}")
        key_id = access_key_id.encode()
        message = PROOF_PREFIX + nonce + server_nonce + key_id
        proof = hmac.new(secret_access_key.encode(), message, hashlib.sha256).digest()
        body = proof + varint(len(key_id)) + key_id
        self._socket.sendall(frames.frame(frames.PROOF, body=body))
        self._expect(frames.READY)
        self._room = threading.BoundedSemaphore(requests_max)

    def _expect(self, wanted):
        kind, _request, _flags, code, body = frames.read_frame(self._read_exactly)
        if kind == frames.FAULT:
            raise Fault(code, body.decode(errors="replace"))
        if kind != wanted:
            raise ConnectionLost("the server sent a frame that does not belong here")
        return body

    def _read_exactly(self, count):
        try:
            data = self._stream.read(count)
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        if len(data) != count:
            raise ConnectionLost("the server closed the connection")
        return data

    def _read(self):
        try:
            while True:
                self._take(*frames.read_frame(self._read_exactly))
        except ConnectionLost as error:
            self._end(error)
        except ValueError as error:
            self._end(ConnectionLost(f"the server's bytes are not sound: {error}"))

    def _take(self, kind, request, flags, code, body):
        if kind == frames.FAULT:
            raise Fault(code, body.decode(errors="replace"))
        if kind not in (frames.ANSWER, frames.ERROR):
            raise ConnectionLost("the server sent a frame that does not belong here")
        has_next = bool(flags & frames.FLAG_PAGES)
        with self._calls_lock:
            if request not in self._calls:
                raise ConnectionLost("the server answered what nobody asked")
            finish, parts = self._calls[request]
            parts += body
            if flags & frames.FLAG_MORE:
                return
            whole = bytes(parts)
            parts.clear()
            if not has_next:
                del self._calls[request]
                self._room.release()
        finish(code if kind == frames.ERROR else None, has_next, whole)

    def _end(self, error):
        with self._calls_lock:
            self._lost = error
            calls, self._calls = self._calls, {}
        self.close()
        for finish, _parts in calls.values():
            self._room.release()
            finish(None, False, error)


class PageQueue:
    """Pages between the reader and a caller who may take them slowly."""

    def __init__(self):
        self._pages = queue.Queue(PAGES_WAITING_MAX)
        self._is_abandoned = threading.Event()

    def finish(self, exception, has_next, whole):
        """Called by the reader, which waits here while the caller is slow."""
        while not self._is_abandoned.is_set():
            try:
                self._pages.put((exception, has_next, whole), timeout=0.1)
                return
            except queue.Full:
                continue

    def take(self):
        """The next page."""
        return self._pages.get()

    def abandon(self):
        """Nobody takes pages any more."""
        self._is_abandoned.set()
