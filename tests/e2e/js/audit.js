// Runs graphql-http's audits of GraphQL over HTTP against a server; prints each one's result as a line of JSON.
//
// node audit.js URL
import { serverAudits } from "graphql-http";

const [url] = process.argv.slice(2);
await Promise.all(
  serverAudits({ url }).map(async ({ id, name, fn }) => {
    const { status, reason } = await fn();
    console.log(JSON.stringify({ id, name, status, reason }));
  }),
);
