"""The server's side of RFC 6455, as far as Kubernetes uses it: binary messages, pings, an end."""

import base64
import hashlib
import threading

LONGEST_MESSAGE = 16 << 20


def websocket_accept(key):
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return base64.b64encode(digest).decode()


class WebSocket:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.lock = threading.Lock()
        self.left_over = b""

    def read_message(self):
        """One whole message, or None when the client has closed or is gone."""
        whole = b""
        while True:
            head = self.reader.read(2)
            if len(head) < 2:
                return None
            final, opcode = head[0] & 0x80, head[0] & 0x0F
            length = head[1] & 0x7F
            if length >= 126:
                length = int.from_bytes(self.reader.read(2 if length == 126 else 8), "big")
            if not head[1] & 0x80 or length > LONGEST_MESSAGE:
                return None  # a client masks what it sends
            mask = self.reader.read(4)
            payload = self.reader.read(length)
            if len(payload) < length:
                return None
            repeated = (mask * (length // 4 + 1))[:length]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")
            if opcode == 8:
                self.send(8, payload[:2])
                return None
            if opcode == 9:
                self.send(10, payload)
            elif opcode in (0, 1, 2):
                whole += payload
                if final:
                    return whole

    def read(self, count):
        """Exactly `count` bytes of what the messages carry one after the other; fewer at the end."""
        while len(self.left_over) < count:
            message = self.read_message()
            if message is None:
                break
            self.left_over += message
        read, self.left_over = self.left_over[:count], self.left_over[count:]
        return read

    def write(self, payload):
        self.send(2, payload)

    def send(self, opcode, payload):
        length = len(payload)
        if length < 126:
            head = bytes([0x80 | opcode, length])
        elif length < 1 << 16:
            head = bytes([0x80 | opcode, 126]) + length.to_bytes(2, "big")
        else:
            head = bytes([0x80 | opcode, 127]) + length.to_bytes(8, "big")
        with self.lock:
            self.writer.write(head + payload)
            self.writer.flush()

    def close(self):
        self.send(8, (1000).to_bytes(2, "big"))
