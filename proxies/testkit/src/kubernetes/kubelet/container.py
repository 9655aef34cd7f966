"""The one container: what exec and attach run in it, what port-forward reaches in it."""

import fcntl
import json
import os
import pty
import signal
import socket
import socketserver
import struct
import subprocess
import termios
import threading

CHANNELS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}


class WebSocketStreams:
    """`v4.channel.k8s.io` and `v5`, in which a client can also close a stream."""

    def __init__(self, websocket):
        self.websocket = websocket
        # As a kubelet does, so that the client knows that all is well before anything is said.
        self.write("stdout", b"")

    def write(self, name, payload):
        self.websocket.write(bytes([CHANNELS[name]]) + payload)

    def inputs(self):
        names = {number: name for name, number in CHANNELS.items()}
        while (message := self.websocket.read_message()) is not None:
            if message[:1] == b"\xff":
                yield names.get(message[1]), None
            elif message:
                yield names.get(message[0]), message[1:]

    def finish(self, status):
        self.write("error", status)
        self.websocket.close()


class SpdyStreams:
    """SPDY/3.1 with `X-Stream-Protocol-Version: v4.channel.k8s.io`: each stream says in its headers which one it is."""

    def __init__(self, spdy, wanted):
        self.spdy, self.events, self.early = spdy, spdy.events(), []
        self.names = {}
        for what, stream, payload in self.events:
            if what == "open":
                self.names[stream] = payload.get("streamtype")
            else:
                self.early.append((what, stream, payload))
            if wanted <= set(self.names.values()):
                break
        self.streams = {name: stream for stream, name in self.names.items()}

    def write(self, name, payload):
        for start in range(0, len(payload), 1 << 15):
            self.spdy.write(self.streams[name], payload[start : start + (1 << 15)])

    def inputs(self):
        early, self.early = self.early, []
        for events in (early, self.events):
            for what, stream, payload in events:
                yield self.names.get(stream), payload if what == "data" else None

    def finish(self, status):
        self.write("error", status)
        for name in ("stdout", "stderr", "error"):
            if name in self.streams:
                self.spdy.write(self.streams[name], b"", end=True)


def status_of(code):
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    code = code if code > 0 else 128 - code
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


class Container:
    """Whatever runs in it is gone with it."""

    def __init__(self, home):
        self.home = home
        self.running = set()
        self.ports = {7: echo_server(), 80: page_server()}

    def run(self, streams, argv, wanted, record):
        """Runs `argv` with the streams of a client, and tells it how that ended."""
        tty = "tty" in wanted
        inner, outer = pty.openpty() if tty else (None, None)
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(
                argv,
                cwd=self.home,
                env={"PATH": os.environ["PATH"], "HOME": self.home, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
                stdin=outer if tty else pipe if "stdin" in wanted else subprocess.DEVNULL,
                stdout=outer if tty else pipe,
                stderr=outer if tty else pipe,
                start_new_session=True,
                preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if tty else None,
            )
        except OSError as error:
            status = {"status": "Failure", "reason": "InternalError", "code": 500}
            status["message"] = f"error executing command in container: {error}"
            streams.finish(json.dumps(status).encode())
            return
        finally:
            if tty:
                os.close(outer)
        self.running.add(process)
        sources = [("stdout", inner)] if tty else [("stdout", process.stdout.fileno()), ("stderr", process.stderr.fileno())]
        pumps = [threading.Thread(target=self.pump, args=(streams, *source), daemon=True) for source in sources]
        feeder = threading.Thread(target=self.feed, args=(streams, process, inner, record), daemon=True)
        for thread in (*pumps, feeder):
            thread.start()
        for pump in pumps:
            pump.join()
        record["exit"] = code = process.wait()
        self.running.discard(process)
        try:
            streams.finish(json.dumps(status_of(code)).encode())
        except OSError:
            pass  # the client left first
        feeder.join(10)  # until the client has closed: what was written last is not to be lost with the connection
        if tty:
            os.close(inner)

    @staticmethod
    def pump(streams, name, source):
        try:
            while payload := os.read(source, 1 << 15):
                streams.write(name, payload)
        except OSError:
            pass  # a terminal that nobody has open any more, or a client that left

    def feed(self, streams, process, terminal, record):
        """To the end of the connection. A process whose client left is killed."""
        try:
            for name, payload in streams.inputs():
                if name == "resize" and payload:
                    record.setdefault("resize", []).append(size := json.loads(payload))
                    if terminal is not None:
                        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size["Height"], size["Width"], 0, 0))
                elif name == "stdin":
                    self.give(process, terminal, payload)
                    record["stdin"] = record.get("stdin", 0) + len(payload or b"")
        except (OSError, ValueError):
            pass
        if process.poll() is None:
            kill(process)

    @staticmethod
    def give(process, terminal, payload):
        try:
            if terminal is not None:
                while payload:
                    payload = payload[os.write(terminal, payload) :]
            elif payload is None:
                process.stdin.close()
            else:
                process.stdin.write(payload)
                process.stdin.flush()
        except (OSError, ValueError):
            pass  # it reads no more

    def forward(self, spdy, record):
        """`portforward.k8s.io`: for each connection a stream of errors and one of data, of the same `requestid`."""
        errors, sockets = {}, {}
        for what, stream, payload in spdy.events():
            if what == "open" and payload.get("streamtype") == "error":
                errors[payload["requestid"]] = stream
            elif what == "open":
                port, error = int(payload["port"]), errors.get(payload["requestid"])
                record.setdefault("ports", []).append(port)
                sockets[stream] = self.connect(spdy, stream, error, port)
            elif sockets.get(stream):
                try:
                    sockets[stream].sendall(payload) if what == "data" else sockets[stream].shutdown(socket.SHUT_WR)
                except OSError:
                    pass
        for one in sockets.values():
            if one:
                one.close()

    def connect(self, spdy, stream, error, port):
        if port not in self.ports:
            spdy.write(error, f"error forwarding port {port} to pod: connection refused".encode())
            spdy.write(stream, b"", end=True)
            spdy.write(error, b"", end=True)
            return None
        inside = socket.create_connection(("127.0.0.1", self.ports[port]))

        def pump():
            try:
                while payload := inside.recv(1 << 15):
                    spdy.write(stream, payload)
                spdy.write(stream, b"", end=True)
                spdy.write(error, b"", end=True)
            except OSError:
                pass

        threading.Thread(target=pump, daemon=True).start()
        return inside

    def end(self):
        for process in list(self.running):
            kill(process)


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        pass


def served(handle):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            try:
                handle(self.request)
            except OSError:
                pass

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def echo_server():
    """Port 7: says what it hears, to the end."""

    def echo(connection):
        while payload := connection.recv(1 << 15):
            connection.sendall(payload)

    return served(echo)


def page_server():
    """Port 80: one page over HTTP."""

    def page(connection):
        head = b""
        while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
            head += more
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfrom a pod")

    return served(page)
