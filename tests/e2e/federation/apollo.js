// Apollo's gateway for the supergraph in a file. Answers the requests on its lines, { query, variables }, with the answer
// and what the subgraphs were asked for it.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { parse } from "graphql";

let asked = [];
class Subgraph extends RemoteGraphQLDataSource {
  willSendRequest({ request }) {
    asked.push({ url: this.url, query: request.query, variables: request.variables });
  }
}
const gateway = new ApolloGateway({
  supergraphSdl: readFileSync(process.argv[2], "utf-8"),
  buildService: ({ url }) => new Subgraph({ url }),
});
const { executor, schema } = await gateway.load();
const logger = { debug() {}, info() {}, warn() {}, error: console.error };
console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  asked = [];
  const answer = await executor({
    request,
    document: parse(request.query),
    queryHash: request.query,
    context: {},
    schema,
    logger,
    metrics: {},
    overallCachePolicy: {},
  });
  console.log(JSON.stringify({ ...answer, asked }));
}
