// The official server of examples (`@modelcontextprotocol/server-everything`) on a port of its own, which it says in its first line.
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.argv[2];
const probe = createServer().listen(0, "127.0.0.1", () => {
  const { port } = probe.address();
  probe.close(() => {
    process.env.PORT = String(port);
    console.log = () => {};
    console.error = (...words) => {
      if (String(words[0]).includes("listening on port")) process.stdout.write(`${port}\n`);
    };
    import(pathToFileURL(join(modules, "@modelcontextprotocol/server-everything/dist/transports/streamableHttp.js")));
  });
});
