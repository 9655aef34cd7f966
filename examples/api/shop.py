"""A shop's API, to guard: `python3 shop.py KEY_FILE` listens on a free port of this machine, which it prints, and asks for that key."""
import json
import pathlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = pathlib.Path(sys.argv[1]).read_text().strip()
ORDERS = [
    {"id": 7, "item": "lantern", "amount": 39.9, "refunds": 0, "note": "paid by phone: 4111 1111 1111 1111"},
    {"id": 8, "item": "rope", "amount": 12, "refunds": 0, "note": None},
]
CUSTOMER = {"id": 1, "name": "Ada Example", "email": "ada@example.com", "card": {"pan": "5555555555554444", "until": "2030-01"}}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"/orders": ORDERS, "/orders/7": ORDERS[0], "/customers/1": CUSTOMER}.get(self.path))

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/orders/7/refund" and self.is_known():
            ORDERS[0]["refunds"] += 1
        self.answer(ORDERS[0] if self.path == "/orders/7/refund" else None)

    def do_DELETE(self):
        if self.is_known():
            ORDERS.clear()
        self.answer([])

    def is_known(self):
        return self.headers.get("authorization") == f"Bearer {KEY}"

    def answer(self, content):
        status = 401 if not self.is_known() else 404 if content is None else 200
        data = json.dumps(content if status == 200 else {"error": status}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
print(server.server_port, flush=True)
server.serve_forever()
