"""An origin server of WebSockets: what a client says decides what it is told. Frames are written by hand."""
import base64, hashlib, json, socketserver, struct, threading

SEEN = []
# What a browser says of one that is permitted and of one that is not.
PAGE = b"""<!doctype html><script>
const tell = (what, text) => fetch(`${location.origin}/said?${what}=${encodeURIComponent(text)}`);
const socket = new WebSocket(`ws://${location.host}/ws/x`);
socket.onopen = () => socket.send("split");
socket.onmessage = (event) => { tell("message", event.data); socket.close(1000); };
socket.onclose = (event) => tell("closed", event.code);
new WebSocket(`ws://${location.host}/no`).onclose = (event) => tell("refused", event.code);
</script>"""


def frame(opcode, payload, final=True):
    data = payload if isinstance(payload, bytes) else payload.encode()
    head = bytes([opcode | (0x80 if final else 0)])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    return head + bytes([126]) + struct.pack(">H", len(data)) + data


class Origin(socketserver.StreamRequestHandler):
    def handle(self):
        request = self.rfile.readline().decode()
        headers = {}
        while (line := self.rfile.readline().decode().strip()):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        SEEN.append({"request": request.strip(), "headers": headers})
        if request.startswith("GET /__seen"):
            data = json.dumps(SEEN).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data))
            return
        if request.startswith(("GET /page ", "GET /said")):
            data = PAGE if request.startswith("GET /page ") else b""
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n"
                             b"content-length: %d\r\n\r\n%s" % (len(data), data))
            return
        key = headers.get("sec-websocket-key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        extra = "sec-websocket-extensions: permessage-deflate\r\n" if "deflate" in request else ""
        agreed = "h2c" if "h2c" in request else "websocket"
        self.wfile.write((
            f"HTTP/1.1 101 My card is 4111 1111 1111 1111\r\nupgrade: {agreed}\r\nconnection: upgrade\r\n"
            "x-echo: 4111 1111 1111 1111\r\n"
            f"sec-websocket-accept: {accept}\r\n{extra}\r\n").encode())
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            length = head[1] & 0x7F
            if length == 126:
                length = struct.unpack(">H", self.rfile.read(2))[0]
            mask = self.rfile.read(4)
            if head[0] & 0x0F == 8:
                payload = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(length)))
                self.wfile.write(frame(8, payload))
                return
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(length))).decode()
            if text == "split":
                self.wfile.write(frame(1, "a card 4111 11", final=False))
                self.wfile.write(frame(9, "still there?"))
                self.wfile.write(frame(0, "11 1111 1111 and more"))
            elif text == "late":
                self.wfile.write(frame(1, "", final=False))
                self.wfile.write(frame(0, '{"card":"\\u0034111 1111 1111 1111"}'))
            elif text == "leave":
                self.wfile.write(frame(1, "held back: 4111 11", final=False))
                return
            elif text == "part":
                self.wfile.write(frame(1, "held back: 4111 11", final=False))
                self.wfile.write(frame(8, struct.pack(">H", 1000)))
                return
            elif text == "binary":
                self.wfile.write(frame(2, b"\x00\x01"))
            elif text == "key":
                self.wfile.write(frame(2, headers.get("authorization", "").encode()))
            elif text == "compressed":
                self.wfile.write(b"\xc1\x01x")
            elif text == "letters":
                self.wfile.write(frame(8, struct.pack(">H", 1000) + b"a@b.co " * 17))
                return
            elif not text or "quiet" in text:
                continue
            elif text.startswith("{"):
                self.wfile.write(frame(1, text))
            elif text == "bye":
                self.wfile.write(frame(8, struct.pack(">H", 1000) + b"4111 1111 1111 1111"))
                return
            else:
                self.wfile.write(frame(1, f"you said {text}"))
            self.wfile.flush()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Origin)
print(server.server_address[1], flush=True)
server.serve_forever()
