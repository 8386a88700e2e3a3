"""A client that speaks just enough HTTP/2 to misbehave over gRPC.

It keeps flow control, since a server ends a connection that does not, and
nothing else: messages may be cut, streams left open, windows never opened.
"""

import collections
import select
import socket
import struct
import time

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
REASON = "/cooper.v1.SpatialReasoningService/Reason"


def _field(name, value):
    """A header field, literal and not indexed (RFC 7541, 6.2.2)."""
    def text(words):
        words = words.encode()
        size = len(words)
        if size < 127:
            return bytes([size]) + words
        prefix, size = bytes([127]), size - 127
        while size >= 128:
            prefix, size = prefix + bytes([size % 128 + 128]), size // 128
        return prefix + bytes([size]) + words
    return b"\0" + text(name) + text(value)


def message(payload, declared=None, compressed=False):
    """A gRPC message that declares to be `declared` bytes large, and maybe
    compressed."""
    size = len(payload) if declared is None else declared
    return struct.pack(">BI", int(compressed), size) + payload


class Connection:
    """One connection; `window`: bytes of a stream that it takes unread."""

    def __init__(self, address, window=65535, wrap=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        if wrap:
            self.socket = wrap(self.socket)
        self.ended = collections.Counter()  # streams that the server reset
        self.closed = False
        self.data = collections.Counter()  # bytes of each stream
        self.statuses = {}  # grpc-status of each stream that has ended with one
        self._received = b""
        self._next_stream = 1
        self._window = 65535
        self._stream_windows = {}
        self._initial_window = 65535
        self._max_frame = 16384
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self._frame(
            SETTINGS, 0, 0,
            # Headers are literal, so that a status can be found in them.
            struct.pack(">HIHI", 1, 0, 4, window)))

    @staticmethod
    def _frame(kind, flags, stream, payload=b""):
        return (struct.pack(">I", len(payload))[1:] +
                struct.pack(">BBI", kind, flags, stream) + payload)

    def open(self, path=REASON, headers=(), scheme="http", te="trailers"):
        """Begins a call; its number. `headers` come last."""
        stream = self._next_stream
        self._next_stream += 2
        self._stream_windows[stream] = self._initial_window
        block = b"".join(_field(*field) for field in [
            (":method", "POST"), (":scheme", scheme), (":path", path),
            (":authority", "server"), ("te", te),
            ("content-type", "application/grpc"), *headers])
        kind = HEADERS
        while True:
            part, block = block[:16384], block[16384:]
            self._send(self._frame(kind, 0 if block else END_HEADERS, stream,
                                   part))
            kind = CONTINUATION
            if not block:
                return stream

    def send(self, stream, payload, end=False, seconds=20):
        """Sends as much as the server takes within the time; its size."""
        sent = 0
        view = memoryview(payload)
        give_up = time.monotonic() + seconds
        while sent < len(view) and not self.closed:
            room = min(self._window, self._stream_windows[stream],
                       self._max_frame, len(view) - sent)
            if room <= 0 or stream in self.ended:
                if stream in self.ended or time.monotonic() > give_up:
                    return sent
                self.read(0.05)
                continue
            last = end and sent + room == len(view)
            self._send(self._frame(DATA, END_STREAM if last else 0, stream,
                                   bytes(view[sent:sent + room])))
            self._window -= room
            self._stream_windows[stream] -= room
            sent += room
            self.read(0)
        return sent

    def allow(self, stream, size):
        """Lets the server send so many bytes more."""
        for number in (0, stream):
            self._send(self._frame(WINDOW_UPDATE, 0, number,
                                   struct.pack(">I", size)))

    def reset(self, stream):
        self._send(self._frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))

    def read(self, seconds):
        """Takes what the server has sent."""
        while not self.closed:
            readable, _, _ = select.select([self.socket], [], [], seconds)
            if not readable:
                return
            try:
                chunk = self.socket.recv(1 << 16)
            except OSError:
                chunk = b""
            if not chunk:
                self.closed = True
                return
            self._received += chunk
            self._take_frames()
            seconds = 0

    def close(self):
        self.socket.close()

    def _send(self, frame):
        try:
            self.socket.sendall(frame)
        except OSError:
            self.closed = True

    def _take_frames(self):
        while len(self._received) >= 9:
            size = int.from_bytes(self._received[:3], "big")
            if len(self._received) < 9 + size:
                return
            kind, flags, stream = struct.unpack(">BBI", self._received[3:9])
            payload = self._received[9:9 + size]
            self._received = self._received[9 + size:]
            self._take(kind, flags, stream & 0x7fffffff, payload)

    def _take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at:at + 6])
                if name == 4:
                    for number in self._stream_windows:
                        self._stream_windows[number] += (value -
                                                         self._initial_window)
                    self._initial_window = value
                elif name == 5:
                    self._max_frame = value
            self._send(self._frame(SETTINGS, ACK, 0))
        elif kind == WINDOW_UPDATE:
            more = struct.unpack(">I", payload)[0]
            if stream == 0:
                self._window += more
            elif stream in self._stream_windows:
                self._stream_windows[stream] += more
        elif kind == PING and not flags & ACK:
            self._send(self._frame(PING, ACK, 0, payload))
        elif kind == DATA:
            self.data[stream] += len(payload)
        elif kind == RST_STREAM or (kind == HEADERS and flags & END_STREAM):
            self.ended[stream] += 1
            _, found, status = payload.partition(b"\x0bgrpc-status")
            if found:
                self.statuses[stream] = int(status[1:1 + status[0]])
        elif kind == GOAWAY:
            self.ended["goaway"] += 1
