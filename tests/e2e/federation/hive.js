// A Hive gateway for the supergraph in a file, over HTTP. Prints its port. GET /asked: what it has asked the subgraphs since.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";
import http from "@graphql-mesh/transport-http";

let asked = [];
const gateway = createGatewayRuntime({
  supergraph: readFileSync(process.argv[2], "utf-8"),
  transports: { http },
  logging: false,
  maskedErrors: false,
  plugins: () => [
    {
      onFetch({ url, options }) {
        if (options.method !== "POST") return; // a subscription
        const { query, variables } = JSON.parse(options.body);
        asked.push({ url, query, variables });
      },
    },
  ],
});
const server = createServer((request, response) => {
  if (request.url !== "/asked") return gateway(request, response);
  response.end(JSON.stringify(asked));
  asked = [];
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
