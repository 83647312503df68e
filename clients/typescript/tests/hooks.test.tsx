// The hooks of React against a running bank, whose URL is in BANK_URL. Components are in strict mode, which mounts twice.
import assert from "node:assert/strict";
import { after, afterEach, beforeEach, test } from "node:test";
import { act, cleanup, configure, renderHook, waitFor } from "@testing-library/react";
import { renderToString } from "react-dom/server";
import { newId, OutcomeUnknown, RequestRefused, type Outcome } from "@commander/client";
import { useCommand, useRows, type Sending } from "@commander/client/react";
import { connect, type Account } from "../generated/index.js";

configure({ reactStrictMode: true, asyncUtilTimeout: 20_000 });
const url = process.env["BANK_URL"]!;
const bank = connect({ url, longestPauseMs: 50 });
const logged: unknown[][] = [];
console.error = (...words: unknown[]) => void logged.push(words);

/** The subscriptions that were begun, each with what tells whether it has ended. */
const subscribed: AbortSignal[] = [];
const { fetch } = globalThis;
globalThis.fetch = (input, init) => {
  if (String(init?.body).includes("subscription")) subscribed.push(init!.signal!);
  return fetch(input, init);
};

beforeEach(() => {
  subscribed.length = 0;
  logged.length = 0;
  sessionStorage.clear();
});
afterEach(() => {
  cleanup();
  assert.deepEqual(logged, [], "React warns of nothing");
});
after(() => bank.close());

async function opened(owner: string, balance: string): Promise<string> {
  const accountId = newId();
  await applied(bank.commands.openAccount({ owner, accountId }));
  await applied(bank.commands.deposit({ accountId, amount: balance }, { wait: "PROJECTED" }));
  return accountId;
}

async function applied(sent: Promise<Outcome>): Promise<void> {
  assert.equal((await sent).__typename, "CommandApplied");
}

const owned = (owner: string) => bank.live.accounts({ where: { owner: { eq: owner } } });
const balances = (rows: readonly Account[]) => rows.map((row) => row.balance);
const falling = (a: Account, b: Account) => Number(b.balance) - Number(a.balance);

test("rows are kept right, in order, over one subscription", async () => {
  const owner = newId();
  const first = await opened(owner, "10.00");
  const { result, rerender } = renderHook(() => useRows(owned(owner), falling));
  assert.deepEqual([result.current.ready, result.current.rows], [false, []]);
  await waitFor(() => assert.deepEqual(balances(result.current.rows), ["10.00"]));
  await opened(owner, "20.00");
  await waitFor(() => assert.deepEqual(balances(result.current.rows), ["20.00", "10.00"]));
  await applied(bank.commands.deposit({ accountId: first, amount: "15.00" }));
  await waitFor(() => assert.deepEqual(balances(result.current.rows), ["25.00", "20.00"]));
  const { rows } = result.current;
  rerender();
  assert.equal(result.current.rows, rows, "no render sorts them again");
  assert.equal(subscribed.length, 1);
});

test("components with the same arguments share a subscription, which ends after the last of them", async () => {
  const owner = newId();
  await opened(owner, "1.00");
  const one = renderHook(() => useRows(owned(owner)));
  await waitFor(() => assert(one.result.current.ready));
  const other = renderHook(() => useRows(owned(owner)));
  assert.equal(other.result.current, one.result.current);
  one.unmount();
  other.unmount();
  const again = renderHook(() => useRows(owned(owner)));
  assert.deepEqual(balances(again.result.current.rows), ["1.00"], "at once: a page was only changed");
  assert.equal(subscribed.length, 1);
  again.unmount();
  await waitFor(() => assert(subscribed[0]!.aborted));
});

test("other arguments are other rows", async () => {
  const [ada, bob] = [newId(), newId()];
  await opened(ada, "1.00");
  await opened(bob, "2.00");
  const { result, rerender } = renderHook(({ owner }) => useRows(owned(owner)), { initialProps: { owner: ada } });
  await waitFor(() => assert.deepEqual(balances(result.current.rows), ["1.00"]));
  rerender({ owner: bob });
  assert.deepEqual(result.current.rows, [], "never those of somebody else");
  await waitFor(() => assert.deepEqual(balances(result.current.rows), ["2.00"]));
  await waitFor(() => assert.deepEqual(subscribed.map(({ aborted }) => aborted), [true, false]));
});

test("rows that the API refuses have the reason", async () => {
  const { result } = renderHook(() => useRows(bank.live.account({ accountId: "no id" })));
  await waitFor(() => assert(result.current.error instanceof RequestRefused));
  assert.equal(result.current.ready, false);
});

test("on a server there are no rows yet, and nothing is asked", () => {
  const Balances = () => <p>{useRows(owned("Ada")).ready ? "rows" : "none yet"}</p>;
  assert.equal(renderToString(<Balances />), "<p>none yet</p>");
  assert.equal(subscribed.length, 0);
});

test("an expected row is shown at once and gives way to the truth", async () => {
  const owner = newId();
  await opened(owner, "10.00");
  const { result } = renderHook(() => ({
    accounts: useRows(owned(owner)),
    withdrawing: useCommand(bank.commands.withdraw),
  }));
  await waitFor(() => assert(result.current.accounts.ready));
  for (const [amount, after] of [["3.00", "7.00"], ["100.00", "7.00"]] as const) {
    const [row] = result.current.accounts.rows;
    const [withdraw] = result.current.withdrawing;
    const expected = { ...row!, balance: "0.01" };
    act(() => owned(owner).expect(withdraw({ accountId: row!.accountId, amount }), [expected]));
    assert.deepEqual(result.current.accounts.rows, [expected]);
    assert(result.current.accounts.expected.has(expected));
    await waitFor(() => assert.deepEqual(balances(result.current.accounts.rows), [after]));
    assert.equal(result.current.accounts.expected.size, 0);
  }
});

/** How a command stands at each render, without repetitions. */
function standing<Input, Known extends Outcome>(use: () => [(input: Input) => Promise<Known>, Sending<Known>]) {
  const states: Sending<Known>[] = [];
  const hook = renderHook(() => {
    const [run, sending] = use();
    if (states.at(-1)?.state !== sending.state) states.push(sending);
    return run;
  });
  return { ...hook, states, names: () => states.map(({ state }) => state) };
}

test("a command stands as it is: idle, sending, settled", async () => {
  const accountId = await opened(newId(), "5.00");
  const withdraw: typeof bank.commands.withdraw = async (input, options) => {
    // React leaves out a state that is over before it renders.
    await waitFor(() => assert.equal(states.at(-1)?.state, "sending"));
    return bank.commands.withdraw(input, options);
  };
  const { result, states, names } = standing(() => useCommand(withdraw));
  const run = result.current;
  await run({ accountId, amount: "1.00" });
  await waitFor(() => assert.deepEqual(names(), ["idle", "sending", "settled"]));
  const [, , settled] = states;
  assert(settled?.state === "settled" && settled.outcome.__typename === "CommandApplied");
  await run({ accountId, amount: "100.00" });
  await waitFor(() => assert.equal(names().length, 5));
  const refused = states[4];
  assert(refused?.state === "settled" && refused.outcome.__typename === "CommandRejected");
  assert.equal(refused.outcome.withdrawCode, "INSUFFICIENT_FUNDS");
  assert.equal(result.current, run, "the same function in each render");
});

test("a command that was not taken has failed, and its error is thrown too", async () => {
  const { result, states } = standing(() => useCommand(bank.commands.withdraw));
  await assert.rejects(result.current({ accountId: "no id", amount: "1.00" }), RequestRefused);
  await waitFor(() => assert.equal(states.at(-1)?.state, "failed"));
});

test("the newest call counts, whichever ends last", async () => {
  const accountId = await opened(newId(), "5.00");
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const withdraw: typeof bank.commands.withdraw = async (input, options) => {
    const outcome = await bank.commands.withdraw(input, options);
    if (input.amount === "1.00") await held;
    return outcome;
  };
  const { result, states } = standing(() => useCommand(withdraw));
  const first = result.current({ accountId, amount: "1.00" });
  await result.current({ accountId, amount: "100.00" });
  await waitFor(() => assert.equal(states.at(-1)?.state, "settled"));
  release();
  assert.equal((await first).__typename, "CommandApplied");
  const last = states.at(-1);
  assert(last?.state === "settled" && last.outcome.__typename === "CommandRejected");
});

test("nothing happens to a component that is gone", async () => {
  const accountId = await opened(newId(), "5.00");
  const { result, unmount, names } = standing(() => useCommand(bank.commands.withdraw));
  const outcome = result.current({ accountId, amount: "1.00" });
  unmount();
  assert.equal((await outcome).__typename, "CommandApplied");
  assert(!names().includes("settled"));
});

test("a call that is kept is sent again under its id, and decided once", async () => {
  const accountId = await opened(newId(), "5.00");
  const keep = "withdrawing";
  const lost: typeof bank.commands.withdraw = async (input, options) => {
    await bank.commands.withdraw(input, options);
    throw new OutcomeUnknown(options!.commandId!, new Error("the page was reloaded"));
  };
  const before = standing(() => useCommand(lost, { keep }));
  await assert.rejects(before.result.current({ accountId, amount: "1.00" }), OutcomeUnknown);
  await waitFor(() => assert.equal(before.states.at(-1)?.state, "failed"));
  before.unmount();
  assert(sessionStorage.getItem(keep));
  const again = standing(() => useCommand(bank.commands.withdraw, { keep }));
  await waitFor(() => assert.equal(again.states.at(-1)?.state, "settled"));
  assert.equal(sessionStorage.getItem(keep), null);
  assert.equal((await bank.read.account({ accountId }))?.balance, "4.00");
});
