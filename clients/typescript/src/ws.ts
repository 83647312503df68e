// Subscriptions over one WebSocket, by the library graphql-ws.
import { createClient, type ClientOptions } from "graphql-ws";
import { failure, Interrupted, type GraphQLErrorLike } from "./errors.js";
import type { Result, Sink, Transport } from "./transport.js";

const KEEP_ALIVE_MS = 10_000;
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

/** All subscriptions share one connection. It is closed when there is none. */
export function webSocket({ url, connectionParams, webSocketImpl }: WebSocketOptions): Transport {
  const sinks = new Set<Sink>();
  const alive = () => sinks.forEach((sink) => sink.alive());
  const on = { message: alive, pong: alive };
  const options: ClientOptions = { url: absolute(url), connectionParams, webSocketImpl, on, lazy: true, retryAttempts: 0 };
  const client = createClient({ ...options, keepAlive: KEEP_ALIVE_MS, onNonLazyError: () => {} });
  return {
    pauses: false,
    subscribe(request, sink) {
      let over = false;
      sinks.add(sink);
      const end = (error?: unknown) => {
        sinks.delete(sink);
        if (!over) sink.end(error);
        over = true;
      };
      const unsubscribe = client.subscribe(request, {
        next: (result) => {
          if (!over) void sink.next(result as Result);
        },
        error: (error) => end(Array.isArray(error) ? failure(error as GraphQLErrorLike[]) : lost(error)),
        complete: () => end(),
      });
      return () => {
        over = true;
        sinks.delete(sink);
        unsubscribe();
      };
    },
    reset: () => client.terminate(),
    close: () => void client.dispose(),
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
