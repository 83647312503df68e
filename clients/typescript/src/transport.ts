// How requests reach the API.
import type { GraphQLErrorLike } from "./errors.js";

export interface Request {
  query: string;
  variables?: Record<string, unknown>;
}

export interface Result {
  data?: Record<string, unknown> | null;
  errors?: readonly GraphQLErrorLike[];
}

/** What a transport tells one subscription. After `end` it tells nothing more. */
export interface Sink {
  /** Something came, if only a keep-alive: the connection works. */
  alive(): void;
  /** An item. A transport that can pause waits for the promise before it reads on. */
  next(result: Result): Promise<void> | undefined;
  /** The stream has ended. Without an error: as if it were complete. */
  end(error?: unknown): void;
}

export interface Transport {
  /** Whether the transport reads no further while the promise of `next` is pending. */
  readonly pauses: boolean;
  /** Begins one subscription, and never repeats it. Returns what ends it. */
  subscribe(request: Request, sink: Sink): () => void;
  /** The connection is silent: the next subscription gets a new one. */
  reset(): void;
  /** Closes what is open. */
  close(): void;
}

/** Headers, or a function that gives them anew for each request, such as with a token that expires. */
export type Headers = Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);

export interface Http {
  url: string;
  headers?: Headers;
  fetch?: typeof fetch;
}

/** POSTs a GraphQL request. Rejects as fetch does. */
export async function post(http: Http, request: Request, accept: string, signal: AbortSignal): Promise<Response> {
  const given = typeof http.headers === "function" ? await http.headers() : http.headers;
  const headers = { ...given, "content-type": "application/json", accept };
  const body = JSON.stringify(request);
  return (http.fetch ?? fetch)(http.url, { method: "POST", headers, body, signal, cache: "no-store" });
}

/** The answer in a text. Undefined if it is none, such as a page of a gateway. */
export function resultIn(text: string): Result | undefined {
  try {
    const result = JSON.parse(text) as Result | null;
    if (result && typeof result === "object" && ("data" in result || Array.isArray(result.errors))) return result;
  } catch {
    // not JSON
  }
  return undefined;
}
