// The client of one domain. Its operations and types are written by `commander client typescript`.
import { ANSWER_MS, answered, type Asking } from "./asking.js";
import { decoded, encoded, type Coding } from "./codecs.js";
import { positionOf, send, type Outcome, type SendOptions } from "./commands.js";
import { RequestRefused } from "./errors.js";
import { follow, isAfter, type Feed, type FollowOptions, type Item } from "./feed.js";
import { LiveStore, type Live, type LiveDocument } from "./live.js";
import type { Patience } from "./resuming.js";
import { sse } from "./sse.js";
import type { Http, Transport } from "./transport.js";
import { either } from "./waiting.js";

/** The operations of a domain. */
export interface Domain {
  feed: string;
  commands: Record<string, string>;
  queries: Record<string, string>;
  live: Record<string, LiveDocument>;
  coding?: Coding;
}

/** The types of a domain, by the names of its operations. */
export interface Shapes {
  item: Item<unknown>;
  filter: object;
  options: object;
  commands: Record<string, { input: object; outcome: Outcome }>;
  queries: Record<string, { arguments: object; result: unknown }>;
  live: Record<string, { arguments: object; row: unknown }>;
}

/** `url` is that of HTTP: http:// or https://. */
export interface ClientOptions extends Http, Patience {
  /** For subscriptions. By default Server-Sent Events; see `webSocket` of @commander/client/ws. */
  transport?: Transport;
  /** How long an answer may take beyond the time that the API is asked to wait. 15 seconds by default. */
  answerMs?: number;
}

export interface Client<S extends Shapes> {
  commands: {
    [Name in keyof S["commands"]]: (
      input: S["commands"][Name]["input"],
      options?: SendOptions & S["options"],
    ) => Promise<S["commands"][Name]["outcome"]>;
  };
  /** Queries show at least what this client has written. */
  read: {
    [Name in keyof S["queries"]]: (
      given: S["queries"][Name]["arguments"],
      asking?: Asking,
    ) => Promise<S["queries"][Name]["result"]>;
  };
  /** The same store for the same arguments, as long as it has listeners. */
  live: { [Name in keyof S["live"]]: (given: S["live"][Name]["arguments"]) => Live<S["live"][Name]["row"]> };
  follow(options?: Omit<FollowOptions, "filter"> & { filter?: S["filter"] }): Feed<S["item"]>;
  /** The highest position that this client has written, which its reads show. */
  readonly written: string | undefined;
  /** Ends all feeds and stores, and closes what is open. */
  close(): void;
}

const WAIT_MS = 5_000; // the API's own limit of `atLeast`

export function createClient<S extends Shapes>(domain: Domain, options: ClientOptions): Client<S> {
  const { coding } = domain;
  const { transport = sse(options), silenceMs, longestPauseMs, onBreak } = options;
  const patience = { silenceMs, longestPauseMs, onBreak };
  const stores = new Map<string, LiveStore>();
  const closing = new AbortController();
  let written: string | undefined;

  const command = (field: string, document: string) => async (input: unknown, given: SendOptions = {}) => {
    const variables = encoded(coding, `Mutation ${field}`, { input, options: given });
    const outcome = await send(options, field, document, variables.input, variables.options);
    const position = positionOf(outcome);
    if (outcome.__typename === "CommandApplied" && position && (!written || isAfter(position, written))) {
      written = position;
    }
    return decoded(coding, "Mutation", { [field]: outcome })[field]!;
  };

  const query = (field: string, document: string) => async (given: Record<string, unknown>, asking: Asking = {}) => {
    const ask = async () => {
      const variables = { atLeast: written, ...encoded(coding, `Query ${field}`, given) };
      const attemptMs = Number(given["timeoutMs"] ?? WAIT_MS) + (options.answerMs ?? ANSWER_MS);
      const answer = await answered(options, { query: document, variables }, { ...asking, attemptMs });
      return decoded(coding, "Query", answer)[field];
    };
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RequestRefused) || !isBeyondLog(error) || !written) throw error;
      written = undefined; // the log was set back
      return ask();
    }
  };

  const live = (field: string, document: LiveDocument) => (asked: Record<string, unknown>) => {
    const given = encoded(coding, `Subscription ${field}`, asked);
    const key = `${field} ${JSON.stringify(given)}`;
    let store = stores.get(key);
    if (!store) {
      const idle = () => stores.delete(key);
      store = new LiveStore(transport, document, given, () => written, patience, idle, coding);
      stores.set(key, store);
    }
    return store;
  };

  const client = {
    commands: mapped(domain.commands, command),
    read: mapped(domain.queries, query),
    live: mapped(domain.live, live),
    follow: (given: FollowOptions = {}) => {
      const signal = either(closing.signal, given.signal);
      const { filter } = encoded(coding, "Subscription events", { filter: given.filter });
      return follow(transport, domain.feed, { ...patience, ...given, filter, signal }, coding);
    },
    get written() {
      return written;
    },
    close: () => {
      closing.abort();
      for (const store of stores.values()) store.stop();
      transport.close();
    },
  };
  return client as unknown as Client<S>;
}

/** Whether the read was refused because it asked for a position that the log does not have. */
function isBeyondLog(error: RequestRefused): boolean {
  return error.errors[0]?.extensions?.["head"] !== undefined;
}

function mapped<T, U>(of: Record<string, T>, make: (name: string, one: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(of).map(([name, one]) => [name, make(name, one)]));
}
