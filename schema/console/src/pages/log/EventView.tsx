// One event in full: what it says, its headers, the command that made it, and what it changed.
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { useAsked } from "../../hooks.js";
import { useRowsAt } from "../../past.js";
import { schema, type Schema } from "../../schema.js";
import { Change, Fields, Trouble, type Values } from "../../Values.js";
import { moment } from "../../words.js";

const HEADERS = [
  "position logEpoch stream version aggregate type schemaVersion recordedAt",
  "commandId correlationId causationPosition",
].join(" ");
const COMMAND = `query ConsoleMadeBy($commandId: UUID!) {
  command(commandId: $commandId) { type status actor reactor submittedAt decidedAt input }
}`;

interface Event extends Values {
  position: string;
  stream: string;
  version: number;
  type: string;
  recordedAt: string;
  commandId: string;
}

interface Made {
  command: {
    type: string;
    status: string;
    actor: string | null;
    reactor: string | null;
    input: Values | null;
  } & Values;
}

export function EventView({ position, back }: { position: string; back: string }) {
  const [known, setKnown] = useState<Schema>();
  const [unknown, setUnknown] = useState<Error>();
  useEffect(() => void schema().then(setKnown, setUnknown), []);
  const document =
    known &&
    `query ConsoleEvent($position: Position!) {
    event(position: $position) { __typename ${HEADERS} ${known.contents} }
  }`;
  const { data, error } = useAsked<{ event: Event | null }>(document, { position });
  const event = data?.event;
  return (
    <section aria-label="Event" className="event">
      <p>
        <Link href={back}>Close</Link>
      </p>
      <h2>{event ? event.type : `Event ${position}`}</h2>
      {(error ?? unknown) && <Trouble error={(error ?? unknown)!} />}
      {event === null && <p>There is no event at this position, or you may not see it.</p>}
      {event && known && <Whole event={event} known={known} />}
    </section>
  );
}

function Whole({ event, known }: { event: Event; known: Schema }) {
  const content = Object.entries(event).filter(([name]) => !known.shared.has(name));
  const headers = Object.entries(event).filter(([name]) => known.shared.has(name) && name !== "__typename");
  return (
    <>
      <p className="soft">
        {moment(event.recordedAt)}, version {event.version} of{" "}
        <Link href={`/stream/${encodeURIComponent(event.stream)}?version=${event.version}`}>{event.stream}</Link>
      </p>
      <h3>Content</h3>
      <Fields label="Content" of={Object.fromEntries(content)} />
      <h3>State before and after</h3>
      <State stream={event.stream} version={event.version} />
      <h3>Made by</h3>
      <MadeBy commandId={event.commandId} />
      <h3>Headers</h3>
      <Fields label="Headers" of={Object.fromEntries(headers)} />
    </>
  );
}

function State({ stream, version }: { stream: string; version: number }) {
  const { rows, error } = useRowsAt(stream, version);
  if (error) return <Trouble error={error} />;
  if (!rows) return <p className="soft">Reading the rows of this version.</p>;
  if (!rows.length) return <p className="soft">No projection keeps the versions of this stream.</p>;
  return rows.map(({ projection, before, after }) => (
    <Change key={projection} label={projection} before={before} after={after} />
  ));
}

function MadeBy({ commandId }: { commandId: string }) {
  const { data, error } = useAsked<Made>(COMMAND, { commandId });
  if (error) return <Trouble error={error} />;
  if (!data) return <p className="soft">Reading the command.</p>;
  const { input, ...rest } = data.command;
  return (
    <>
      <p>
        <Link href={`/command/${commandId}`}>The way of the command</Link>
      </p>
      <Fields label="Command" of={{ commandId, ...rest }} />
      {input && <Fields label="Input" of={input} />}
    </>
  );
}
