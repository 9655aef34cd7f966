"""Says how Python's own server resolves a request's path, and its query."""
import json, os, socketserver, sys
from http.server import SimpleHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit


class Origin(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.translate_path(self.path).removeprefix(os.getcwd()) or "/"
        query = parse_qsl(urlsplit(self.path).query, keep_blank_values=True)
        answer = json.dumps({"path": path, "query": query}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


socketserver.ThreadingUnixStreamServer(sys.argv[1], Origin).serve_forever()
