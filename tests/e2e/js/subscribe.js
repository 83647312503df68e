// Subscribes with graphql-ws, as a frontend does, and prints each item as a line of JSON.
//
// node subscribe.js URL COUNT DOCUMENT [VARIABLES]: ends with 0 after COUNT items; with 1, printing the errors,
// when the subscription is refused.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, count, query, variables] = process.argv.slice(2);
const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });

let printed = 0;
try {
  for await (const result of client.iterate({ query, variables: JSON.parse(variables ?? "{}") })) {
    console.log(JSON.stringify(result));
    if (++printed === Number(count)) break;
  }
} catch (errors) {
  console.log(JSON.stringify({ errors }));
  process.exitCode = 1;
} finally {
  await client.dispose();
}
