"""The feed of a host as a client of any kind sees it: a WebSocket (RFC 6455) with JSON texts, written
here without a library so that tests can also say what no library would."""
import base64
import json
import os
import socket
import ssl
import struct

PROTOCOL = "haggle.feed.v1"


class Refused(Exception):
    """The upgrade was answered with something else; `status`, `body`."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body!r}")
        self.status, self.body = status, body


class Closed(Exception):
    """The host closed; `status` of its close frame, or None without one."""

    def __init__(self, status, why):
        super().__init__(f"{status} {why}")
        self.status, self.why = status, why


class Feed:
    def __init__(self, port, path="/api/feed", headers=None, host="127.0.0.1", tls=False, protocol=PROTOCOL,
                 timeout=10):
        self.socket = socket.create_connection((host, port), timeout)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.unread, self.events, self.count = b"", [], 0
        named = {"Host": f"{host}:{port}", "Upgrade": "websocket", "Connection": "Upgrade",
                 "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": protocol,
                 "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), **(headers or {})}
        lines = [f"GET {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in named.items() if v is not None]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode())
        self.read_head()

    def read_head(self):
        while b"\r\n\r\n" not in self.unread:
            self.fill()
        head, self.unread = self.unread.split(b"\r\n\r\n", 1)
        status = int(head.split()[1])
        if status == 101:
            return
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                       if line.startswith(b"content-length:")), 0)
        while len(self.unread) < length:
            self.fill()
        self.socket.close()
        raise Refused(status, self.unread[:length])

    def fill(self):
        more = self.socket.recv(65536)
        if not more:
            raise Closed(None, "without a close frame")
        self.unread += more

    def take(self, size):
        while len(self.unread) < size:
            self.fill()
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def send(self, payload, first=0x81):
        size = len(payload)
        head = bytes([first]) + (bytes([0x80 | size]) if size < 126 else
                                 struct.pack(">BH", 0x80 | 126, size) if size < 65536 else
                                 struct.pack(">BQ", 0x80 | 127, size))
        self.socket.sendall(head + b"\0\0\0\0" + payload)  # the mask is zero

    def message(self):
        """The next whole text, as JSON."""
        text = b""
        while True:
            first, size = self.take(2)
            if size == 126:
                size, = struct.unpack(">H", self.take(2))
            elif size == 127:
                size, = struct.unpack(">Q", self.take(8))
            payload = self.take(size)
            opcode = first & 15
            if opcode == 8:
                status = struct.unpack(">H", payload[:2])[0] if size >= 2 else None
                try:
                    self.send(payload[:2], 0x88)
                except OSError:
                    pass
                raise Closed(status, payload[2:].decode())
            if opcode == 9:
                self.send(payload, 0x8a)
            if opcode in (0, 1):
                text += payload
                if first & 0x80:
                    return json.loads(text)

    def ask(self, call, **arguments):
        """The answer to a call; events that come before it wait in `events`."""
        self.count += 1
        self.send(json.dumps({"call": call, "id": self.count, **arguments}).encode())
        while True:
            message = self.message()
            if message.get("id") == self.count:
                return message
            self.events.append(message)

    def event(self):
        return self.events.pop(0) if self.events else self.message()

    def close(self):
        self.socket.close()
