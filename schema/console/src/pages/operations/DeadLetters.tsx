// Commands that failed, and that nobody has retried or dropped.
import { useState } from "react";
import { Link } from "wouter";
import { useAsked } from "../../hooks.js";
import type { System } from "../../system.js";
import { Trouble } from "../../Values.js";
import { moment } from "../../words.js";
import { Action } from "./Action.js";
import { Rows } from "./Rows.js";

const LETTERS = "query ConsoleDeadLetters { deadLetters(first: 100) { commandId type stream reactor code message decidedAt } }";
const RETRY = "mutation ConsoleRetry($commandId: UUID!) { retryDeadLetter(commandId: $commandId) { commandId } }";
const DROP = "mutation ConsoleDropLetter($commandId: UUID!) { dropDeadLetter(commandId: $commandId) { commandId } }";

interface Letter {
  commandId: string;
  type: string;
  stream: string;
  reactor: string | null;
  code: string | null;
  message: string | null;
  decidedAt: string;
}

export function DeadLetters({ system }: { system: System }) {
  const { count, newestAt } = system.deadLetters;
  const [acted, setActed] = useState(0);
  const { data, error } = useAsked<{ deadLetters: Letter[] }>(LETTERS, {}, `${count} ${newestAt} ${acted}`);
  const done = () => setActed(acted + 1);
  const rows = (data?.deadLetters ?? []).map((one) => ({
    key: one.commandId,
    cells: [
      <Link key="command" href={`/command/${one.commandId}`}>
        {one.type}
      </Link>,
      <Link key="stream" href={`/stream/${encodeURIComponent(one.stream)}`}>
        {one.stream}
      </Link>,
      one.reactor ? `the reactor ${one.reactor}` : "a client",
      moment(one.decidedAt),
      <LetterActions key="actions" of={one} done={done} />,
    ],
    below: <pre className="problem">{[one.code, one.message].filter(Boolean).join(": ")}</pre>,
  }));
  return (
    <>
      {error && <Trouble error={error} />}
      {data && (
        <Rows label="Dead letters" columns={["command", "stream", "sent by", "failed", "actions"]} rows={rows} empty="No command has failed." />
      )}
      {count > rows.length && rows.length > 0 && <p className="soft">These are the oldest {rows.length} of {count.toLocaleString("en")}.</p>}
    </>
  );
}

function LetterActions({ of, done }: { of: Letter; done: () => void }) {
  const { commandId, type, stream, reactor } = of;
  const told = reactor ? ` The reactor ${reactor} was told that its command failed, and may have acted on that already.` : "";
  const given = { variables: { commandId }, about: `${type}, ${commandId.slice(0, 8)}`, done };
  return (
    <div className="choices">
      <Action {...given} label="Retry" what={`${type} is sent again for ${stream}, as a new command with the same input.${told}`} document={RETRY} />
      <Action {...given} label="Drop" what="The command leaves this list. It stays failed, and its outcome stays in the history." document={DROP} />
    </div>
  );
}
