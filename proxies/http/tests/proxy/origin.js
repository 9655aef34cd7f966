// An origin server that speaks HTTP/2 in the clear, and over TLS where it is given a certificate and a key.
const http2 = require("node:http2");
const fs = require("node:fs");

function answer(stream, headers) {
  const pieces = [];
  let trailers = {};
  stream.on("trailers", (sent) => (trailers = sent));
  stream.on("data", (piece) => pieces.push(piece));
  stream.on("error", () => {});
  stream.on("end", () => {
    if (headers[":path"].startsWith("/grpc")) {
      const secret = headers[":path"].endsWith("secret") ? String(headers.authorization) : "fine";
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": secret, "repr-digest": "x" }));
      stream.end(Buffer.concat(pieces));
      return;
    }
    stream.respond({ ":status": 200, "content-type": "application/json" });
    const named = stream.session.socket.getPeerCertificate?.()?.subject?.CN ?? null;
    stream.end(JSON.stringify({ headers, trailers, body: Buffer.concat(pieces).toString("latin1"), client: named }));
  });
}

const [certificate, key, authority] = process.argv.slice(2).map((file) => fs.readFileSync(file));
const server = certificate
  ? http2.createSecureServer({
      cert: certificate, key, ca: authority, requestCert: Boolean(authority), rejectUnauthorized: Boolean(authority),
    })
  : http2.createServer();
server.on("stream", answer);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
