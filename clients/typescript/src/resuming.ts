// One subscription through whatever happens to its connections.
import { CursorLost, failure, Interrupted, RequestRefused } from "./errors.js";
import type { Request, Result, Transport } from "./transport.js";
import { backoff, pause } from "./waiting.js";

export interface Patience {
  /** A connection on which nothing comes for so long is given up. More than the heartbeat of the API: 15 seconds. */
  silenceMs?: number;
  /** The longest pause between two attempts. */
  longestPauseMs?: number;
  /** Told of each break, before the pause. For a log, or for a page that says that it is offline. */
  onBreak?: (error: Error) => void;
}

interface Ended {
  error: Error;
  lived: boolean;
}

/**
 * Subscribes again and again until the signal is aborted.
 *
 * request: asked before each attempt, so that it can have the newest cursor. take: gets each data; if it returns a
 * promise, nothing more comes until that is resolved. Rejects with CursorLost or RequestRefused.
 */
export async function subscribed(
  transport: Transport,
  request: () => Request,
  take: (data: Record<string, unknown>) => Promise<void> | undefined,
  { silenceMs = 45_000, longestPauseMs = 10_000, onBreak }: Patience,
  signal: AbortSignal,
): Promise<void> {
  let everLived = false;
  let failed = 0;
  while (!signal.aborted) {
    let full: Promise<void> | undefined;
    const { error, lived } = await attempt(transport, request(), silenceMs, signal, (data) => {
      const taken = take(data);
      if (taken && !transport.pauses) full = taken;
      return taken;
    });
    if (signal.aborted) return;
    everLived ||= lived;
    if (full) {
      await Promise.race([full, aborted(signal)]);
      continue;
    }
    if (error instanceof CursorLost || error instanceof RequestRefused) throw error;
    const { access, suspect, retryAfterMs, code } = error instanceof Interrupted ? error.options : {};
    if ((access && !lived) || (suspect && !everLived)) throw new RequestRefused(error.message, code);
    failed = lived ? 0 : failed + 1;
    onBreak?.(error);
    await pause(backoff(failed, longestPauseMs, retryAfterMs), signal);
  }
}

/** One subscription until it ends, by whatever. A reader that is full ends it if the transport cannot pause. */
function attempt(
  transport: Transport,
  request: Request,
  silenceMs: number,
  signal: AbortSignal,
  take: (data: Record<string, unknown>) => Promise<void> | undefined,
): Promise<Ended> {
  return new Promise((resolve) => {
    let lived = false;
    let over = false;
    let waiting = false;
    let stop: (() => void) | undefined;
    let heard = Date.now();
    let quietTicks = 0; // a process that was held up has not read yet what has come meanwhile
    const end = (error: unknown) => {
      if (over) return;
      over = true;
      clearInterval(timer);
      signal.removeEventListener("abort", leave);
      stop?.();
      resolve({ error: error instanceof Error ? error : new Interrupted(String(error)), lived });
    };
    const leave = () => end(new Interrupted("the caller has ended it"));
    const timer = setInterval(() => {
      quietTicks += 1;
      if (waiting || quietTicks < 3 || Date.now() - heard < silenceMs) return;
      transport.reset();
      end(new Interrupted(`nothing came for ${silenceMs} ms`));
    }, silenceMs / 4);
    const alive = () => {
      heard = Date.now();
      quietTicks = 0;
    };
    const next = ({ data, errors }: Result): Promise<void> | undefined => {
      if (over) return undefined;
      alive();
      if (!data || Object.values(data).every((value) => value === null)) {
        end(failure(errors ?? []));
        return undefined;
      }
      lived = true;
      const taken = take(data);
      if (taken && !transport.pauses) end(new Interrupted("the reader is slower than the stream"));
      else if (taken) {
        waiting = true;
        return taken.then(() => {
          waiting = false;
          alive();
        });
      }
      return undefined;
    };
    signal.addEventListener("abort", leave);
    stop = transport.subscribe(request, {
      next,
      alive,
      end: (error) => end(error ?? new Interrupted("the stream was ended")),
    });
    if (over) stop();
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
