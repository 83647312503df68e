// The log as the page shows it: the newest events that match a filter, and those that come.
//
// Memory is bounded: the newest events stay, and older ones that gave way are read again from the API.
import { ask, CursorLost, feed } from "../../api.js";

export interface LogEvent {
  __typename: string;
  position: string;
  logEpoch: number;
  stream: string;
  version: number;
  aggregate: string;
  type: string;
  recordedAt: string;
  commandId: string;
  correlationId: string;
}

export interface Filter {
  types?: string[];
  streams?: string[];
  aggregates?: string[];
  correlationId?: string;
}

export type State =
  { name: "connecting" | "live" } | { name: "broken" | "standing" | "refused" | "set back"; why: string };

export interface Shown {
  /** The oldest first. */
  events: readonly LogEvent[];
  /** How many have come since the page follows the log. */
  received: number;
  /** How many came since the reader paused. Undefined if it is not paused. */
  since: number | undefined;
  /** Whether the log may have older events. */
  hasOlder: boolean;
  state: State;
}

export const MOST_EVENTS = 10_000;
const PAGE = 100;
const DRAWN_EVERY_MS = 100;
const FIELDS = `__typename position logEpoch ... on Event {
  stream version aggregate type recordedAt commandId correlationId
}`;
const FEED = `subscription ConsoleLog($after: Position, $logEpoch: Int!, $filter: EventFilter) {
  events(after: $after, logEpoch: $logEpoch, filter: $filter) { ${FIELDS} ... on StandsStill { since reason } }
}`;
const OLDER = `query ConsoleOlder($before: Position!, $last: Int!, $filter: EventFilter) {
  events(before: $before, last: $last, filter: $filter) { edges { node { ${FIELDS} } } pageInfo { hasPreviousPage } }
}`;

interface Older {
  events: { edges: { node: LogEvent }[]; pageInfo: { hasPreviousPage: boolean } };
}

type FeedItem = LogEvent & { reason?: string };

/** Follows the log from `start` until `stop`. */
export class Log {
  private ending: AbortController | undefined;
  private readonly watchers = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private events: LogEvent[] = [];
  private limit = MOST_EVENTS;
  private received = 0;
  private frozen: { events: readonly LogEvent[]; received: number } | undefined;
  private hasOlder = false;
  private state: State = { name: "connecting" };
  private shown: Shown = this.snapshot();

  constructor(private readonly filter: Filter) {}

  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly getShown = (): Shown => this.shown;

  start(): void {
    this.ending ??= new AbortController();
    this.run(this.ending.signal).catch((error: Error) => this.enter({ name: "refused", why: error.message }));
  }

  stop(): void {
    this.ending?.abort();
    this.ending = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** The list stands still, and events still come: none is lost. */
  pause(): void {
    this.frozen = this.frozen ? undefined : { events: [...this.events], received: this.received };
    this.draw();
  }

  /** Reads the events before the oldest one. */
  async older(): Promise<void> {
    const signal = this.ending?.signal;
    const oldest = this.events[0];
    if (!signal || !oldest) return;
    const { edges, pageInfo } = await this.before(oldest.position, signal);
    const found = edges.map(({ node }) => node);
    this.limit = Math.max(this.limit, this.events.length + found.length);
    this.events.unshift(...found);
    if (this.frozen) this.frozen = { ...this.frozen, events: [...found, ...this.frozen.events] };
    this.hasOlder = pageInfo.hasPreviousPage;
    this.draw();
  }

  /** First the place where the feed begins, then what was before it: no event falls between the two. */
  private async run(signal: AbortSignal): Promise<void> {
    let begun = false;
    let isLive = false;
    const onBreak = (error: Error) => {
      isLive = false;
      this.enter({ name: "broken", why: error.message });
    };
    try {
      for await (const item of feed<FeedItem>(FEED, { filter: { ...this.filter }, signal, onBreak })) {
        if (!begun) {
          begun = true;
          await this.begin(item, signal);
        }
        if (item.reason !== undefined) this.enter({ name: "standing", why: item.reason });
        else if (!isLive || this.state.name === "standing") this.enter({ name: "live" });
        isLive = item.reason === undefined;
        if (item.version !== undefined) this.add(item);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof CursorLost)) throw error;
      this.events = [];
      this.frozen = undefined;
      this.enter({ name: "set back", why: error.message });
      return this.run(signal);
    }
  }

  /** first: an event, which is added later, or an item that says that all up to its position is past. */
  private async begin(first: FeedItem, signal: AbortSignal): Promise<void> {
    const isPast = first.version === undefined;
    const before = isPast ? String(BigInt(first.position) + 1n) : first.position;
    const { edges, pageInfo } = await this.before(before, signal);
    this.events = edges.map(({ node }) => node);
    this.hasOlder = pageInfo.hasPreviousPage;
  }

  private async before(before: string, signal: AbortSignal): Promise<Older["events"]> {
    return (await ask<Older>(OLDER, { before, last: PAGE, filter: this.filter }, signal)).events;
  }

  private add(event: LogEvent): void {
    this.received += 1;
    this.events.push(event);
    // Cut in steps: to move ten thousand entries for each event would be slow.
    if (this.events.length > this.limit + PAGE) {
      this.events.splice(0, this.events.length - this.limit);
      this.hasOlder = true;
    }
    this.draw();
  }

  private enter(state: State): void {
    this.state = state;
    this.draw();
  }

  /** Many events that come at once are drawn once. */
  private draw(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.shown = this.snapshot();
      this.watchers.forEach((watcher) => watcher());
    }, DRAWN_EVERY_MS);
  }

  private snapshot(): Shown {
    const { frozen, received, hasOlder, state } = this;
    const since = frozen && received - frozen.received;
    return {
      events: frozen?.events ?? [...this.events],
      received: frozen?.received ?? received,
      since,
      hasOlder,
      state,
    };
  }
}
