// What a page asks for, as it comes.
import { useEffect, useState } from "react";
import { ask, watch } from "./api.js";

export interface Asked<T> {
  data: T | undefined;
  error: Error | undefined;
}

const NOTHING = { data: undefined, error: undefined };

/** The answer to a query; nothing until it is there, or without a document. `again`: asks once more when it changes. */
export function useAsked<T>(
  document: string | undefined,
  variables: Record<string, unknown>,
  again: unknown = 0,
): Asked<T> {
  const key = JSON.stringify([document, variables]);
  const [asked, setAsked] = useState<Asked<T> & { key?: string }>(NOTHING);
  useEffect(() => {
    if (document === undefined) return;
    const ending = new AbortController();
    ask<T>(document, variables, ending.signal).then(
      (data) => setAsked({ data, error: undefined, key }),
      (error: Error) => ending.signal.aborted || setAsked({ data: undefined, error, key }),
    );
    return () => ending.abort();
  }, [key, again]);
  return asked.key === key ? asked : NOTHING;
}

export interface Watched<T> extends Asked<T> {
  /** Why the connection is broken. Undefined while it works. */
  broken: Error | undefined;
}

/** The newest item of a subscription whose items are each the whole truth. It ends when `done` says so. */
export function useWatched<T>(
  document: string,
  variables: Record<string, unknown>,
  done: (data: T) => boolean = () => false,
): Watched<T> {
  const key = JSON.stringify([document, variables]);
  const nothing: Watched<T> & { key: string } = { data: undefined, error: undefined, broken: undefined, key };
  const [watched, setWatched] = useState(nothing);
  useEffect(() => {
    const ending = new AbortController();
    const change = (changed: Partial<Watched<T>>) =>
      setWatched((last) => ({ ...(last.key === key ? last : nothing), ...changed }));
    const next = (data: T) => {
      change({ data, broken: undefined });
      if (done(data)) ending.abort();
    };
    watch<T>(document, variables, { next, broken: (broken) => change({ broken }) }, ending.signal).catch(
      (error: Error) => change({ error }),
    );
    return () => ending.abort();
  }, [key]);
  return watched.key === key ? watched : nothing;
}
