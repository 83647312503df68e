// A client of docs/clients.md as a process for the tests in Python: does what the lines of its input say, prints lines of
// JSON, also for each warning.
//
// node documented.js FILE. Each line of the input is a JSON array: the name of a function and its arguments.
import { createInterface } from "node:readline";
import WebSocket from "ws";

globalThis.WebSocket ??= WebSocket;
const print = (line) => console.log(JSON.stringify(line));
console.warn = console.error = (...warning) => print({ warning: warning.join(" ") });
const client = await import(process.argv[2]);

const doing = {
  watch: async (id) => client.watch(id, (balance) => print({ balance })),
  deposit: async (accountId, amount) => print({ deposited: await client.deposit({ accountId, amount }) }),
  follow: async (after) => client.follow(after, (item) => print({ item })),
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...given] = JSON.parse(line);
    doing[name](...given).catch((error) => print({ warning: String(error) }));
  })
  .on("close", () => process.exit(0));
