"""Answers everything, and writes down what it was asked: Python's own server."""
import json, os
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

LOG = open(os.environ["ORIGIN_LOG"], "a", buffering=1)


class Origin(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        path = self.translate_path(self.path).removeprefix(os.getcwd()) or "/"
        LOG.write(json.dumps({"method": self.command, "target": self.path, "path": path}) + "\n")
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while (size := int(self.rfile.readline().split(b";")[0], 16)) > 0:
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["ORIGIN_PORT"])), Origin).serve_forever()
