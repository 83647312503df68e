// What gateways and networks do to a stream and to a request, made by a server of the test's own.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { CursorLost, createClient, newId, OutcomeUnknown, RequestRefused, type Client, type Domain, type Shapes } from "@commander/client";
import { webSocket } from "@commander/client/ws";

type Answer = (response: ServerResponse, body: { variables: Record<string, unknown> }) => void;

const domain: Domain = {
  feed: "subscription Events",
  commands: { deposit: "mutation Deposit" },
  queries: { account: "query Account" },
  live: { accounts: { document: "subscription Accounts", key: "accountId", type: "Account" } },
};
let server: Server | undefined;
let client: Client<Shapes> | undefined;
const seen: { query: string; variables: Record<string, unknown> }[] = [];

/** A client of a server that gives these answers one after the other, the last one again and again. */
async function against(...answers: Answer[]) {
  const waiting = [...answers];
  seen.length = 0;
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => {
      const body = JSON.parse(text);
      seen.push(body);
      (waiting.length > 1 ? waiting.shift()! : waiting[0]!)(response, body);
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  client = createClient<Shapes>(domain, { url, silenceMs: 1_000, longestPauseMs: 50 });
  return client;
}

afterEach(() => {
  client?.close();
  server?.closeAllConnections();
  server?.close();
});

const event = (position: number, epoch = 1) => ({ __typename: "Paid", position: String(position), logEpoch: epoch, version: 1 });
const next = (item: unknown) => `event: next\nid: 1\ndata: ${JSON.stringify({ data: { events: item } })}\n\n`;
const stream =
  (...parts: (string | Buffer)[]): Answer =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    for (const part of parts) response.write(part);
  };
const ended =
  (...parts: string[]): Answer =>
  (response, body) => {
    stream(...parts)(response, body);
    response.end();
  };
const status =
  (code: number, text: string, headers: Record<string, string> = { "content-type": "text/html" }): Answer =>
  (response) => {
    response.writeHead(code, headers);
    response.end(text);
  };
const json = (result: unknown, code = 200, headers: Record<string, string> = {}): Answer =>
  status(code, JSON.stringify(result), { "content-type": "application/json", ...headers });
const failed = (code: string, more: object = {}) => ({ data: null, errors: [{ message: code, extensions: { code, ...more } }] });

async function positions(client: Client<Shapes>, count: number): Promise<string[]> {
  const got: string[] = [];
  for await (const item of client.follow({ after: "0" })) {
    got.push(String(item.position));
    if (got.length === count) break;
  }
  return got;
}

const cursors = () => seen.map(({ variables }) => variables["after"]);

const BREAKS: Record<string, Answer> = {
  "the end of the connection": ended(next(event(1))),
  "complete": ended(next(event(1)), "event: complete\ndata:\n\n"),
  "the end in the middle of an event": ended(next(event(1)), next(event(2)).slice(0, 30)),
  "silence": stream(next(event(1))),
  "UNAVAILABLE": ended(next(event(1)), `event: next\ndata: ${JSON.stringify(failed("UNAVAILABLE"))}\n\n`),
  "an error of a gateway": ended(next(event(1)), `event: next\ndata: {"errors":[{"message":"upstream"}]}\n\n`),
  "an item that is no answer": ended(next(event(1)), "event: next\ndata: <html>\n\n"),
};
for (const [name, broken] of Object.entries(BREAKS)) {
  test(`after ${name} the feed goes on behind its cursor`, async () => {
    const client = await against(broken, status(503, "<html>Service Unavailable</html>"), stream(next(event(1)), next(event(2))));
    assert.deepEqual(await positions(client, 2), ["1", "2"]);
    assert.deepEqual(cursors(), ["0", "1", "1"]);
  });
}

/** What ends a subscription over a WebSocket. The id is that of the operation. */
const ENDS: Record<string, (socket: WebSocket, id: string) => void> = {
  "1011, after a laptop's sleep": (socket) => socket.close(1011, "keepalive ping timeout"),
  "1012, of an API that restarts": (socket) => socket.close(1012),
  "the end of the connection": (socket) => socket.terminate(),
  "complete": (socket, id) => socket.send(JSON.stringify({ id, type: "complete" })),
};

for (const [name, end] of Object.entries(ENDS)) {
  test(`over a WebSocket, after ${name}, the feed goes on behind its cursor`, async () => {
    const after: unknown[] = [];
    const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "graphql-transport-ws" });
    sockets.on("connection", (socket) =>
      socket.on("message", (text) => {
        const { type, id, payload } = JSON.parse(String(text));
        if (type === "connection_init") socket.send(JSON.stringify({ type: "connection_ack" }));
        if (type !== "subscribe") return;
        after.push(payload.variables.after);
        for (const at of [1, after.length]) socket.send(JSON.stringify({ id, type: "next", payload: { data: { events: event(at) } } }));
        if (after.length < 4) end(socket, id);
      }),
    );
    await new Promise((resolve) => sockets.once("listening", resolve));
    const url = `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}/graphql`;
    client = createClient<Shapes>(domain, { url, longestPauseMs: 50, transport: webSocket({ url, webSocketImpl: WebSocket }) });
    assert.deepEqual(await positions(client, 4), ["1", "2", "3", "4"]);
    assert.deepEqual(after, ["0", "1", "2", "3"]);
    client.close();
    sockets.clients.forEach((socket) => socket.terminate());
    sockets.close();
  });
}

test("characters and events may be cut anywhere, and lines may end with CR LF", async () => {
  const item = { ...event(1), owner: "Zoë 💶" };
  const bytes = Buffer.from(next(item).replaceAll("\n", "\r\n"));
  const client = await against((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (at: number) => {
      if (at < bytes.length) response.write(bytes.subarray(at, at + 1), () => setImmediate(send, at + 1));
    };
    send(0);
  });
  for await (const got of client.follow()) {
    assert.deepEqual(got, item);
    break;
  }
});

test("a keep-alive is no silence", async () => {
  const client = await against((response, body) => {
    stream(next(event(1)))(response, body);
    let beats = 0;
    const beat = setInterval(() => {
      response.write((beats += 1) < 6 ? ":\n\n" : next(event(2)));
      if (beats === 6) clearInterval(beat);
    }, 250);
  });
  assert.deepEqual(await positions(client, 2), ["1", "2"]);
  assert.equal(seen.length, 1);
});

test("a log that was set back is the caller's to handle", async () => {
  const lost = failed("CURSOR_LOST", { position: "40", logEpoch: 2 });
  const client = await against(ended(next(event(1))), json(lost, 400));
  await assert.rejects(positions(client, 2), (error) => {
    assert(error instanceof CursorLost);
    assert.deepEqual(error.cursor, { position: "40", logEpoch: 2 });
    return true;
  });
});

for (const [name, refusal] of Object.entries({
  "a wrong document": json(failed("BAD_REQUEST"), 400),
  "an operation that costs too much": json(failed("COST_TOO_HIGH", { cost: 20, limit: 10 }), 400),
  "a document that is not trusted": json(failed("DOCUMENT_NOT_TRUSTED"), 403),
  "a wrong address": status(404, "not found"),
  "a missing right": status(403, "no"),
})) {
  test(`${name} is an error and is not tried again`, async () => {
    const client = await against(refusal);
    await assert.rejects(positions(client, 1), RequestRefused);
    await assert.rejects(client.commands["deposit"]!({}), RequestRefused);
    assert.equal(seen.length, 2);
  });
}

test("a reader that is slow gets every item, and no more than the buffer waits for it", async () => {
  const count = 500; // of 40 kB each: more than the buffers of all sockets take
  let sent = 0;
  const client = await against(async (response, { variables }) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let at = Number(variables["after"]) + 1; at <= count; at += 1) {
      sent = at;
      const pad = { ...event(at), pad: "x".repeat(40_000) };
      if (!response.write(next(pad))) await new Promise((resolve) => response.once("drain", resolve));
    }
  });
  const got: number[] = [];
  for await (const item of client.follow({ after: "0", buffer: 10 })) {
    got.push(Number(item.position));
    if (got.length === 5) {
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      assert(sent < count, "the stream is paused");
    }
    if (got.length === count) break;
  }
  assert.deepEqual(got, Array.from({ length: count }, (_, index) => index + 1));
  assert.equal(seen.length, 1, "a pause is no break");
});

test("the feed is an observable too", async () => {
  const client = await against(stream(next(event(1)), next(event(2))));
  const got = await new Promise<string[]>((resolve) => {
    const items: string[] = [];
    const following = client.follow({ after: "0" }).subscribe(({ position }) => {
      items.push(String(position));
      if (items.length < 2) return;
      following.unsubscribe();
      resolve(items);
    });
  });
  assert.deepEqual(got, ["1", "2"]);
});

test("a signal ends the feed while it waits", async () => {
  const client = await against(stream(next(event(1))));
  const controller = new AbortController();
  const got = [];
  for await (const item of client.follow({ signal: controller.signal })) {
    got.push(item);
    setTimeout(() => controller.abort(), 20);
  }
  assert.equal(got.length, 1);
});

const APPLIED = json({ data: { deposit: { __typename: "CommandApplied", position: "7" } } });
const ids = () => new Set(seen.map(({ variables }) => (variables["options"] as { commandId: string }).commandId));

test("a command is the same request through every break, and waits as long as the server asks", async () => {
  const began = Date.now();
  const client = await against(
    (response) => void response.destroy(),
    status(502, "<html>Bad Gateway</html>"),
    status(429, "slow down", { "retry-after": "1" }),
    json(failed("OVERLOADED", { retryAfterSeconds: 0.3 })),
    json(failed("RATE_LIMITED", { retryAfterSeconds: 0.2, limit: "commands" }), 429),
    json(failed("UNAVAILABLE")),
    json({ data: { deposit: { __typename: "CommandPending", stage: "DECISION", behind: [] } } }),
    APPLIED,
  );
  const outcome = await client.commands["deposit"]!({ amount: "1" }, { patienceMs: Infinity });
  assert.equal(outcome.__typename, "CommandApplied");
  assert.equal(seen.length, 8);
  assert.equal(ids().size, 1);
  assert(Date.now() - began >= 1_500, "Retry-After and retryAfterSeconds are heeded");
});

test("a command whose answer does not come is known by its id", async () => {
  const client = await against((response) => void response.destroy());
  const sent = client.commands["deposit"]!({}, { commandId: "11111111-1111-4111-8111-111111111111", patienceMs: 100 });
  await assert.rejects(sent, (error) => error instanceof OutcomeUnknown && error.commandId.startsWith("1111"));
});

test("a command that was perhaps stored is not said to be refused", async () => {
  const client = await against((response) => void response.destroy(), status(403, "no"));
  await assert.rejects(client.commands["deposit"]!({}), OutcomeUnknown);
});

test("a signal ends the attempts", async () => {
  const client = await against(() => {});
  const sent = client.commands["deposit"]!({}, { signal: AbortSignal.timeout(50), patienceMs: Infinity });
  await assert.rejects(sent, OutcomeUnknown);
});

test("reads show what was written, until the log is set back behind it", async () => {
  const client = await against(APPLIED, json({ data: { account: null } }), json(failed("BAD_REQUEST", { head: "3" }), 400), json({ data: { account: null } }));
  await client.commands["deposit"]!({});
  await client.read["account"]!({});
  assert.equal(seen.at(-1)!.variables["atLeast"], "7");
  await client.read["account"]!({});
  assert.equal(seen.at(-1)!.variables["atLeast"], undefined);
});

const rows = (item: object) => `event: next\ndata: ${JSON.stringify({ data: { accounts: item } })}\n\n`;
const change = (id: string, balance: string | null) => ({
  accountId: id,
  row: balance === null ? null : { accountId: id, balance },
});

test("rows follow snapshots and changes across breaks; an expected row gives way at its position", async () => {
  let more: ServerResponse | undefined;
  const client = await against(
    ended(rows({ cursor: "a", position: "1", snapshot: true, changes: [change("x", "1"), change("y", "2")] })),
    (response, body) => {
      more = response;
      stream(rows({ cursor: "b", position: "2", snapshot: false, changes: [change("y", null), change("z", "3")] }))(response, body);
    },
  );
  const store = client.live["accounts"]!({});
  assert.equal(store, client.live["accounts"]!({}));
  const balances = () => store.getSnapshot().rows.map((row) => (row as { balance: string }).balance);
  const until = (position: string) =>
    new Promise<void>((resolve) => {
      const stop = store.subscribe(() => {
        if (store.getSnapshot().position !== position) return;
        stop();
        resolve();
      });
    });
  const stop = store.subscribe(() => {});
  await until("2");
  assert.deepEqual(balances(), ["1", "3"]);
  assert.equal(seen[1]!.variables["after"], "a");
  assert.equal(store.getSnapshot(), store.getSnapshot());

  store.expect(Promise.resolve({ __typename: "CommandRejected" }), [{ accountId: "x", balance: "0" }]);
  assert.deepEqual(balances(), ["0", "3"]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(balances(), ["1", "3"], "what was refused is taken back");

  const applied = Promise.resolve({ __typename: "CommandApplied", position: "10" });
  store.expect(applied, [{ accountId: "x", balance: "0" }], ["z"]);
  more!.write(rows({ cursor: "c", position: "9", snapshot: false, changes: [change("x", "5")] }));
  await until("9");
  assert.deepEqual(balances(), ["0"], "position 9 is before 10");
  more!.write(rows({ cursor: "d", position: "10", snapshot: false, changes: [change("x", "4")] }));
  await until("10");
  assert.deepEqual(balances(), ["4", "3"]);
  stop();
});

test("what SETTLED waited for is what rows and reads wait for", async () => {
  const settled = { __typename: "CommandApplied", position: "7", settled: { position: "10", commands: [] } };
  let more: ServerResponse | undefined;
  const client = await against(json({ data: { deposit: settled } }), (response, body) => {
    more = response;
    stream(rows({ cursor: "a", position: "7", snapshot: true, changes: [change("x", "9")] }))(response, body);
  });
  const outcome = client.commands["deposit"]!({});
  await outcome;
  assert.equal(client.written, "10");
  const store = client.live["accounts"]!({});
  store.expect(outcome, [{ accountId: "x", balance: "3" }]);
  const shown: unknown[] = [];
  await new Promise<void>((resolve) => {
    const stop = store.subscribe(() => {
      const { rows: [row], expected, position } = store.getSnapshot();
      shown.push([(row as { balance: string }).balance, expected.has(row!), position]);
      if (position === "7") more!.write(rows({ cursor: "b", position: "10", snapshot: false, changes: [change("x", "4")] }));
      if (position !== "10") return;
      stop();
      resolve();
    });
  });
  assert.equal(seen[1]!.variables["atLeast"], "10");
  assert.deepEqual(shown.slice(-2), [["3", true, "7"], ["4", false, "10"]]);
});

test("an expected row stays while its command is decided and a projection is late", async () => {
  let more: ServerResponse | undefined;
  const client = await against((response, body) => {
    more = response;
    stream(rows({ cursor: "a", position: "7", snapshot: true, changes: [change("x", "9")] }))(response, body);
  });
  const store = client.live["accounts"]!({});
  store.expect(Promise.resolve({ __typename: "CommandPending", position: "8" }), [{ accountId: "x", balance: "3" }]);
  const shown: unknown[] = [];
  await new Promise<void>((resolve) => {
    const stop = store.subscribe(() => {
      const { rows: [row], position } = store.getSnapshot();
      shown.push((row as { balance: string }).balance);
      if (position === "7") more!.write(rows({ cursor: "b", position: "8", snapshot: false, changes: [] }));
      if (position !== "8") return;
      stop();
      resolve();
    });
  });
  assert.deepEqual([shown.at(-2), shown.at(-1)], ["3", "9"]);
});

test("new ids are UUIDs that sort by time", async () => {
  const before = newId();
  await new Promise((resolve) => setTimeout(resolve, 2));
  const after = newId();
  for (const id of [before, after]) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert(before < after);
  assert(Math.abs(Number.parseInt(after.replace("-", "").slice(0, 12), 16) - Date.now()) < 60_000);
});
