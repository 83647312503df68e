#!/usr/bin/env bash
# In a subscription over Server-Sent Events, urql shows an error of one item with every item that follows.
#
# Versions   @urql/core 6.0.3, graphql 16.15.0
# Behaviour  urql's fetch transport treats what comes after the first item as the later parts of one answer (@defer) and
#            lays it over what came before. An item without `errors` keeps those of the item before it, `extensions`
#            pile up, and an item whose data is null shows the data of its predecessor. When the stream ends the last
#            item is delivered once more. The items sent below are independent of one another.
# Seen       sent {"data":{"n":1}}                                        shown data {"n":1}, no error
#            sent {"data":{"n":null},"errors":[{"message":"broken"}]}     shown data {"n":null}, error broken
#            sent {"data":{"n":3}}                                        shown data {"n":3}, error broken
#            sent {"data":null,"errors":[{"message":"gone"}]}             shown data {"n":3}, error gone
#            the end                                                      shown data {"n":3}, error gone
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" @urql/core@6.0.3 graphql@16.15.0 >/dev/null
cat >"$work/finding.mjs" <<'JAVASCRIPT'
import http from "node:http";
import { Client, fetchExchange } from "@urql/core";

const items = [
  { data: { n: 1 } },
  { data: { n: null }, errors: [{ message: "broken" }] },
  { data: { n: 3 } },
  { data: null, errors: [{ message: "gone" }] },
];
const server = http.createServer((request, response) => {
  request.resume();
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const item of items) response.write(`event: next\ndata: ${JSON.stringify(item)}\n\n`);
  response.end("event: complete\ndata:\n\n");
});
server.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const client = new Client({ url, exchanges: [fetchExchange], fetchSubscriptions: true, preferGetMethod: false });
  const shown = [];
  client.subscription("subscription { n }", {}).subscribe(({ data, error, hasNext }) => {
    const errors = error ? `error ${error.graphQLErrors.map((one) => one.message)}` : "no error";
    const sent = items[shown.length] ? `sent ${JSON.stringify(items[shown.length])}` : "the end";
    shown.push(`data ${JSON.stringify(data)}, ${errors}`);
    console.log(`${sent.padEnd(60)} shown ${shown.at(-1)}`);
    if (hasNext) return;
    const expected = [
      'data {"n":1}, no error',
      'data {"n":null}, error broken',
      'data {"n":3}, error broken',
      'data {"n":3}, error gone',
      'data {"n":3}, error gone',
    ];
    const same = JSON.stringify(shown) === JSON.stringify(expected);
    if (!same) console.error("changed");
    process.exit(same ? 0 : 1);
  });
});
JAVASCRIPT
node "$work/finding.mjs"
