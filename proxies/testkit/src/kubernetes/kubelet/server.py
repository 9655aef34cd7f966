"""What kubectl asks of an API server before and while it streams, for one pod of one container.

Its first line of input is JSON: `token` (or null), `certificate` and `key` (or null), `lines` and `gap` (of the log).
It says `ready PORT ASKING SCRATCH`, and ends with its input. On the port ASKING any request is answered with what was seen
on the other.
"""

import http.server
import json
import os
import select
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse

POD = "web"
CONTAINER = "main"
ROOT = "/api/v1/namespaces/default/pods"
TUNNEL = "SPDY/3.1+portforward.k8s.io"


def pod():
    container = {"name": CONTAINER, "image": "example/web:1", "stdin": True, "ports": [{"containerPort": 80}]}
    running = {"running": {"startedAt": "2024-01-01T00:00:00Z"}}
    status = {"name": CONTAINER, "ready": True, "started": True, "restartCount": 0, "image": "example/web:1"}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": POD, "namespace": "default", "uid": "0b0e2ad4-5a5b-4a5e-9d5e-4f1f5f0f8a11", "resourceVersion": "7"},
        "spec": {"nodeName": "node", "containers": [container]},
        "status": {"phase": "Running", "podIP": "127.0.0.1", "containerStatuses": [{**status, "imageID": "", "state": running}]},
    }


def resources():
    verbs = {"pods": ["get", "list"], "pods/log": ["get"]}
    verbs.update({f"pods/{name}": ["create", "get"] for name in ("attach", "exec", "portforward")})
    listed = [{"name": n, "singularName": "", "namespaced": True, "kind": "Pod", "verbs": v} for n, v in verbs.items()]
    return {"kind": "APIResourceList", "groupVersion": "v1", "resources": listed}


ANSWERS = {
    "/api": lambda: {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": lambda: {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": resources,
    "/version": lambda: {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
    f"{ROOT}/{POD}": pod,
    ROOT: lambda: {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [pod()]},
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        target = urllib.parse.urlsplit(self.path)
        if self.server.asking:
            return self.say(200, self.server.seen)
        self.record = {"method": self.command, "path": self.path, "headers": [list(pair) for pair in self.headers.items()]}
        self.server.seen.append(self.record)
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        if not self.is_known():
            return self.refuse(401, "Unauthorized")
        if self.command == "GET" and target.path in ANSWERS:
            return self.say(200, ANSWERS[target.path]())
        asked = urllib.parse.parse_qs(target.query)
        if asked.get("container", [CONTAINER]) != [CONTAINER]:
            return self.refuse(400, "BadRequest")
        if self.command == "GET" and target.path == f"{ROOT}/{POD}/log":
            return self.log(asked)
        for name, serve in (("exec", self.run), ("attach", self.run), ("portforward", self.forward)):
            if self.command in ("GET", "POST") and target.path == f"{ROOT}/{POD}/{name}":
                return serve(name, asked)
        return self.refuse(404, "NotFound")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def is_known(self):
        """By a bearer's token or, as browsers send it, by a WebSocket's protocol."""
        token = self.server.token
        given = self.headers.get_all("Authorization", [])
        smuggled = [one[len(BEARER) :] for one in self.protocols() if one.startswith(BEARER)]
        given += ["Bearer " + base64.urlsafe_b64decode(one + "=" * (-len(one) % 4)).decode() for one in smuggled]
        return token is None or given == ["Bearer " + token]

    def protocols(self):
        offered = ",".join(self.headers.get_all("Sec-WebSocket-Protocol", []))
        return [one.strip() for one in offered.split(",") if one.strip()]

    def say(self, code, body):
        body = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, code, reason):
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        self.say(code, {**status, "message": f"{reason}: {self.path}", "reason": reason, "code": code})

    def log(self, asked):
        """Each line is a chunk of its own; when it is followed there is a while between them, and an end."""
        lines = self.server.lines
        if "tailLines" in asked:
            lines = lines[max(len(lines) - int(asked["tailLines"][0]), 0) :]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            payload = line.encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(payload), payload))
            self.wfile.flush()
            if asked.get("follow") == ["true"]:
                time.sleep(self.server.gap)
        self.wfile.write(b"0\r\n\r\n")

    def run(self, name, asked):
        wanted = {one for one in ("stdin", "stdout", "stderr", "tty") if asked.get(one, ["false"])[0] in ("true", "1")}
        # A container's own process has no name in the request.
        argv = asked.get("command", []) if name == "exec" else ["sh", "-c", "echo attached; cat"]
        if not argv or not wanted - {"tty"}:
            return self.refuse(400, "BadRequest")
        self.record.update(argv=argv, streams=sorted(wanted))
        channels = {"v5.channel.k8s.io", "v4.channel.k8s.io"}
        if websocket := self.websocket(channels):
            streams = WebSocketStreams(websocket)
        elif spdy := self.spdy("v4.channel.k8s.io"):
            expected = (wanted - {"tty"}) | {"error"} | ({"resize"} if "tty" in wanted else set())
            streams = SpdyStreams(spdy, expected - ({"stderr"} if "tty" in wanted else set()))
        else:
            return self.refuse(400, "Upgrade request required")
        self.server.container.run(streams, argv, wanted, self.record)

    def forward(self, _name, _asked):
        if websocket := self.websocket({TUNNEL}):
            spdy = Spdy(websocket.read, websocket.write)
        elif not (spdy := self.spdy("portforward.k8s.io")):
            return self.refuse(400, "Upgrade request required")
        self.server.container.forward(spdy, self.record)

    def websocket(self, known):
        chosen = [one for one in self.protocols() if one in known]
        if self.command != "GET" or self.headers.get("Upgrade", "").lower() != "websocket" or not chosen:
            return None
        accept = websocket_accept(self.headers["Sec-WebSocket-Key"])
        self.switch("websocket", [("Sec-WebSocket-Accept", accept), ("Sec-WebSocket-Protocol", chosen[0])])
        self.record.update(upgrade="websocket", protocol=chosen[0])
        return WebSocket(self.rfile, self.wfile)

    def spdy(self, protocol):
        offered = ",".join(self.headers.get_all("X-Stream-Protocol-Version", []))
        if self.headers.get("Upgrade", "").lower() != "spdy/3.1" or protocol not in [o.strip() for o in offered.split(",")]:
            return None
        self.switch("SPDY/3.1", [("X-Stream-Protocol-Version", protocol)])
        self.record.update(upgrade="SPDY/3.1", protocol=protocol)
        return Spdy(self.rfile.read, self.wfile.write)

    def switch(self, protocol, headers):
        self.send_response_only(101)
        for name, value in [("Connection", "Upgrade"), ("Upgrade", protocol), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_):
        pass


BEARER = "base64url.bearer.authorization.k8s.io."


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    tls = None
    asking = False

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return connection, address
        ours, theirs = socket.socketpair()
        threading.Thread(target=terminate, args=(self.tls, connection, theirs), daemon=True).start()
        return ours, address

    def handle_error(self, *_):
        pass  # a client that left


def terminate(context, connection, plain):
    """TLS on one side, bytes on the other: one thread, because two may not read and write one TLS connection at once."""
    tls = connection
    try:
        tls = context.wrap_socket(connection, server_side=True)
        tls.setblocking(False)
        to_plain, to_tls = b"", b""
        open_tls = open_plain = True
        while open_tls or open_plain or to_tls:
            if open_tls and not to_plain:
                try:
                    to_plain = tls.recv(1 << 15)
                    open_tls = bool(to_plain)
                    if not open_tls:
                        plain.shutdown(socket.SHUT_WR)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            if to_plain:
                plain.sendall(to_plain)
                to_plain = b""
                continue
            if to_tls:
                try:
                    to_tls = to_tls[tls.send(to_tls) :]
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            reading = ([tls] if open_tls else []) + ([plain] if open_plain and not to_tls else [])
            readable, _, _ = select.select(reading, [tls] if to_tls else [], [])
            if plain in readable:
                to_tls = plain.recv(1 << 15)
                if not to_tls:
                    break
        tls.setblocking(True)
        tls.unwrap()
    except OSError:
        pass
    finally:
        tls.close()
        plain.close()


def main(settings):
    scratch = tempfile.mkdtemp(prefix="portcullis-kubelet-")
    server = Server(("127.0.0.1", 0), Handler)
    if settings["certificate"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        files = [os.path.join(scratch, name) for name in ("certificate", "key")]
        for name, path in zip(("certificate", "key"), files):
            with open(path, "w", opener=lambda *args: os.open(*args, 0o600)) as file:
                file.write(settings[name])
        context.load_cert_chain(*files)
        for path in files:
            os.remove(path)
        server.tls = context
    server.token, server.lines, server.gap, server.seen = settings["token"], settings["lines"], settings["gap"], []
    server.container = Container(scratch)
    # Where a test asks what has been seen: in the clear and past every proxy.
    asked = Server(("127.0.0.1", 0), Handler)
    asked.asking, asked.seen = True, server.seen
    for one in (server, asked):
        threading.Thread(target=one.serve_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.stdin.close())
    print("ready", server.server_address[1], asked.server_address[1], scratch, flush=True)
    try:
        sys.stdin.read()
    except (OSError, ValueError):
        pass
    server.container.end()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)  # whatever its connections still do
