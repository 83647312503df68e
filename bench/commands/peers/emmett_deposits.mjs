// The deposits through emmett's CommandHandler on its Postgres event store.
// argv: connection string, accounts, deposits, how many at a time. Prints {"commands", "seconds"} as JSON.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { CommandHandler, IllegalStateError } from "@event-driven-io/emmett";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";

const initialState = () => ({ opened: false, cents: 0 });

const evolve = (state, { type, data }) => {
  switch (type) {
    case "AccountOpened":
      return { ...state, opened: true };
    case "MoneyDeposited":
      return { ...state, cents: state.cents + data.cents };
    default:
      return state;
  }
};

const open = (accountId) => (state) => {
  if (state.opened) throw new IllegalStateError(`account ${accountId} was opened before`);
  return { type: "AccountOpened", data: { accountId, owner: "Ada" } };
};

const deposit = (accountId, cents) => (state) => {
  if (!state.opened) throw new IllegalStateError(`there is no account ${accountId}`);
  return { type: "MoneyDeposited", data: { accountId, cents } };
};

const [connectionString, ...numbers] = process.argv.slice(2);
const [accountCount, depositCount, atATime] = numbers.map(Number);
const store = getPostgreSQLEventStore(connectionString);
const handle = CommandHandler({ evolve, initialState, mapToStreamId: (id) => `account-${id}` });
const accounts = Array.from({ length: accountCount }, () => randomUUID());

/** Runs work(0), work(1) … work(count - 1) with `workers` under way at any time. */
const run = async (count, workers, work) => {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: workers }, worker));
};

await store.schema.migrate();
await run(accountCount, 10, (n) => handle(store, accounts[n], open(accounts[n])));

const began = performance.now();
await run(depositCount, atATime, (n) => {
  const id = accounts[n % accountCount];
  return handle(store, id, deposit(id, 100));
});
const seconds = (performance.now() - began) / 1000;

const { state, currentStreamVersion } = await store.aggregateStream(`account-${accounts[0]}`, {
  evolve,
  initialState,
});
const expected = Math.ceil(depositCount / accountCount);
assert.equal(state.cents, expected * 100);
assert.equal(currentStreamVersion, BigInt(expected + 1));
await store.close();
console.log(JSON.stringify({ commands: depositCount, seconds }));
