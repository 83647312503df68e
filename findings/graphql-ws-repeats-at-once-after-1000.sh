#!/usr/bin/env bash
# graphql-ws waits before it tries again, except after a close with code 1000: then it repeats the request at once.
#
# Versions   graphql-ws 6.4.2, graphql 16.15.0, ws 8.20.0
# Behaviour  A server acknowledges the connection, takes a subscription, and closes with 1000 ("normal"), as gateways do when
#            they end long connections. With `retryAttempts` the client connects again and sends the same request, without
#            the pause of `retryWait`, and without an end of its attempts, because each acknowledged connection counts as
#            a success. After 4499 it calls `retryWait` first.
# Seen       1000: more than 20 connections in half a second, retryWait called 0 times
#            4499: 1 connections in half a second, retryWait called 1 times
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" graphql-ws@6.4.2 graphql@16.15.0 ws@8.20.0 >/dev/null
cat >"$work/finding.mjs" <<'JAVASCRIPT'
import { createClient } from "graphql-ws";
import WebSocket, { WebSocketServer } from "ws";

async function connections(code) {
  let made = 0;
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "graphql-transport-ws" });
  await new Promise((ready) => server.once("listening", ready));
  server.on("connection", (socket) => {
    made += 1;
    socket.on("message", (data) => {
      const { type } = JSON.parse(data);
      if (type === "connection_init") socket.send(JSON.stringify({ type: "connection_ack" }));
      if (type === "subscribe") socket.close(made > 1000 ? 4400 : code, "the server ends it");
    });
  });
  let waited = 0;
  const client = createClient({
    url: `ws://127.0.0.1:${server.address().port}/`,
    webSocketImpl: WebSocket,
    retryAttempts: 5,
    shouldRetry: () => true,
    retryWait: async () => {
      waited += 1;
      await new Promise((resolve) => setTimeout(resolve, 10_000));
    },
  });
  client.subscribe({ query: "subscription { a }" }, { next() {}, error() {}, complete() {} });
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { made, waited };
}

const normal = await connections(1000);
const other = await connections(4499);
console.log(`1000: ${normal.made} connections in half a second, retryWait called ${normal.waited} times`);
console.log(`4499: ${other.made} connections in half a second, retryWait called ${other.waited} times`);
const same = normal.made > 20 && normal.waited === 0 && other.made === 1 && other.waited === 1;
if (!same) console.error("changed");
process.exit(same ? 0 : 1);
JAVASCRIPT
node "$work/finding.mjs"
