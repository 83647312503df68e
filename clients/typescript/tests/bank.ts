// The bank's client as a process for the tests in Python: does what the lines of its input say, prints lines of JSON.
//
// node bank.js URL TRANSPORT SILENCE_MS: TRANSPORT is sse or ws. Each line of the input is a JSON array: a name and its arguments.
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { cursorOf, CursorLost, type Cursor, type Snapshot } from "@commander/client";
import { webSocket } from "@commander/client/ws";
import { connect as connectCoded } from "../generated/coded/index.js";
import { connect, type Account } from "../generated/index.js";

const [url, kind, silence] = process.argv.slice(2) as [string, string, string];
const overWebSocket = () => webSocket({ url: url.replace("http", "ws"), webSocketImpl: WebSocket });
let breaks = 0;
const onBreak = ({ message }: Error) => {
  breaks += 1;
  print({ broke: message });
};
const patience = { silenceMs: Number(silence), longestPauseMs: 50, answerMs: 500, onBreak };
const options = { url, ...(kind === "ws" && { transport: overWebSocket() }), ...patience };
const client = connect(options);
const coded = connectCoded(options);

function print(line: unknown): void {
  console.log(JSON.stringify(line));
}

const doing: Record<string, (...given: string[]) => Promise<void>> = {
  /** Prints each item of the feed behind a position. */
  async follow(after, ...types) {
    const filter = types.length ? { types } : undefined;
    try {
      for await (const item of client.follow({ after, filter })) print({ item, breaks });
    } catch (error) {
      if (!(error instanceof CursorLost)) throw error;
      print({ lost: error.cursor });
    }
  },

  /** Deposits so many times, one after the other. */
  async deposit(accountId, count) {
    for (let done = 0; done < Number(count); done += 1) {
      const outcome = await client.commands.deposit({ accountId: accountId!, amount: "1.00" }, { timeoutMs: 1_000, patienceMs: 60_000 });
      print({ outcome });
    }
  },

  /** Prints the rows of the accounts of an owner each time they change. */
  async watch(owner) {
    const store = client.live.accounts({ where: { owner: { eq: owner } } });
    const show = ({ rows, ready, position }: Snapshot<Account>) =>
      print({ ready, position, balances: rows.map((row) => row.balance) });
    store.subscribe(() => show(store.getSnapshot()));
  },

  /** Withdraws, and shows the new balance before it is known. */
  async withdraw(owner, amount, shown) {
    const store = client.live.accounts({ where: { owner: { eq: owner } } });
    const [row] = store.getSnapshot().rows;
    const outcome = client.commands.withdraw({ accountId: row!.accountId, amount: amount! });
    store.expect(outcome, [{ ...row!, balance: shown! }]);
    print({ outcome: await outcome });
  },

  /** Deposits whole cents, and prints what each way shows of it, with the codecs of tests/codecs.ts. */
  async cents(accountId) {
    const store = coded.live.account({ accountId: accountId! });
    const shown = new Promise<bigint>((resolve) => {
      const stop = store.subscribe(() => {
        const [row] = store.getSnapshot().rows;
        if (row?.balance !== 150n) return;
        stop();
        resolve(row.balance);
      });
    });
    const outcome = await coded.commands.deposit({ accountId: accountId!, amount: 150n }, { notBefore: new Date(0) });
    if (outcome.__typename !== "CommandApplied") throw new Error(outcome.__typename);
    const [event] = outcome.events;
    const row = await coded.read.account({ accountId: accountId!, atLeast: outcome.position });
    const many = await coded.read.accounts({ where: { accountId: { eq: accountId! }, balance: { gte: 150n } } });
    const balances = [row!.balance, await shown, ...many.edges.map(({ node }) => node.balance)];
    for await (const item of coded.follow({ after: cursorOf({ ...event!, position: event!.position - 1n }) })) {
      if (item.__typename !== "MoneyDeposited") continue;
      const { amount, position, recordedAt } = item;
      const isSame = position === outcome.position && recordedAt instanceof Date;
      print({ cents: [...balances, amount].map(String), isSame });
      break;
    }
  },

  /** Follows from the cursor of the item before, which the caller has kept: one item per feed. */
  async resume(count) {
    let kept: Cursor | string = "0";
    for (let done = 0; done < Number(count); done += 1) {
      for await (const item of client.follow({ after: kept })) {
        kept = JSON.parse(JSON.stringify(cursorOf(item))) as Cursor;
        print({ item, breaks });
        break;
      }
    }
  },

  /** Writes, and reads what was written. */
  async read(accountId) {
    await client.commands.deposit({ accountId: accountId!, amount: "1.00" });
    print({ read: await client.read.account({ accountId: accountId! }), written: client.written });
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, ...given] = JSON.parse(line) as [string, ...string[]];
    doing[name]!(...given).catch((error: unknown) => print({ error: String(error) }));
  })
  .on("close", () => process.exit(0));
