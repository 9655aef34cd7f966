"""A small MCP server of files and payments (streamable HTTP, standard library only). `files.py TOKEN_FILE` says its port in its first line."""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = open(sys.argv[1]).read().strip()


def tool(name, description, **properties):
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"name": name, "description": description, "inputSchema": schema}


TOOLS = [
    tool("read_file", "Reads a file.", path="string"),
    tool("pay", "Pays an invoice.", invoice="string", amount="integer"),
    tool("delete_file", "Deletes a file.", path="string"),
]


def answer(message):
    method, params = message.get("method"), message.get("params", {})
    if method == "initialize":
        told = {"name": "files", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": told}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method != "tools/call":
        return {}
    words = {"read_file": "Lantern: 12 in stock", "pay": "paid", "delete_file": "deleted"}[params["name"]]
    return {"content": [{"type": "text", "text": words}]}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        known = self.headers.get("authorization") == f"Bearer {TOKEN}"
        if known and "id" not in message:
            # A notification, such as `notifications/initialized`: there is nothing to answer.
            return self.bare(202)
        data = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": answer(message)} if known else {}).encode()
        self.send_response(200 if known else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        # No event stream of its own, and no session to end.
        self.bare(405)

    do_DELETE = do_GET

    def bare(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
print(server.server_address[1], flush=True)
server.serve_forever()
