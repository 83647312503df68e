// Sends a command to a stream. Before that it says what would happen.
import { useState, type FormEvent } from "react";
import { Link } from "wouter";
import { useAsked } from "../../hooks.js";
import { keyOf, keyTypeOf, keyValue } from "../../past.js";
import type { CommandType, Schema, Versioned } from "../../schema.js";
import { Fields } from "../../Values.js";
import { InputFields } from "./InputFields.js";
import { inputOf, type Written } from "./input.js";
import { inWords, sent, type Outcome } from "./sending.js";

interface Available {
  name: string;
  allowed: boolean;
  code: string | null;
  reason: string | null;
}

interface Given {
  known: Schema;
  stream: string;
  /** The projections whose rows are the state of the stream. */
  own: readonly Versioned[];
  /** The newest version: what is available changes with it. */
  version: number;
}

/** The commands of the stream's aggregate if a row tells them, or else all. */
export function CommandForm({ known, stream, own, version }: Given) {
  const teller = own.find(({ hasCommands }) => hasCommands);
  const document =
    teller &&
    `query ConsoleAvailable($key: ${keyTypeOf(teller)}) {
    row: ${teller.name}(${teller.key}: $key) { availableCommands { name allowed code reason } }
  }`;
  const key = keyOf(stream);
  const { data } = useAsked<{ row: { availableCommands: Available[] | null } | null }>(
    document,
    teller ? { key: keyValue(teller, key) } : {},
    version,
  );
  const available = data?.row?.availableCommands;
  const choices = available
    ? known.commands.filter(({ name }) => available.some((one) => one.name === name))
    : known.commands;
  const [name, setName] = useState("");
  const command = choices.find((one) => one.name === name);
  if (!choices.length) return <p className="soft">There is no command that you may send.</p>;
  return (
    <>
      <label>
        Command
        <select value={name} onChange={(event) => setName(event.target.value)}>
          <option value="">Choose a command</option>
          {choices.map((one) => {
            const refused = available?.find((given) => given.name === one.name && !given.allowed);
            return (
              <option key={one.name} value={one.name}>
                {one.name}
                {refused && ` (would be refused: ${refused.reason ?? refused.code})`}
              </option>
            );
          })}
        </select>
      </label>
      {command && <OneForm key={name} known={known} command={command} written={filled(known, command, own, key)} />}
    </>
  );
}

/** The key of the stream, where the input has a field for it. */
function filled(known: Schema, { input }: CommandType, own: readonly Versioned[], key: string): Written {
  const names = known.type(input)?.inputFields?.map(({ name }) => name) ?? [];
  const field = own.map((one) => one.key).find((one) => names.includes(one));
  return field ? { [field]: key } : {};
}

function OneForm({ known, command, written: first }: { known: Schema; command: CommandType; written: Written }) {
  const [written, setWritten] = useState(first);
  const [tried, setTried] = useState<Outcome>();
  const [outcome, setOutcome] = useState<Outcome>();
  const [error, setError] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const change = (next: Written) => {
    setWritten(next);
    setTried(undefined);
    setOutcome(undefined);
    setError(undefined);
  };
  const run = async (validateOnly: boolean) => {
    setBusy(true);
    setError(undefined);
    try {
      const found = await sent(command, inputOf(known, command.input, written), validateOnly);
      if (validateOnly) setTried(found);
      else {
        setTried(undefined);
        setOutcome(found);
      }
    } catch (caught) {
      setError(caught instanceof Error ? caught.message : String(caught));
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(tried?.__typename !== "CommandValid");
  };
  return (
    <form aria-label={`Send ${command.name}`} className="sending" onSubmit={submit}>
      {command.description && <p className="soft">{command.description}</p>}
      <InputFields known={known} input={command.input} written={written} change={change} />
      <button disabled={isBusy}>{tried?.__typename === "CommandValid" ? "Send" : "What would happen?"}</button>
      <p role="status">{tried ? inWords(tried) : outcome && inWords(outcome)}</p>
      {tried?.proposed?.map(({ type, data }, index) => (
        <section key={index} aria-label={`Would be stored: ${type}`}>
          <h3>{type}</h3>
          <Fields label={type} of={data} />
        </section>
      ))}
      {outcome && outcome.__typename !== "CommandInvalid" && (
        <Link href={`/command/${outcome.commandId}`}>The way of the command</Link>
      )}
      {error && <p role="alert">{error}</p>}
    </form>
  );
}
