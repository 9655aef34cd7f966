"""An origin server that answers with what it was asked, as JSON."""
import json, re, threading, time, zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


# What it was asked, which tests ask it for.
SEEN = []
MORE = threading.Event()


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            parts = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    return b"".join(parts).decode("latin-1")
        return self.rfile.read(int(self.headers.get("content-length", 0))).decode("latin-1")

    def early(self):
        """Answers before it has read what it is sent, and notes how far it came."""
        seen = {"path": self.path, "read": 0, "ended": False}
        SEEN.append(seen)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.wfile.flush()
        while piece := self.rfile.read1(1024):
            seen["read"] += len(piece)
        seen["ended"] = True
        self.close_connection = True

    def answer(self):
        if self.path == "/early":
            return self.early()
        body = self.body()
        seen = {"method": self.command, "path": self.path, "headers": self.headers.items(), "body": body}
        if self.path == "/__seen":
            data = json.dumps(SEEN).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        SEEN.append(seen)
        if self.path == "/never":
            threading.Event().wait()
        if self.path.startswith("/events"):
            # Each event says when it was sent.
            self.send_response(200)
            self.send_header("content-type", self.headers.get("accept", "text/event-stream"))
            self.send_header("connection", "close")
            self.end_headers()
            for number in range(30):
                said = json.dumps({"at": time.time(), "email": "ana@example.com", "number": number})
                before = "data: " if "event-stream" in self.headers.get("accept", "") else ""
                self.wfile.write(f"{before}{said}\n{before and chr(10)}".encode())
                self.wfile.flush()
                time.sleep(0.02)
            self.close_connection = True
            return
        if self.path in ("/length", "/digests", "/reason", "/nothing"):
            self.send_response(200, "Card 4111 1111 1111 1111" if self.path == "/reason" else None)
            if self.path == "/digests":
                for name in ("etag", "repr-digest", "content-digest"):
                    self.send_header(name, '"of-the-bytes"')
            data = b"" if self.path == "/nothing" else b"x" * 100
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else data)
            return
        if self.path == "/switches":
            # To another protocol, which nobody asked for.
            self.send_response(101)
            self.send_header("upgrade", "websocket")
            self.send_header("connection", "upgrade")
            self.end_headers()
            self.wfile.write(b"a card 4111 1111 1111 1111")
            self.close_connection = True
            return
        if self.path == "/named":
            self.send_response(200)
            self.send_header("connection", "x-inner")
            for name in ("x-inner", "keep-alive", "proxy-authenticate", "x-outer"):
                self.send_header(name, "1")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        if self.path == "/trailers":
            self.send_response(200)
            self.send_header("content-type", "text/plain")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"4\r\nbody\r\n0\r\nconnection: x-inner\r\n")
            self.wfile.write(b"".join(b"%s: 1\r\n" % name for name in (b"x-inner", b"keep-alive", b"x-outer")) + b"\r\n")
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/x")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        if self.path == "/empty":
            self.send_response(204)
            self.end_headers()
            return
        # Wherever some server might run it.
        if "/graphql" in self.path.lower():
            # A customer's address, under the key that the document asks for it by.
            key = re.search(r"(?:(\w+)\s*:\s*)?email", body)
            data = json.dumps({"data": {"customer": {key[1] or "email": "ana@example.com"}}}).encode() if key else b"{}"
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        if self.path == "/deflated":
            # A transfer coding, which nobody asked for.
            data = zlib.compress(b"a card 4111 1111 1111 1111 and more")
            self.send_response(200)
            self.send_header("content-type", "text/plain")
            self.send_header("transfer-encoding", "deflate, chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
            return
        if coding := self.headers.get("x-coding"):
            # What it was sent is what it answers, said to be encoded so.
            data = body.encode("latin-1")
            self.send_response(200)
            self.send_header("content-type", self.headers.get("x-type", "text/plain"))
            if also := self.headers.get("x-type-too"):
                self.send_header("content-type", also)
            self.send_header("content-encoding", coding)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        if self.path == "/prompt":
            # Goes on once it was asked for more.
            self.send_response(200)
            self.send_header("content-type", "text/plain")
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(b"is it 4 or a")
            self.wfile.flush()
            MORE.wait(60)
            self.wfile.write(b"?\n")
            self.close_connection = True
            return
        if self.path == "/more":
            MORE.set()
        pieces = [json.dumps(seen)]
        if self.path.startswith("/card"):
            pieces = ["a card 4111 11", "11 1111 1111 and more\n"]
        if self.path.startswith("/key"):
            pieces = [self.headers.get("authorization", "") + "\n"]
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("x-echo", "4111 1111 1111 1111" if self.path.startswith("/card") else "-")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            data = piece.encode("latin-1")
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        if self.path == "/flood":
            seen["sent"] = 0
            while seen["sent"] < 4096:
                self.wfile.write(b"4000\r\n%s\r\n" % (b"x" * 0x4000))
                seen["sent"] += 1
        if self.path.startswith("/silent"):
            self.wfile.write(b"5\r\ntick\n\r\n")
            self.wfile.flush()
            threading.Event().wait()
        if self.path.startswith("/endless"):
            while True:
                self.wfile.write(b"5\r\ntick\n\r\n")
                self.wfile.flush()
                time.sleep(0.02)
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_PURGE = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
print(server.server_address[1], flush=True)
server.serve_forever()
