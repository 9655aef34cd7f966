// Says how Node resolves a request's path, and its query.
const http = require("node:http");

http.createServer((request, response) => {
  const url = new URL(request.url, "http://origin");
  let path = url.pathname;
  try {
    path = decodeURIComponent(path);
  } catch {}
  response.end(JSON.stringify({ path, query: [...url.searchParams] }));
}).listen(process.argv[2]);
