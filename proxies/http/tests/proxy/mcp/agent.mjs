// An agent's work with the official SDK's client. Says what it saw, a line of JSON each; goes on, where it is held, when it reads a line.
import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, url, authorization] = process.argv.slice(2);
const sdk = (path) => import(pathToFileURL(join(modules, "@modelcontextprotocol/sdk/dist/esm", path)));
const { Client } = await sdk("client/index.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");
const { CreateMessageRequestSchema, ListRootsRequestSchema } = await sdk("types.js");

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (what, value) => process.stdout.write(`${JSON.stringify({ what, ...value })}\n`);
const text = (result) => result.content.map((part) => part.text ?? part.type).join(" ");

const client = new Client({ name: "agent", version: "1" }, { capabilities: { sampling: {}, roots: { listChanged: true } } });
client.setRequestHandler(CreateMessageRequestSchema, () => ({
  model: "none", role: "assistant", content: { type: "text", text: "said by the client's model" },
}));
client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: "file:///work", name: "work" }] }));
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization } } });
await client.connect(transport);

say("tools", { names: (await client.listTools()).tools.map((tool) => tool.name) });
say("prompts", { names: (await client.listPrompts()).prompts.map((prompt) => prompt.name) });
say("echo", { text: text(await client.callTool({ name: "echo", arguments: { message: "hello" } })) });

const sum = { name: "get-sum", arguments: { a: 5000, b: 1 } };
try {
  await client.callTool(sum);
} catch ({ code, message, data }) {
  say("held", { code, message, data });
}
await lines.next();
say("sum", { text: text(await client.callTool(sum)) });

try {
  await client.callTool({ name: "get-env", arguments: {} });
} catch ({ code, message, data }) {
  say("denied", { code, message, data });
}

let steps = 0;
const began = Date.now();
let first;
const long = { name: "trigger-long-running-operation", arguments: { duration: 1, steps: 4 } };
await client.callTool(long, undefined, { onprogress: () => { steps += 1; first ??= Date.now() - began; } });
say("progress", { steps, early: first < Date.now() - began - 300 });

const sampling = { name: "trigger-sampling-request", arguments: { prompt: "a question", maxTokens: 5 } };
say("sampled", { text: text(await client.callTool(sampling)) });

await transport.terminateSession();
await client.close();
say("end", {});
process.exit(0);
