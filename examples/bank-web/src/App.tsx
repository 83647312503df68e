// A customer's page: accounts and transfers, live; a transfer shows its balances at once, and how it ends.
import { newId } from "@commander/client";
import { useCommand, useRows } from "@commander/client/react";
import { webSocket } from "@commander/client/ws";
import type { FormEvent } from "react";
import { connect, type Account, type CommandOutcome, type Transfer } from "./commander/index.js";

const bank = connect({ url: "/graphql", transport: webSocket({ url: "/graphql" }) });
const oldestFirst = (a: Account, b: Account) => (a.accountId < b.accountId ? -1 : 1); // new ids are ordered by time
const newestFirst = (a: Transfer, b: Transfer) => (a.transferId > b.transferId ? -1 : 1);
const nameOf = (accountId: string) => `Account ${accountId.slice(-4)}`;
const euros = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });
const money = (amount: string) => euros.format(amount as `${number}`);
const sum = (a: string, b: string) => ((Math.round(+a * 100) + Math.round(+b * 100)) / 100).toFixed(2);

export function App({ owner }: { owner: string }) {
  const mine = bank.live.accounts({ where: { owner: { eq: owner } } });
  const { rows: accounts, expected, ready, error } = useRows(mine, oldestFirst);
  const { rows: transfers } = useRows(bank.live.transfers({ where: { payer: { eq: owner } } }), newestFirst);
  const [transfer, sending] = useCommand(bank.commands.requestTransfer, { keep: "transfer" }); // through a reload too

  const changed = (accountId: string, amount: string) =>
    accounts.flatMap((one) => (one.accountId === accountId ? { ...one, balance: sum(one.balance, amount) } : []));
  const payIn = (accountId: string, amount = "100.00") =>
    mine.expect(bank.commands.deposit({ accountId, amount }), changed(accountId, amount));
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const given = (name: string) => String(form.get(name));
    const [sourceId, targetId, amount] = [given("sourceId"), given("targetId"), given("amount")];
    const input = { sourceId, targetId, amount, payer: owner, transferId: newId() };
    const outcome = transfer(input, { wait: "SETTLED", patienceMs: Infinity });
    if (sourceId !== targetId) mine.expect(outcome, [...changed(sourceId, `-${amount}`), ...changed(targetId, amount)]);
  };

  const choices = accounts.map(({ accountId: id }) => <option key={id} value={id} children={nameOf(id)} />);
  return (
    <main>
      <header>
        <h1>Good day, {owner}</h1>
        <p>{money(accounts.reduce((total, { balance }) => sum(total, balance), "0"))}</p>
        {error && <p role="alert">No connection. Your accounts are shown as they were.</p>}
      </header>
      <section aria-label="Accounts" aria-busy={!ready}>
        {accounts.map((account) => (
          <article key={account.accountId} className={expected.has(account) ? "expected" : ""}>
            <h2>{nameOf(account.accountId)}</h2>
            <strong>{money(account.balance)}</strong>
            <button onClick={() => payIn(account.accountId)}>Pay in {money("100")}</button>
          </article>
        ))}
        <button onClick={() => bank.commands.openAccount({ owner, accountId: newId() })}>Open an account</button>
      </section>
      <form aria-label="Transfer" onSubmit={submit}>
        <label>From <select name="sourceId">{choices}</select></label>
        <label>To <select name="targetId">{choices.toReversed()}</select></label>
        <label>Amount <input name="amount" inputMode="decimal" pattern="\d+(\.\d\d?)?" required /></label>
        <button disabled={accounts.length < 2 || sending.state === "sending"}>Transfer</button>
        <p role="status" className={sending.state}>
          {sending.state === "sending" && "On its way…"}
          {sending.state === "settled" && said(sending.outcome)}
          {sending.state === "failed" && String(sending.error)}
        </p>
      </form>
      <ol aria-label="Transfers">
        {transfers.map((one) => (
          <li key={one.transferId}>
            <span>{nameOf(one.sourceId)} → {nameOf(one.targetId)}</span>
            <b>{money(one.amount)}</b> <i className={one.status}>{one.status}</i>
          </li>
        ))}
      </ol>
    </main>
  );
}

function said(outcome: CommandOutcome): string {
  switch (outcome.__typename) {
    case "CommandApplied":
      return outcome.settled?.rejected.map(({ message }) => `Refused: ${message}.`).join() || "Done.";
    case "CommandInvalid":
      return outcome.problems.map(({ path, message }) => `${path.join(" ")} ${message}`).join();
    case "CommandAccepted":
    case "CommandPending":
    case "CommandValid":
      return "This takes longer than usual. The list will say how it ends.";
    default:
      return outcome.message;
  }
}
