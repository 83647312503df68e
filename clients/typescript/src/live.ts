// Rows that are kept right: a snapshot, then changes; resumed behind a cursor.
import { decoded, encoded, type Coding } from "./codecs.js";
import { isAfter } from "./feed.js";
import { positionOf, type Outcome } from "./commands.js";
import { subscribed, type Patience } from "./resuming.js";
import type { Transport } from "./transport.js";

/** The rows as they are at one position. The same object until something changes. */
export interface Snapshot<Row> {
  readonly rows: readonly Row[];
  /** Those of `rows` that are expected and not known yet. */
  readonly expected: ReadonlySet<Row>;
  /** Whether the rows have come. Before that, `rows` is empty. */
  readonly ready: boolean;
  readonly position: string | undefined;
  /** Why the rows do not move with the log, or undefined. */
  readonly standsStill: { since: string; reason: string } | undefined;
  /** Why there is no connection at present, or why the API refuses these rows. */
  readonly error: Error | undefined;
}

/** An external store, as `useSyncExternalStore` of React takes it. It is connected while it has listeners. */
export interface Live<Row> {
  subscribe(listener: () => void): () => void;
  getSnapshot(): Snapshot<Row>;
  /**
   * Shows `rows`, with `removed` keys taken away, until the truth is known: until the rows show the position of what
   * the command led to, or until its outcome has no position. With `wait: "SETTLED"` that is the position of the last
   * event of all that followed from it.
   */
  expect(outcome: Promise<Outcome>, rows: readonly Row[], removed?: readonly string[]): void;
}

export interface LiveDocument {
  document: string;
  /** The field of a row that is its key. */
  key: string;
  /** The type of a row. */
  type: string;
}

interface Item {
  cursor: string;
  position: string;
  snapshot?: boolean;
  row?: Row | null;
  changes?: { row: Row | null; [key: string]: unknown }[];
  standsStill?: { since: string; reason: string } | null;
}

interface Expected {
  rows: Map<string, Row | undefined>;
  position?: string;
}

type Row = Record<string, unknown>;

const LINGER_MS = 1_000;

export class LiveStore implements Live<Row> {
  private readonly truth = new Map<string, Row>();
  private readonly listeners = new Set<() => void>();
  private expected: Expected[] = [];
  private snapshot: Snapshot<Row> = {
    ...{ rows: [], expected: new Set<Row>(), ready: false, position: undefined, standsStill: undefined, error: undefined },
  };
  private cursor: string | undefined;
  private running: AbortController | undefined;
  private lingering: ReturnType<typeof setTimeout> | undefined;

  /** atLeast: the position that the first snapshot must show. onIdle: the last listener has gone for a while. */
  constructor(
    private readonly transport: Transport,
    private readonly live: LiveDocument,
    private readonly given: Record<string, unknown>,
    private readonly atLeast: () => string | undefined,
    private readonly patience: Patience,
    private readonly onIdle: () => void,
    private readonly coding?: Coding,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    const own = () => listener(); // the same function may be given twice
    this.listeners.add(own);
    clearTimeout(this.lingering);
    if (!this.running) this.start();
    return () => {
      if (!this.listeners.delete(own) || this.listeners.size) return;
      this.lingering = setTimeout(() => this.stop(), LINGER_MS);
    };
  };

  readonly getSnapshot = (): Snapshot<Row> => this.snapshot;

  readonly expect = (outcome: Promise<Outcome>, rows: readonly Row[], removed: readonly string[] = []): void => {
    const shown = new Map<string, Row | undefined>(removed.map((key) => [key, undefined]));
    for (const row of rows) shown.set(this.keyOf(row), row);
    const expected: Expected = { rows: shown };
    this.expected.push(expected);
    this.show({});
    const drop = () => {
      this.expected = this.expected.filter((one) => one !== expected);
      this.show({});
    };
    outcome.then((known) => {
      const position = positionOf(known);
      if (!position) return drop();
      expected.position = position;
      this.show({});
    }, drop);
  };

  private keyOf(row: Row): string {
    const { key, type } = this.live;
    return String(encoded(this.coding, type, { [key]: row[key] })[key]);
  }

  private decoded(row: Row): Row {
    return decoded(this.coding, this.live.type, row);
  }

  private start(): void {
    const running = new AbortController();
    this.running = running;
    const request = () => ({
      query: this.live.document,
      variables: { ...this.given, after: this.cursor ?? null, atLeast: this.cursor ? null : (this.atLeast() ?? null) },
    });
    const { onBreak, ...patience } = this.patience;
    const noted = (error: Error) => {
      onBreak?.(error);
      this.show({ error });
    };
    const take = (data: Record<string, unknown>) => {
      this.fold(Object.values(data)[0] as Item);
      return undefined;
    };
    subscribed(this.transport, request, take, { ...patience, onBreak: noted }, running.signal).catch((error: Error) => {
      if (this.running !== running) return;
      this.running = undefined;
      this.show({ error });
    });
  }

  /** Ends the connection. The rows stay as they are. */
  stop(): void {
    clearTimeout(this.lingering);
    this.running?.abort();
    this.running = undefined;
    this.onIdle();
  }

  private fold(item: Item): void {
    if (item.changes === undefined) {
      this.truth.clear();
      if (item.row) this.truth.set(this.keyOf(item.row), this.decoded(item.row));
    } else {
      if (item.snapshot) this.truth.clear();
      for (const change of item.changes) {
        const key = String(change[this.live.key]);
        if (change.row) this.truth.set(key, this.decoded(change.row));
        else this.truth.delete(key);
      }
    }
    this.cursor = item.cursor;
    const standsStill = item.standsStill ?? undefined;
    this.show({ ready: true, position: item.position, standsStill, error: undefined });
  }

  /** Makes the next snapshot. Expected rows give way once the rows show the position of their command. */
  private show(changed: Partial<Snapshot<Row>>): void {
    const next = { ...this.snapshot, ...changed };
    const { position } = next;
    this.expected = this.expected.filter((one) => !one.position || !position || isAfter(one.position, position));
    const rows = new Map<string, Row | undefined>(this.truth);
    for (const one of this.expected) for (const [key, row] of one.rows) rows.set(key, row);
    const shown = [...rows.values()].filter((row) => row !== undefined);
    const expected = new Set(shown.filter((row) => this.truth.get(this.keyOf(row)) !== row));
    this.snapshot = { ...next, rows: shown, expected };
    for (const listener of [...this.listeners]) listener();
  }
}
