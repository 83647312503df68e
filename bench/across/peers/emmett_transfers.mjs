// The transfers through emmett's CommandHandler on its Postgres event store: two commands each, one for each stream.
// argv: connection string, accounts, transfers, how many at a time. Prints {"commands", "seconds"} as JSON.

import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { CommandHandler, IllegalStateError } from "@event-driven-io/emmett";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";

const OPENING_CENTS = 1_000_000;
const MOVED_CENTS = 100;

const initialState = () => ({ opened: false, cents: 0 });

const evolve = (state, { type, data }) => {
  switch (type) {
    case "AccountOpened":
      return { opened: true, cents: state.cents + data.cents };
    case "MoneyMoved":
      // Each decision has seen the event before it.
      assert.equal(state.cents + data.cents, data.balance);
      return { ...state, cents: data.balance };
    default:
      return state;
  }
};

const open = (accountId) => (state) => {
  if (state.opened) throw new IllegalStateError(`account ${accountId} was opened before`);
  return { type: "AccountOpened", data: { accountId, cents: OPENING_CENTS } };
};

const move = (accountId, transferId, cents) => (state) => {
  if (state.cents + cents < 0) throw new IllegalStateError(`the balance of ${accountId} is too low`);
  return { type: "MoneyMoved", data: { accountId, transferId, cents, balance: state.cents + cents } };
};

const [connectionString, ...numbers] = process.argv.slice(2);
const [accountCount, transferCount, atATime] = numbers.map(Number);
const store = getPostgreSQLEventStore(connectionString);
const handle = CommandHandler({
  evolve,
  initialState,
  mapToStreamId: (id) => `account-${id}`,
  retry: { onVersionConflict: 100 },
});
const accounts = Array.from({ length: accountCount }, () => randomUUID());

/** Runs work(0), work(1) … work(count - 1) with `workers` under way at any time. */
const run = async (count, workers, work) => {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: workers }, worker));
};

const pair = () => {
  const source = randomInt(accountCount);
  const target = (source + 1 + randomInt(accountCount - 1)) % accountCount;
  return [accounts[source], accounts[target]];
};

await store.schema.migrate();
await run(accountCount, 10, (n) => handle(store, accounts[n], open(accounts[n])));

const began = performance.now();
await run(transferCount, atATime, async () => {
  const [source, target] = pair();
  const transferId = randomUUID();
  await handle(store, source, move(source, transferId, -MOVED_CENTS));
  await handle(store, target, move(target, transferId, MOVED_CENTS));
});
const seconds = (performance.now() - began) / 1000;

let total = 0;
let events = 0;
await run(accountCount, 10, async (n) => {
  const { state, currentStreamVersion } = await store.aggregateStream(`account-${accounts[n]}`, {
    evolve,
    initialState,
  });
  total += state.cents;
  events += Number(currentStreamVersion);
});
assert.equal(total, accountCount * OPENING_CENTS);
assert.equal(events, accountCount + 2 * transferCount);
await store.close();
console.log(JSON.stringify({ commands: transferCount, seconds }));
