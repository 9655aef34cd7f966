"""An MCP server that does what a test tells it, and notes what it was asked. What it is told comes to /__do, as JSON."""
import json, queue, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SEEN = []
# How `read_file` is described; how lists are answered: `json`, `sse`, or a text as it is.
STATE = {"description": "reads a file", "lists": "json"}
GO = threading.Event()
SAY = queue.Queue()

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}


def tools():
    names = ["read_file", "pay", "drop", "slow", "ask", "key", "sneak"]
    each = [{"name": name, "description": name, "inputSchema": SCHEMA} for name in names]
    each[0]["description"] = STATE["description"]
    each[0]["inputSchema"] = {"type": "object", "properties": {"path": {"type": "string", "x-mcp-header": "Path"}}}
    return each


def text(words):
    return {"content": [{"type": "text", "text": words}]}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def plain(self, data, kind="application/json", status=200, fields=()):
        self.send_response(status)
        if data or kind:
            self.send_header("content-type", kind)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def piece(self, data):
        data = data.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, message):
        self.piece(f"event: message\ndata: {json.dumps(message)}\n\n")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/__do":
            told = json.loads(body)
            if told.pop("go", None):
                GO.set()
            for message in told.pop("say", []):
                SAY.put(message)
            STATE.update(told)
            return self.plain(b"{}")
        SEEN.append({"method": "POST", "path": self.path, "headers": self.headers.items(), "body": body.decode()})
        message = json.loads(body)
        if isinstance(message, list):
            return self.plain(json.dumps([self.result(one) for one in message if "id" in one]).encode())
        if "method" not in message or "id" not in message:
            return self.plain(b"", "", 202)
        if message["method"] == "initialize":
            return self.plain(json.dumps(self.result(message)).encode(), fields=[("mcp-session-id", "s-1")])
        if message["method"].endswith("/list"):
            if STATE["lists"] == "sse":
                self.stream()
                self.piece(": here\n\n")
                self.event(self.result(message))
                return self.piece_end()
            if STATE["lists"] != "json":
                return self.plain(STATE["lists"].encode(), STATE.get("kind", "application/json"))
        name = message.get("params", {}).get("name")
        if name == "slow":
            self.stream()
            self.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}})
            GO.wait(20)
            self.event(self.result(message))
            return self.piece_end()
        if name == "ask":
            self.stream()
            for id, method in [("r", "roots/list"), ("m", "sampling/createMessage")]:
                self.event({"jsonrpc": "2.0", "id": id, "method": method, "params": {}})
            self.event(self.result(message))
            return self.piece_end()
        self.plain(json.dumps(self.result(message)).encode())

    def piece_end(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def result(self, message):
        method, params = message["method"], message.get("params", {})
        if method == "tools/list":
            result = {"tools": tools()}
        elif method == "prompts/list":
            result = {"prompts": [{"name": "greet"}, {"name": "spill"}]}
        elif method == "resources/list":
            result = {"resources": [{"uri": f"file:///srv/{name}", "name": name} for name in ["docs/a", "keys/b"]]}
        elif method == "initialize":
            result = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}
        elif params.get("name") == "key":
            result = text(f"the key is {self.headers.get('authorization')}")
        elif params.get("name") == "sneak":
            # A list where none was asked for.
            result = {"content": [], "tools": tools()}
        else:
            result = text(f"did {method} {json.dumps(params)}")
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}

    def do_GET(self):
        if self.path == "/__seen":
            return self.plain(json.dumps(SEEN).encode())
        SEEN.append({"method": "GET", "path": self.path, "headers": self.headers.items(), "body": ""})
        self.stream()
        self.piece("id: e-1\n")
        self.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "hello"}})
        while True:
            self.event(SAY.get())

    def do_DELETE(self):
        SEEN.append({"method": "DELETE", "path": self.path, "headers": self.headers.items(), "body": ""})
        self.plain(b"", "")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
