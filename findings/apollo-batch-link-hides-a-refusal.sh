#!/usr/bin/env bash
# Apollo Client's BatchHttpLink does not show why a server refuses an array of requests.
#
# Versions   @apollo/client 4.3.8, graphql 16.15.0, rxjs 7.8.2
# Behaviour  A server that refuses an array as a whole (too long, or no arrays at all) answers with one object that has
#            `errors`. HttpLink gives such an answer as the server's message. BatchHttpLink counts it as an array
#            of one, and each request fails with a message about the count. The server's message is nowhere in the error.
# Seen       HttpLink: at most 10 requests
#            BatchHttpLink: server returned results with length 1, expected length of 2
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" @apollo/client@4.3.8 graphql@16.15.0 rxjs@7.8.2 >/dev/null
cat >"$work/finding.mjs" <<'JAVASCRIPT'
import http from "node:http";
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { BatchHttpLink } from "@apollo/client/link/batch-http";

const server = http.createServer((request, response) => {
  request.resume();
  response.writeHead(400, { "content-type": "application/graphql-response+json" });
  response.end(JSON.stringify({ errors: [{ message: "at most 10 requests" }] }));
});
server.listen(0, "127.0.0.1", async () => {
  const uri = `http://127.0.0.1:${server.address().port}/`;
  const shown = {};
  for (const Link of [HttpLink, BatchHttpLink]) {
    const client = new ApolloClient({ link: new Link({ uri }), cache: new InMemoryCache() });
    const both = [client.query({ query: gql`{ a }` }), client.query({ query: gql`{ b }` })];
    const [first] = await Promise.allSettled(both);
    shown[Link.name] = first.reason.message;
    console.log(`${Link.name}: ${first.reason.message}`);
  }
  const same =
    shown.HttpLink === "at most 10 requests" &&
    shown.BatchHttpLink === "server returned results with length 1, expected length of 2";
  if (!same) console.error("changed");
  process.exit(same ? 0 : 1);
});
JAVASCRIPT
node "$work/finding.mjs"
