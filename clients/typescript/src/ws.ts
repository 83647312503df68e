// Subscriptions over one WebSocket, by the library graphql-ws.
import { createClient, type ClientOptions } from "graphql-ws";
import { failure, Interrupted, type GraphQLErrorLike } from "./errors.js";
import type { Result, Sink, Transport } from "./transport.js";

const KEEP_ALIVE_MS = 10_000;
const NORMAL = 1000;
const BAD_REQUEST = 4400;
const REFUSED = [BAD_REQUEST, 4401, 4403, 4406];

export interface WebSocketOptions {
  /** ws:// or wss://; in a page also http://, https:// or a path of its own origin. */
  url: string;
  /** Sent when a connection begins. A function is called for each connection. */
  connectionParams?: ClientOptions["connectionParams"];
  /** For Node.js before 22: the class of the package ws. */
  webSocketImpl?: unknown;
}

/** A subscription. closes: how often its connection was closed with 1000 before it heard anything: once by ourselves. */
interface Open {
  sink: Sink;
  heard: boolean;
  closes: number;
  leave(error: unknown): void;
}

/** All subscriptions share one connection. It is closed when there is none. */
export function webSocket({ url, connectionParams, webSocketImpl }: WebSocketOptions): Transport {
  const open = new Set<Open>();
  const alive = () => open.forEach(({ sink }) => sink.alive());
  // graphql-ws connects again at once after a close with 1000, and repeats the first request of each subscription.
  const closed = (event: unknown) => {
    if ((event as { code?: unknown }).code !== NORMAL) return;
    for (const one of [...open]) if (one.heard || (one.closes += 1) > 1) one.leave(lost(event));
  };
  const on = { message: alive, pong: alive, closed };
  const options: ClientOptions = { url: absolute(url), connectionParams, webSocketImpl, on, lazy: true, retryAttempts: 0 };
  const client = createClient({ ...options, keepAlive: KEEP_ALIVE_MS, onNonLazyError: () => {} });
  return {
    pauses: false,
    subscribe(request, sink) {
      let over = false;
      const leave = (error: unknown) => {
        end(error);
        unsubscribe();
      };
      const own: Open = { sink, heard: false, closes: 0, leave };
      open.add(own);
      const end = (error?: unknown) => {
        open.delete(own);
        if (!over) sink.end(error);
        over = true;
      };
      const unsubscribe = client.subscribe(request, {
        next: (result) => {
          own.heard = true;
          if (!over) void sink.next(result as Result);
        },
        error: (error) => end(Array.isArray(error) ? failure(error as GraphQLErrorLike[]) : lost(error)),
        complete: () => end(),
      });
      return () => {
        over = true;
        open.delete(own);
        unsubscribe();
      };
    },
    reset: () => client.terminate(),
    close: () => void Promise.resolve(client.dispose()).catch(() => {}), // it rejects if a connection fails meanwhile
  };
}

/** Not every browser takes a path, or http://. */
function absolute(url: string): string {
  return new URL(url, globalThis.location?.href).href.replace(/^http/, "ws");
}

function lost(error: unknown): Interrupted {
  const { code, reason, message } = error as { code?: unknown; reason?: string; message?: string };
  const refused = typeof code === "number" && REFUSED.includes(code);
  const text = `the WebSocket has ended: ${String(code ?? "")} ${reason || message || ""}`.trim();
  return new Interrupted(text, { suspect: refused, access: refused && code !== BAD_REQUEST });
}
