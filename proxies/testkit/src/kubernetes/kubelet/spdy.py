"""The server's side of SPDY/3.1 between Kubernetes's own programs, which use no flow control and no priorities."""

import struct
import threading
import zlib

# SPDY/3, section 2.6.10.1: words with their lengths, and then text without.
SPDY_WORDS = """options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges
age allow authorization cache-control connection content-base content-encoding content-language content-length
content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since
if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate
proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning
www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin"""
SPDY_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
SPDY_DICTIONARY = b"".join(
    struct.pack(">I", len(word)) + word.replace("_", " ").encode() for word in SPDY_WORDS.split()
) + SPDY_TEXT.encode()

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
FIN = 1


class Spdy:
    """`read(n)` gives exactly n bytes, fewer at the end; `write(bytes)` sends them all."""

    def __init__(self, read, write):
        self.read, self.write_bytes = read, write
        self.lock = threading.Lock()
        self.inflate = zlib.decompressobj(zdict=SPDY_DICTIONARY)
        self.deflate = zlib.compressobj(zdict=SPDY_DICTIONARY)

    def events(self):
        """("open", stream, headers), ("data", stream, bytes), ("end", stream, None), as they come."""
        while True:
            head = self.read(8)
            if len(head) < 8:
                return
            first, second = struct.unpack(">II", head)
            flags, length = second >> 24, second & 0xFFFFFF
            payload = self.read(length)
            if len(payload) < length:
                return
            if not first & 0x8000_0000:
                if payload:
                    yield "data", first, payload
                if flags & FIN:
                    yield "end", first, None
                continue
            kind = first & 0xFFFF
            if kind == SYN_STREAM:
                stream = struct.unpack(">I", payload[:4])[0] & 0x7FFF_FFFF
                headers = self.headers(payload[10:])
                self.reply(stream)
                yield "open", stream, headers
                if flags & FIN:
                    yield "end", stream, None
            elif kind == RST_STREAM:
                yield "end", struct.unpack(">I", payload[:4])[0] & 0x7FFF_FFFF, None
            elif kind == PING:
                self.control(PING, 0, payload)
            elif kind == GOAWAY:
                return

    def headers(self, block):
        plain = self.inflate.decompress(block, 1 << 16)
        at, headers = 4, {}
        for _ in range(struct.unpack(">I", plain[:4])[0]):
            pair = []
            for _ in range(2):
                length = struct.unpack(">I", plain[at : at + 4])[0]
                pair.append(plain[at + 4 : at + 4 + length].decode())
                at += 4 + length
            headers[pair[0].lower()] = pair[1]
        return headers

    def reply(self, stream):
        with self.lock:  # the compression's state is the connection's
            block = self.deflate.compress(struct.pack(">I", 0)) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
            self.write_bytes(self.framed(SYN_REPLY, 0, struct.pack(">I", stream) + block))

    def control(self, kind, flags, payload):
        with self.lock:
            self.write_bytes(self.framed(kind, flags, payload))

    @staticmethod
    def framed(kind, flags, payload):
        return struct.pack(">II", 0x8003_0000 | kind, flags << 24 | len(payload)) + payload

    def write(self, stream, payload, end=False):
        with self.lock:
            self.write_bytes(struct.pack(">II", stream, (FIN if end else 0) << 24 | len(payload)) + payload)
