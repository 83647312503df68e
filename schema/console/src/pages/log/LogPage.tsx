// The log as it grows: filters, a list of the newest events first, and one event in full.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore, type KeyboardEvent } from "react";
import { Link, useLocation, useParams, useSearch } from "wouter";
import { clock, count } from "../../words.js";
import { EventView } from "./EventView.js";
import { filterOf, Filters } from "./Filters.js";
import { Log, MOST_EVENTS, type LogEvent, type Shown, type State } from "./log.js";
import "./log.css";

const ROW = 44; // pixels, as .log-row has it

export function LogPage() {
  const search = useSearch();
  const { position } = useParams<{ position?: string }>();
  const log = useMemo(() => new Log(filterOf(search)), [search]);
  useEffect(() => {
    log.start();
    return () => log.stop();
  }, [log]);
  const shown = useSyncExternalStore(log.watch, log.getShown);
  return (
    <div className="log" data-open={position !== undefined}>
      <section aria-label="Events" className="log-events">
        <h1>Log</h1>
        <Filters key={search} />
        <Standing shown={shown} log={log} />
        <List shown={shown} log={log} chosen={position} search={search} />
      </section>
      {position !== undefined && <EventView key={position} position={position} back={`/log${query(search)}`} />}
    </div>
  );
}

function Standing({ shown, log }: { shown: Shown; log: Log }) {
  const paused = shown.since !== undefined;
  return (
    <div className="standing">
      <p role="status" data-state={paused ? "paused" : shown.state.name}>
        {paused ? `Paused: ${count(shown.since!, "more event")} since.` : inWords(shown.state)}
      </p>
      <button type="button" aria-pressed={paused} onClick={() => log.pause()}>
        {paused ? "Resume" : "Pause"}
      </button>
    </div>
  );
}

function inWords(state: State): string {
  switch (state.name) {
    case "connecting":
      return "Connecting.";
    case "live":
      return "Live. New events appear here.";
    case "broken":
      return `The connection is broken; the next attempt follows. ${state.why}`;
    case "standing":
      return `The feed stands still: ${state.why}`;
    case "refused":
      return `The API refused: ${state.why}`;
    case "set back":
      return `The log was set back, so the list begins again. ${state.why}`;
  }
}

interface ListProps {
  shown: Shown;
  log: Log;
  chosen: string | undefined;
  search: string;
}

/** The newest first. Only the rows in sight are in the page. */
function List({ shown, log, chosen, search }: ListProps) {
  const { events, received, hasOlder } = shown;
  const scroller = useRef<HTMLDivElement>(null);
  const [, navigate] = useLocation();
  const [trouble, setTrouble] = useState<string>();
  const at = (index: number) => events[events.length - 1 - index]!;
  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    getItemKey: (index) => at(index).position,
    overscan: 12,
  });
  // A reader who has scrolled down keeps the rows in sight when new ones come above them.
  const before = useRef(received);
  useLayoutEffect(() => {
    const came = received - before.current;
    before.current = received;
    if (came > 0 && scroller.current && scroller.current.scrollTop > 0) scroller.current.scrollTop += came * ROW;
  }, [received]);

  const open = (event: LogEvent) => navigate(`/log/${event.position}${query(search)}`);
  const onKeyDown = (pressed: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[pressed.key];
    if (!step || !events.length) return;
    pressed.preventDefault();
    const now = events.findIndex(({ position }) => position === chosen);
    const index = now < 0 ? 0 : Math.min(events.length - 1, Math.max(0, events.length - 1 - now + step));
    open(at(index));
    rows.scrollToIndex(index);
  };
  const older = () => log.older().catch((error: Error) => setTrouble(error.message));
  return (
    <div
      ref={scroller}
      className="log-list"
      tabIndex={0}
      role="region"
      aria-label="Events, the newest first"
      onKeyDown={onKeyDown}
    >
      {events.length === 0 && shown.state.name === "live" && <p className="soft">No event matches yet.</p>}
      <ol style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ key, index, start }) => (
          <li
            key={key}
            className="log-row"
            style={{ transform: `translateY(${start}px)` }}
            aria-setsize={events.length}
            aria-posinset={index + 1}
          >
            <Row event={at(index)} isChosen={at(index).position === chosen} search={search} />
          </li>
        ))}
      </ol>
      {hasOlder && (
        <p className="log-older">
          <button type="button" onClick={older}>
            Older events
          </button>
          {trouble && <span role="alert"> {trouble}</span>}
          {events.length >= MOST_EVENTS && (
            <span className="soft"> The newest {events.length.toLocaleString("en")} are listed.</span>
          )}
        </p>
      )}
    </div>
  );
}

function Row({ event, isChosen, search }: { event: LogEvent; isChosen: boolean; search: string }) {
  return (
    <Link
      href={`/log/${event.position}${query(search)}`}
      aria-current={isChosen ? "true" : undefined}
      tabIndex={isChosen ? 0 : -1}
    >
      <span className="position">{event.position}</span>
      <b>{event.type}</b>
      <span className="stream">{event.stream}</span>
      <time dateTime={event.recordedAt}>{clock(event.recordedAt)}</time>
    </Link>
  );
}

const query = (search: string) => (search ? `?${search}` : "");
