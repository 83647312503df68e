// What the compiler must accept, and what it must refuse. It is never run.
import { useCommand, useRows } from "@commander/client/react";
import { connect as connectCoded } from "../generated/coded/index.js";
import { connect, type Account, type CommandOutcome } from "../generated/index.js";

const client = connect({ url: "http://localhost:8000/graphql" });

export function said(outcome: CommandOutcome): string {
  switch (outcome.__typename) {
    case "CommandAccepted":
      return outcome.commandId;
    case "CommandApplied":
      return outcome.settled?.rejected[0]?.message ?? `${outcome.version} ${outcome.events.length}`;
    case "CommandConflict":
    case "CommandFailed":
    case "CommandForbidden":
    case "CommandRejected":
    case "VersionConflict":
      return outcome.message;
    case "CommandInvalid":
      return outcome.problems.map((problem) => problem.message).join();
    case "CommandPending":
      return outcome.stage;
    case "CommandValid":
      return String(outcome.version);
    default: {
      const none: never = outcome; // the switch exhausts the outcomes
      return none;
    }
  }
}

export async function followed(): Promise<void> {
  for await (const item of client.follow({ after: "0" })) {
    if (item.__typename === "MoneyDeposited") {
      const amount: string = item.amount;
      console.log(amount, item.position);
    }
    // @ts-expect-error: only some items have it
    item.amount;
  }
}

export async function sent(): Promise<void> {
  await client.commands.deposit({ accountId: "1", amount: "1.00" }, { wait: "PROJECTED", patienceMs: Infinity });
  // @ts-expect-error: a decimal is a string
  await client.commands.deposit({ accountId: "1", amount: 1 });
  // @ts-expect-error: there is no such command
  await client.commands.refund({ accountId: "1" });
  const account = await client.read.account({ accountId: "1" });
  // @ts-expect-error: there may be no such row
  account.owner;
  // @ts-expect-error: no such condition
  await client.read.accounts({ where: { owner: { equals: "Ada" } } });
}

const byOwner = (a: Account, b: Account) => a.owner.localeCompare(b.owner);

export function Balance(): string {
  const { rows, expected } = useRows(client.live.accounts({ where: { owner: { eq: "Ada" } } }), byOwner);
  const [deposit, sending] = useCommand(client.commands.deposit, { keep: "deposit", storage: localStorage });
  void deposit({ accountId: rows[0]!.accountId, amount: "1.00" }, { wait: "SETTLED", patienceMs: Infinity });
  if (expected.has(rows[0]!)) return "expected";
  return sending.state === "settled" ? sending.outcome.__typename : rows.map((row) => row.balance).join();
}

const coded = connectCoded({ url: "http://localhost:8000/graphql" });

export async function withCodecs(): Promise<bigint> {
  // @ts-expect-error: a decimal has a codec here
  await coded.commands.deposit({ accountId: "1", amount: "1.00" });
  await coded.commands.deposit({ accountId: "1", amount: 100n }, { notBefore: new Date() });
  for await (const item of coded.follow({ after: "0" })) if (item.__typename === "MoneyDeposited") return item.amount;
  const account = await coded.read.account({ accountId: "1" });
  return account!.balance;
}
