// Pauses between attempts.

const SHORTEST_MS = 100;

/**
 * How long to wait before an attempt: a random time, so that clients that were cut off together do not come back
 * together. It doubles with each attempt that failed, up to longestMs. At least what the server asked for.
 */
export function backoff(failed: number, longestMs: number, retryAfterMs = 0): number {
  const most = Math.min(longestMs, SHORTEST_MS * 2 ** Math.min(failed, 20));
  return retryAfterMs + most * (0.5 + Math.random() / 2);
}

/** Resolves after the time, or when the signal is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, 2 ** 31 - 1));
    signal?.addEventListener("abort", end);
  });
}

/** Rejects with the signal's reason when it is aborted, or else settles as the promise does. */
export function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const end = () => reject(signal.reason);
    if (signal.aborted) return end();
    signal.addEventListener("abort", end);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", end));
  });
}

/** A signal that is aborted with the first of two. */
export function either(one: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  if (!other) return one;
  const controller = new AbortController();
  for (const signal of [one, other]) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}
