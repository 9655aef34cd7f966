// Answers everything, and writes down what it was asked. As lenient as Node can be: what it takes, others may take.
import { appendFileSync } from "node:fs";
import http from "node:http";

const log = process.env.ORIGIN_LOG;
const server = http.createServer({ insecureHTTPParser: true, keepAliveTimeout: 60_000 }, (request, response) => {
  const url = new URL("http://origin" + (request.url.startsWith("/") ? "" : "/") + request.url);
  let path = url.pathname;
  try {
    path = decodeURIComponent(path);
  } catch {}
  appendFileSync(log, JSON.stringify({ method: request.method, target: request.url, path }) + "\n");
  request.resume().on("end", () => response.end("ok\n"));
});
server.listen(Number(process.env.ORIGIN_PORT), "127.0.0.1");
