// The way of a command with times, from the submission of the first one: each command a bar, each event a tick.
import { Link } from "wouter";
import { duration } from "../../words.js";
import type { Lineage, LineageCommand, LineageEvent } from "./lineage.js";

export function Waterfall({ lineage }: { lineage: Lineage }) {
  const [root] = lineage.commands;
  if (!root) return null;
  const began = Date.parse(root.submittedAt);
  const since = (time: string) => Date.parse(time) - began;
  const ends = lineage.commands.flatMap(({ submittedAt, sinceSubmittedMs, events }) => [
    since(submittedAt),
    sinceSubmittedMs ?? 0,
    ...events.map((event) => event.sinceSubmittedMs),
  ]);
  const whole = Math.max(1, ...ends);
  return (
    <ol className="waterfall" aria-label="The way with times">
      {lineage.commands.map((one) => (
        <Bar key={one.command.commandId} of={one} from={since(one.submittedAt)} whole={whole} />
      ))}
    </ol>
  );
}

function Bar({ of, from, whole }: { of: LineageCommand; from: number; whole: number }) {
  const { command, decidedAt, sinceSubmittedMs, waitedMs, events, depth } = of;
  const until = sinceSubmittedMs ?? whole;
  const percent = (ms: number) => `${(100 * Math.max(0, ms)) / whole}%`;
  return (
    <li>
      <p>
        <Link href={`/command/${command.commandId}`}>{command.type}</Link>{" "}
        <span className="status" data-status={command.status}>
          {command.status.toLowerCase()}
        </span>{" "}
        <span className="soft">
          {command.reactor ? `sent by ${command.reactor}, ${depth} deep` : "sent by a client"}
        </span>
      </p>
      <div className="lane" aria-hidden="true">
        <i
          className="bar-of-time"
          data-open={decidedAt === null}
          style={{ left: percent(from), width: percent(until - from) }}
        />
        {events.map((event, index) => (
          <i key={index} className="tick" style={{ left: percent(event.sinceSubmittedMs) }} />
        ))}
      </div>
      <p className="times">
        <span>submitted +{duration(from)}</span>
        {decidedAt && (
          <span>
            decided +{duration(until)} (after {duration(waitedMs ?? 0)})
          </span>
        )}
        {command.notBefore && <span>scheduled for {new Date(command.notBefore).toLocaleString("en-GB")}</span>}
        {command.code && (
          <span className="status" data-status={command.status}>
            {command.code}: {command.message}
          </span>
        )}
        {events.map((event, index) => (
          <Stored key={index} of={event} />
        ))}
      </p>
    </li>
  );
}

function Stored({ of: { event, sinceSubmittedMs, projections } }: { of: LineageEvent }) {
  const late = projections.filter(({ applied }) => !applied).map(({ name }) => name);
  const names = projections.map(({ name }) => name).join(", ");
  return (
    <span>
      {event ? <Link href={`/log/${event.position}`}>{event.type}</Link> : "an event"} stored +
      {duration(sinceSubmittedMs)}
      {late.length > 0 ? `, not shown yet by ${late.join(", ")}` : names && `, shown by ${names}`}
    </span>
  );
}
