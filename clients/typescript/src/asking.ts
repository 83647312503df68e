// Queries and mutations: one request, repeated until there is an answer or the caller's patience ends.
import { CursorLost, failure, Interrupted, RequestRefused, statusFailure } from "./errors.js";
import { post, resultIn, type Http, type Request } from "./transport.js";
import { backoff, pause, unlessAborted } from "./waiting.js";

export interface Asking {
  /** How long to try, through breaks, OVERLOADED, UNAVAILABLE, 429 and 503. 30 seconds by default; Infinity for ever. */
  patienceMs?: number;
  /** Ends the attempts. */
  signal?: AbortSignal;
}

interface Attempts extends Asking {
  /** An attempt without an answer after so long is a break. */
  attemptMs: number;
  onBreak?: (error: Error) => void;
}

/** An answer may take so long, beside the time that the API is asked to wait. Then the connection is given up. */
export const ANSWER_MS = 15_000;
const LONGEST_PAUSE_MS = 5_000;
const STOPPED = "PROJECTION_STOPPED";

/**
 * The data of the answer. The request must be safe to repeat.
 *
 * Rejects with RequestRefused, with the last Interrupted when the patience has ended, or with the signal's reason.
 */
export async function answered(http: Http, request: Request, attempts: Attempts): Promise<Record<string, unknown>> {
  const { patienceMs = 30_000, signal, attemptMs, onBreak } = attempts;
  const until = Date.now() + patienceMs;
  for (let failed = 0; ; failed += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt(http, request, attemptMs, signal);
    } catch (caught) {
      signal?.throwIfAborted();
      const error = caught instanceof Error ? caught : new Interrupted(String(caught));
      if (error instanceof RequestRefused || error instanceof CursorLost) throw error;
      const { access, suspect, code, retryAfterMs } = error instanceof Interrupted ? error.options : {};
      if (access || suspect || code === STOPPED) throw new RequestRefused(error.message, code);
      onBreak?.(error);
      const pauseMs = backoff(failed, LONGEST_PAUSE_MS, retryAfterMs);
      if (Date.now() + pauseMs > until) throw error;
      await pause(pauseMs, signal);
    }
  }
}

async function attempt(
  http: Http,
  request: Request,
  attemptMs: number,
  signal: AbortSignal | undefined,
): Promise<Record<string, unknown>> {
  const controller = new AbortController();
  const late = setTimeout(() => controller.abort(new Interrupted(`no answer within ${attemptMs} ms`)), attemptMs);
  const leave = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", leave);
  try {
    const accept = "application/graphql-response+json, application/json;q=0.9";
    const response = await unlessAborted(post(http, request, accept, controller.signal), controller.signal);
    const text = await unlessAborted(response.text(), controller.signal);
    const result = resultIn(text);
    if (!result) throw statusFailure(response, text);
    if (!result.errors?.length && result.data) return result.data;
    const error = failure(result.errors ?? []);
    const { retryAfterMs } = statusFailure(response, "").options;
    if (error instanceof Interrupted) error.options.retryAfterMs ??= retryAfterMs;
    throw error;
  } finally {
    clearTimeout(late);
    signal?.removeEventListener("abort", leave);
  }
}
