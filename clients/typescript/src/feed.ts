// The feed: history, CaughtUp, then live. Each event once, across breaks.
import { decoded, type Coding } from "./codecs.js";
import type { Cursor } from "./errors.js";
import { subscribed, type Patience } from "./resuming.js";
import type { Transport } from "./transport.js";

/** What every item of the feed has. */
export interface Item<Position = string> {
  __typename: string;
  position: Position;
  logEpoch: number;
}

export interface FollowOptions extends Patience {
  /** Begin behind this cursor; "0" is the beginning of the log. Without it: with what happens from now on. */
  after?: Cursor | string;
  filter?: Record<string, unknown>;
  /** Ends the feed. */
  signal?: AbortSignal;
  /** So many items may wait for the caller. Then the stream is paused. */
  buffer?: number;
}

export interface Observer<T> {
  next(item: T): void;
  error?(error: unknown): void;
  complete?(): void;
}

/** An async iterator, and an observable. Iterate it, or subscribe to it, once: each call begins a feed of its own. */
export interface Feed<T> extends AsyncIterable<T> {
  /** Behind the last item that was handed out. Keep it once the item is handled, and give it as `after`. */
  readonly cursor: Cursor | undefined;
  subscribe(observer: Observer<T> | ((item: T) => void)): { unsubscribe(): void };
}

/** The cursor behind an item. */
export function cursorOf({ position, logEpoch }: Item<unknown>): Cursor {
  return { position: String(position), logEpoch };
}

/** Whether position a is behind position b in the log. Positions can be larger than a number is exact. */
export function isAfter(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

/**
 * The feed by a document with the variables $after, $logEpoch and $filter, which selects __typename, position and
 * logEpoch of each item. Iterating rejects with CursorLost if the log was set back, and with RequestRefused.
 */
export function follow<T extends Item<unknown>>(
  transport: Transport,
  document: string,
  options: FollowOptions = {},
  coding?: Coding,
): Feed<T> {
  const { after, filter, signal: outer, buffer = 1_000, ...patience } = options;
  let given: Cursor | undefined = typeof after === "string" ? { position: after, logEpoch: 1 } : after;

  async function* items(inner: AbortController): AsyncGenerator<T> {
    const queue: T[] = [];
    let seen = given;
    let over = false;
    let failed: unknown;
    let wake = () => {};
    let drained: (() => void) | undefined;
    const leave = () => inner.abort();
    if (outer?.aborted) leave();
    outer?.addEventListener("abort", leave);
    const request = () => ({
      query: document,
      variables: { after: seen?.position ?? null, logEpoch: seen?.logEpoch ?? 1, filter: filter ?? null },
    });
    const take = (data: Record<string, unknown>) => {
      const item = Object.values(data)[0] as T;
      const isEvent = "version" in item;
      const cursor = cursorOf(item);
      if (isEvent && seen && !isAfter(cursor.position, seen.position)) return undefined;
      seen = cursor;
      queue.push(item);
      wake();
      return queue.length < buffer ? undefined : new Promise<void>((resolve) => (drained = resolve));
    };
    subscribed(transport, request, take, patience, inner.signal)
      .catch((error: unknown) => (failed = error))
      .finally(() => {
        over = true;
        wake();
      });
    try {
      for (;;) {
        const item = queue.shift();
        if (item !== undefined) {
          given = cursorOf(item);
          yield decoded(coding, "FeedItem", item);
        } else if (inner.signal.aborted) return;
        else if (failed) throw failed;
        else if (over) return;
        else {
          drained?.();
          drained = undefined;
          await new Promise<void>((resolve) => (wake = resolve));
        }
        if (inner.signal.aborted) return;
      }
    } finally {
      inner.abort();
      outer?.removeEventListener("abort", leave);
    }
  }

  return {
    get cursor() {
      return given;
    },
    [Symbol.asyncIterator]() {
      const inner = new AbortController();
      const running = items(inner);
      // A generator that waits cannot be ended by return() alone.
      return {
        next: () => running.next(),
        return: (value?: unknown) => {
          inner.abort();
          return running.return(value as undefined);
        },
      };
    },
    subscribe(observer) {
      const { next, error, complete } = typeof observer === "function" ? { next: observer } as Observer<T> : {
        next: (item: T) => observer.next(item),
        error: (problem: unknown) => observer.error?.(problem),
        complete: () => observer.complete?.(),
      };
      const inner = new AbortController();
      (async () => {
        for await (const item of items(inner)) next(item);
        if (!inner.signal.aborted) complete?.();
      })().catch((problem: unknown) => error?.(problem));
      return { unsubscribe: () => inner.abort() };
    },
  };
}
