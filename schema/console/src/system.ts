// The whole system, as the subscription `system` sends it once a second, and its last minutes. All pages share it.
import { useSyncExternalStore } from "react";
import { watch } from "./api.js";
import { watch as watchSession } from "./session.js";

const MOVEMENT = "movement { position lag perSecond secondsLeft }";
const STOPPED = "stopped { position type error traceback }";
const SYSTEM = `subscription ConsoleSystem {
  system {
    at outage problems
    api {
      submittedPerSecond connections subscribers
      processes { host process submittedPerSecond connections subscribers feedPosition feedLag problem }
    }
    queue { commands bytes ageSeconds full messagesPerSecond problem }
    processing {
      decided decidedPerSecond appliedPerSecond rejectedPerSecond failedPerSecond problem
      partitions { partition lag holder problem } processors { host process code partitions }
    }
    log { position perSecond bytes newestAt }
    mirror { ${MOVEMENT} running problem }
    projections { name table code state serving servedAt inline keptUp ${MOVEMENT} ${STOPPED} problem }
    reactors { name ${MOVEMENT} partitions held parked rebuilding ${STOPPED} problem }
    effects { name ${MOVEMENT} running failed problem }
    schedules { name cron nextAt commands problem }
    deadLetters { count newestAt }
  }
}`;
/** How many measurements are kept: five minutes. */
export const KEPT = 300;

type Rate = number | null;

export interface Movement {
  position: string;
  lag: string;
  perSecond: Rate;
  secondsLeft: number | null;
}

export interface StoppedAt {
  position: string;
  type: string;
  error: string;
  traceback: string | null;
}

interface Part {
  problem: string | null;
}

interface Follower extends Part {
  name: string;
  movement: Movement;
}

export interface ApiProcess extends Part {
  host: string;
  process: number;
  submittedPerSecond: Rate;
  connections: number;
  subscribers: number;
  feedPosition: string | null;
  feedLag: string | null;
}

export interface ProjectionTable extends Follower {
  table: string;
  code: string;
  state: string;
  serving: boolean;
  servedAt: string | null;
  inline: boolean;
  keptUp: boolean;
  stopped: StoppedAt | null;
}

export interface Reactor extends Follower {
  partitions: number;
  held: number;
  parked: number;
  rebuilding: boolean;
  stopped: StoppedAt | null;
}

export interface Effect extends Follower {
  running: boolean;
  failed: number;
}

export interface Schedule extends Part {
  name: string;
  cron: string;
  nextAt: string | null;
  commands: number;
}

export interface Queue extends Part {
  commands: number;
  bytes: string;
  ageSeconds: number;
  full: boolean;
  messagesPerSecond: Rate;
}

export interface Processing extends Part {
  decided: string;
  decidedPerSecond: Rate;
  appliedPerSecond: Rate;
  rejectedPerSecond: Rate;
  failedPerSecond: Rate;
  partitions: ({ partition: number; lag: string; holder: string | null } & Part)[];
  processors: { host: string; process: number; code: string; partitions: number }[];
}

export interface System {
  at: string;
  outage: string | null;
  problems: string[];
  api: { submittedPerSecond: Rate; connections: number; subscribers: number; processes: ApiProcess[] };
  queue: Queue;
  processing: Processing;
  log: { position: string; perSecond: Rate; bytes: string; newestAt: string };
  mirror: { movement: Movement; running: boolean } & Part;
  projections: ProjectionTable[];
  reactors: Reactor[];
  effects: Effect[];
  schedules: Schedule[];
  deadLetters: { count: number; newestAt: string | null };
}

export interface Shown {
  /** The last measurements, the oldest first. */
  history: readonly System[];
  system: System | undefined;
  /** Why the connection is broken. The next one comes by itself. */
  broken: Error | undefined;
  /** Why the API refuses. */
  error: Error | undefined;
}

const NOTHING: Shown = { history: [], system: undefined, broken: undefined, error: undefined };

let shown = NOTHING;
let ending: AbortController | undefined;
const readers = new Set<() => void>();

watchSession(() => change(NOTHING)); // another viewer may see less

/** The system now, while a page shows it. */
export function useSystem(): Shown {
  return useSyncExternalStore(subscribe, () => shown);
}

function subscribe(reader: () => void): () => void {
  readers.add(reader);
  if (!ending) begin();
  return () => {
    readers.delete(reader);
    if (readers.size > 0) return;
    ending?.abort();
    ending = undefined;
  };
}

function begin(): void {
  const own = (ending = new AbortController());
  const next = ({ system }: { system: System }) =>
    change({ history: [...shown.history.slice(1 - KEPT), system], system, broken: undefined, error: undefined });
  watch<{ system: System }>(SYSTEM, {}, { next, broken: (broken) => change({ ...shown, broken }) }, own.signal).catch(
    (error: Error) => own.signal.aborted || change({ ...shown, error }),
  );
}

function change(next: Shown): void {
  shown = next;
  readers.forEach((reader) => reader());
}
