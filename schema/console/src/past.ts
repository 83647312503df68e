// The rows of a stream's projections as they were at its versions.
import { useEffect, useState } from "react";
import { ask, RequestRefused } from "./api.js";
import { schema, named, type Versioned, type Schema } from "./schema.js";
import { watch } from "./session.js";
import type { Values } from "./Values.js";

export interface PastRow {
  projection: string;
  before: Values | null;
  after: Values | null;
}

/** What a stream is called, taken apart: the name of the aggregate, a dash, the key. */
export function keyOf(stream: string): string {
  return stream.slice(stream.indexOf("-") + 1);
}

/** A key as the variable of this argument takes it. */
export function keyValue({ keyType }: Versioned, key: string): unknown {
  return ["Int", "Float"].includes(named(keyType).name ?? "") ? Number(key) : key;
}

const byAggregate = new Map<string, Promise<Versioned[]>>();
watch(() => byAggregate.clear());

/** The projections whose rows are the state of this stream. Found once for each aggregate. */
export function projectionsOf(known: Schema, stream: string): Promise<Versioned[]> {
  const aggregate = stream.slice(0, stream.indexOf("-"));
  const found = byAggregate.get(aggregate) ?? findProjections(known, stream);
  byAggregate.set(aggregate, found);
  const forget = () => byAggregate.delete(aggregate);
  found.then((own) => own.length || forget(), forget); // the next stream may have events
  return found;
}

/** Those whose first version is the stream's first event. */
async function findProjections(known: Schema, stream: string): Promise<Versioned[]> {
  const first = `query ConsoleFirst($streams: [String!]) {
    events(first: 1, filter: { streams: $streams }) { edges { node { position } } }
  }`;
  const page = await ask<{ events: Edges }>(first, { streams: [stream] });
  const position = page.events.edges[0]?.node.position;
  const own = await Promise.all(known.versioned.map((one) => firstPosition(one, keyOf(stream))));
  return known.versioned.filter((_, index) => position !== undefined && own[index] === position);
}

interface Edges {
  edges: { node: { position: string } }[];
}

async function firstPosition(of: Versioned, key: string): Promise<string | undefined> {
  const document = `query ConsoleFirstVersion($key: ${keyTypeOf(of)}) {
    ${of.history}(${of.key}: $key, first: 1) { edges { node { position } } }
  }`;
  try {
    const page = await ask<Record<string, Edges>>(document, { key: keyValue(of, key) });
    return page[of.history]?.edges[0]?.node.position;
  } catch (error) {
    if (error instanceof RequestRefused) return undefined; // a key of another type
    throw error;
  }
}

/** The rows before and after one version of a stream. */
export async function rowsAt(stream: string, version: number, signal?: AbortSignal): Promise<PastRow[]> {
  const known = await schema();
  const own = await projectionsOf(known, stream);
  return Promise.all(own.map((one) => rowAt(known, one, keyOf(stream), version, signal)));
}

async function rowAt(
  known: Schema,
  of: Versioned,
  key: string,
  version: number,
  signal?: AbortSignal,
): Promise<PastRow> {
  const selected = known.selection(of.past, new Set(["version", "position", "time"]));
  const at = (alias: string, number: number) =>
    `${alias}: ${of.at}(${of.key}: $key, asOf: { version: ${number} }) { ${selected} }`;
  const rows = [...(version > 1 ? [at("before", version - 1)] : []), at("after", version)];
  const document = `query ConsoleRows($key: ${keyTypeOf(of)}) { ${rows.join(" ")} }`;
  const { before, after } = await ask<{ before?: Values; after: Values }>(document, { key: keyValue(of, key) }, signal);
  return { projection: of.name, before: before ?? null, after };
}

export function keyTypeOf({ keyType }: Versioned): string {
  return keyType.kind === "NON_NULL" ? `${keyType.ofType!.name}!` : keyType.name!;
}

/** The rows before and after a version, as they come. */
export function useRowsAt(stream: string, version: number): { rows: PastRow[] | undefined; error: Error | undefined } {
  const key = `${stream} ${version}`;
  const [found, setFound] = useState<{ key?: string; rows?: PastRow[]; error?: Error }>({});
  useEffect(() => {
    const ending = new AbortController();
    rowsAt(stream, version, ending.signal).then(
      (rows) => setFound({ key, rows }),
      (error: Error) => ending.signal.aborted || setFound({ key, error }),
    );
    return () => ending.abort();
  }, [key]);
  return found.key === key ? { rows: found.rows, error: found.error } : { rows: undefined, error: undefined };
}
