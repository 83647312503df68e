// One command: what it says, how it ended, and all that followed, growing until it has settled.
import { Link, useParams } from "wouter";
import { useAsked, useWatched } from "../../hooks.js";
import { Fields, Trouble, type Values } from "../../Values.js";
import { duration } from "../../words.js";
import { Graph } from "./Graph.js";
import { LINEAGE, type Lineage } from "./lineage.js";
import { NewestCommands } from "./NewestCommands.js";
import { Waterfall } from "./Waterfall.js";
import "./command.css";

const COMMAND = `query ConsoleCommand($commandId: UUID!) {
  command(commandId: $commandId) {
    commandId type status stream code message actor reactor correlationId causationPosition
    submittedAt notBefore decidedAt deciderNow input
  }
}`;

export function CommandPage() {
  const { commandId } = useParams<{ commandId?: string }>();
  return commandId === undefined ? <NewestCommands /> : <OneCommand key={commandId} commandId={commandId} />;
}

const isSettled = ({ lineage }: { lineage: Lineage }) => lineage.settled;

function OneCommand({ commandId }: { commandId: string }) {
  const { data, error, broken } = useWatched<{ lineage: Lineage }>(LINEAGE, { commandId }, isSettled);
  const lineage = data?.lineage;
  const status = lineage?.commands[0]?.command.status;
  const asked = useAsked<{ command: Values & { type: string; stream: string; input: Values | null } }>(
    COMMAND,
    { commandId },
    status,
  );
  const command = asked.data?.command;
  const { input, ...rest } = command ?? { input: null };
  return (
    <div className="sheet">
      <h1>{command?.type ?? "Command"}</h1>
      <p role="status" data-state={error ? "refused" : broken ? "broken" : lineage?.settled ? "settled" : "live"}>
        {inWords(lineage, error, broken)}
      </p>
      {lineage && (
        <div className="pair">
          <section aria-label="Way">
            <h2>Its way</h2>
            <Waterfall lineage={lineage} />
          </section>
          <section aria-label="Lineage">
            <h2>What followed</h2>
            {lineage.truncated && <p>More followed than is shown here.</p>}
            <Graph lineage={lineage} />
          </section>
        </div>
      )}
      <section aria-label="Command">
        <h2>The command</h2>
        {asked.error && <Trouble error={asked.error} />}
        {command && (
          <>
            <p>
              <Link href={`/stream/${encodeURIComponent(command.stream)}`}>Its stream</Link>,{" "}
              <Link href={`/log?correlation=${String(command["correlationId"])}`}>all events of its correlation</Link>
            </p>
            {input && (
              <>
                <h3>Input</h3>
                <Fields label="Input" of={input} />
              </>
            )}
            <h3>Outcome</h3>
            <Fields label="Outcome" of={rest} />
          </>
        )}
      </section>
    </div>
  );
}

function inWords(lineage: Lineage | undefined, error: Error | undefined, broken: Error | undefined): string {
  if (error) return `The API refused: ${error.message}`;
  if (broken) return `The connection is broken; the next attempt follows. ${broken.message}`;
  if (!lineage) return "Reading what followed.";
  if (!lineage.settled) return "It is not settled yet. What follows appears here.";
  if (lineage.durationMs === null) return "It has settled.";
  return `It has settled, the last decision ${duration(lineage.durationMs)} after its submission.`;
}
