// A list of what has failed, as it changes by itself and by what the viewer does.
import { useState } from "react";
import { type Asked, useAsked } from "../../hooks.js";

/**
 * What has failed. It is read again when `now`, how many there are, changes, after `done`, and while one of them
 * is being retried, with each measurement of the system. `at` is the time of the newest measurement.
 */
export function useFailures<T>(
  document: string,
  now: number,
  at: string,
  isRetried: (data: T) => boolean,
): Asked<T> & { done: () => void } {
  const [acted, setActed] = useState(0);
  const [retried, setRetried] = useState(false);
  const asked = useAsked<T>(document, {}, `${now} ${acted} ${retried ? at : ""}`);
  const isNow = asked.data !== undefined && isRetried(asked.data);
  if (isNow !== retried) setRetried(isNow);
  return { ...asked, done: () => setActed(acted + 1) };
}
