// An aggregate's stream: its versions on a time line, the rows at any of them, and the commands that it takes.
import { useEffect, useMemo, useState, useSyncExternalStore, type FormEvent, type KeyboardEvent } from "react";
import { Link, useLocation, useParams, useSearch } from "wouter";
import { projectionsOf, useRowsAt } from "../../past.js";
import { schema, type Schema, type Versioned } from "../../schema.js";
import { Change, Trouble } from "../../Values.js";
import { clock, moment } from "../../words.js";
import { Log, type LogEvent, type State } from "../log/log.js";
import { CommandForm } from "./CommandForm.js";
import "./stream.css";

export function StreamPage() {
  const { stream } = useParams<{ stream?: string }>();
  return stream === undefined ? <FindStream /> : <OneStream key={stream} stream={inAddress()} />;
}

/** The name at the end of the address. wouter decodes only a part of what a name can have. */
const inAddress = () => decodeURIComponent(location.pathname.slice(location.pathname.lastIndexOf("/") + 1));

function FindStream() {
  const [, navigate] = useLocation();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (name) navigate(pathOf(name));
  };
  return (
    <div className="sheet">
      <h1>Stream</h1>
      <p>
        A stream has the events of one aggregate and key. Its name is the aggregate, a dash and the key, such as{" "}
        <code>account-7b1c2e0a-2b1f-4b62-9a0e-3f6f5a7d0c01</code>. Each event of the <Link href="/log">log</Link> leads
        to its stream.
      </p>
      <form className="find" aria-label="Find a stream" onSubmit={submit}>
        <label>
          Name of a stream
          <input name="name" autoComplete="off" spellCheck={false} />
        </label>
        <button>Show</button>
      </form>
    </div>
  );
}

const pathOf = (stream: string, version?: number) =>
  `/stream/${encodeURIComponent(stream)}${version === undefined ? "" : `?version=${version}`}`;

function OneStream({ stream }: { stream: string }) {
  const log = useMemo(() => new Log({ streams: [stream] }), [stream]);
  useEffect(() => {
    log.start();
    return () => log.stop();
  }, [log]);
  const { events, state, hasOlder } = useSyncExternalStore(log.watch, log.getShown);
  const newest = events.at(-1);
  const asked = Number(new URLSearchParams(useSearch()).get("version")) || undefined;
  const version = asked ?? newest?.version;
  const [trouble, setTrouble] = useState<Error>();
  return (
    <div className="sheet">
      <h1>{stream}</h1>
      <p role="status" data-state={state.name}>
        {inWords(state, newest)}
      </p>
      <section aria-label="Versions">
        <h2>Versions</h2>
        <p>
          {hasOlder && (
            <button type="button" onClick={() => void log.older().catch(setTrouble)}>
              Older versions
            </button>
          )}{" "}
          <Link href={`/log?stream=${encodeURIComponent(stream)}`}>Its events in the log</Link>
        </p>
        {trouble && <Trouble error={trouble} />}
        <TimeLine stream={stream} events={events} version={version} />
      </section>
      {version !== undefined && (
        <Rows stream={stream} version={version} event={events.find((one) => one.version === version)} />
      )}
      {(newest || state.name === "live") && <Sending stream={stream} version={newest?.version ?? 0} />}
    </div>
  );
}

function inWords(state: State, newest: LogEvent | undefined): string {
  if ("why" in state) return state.why;
  if (newest) return `Version ${newest.version} is the newest.`;
  return state.name === "live" ? "It has no events, or you may not see them." : "Connecting.";
}

/** The oldest version is at the left. The arrow keys choose the one before and the one behind. */
function TimeLine({
  stream,
  events,
  version,
}: {
  stream: string;
  events: readonly LogEvent[];
  version: number | undefined;
}) {
  const [, navigate] = useLocation();
  const onKeyDown = (pressed: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[pressed.key];
    const next = step && version !== undefined && events.find((one) => one.version === version + step);
    if (!next) return;
    pressed.preventDefault();
    navigate(pathOf(stream, next.version));
  };
  return (
    <div className="time-line" tabIndex={0} role="region" aria-label="Versions, the oldest first" onKeyDown={onKeyDown}>
      <ol>
        {events.map((event) => (
          <li key={event.position}>
            <Link
              href={pathOf(stream, event.version)}
              aria-current={event.version === version ? "step" : undefined}
              ref={event.version === version ? intoSight : undefined}
            >
              <b>{event.version}</b>
              <span>{event.type}</span>
              <time dateTime={event.recordedAt}>{clock(event.recordedAt)}</time>
            </Link>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** Moves the time line alone: the reader may be filling in the form below it. */
function intoSight(link: HTMLAnchorElement | null): void {
  const line = link?.closest(".time-line");
  if (!link || !line) return;
  const [left, right] = [link.offsetLeft, link.offsetLeft + link.offsetWidth];
  if (left < line.scrollLeft || right > line.scrollLeft + line.clientWidth) line.scrollLeft = right - line.clientWidth;
}

function Rows({ stream, version, event }: { stream: string; version: number; event: LogEvent | undefined }) {
  const { rows, error } = useRowsAt(stream, version);
  return (
    <section aria-label={`Rows at version ${version}`}>
      <h2>Rows at version {version}</h2>
      {event && (
        <p>
          <Link href={`/log/${event.position}`}>{event.type}</Link>, {moment(event.recordedAt)},{" "}
          <Link href={`/command/${event.commandId}`}>made by its command</Link>
        </p>
      )}
      {error && <Trouble error={error} />}
      {!rows && !error && <p className="soft">Reading the rows of this version.</p>}
      {rows?.length === 0 && <p>No projection keeps the versions of this stream.</p>}
      {rows?.map(({ projection, before, after }) => (
        <Change key={projection} label={projection} before={before} after={after} />
      ))}
    </section>
  );
}

function Sending({ stream, version }: { stream: string; version: number }) {
  const [found, setFound] = useState<{ known: Schema; own: Versioned[] }>();
  const [error, setError] = useState<Error>();
  useEffect(() => {
    schema()
      .then(async (known) => setFound({ known, own: await projectionsOf(known, stream) }))
      .catch(setError);
  }, [stream, version === 0]); // a first event tells which projections the stream has
  return (
    <section aria-label="Send a command">
      <h2>Send a command</h2>
      {error && <Trouble error={error} />}
      {found && <CommandForm known={found.known} own={found.own} stream={stream} version={version} />}
    </section>
  );
}
