// How the pages ask the API: by the TypeScript client, over one WebSocket for all subscriptions.
import { answered } from "@client/asking.js";
import { newId, send, type Outcome } from "@client/commands.js";
import { follow, type Feed, type FollowOptions, type Item } from "@client/feed.js";
import { subscribed } from "@client/resuming.js";
import { webSocket } from "@client/ws.js";
import { config } from "./config.js";
import { signing, watch as watchSession } from "./session.js";

export { CursorLost, RequestRefused } from "@client/errors.js";
export { isAfter } from "@client/feed.js";
export { newId };

const http = { url: config.endpoint, headers: signing };
const transport = webSocket({ url: config.endpoint, connectionParams: signing });
const ANSWER_MS = 15_000;
const PATIENCE_MS = 20_000;
const silenceMs = 3_000 * config.keepAliveSeconds;

watchSession(() => transport.reset()); // the next connection signs in as the new viewer

/** The data of a query, asked again through breaks. */
export async function ask<T>(document: string, variables: Record<string, unknown>, signal?: AbortSignal): Promise<T> {
  const asking = { attemptMs: ANSWER_MS, patienceMs: PATIENCE_MS, signal };
  return (await answered(http, { query: document, variables }, asking)) as T;
}

/** The outcome of a command, sent under one id until it is known. */
export function submit(
  field: string,
  document: string,
  input: unknown,
  options: Record<string, unknown>,
): Promise<Outcome> {
  return send(http, field, document, input, options);
}

/** The feed by a document with the variables $after, $logEpoch and $filter. */
export function feed<T extends Item>(document: string, options: FollowOptions): Feed<T> {
  return follow<T>(transport, document, { silenceMs, ...options });
}

export interface Watcher<T> {
  next(data: T): void;
  /** A connection broke. The next one comes by itself. */
  broken(error: Error): void;
}

/** Subscribes until the signal is aborted; each item is the whole truth. Rejects if the API refuses the request. */
export function watch<T>(
  document: string,
  variables: Record<string, unknown>,
  watcher: Watcher<T>,
  signal: AbortSignal,
): Promise<void> {
  const take = (data: Record<string, unknown>) => {
    watcher.next(data as T);
    return undefined;
  };
  const patience = { silenceMs, onBreak: (error: Error) => watcher.broken(error) };
  return subscribed(transport, () => ({ query: document, variables }), take, patience, signal);
}
