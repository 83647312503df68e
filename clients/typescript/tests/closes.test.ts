// What ends a WebSocket, made by a server of the test's own that speaks graphql-transport-ws.
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { createClient, RequestRefused, type Client, type Domain, type Shapes } from "@commander/client";
import { webSocket } from "@commander/client/ws";

type Variables = Record<string, unknown>;
/** What a connection does: answers a subscription, or ends. */
type Script = (socket: WebSocket, id: string, variables: Variables) => void;

const domain: Domain = { feed: "subscription Events", commands: {}, queries: {}, live: {} };
let server: WebSocketServer | undefined;
let client: Client<Shapes> | undefined;
let connections = 0;
const params: unknown[] = [];

/** A client of a server whose connections do this one after the other, the last one again and again. */
async function against(...scripts: Script[]): Promise<Client<Shapes>> {
  connections = params.length = 0;
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket) => {
    const script = scripts[Math.min((connections += 1), scripts.length) - 1]!;
    socket.on("message", (data) => {
      const { type, id, payload } = JSON.parse(String(data));
      if (type === "connection_init") {
        params.push(payload);
        socket.send(JSON.stringify({ type: "connection_ack" }));
      }
      if (type === "subscribe") script(socket, id, payload.variables);
    });
  });
  await new Promise((resolve) => server!.once("listening", resolve));
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  const transport = webSocket({ url, webSocketImpl: WebSocket, connectionParams: () => ({ token: connections }) });
  client = createClient<Shapes>(domain, { url, transport, silenceMs: 30_000, longestPauseMs: 20 });
  return client;
}

afterEach(() => {
  client?.close();
  server?.clients.forEach((socket) => socket.terminate());
  server?.close();
});

function next(socket: WebSocket, id: string, position: number): void {
  const events = { __typename: "Paid", position: String(position), logEpoch: 1, version: position };
  socket.send(JSON.stringify({ type: "next", id, payload: { data: { events } } }));
}

/** The two events behind the cursor; then `end`. */
const two =
  (end: (socket: WebSocket) => void): Script =>
  (socket, id, { after }) => {
    const position = Number(after);
    next(socket, id, position + 1);
    next(socket, id, position + 2);
    end(socket);
  };
const close = (code: number) => (socket: WebSocket) => socket.close(code, "as it goes");

async function positions(client: Client<Shapes>, count: number, after = "0"): Promise<number[]> {
  const got: number[] = [];
  for await (const item of client.follow({ after })) {
    got.push(Number(item.position));
    if (got.length === count) break;
  }
  return got;
}

const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, index) => from + index + 1);

for (const code of [1000, 1001, 1008, 1009, 1011, 1012, 1013, 4408, 4429, 4499]) {
  test(`after a close with ${code} the feed goes on behind its cursor`, async () => {
    const client = await against(two(close(code)));
    assert.deepEqual(await positions(client, 9), upTo(9));
    assert.equal(connections, 5);
  });
}

test("after a connection that is cut off the feed goes on behind its cursor", async () => {
  const client = await against(two((socket) => socket.terminate()));
  assert.deepEqual(await positions(client, 9), upTo(9));
});

for (const code of [1000, 1011, 1012]) {
  test(`a close with ${code} before anything came is tried again`, async () => {
    const client = await against((socket) => close(code)(socket), (socket) => close(code)(socket), two(() => {}));
    assert.deepEqual(await positions(client, 2), [1, 2]);
    assert.equal(connections, 3);
  });

  test(`a client may be closed while a connection ends with ${code}`, async () => {
    const client = await against((socket) => close(code)(socket));
    const read = positions(client, 1);
    await new Promise((resolve) => server!.once("connection", resolve));
    client.close();
    assert.deepEqual(await read, []);
    await new Promise((resolve) => setTimeout(resolve, 50)); // an error that nobody handles would fail the test
  });

  test(`closes with ${code} that do not end are tried again after growing pauses`, async () => {
    const client = await against((socket) => close(code)(socket));
    const ended = new AbortController();
    const began = performance.now();
    const looking = setInterval(() => connections > 2 && performance.now() - began > 300 && ended.abort(), 10);
    for await (const _ of client.follow({ after: "0", signal: ended.signal })) assert.fail("nothing comes");
    clearInterval(looking);
    assert(connections < 60, String(connections));
  });

  test(`each of several feeds on one connection goes on after a close with ${code}`, async () => {
    const left = new WeakMap<WebSocket, number>();
    const client = await against((socket, id, variables) => {
      left.set(socket, (left.get(socket) ?? 3) - 1);
      two(() => left.get(socket) || connections > 1 || close(code)(socket))(socket, id, variables);
    });
    const read = [0, 100, 200].map((after) => positions(client, 4, String(after)));
    assert.deepEqual(await Promise.all(read), [upTo(4), upTo(4, 100), upTo(4, 200)]);
    assert(connections >= 2);
  });
}

for (const code of [4400, 4401, 4403, 4406]) {
  test(`a first answer of ${code} is a refusal`, async () => {
    const client = await against((socket) => close(code)(socket));
    await assert.rejects(positions(client, 1), RequestRefused);
    assert.equal(connections, 1);
  });
}

test("a token that expires later is given anew", async () => {
  const client = await against(two(close(4403)));
  assert.deepEqual(await positions(client, 5), upTo(5));
  assert.equal(new Set(params.map((one) => JSON.stringify(one))).size, 3);
});
