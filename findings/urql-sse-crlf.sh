#!/usr/bin/env bash
# urql finds no item in a stream of Server-Sent Events whose lines end with CR LF.
#
# Versions   @urql/core 6.0.3, graphql 16.15.0
# Behaviour  The format allows LF, CR and CR LF; sse-starlette 3.7 writes CR LF by default. urql cuts the stream at LF LF,
#            which such a stream does not contain. All items are lost; when it ends, the subscriber is told "No Content".
#            (In multipart answers the same function cuts at CR LF.)
# Seen       LF: 1 2 3
#            CR LF: [Network] No Content
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" @urql/core@6.0.3 graphql@16.15.0 >/dev/null
cat >"$work/finding.mjs" <<'JAVASCRIPT'
import http from "node:http";
import { Client, fetchExchange } from "@urql/core";

const server = http.createServer((request, response) => {
  request.resume();
  const end = request.url === "/crlf" ? "\r\n" : "\n";
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const n of [1, 2, 3]) response.write(`event: next${end}data: {"data":{"n":${n}}}${end}${end}`);
  response.end(`event: complete${end}data:${end}${end}`);
});
const shown = (path) =>
  new Promise((resolve) => {
    const url = `http://127.0.0.1:${server.address().port}${path}`;
    const client = new Client({ url, exchanges: [fetchExchange], fetchSubscriptions: true, preferGetMethod: false });
    const seen = new Set();
    client.subscription("subscription { n }", {}).subscribe(({ data, error, hasNext }) => {
      seen.add(error ? error.message : data.n);
      if (!hasNext) resolve([...seen].join(" "));
    });
  });
server.listen(0, "127.0.0.1", async () => {
  const [lf, crlf] = [await shown("/lf"), await shown("/crlf")];
  console.log(`LF: ${lf}`);
  console.log(`CR LF: ${crlf}`);
  const same = lf === "1 2 3" && crlf === "[Network] No Content";
  if (!same) console.error("changed");
  process.exit(same ? 0 : 1);
});
JAVASCRIPT
node "$work/finding.mjs"
