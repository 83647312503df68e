// What each box of the picture says of the system.
import type { Movement, System } from "../../system.js";
import { duration } from "../../words.js";
import { short } from "./Chart.js";

export interface Box {
  title: string;
  /** Where more of it is. */
  path?: string;
  rate: number | null;
  unit: string;
  figures: [name: string, value: string][];
  lines: { name: string; colour: string; value: (system: System) => number | null }[];
  chartUnit: string;
  problems: string[];
  note?: string;
}

/** From the API to the mirror. */
export function wayOf(system: System): Box[] {
  return [apiOf(system), queueOf(system), processingOf(system), logOf(system), mirrorOf(system)];
}

/** What follows the log. */
export function readersOf(system: System): Box[] {
  return [
    {
      ...followersOf("Projections", system.projections.filter(shown), (one) => one.projections.filter(shown)),
      path: "/operations/projections",
    },
    {
      ...followersOf("Reactors", system.reactors, (one) => one.reactors),
      path: "/operations/reactors",
      note: "They send commands to COMMANDS.",
    },
    { ...followersOf("Effects", system.effects, (one) => one.effects), path: "/operations/effects" },
    feedOf(system),
  ];
}

const shown = ({ serving, state }: { serving: boolean; state: string }) => serving || state === "BUILDING";

function apiOf({ api }: System): Box {
  return {
    title: "API",
    rate: api.submittedPerSecond,
    unit: "commands/s stored",
    figures: [
      ["processes", String(api.processes.length)],
      ["connections", short(api.connections)],
      ["subscribers", short(api.subscribers)],
    ],
    lines: [{ name: "stored", colour: "main", value: (one) => one.api.submittedPerSecond }],
    chartUnit: "/s",
    problems: sentences(api.processes.map(({ host, process, problem }) => problem && `${host} ${process}: ${problem}`)),
  };
}

function queueOf({ queue }: System): Box {
  return {
    title: "COMMANDS",
    path: "/command",
    rate: queue.messagesPerSecond,
    unit: "messages/s stored",
    figures: [
      ["commands that wait", short(queue.commands)],
      ["the oldest waits", queue.commands ? duration(queue.ageSeconds * 1000) : "–"],
      ["size", bytes(queue.bytes)],
    ],
    lines: [{ name: "waiting", colour: "main", value: (one) => one.queue.commands }],
    chartUnit: "commands",
    problems: sentences([queue.problem]),
  };
}

function processingOf({ processing, deadLetters }: System): Box {
  const held = processing.partitions.filter(({ holder }) => holder !== null).length;
  return {
    title: "Processor",
    path: "/operations/dead-letters",
    rate: processing.decidedPerSecond,
    unit: "commands/s decided",
    figures: [
      ["processes", String(processing.processors.length)],
      ["partitions held", `${held} of ${processing.partitions.length}`],
      ["rejected", perSecond(processing.rejectedPerSecond)],
      ["failed", perSecond(processing.failedPerSecond)],
      ["dead letters", short(deadLetters.count)],
    ],
    lines: [
      { name: "applied", colour: "good", value: (one) => one.processing.appliedPerSecond },
      { name: "rejected", colour: "warn", value: (one) => one.processing.rejectedPerSecond },
      { name: "failed", colour: "bad", value: (one) => one.processing.failedPerSecond },
    ],
    chartUnit: "/s",
    problems: sentences([processing.problem]),
  };
}

function logOf({ log }: System): Box {
  return {
    title: "Log",
    path: "/log",
    rate: log.perSecond,
    unit: "events/s",
    figures: [
      ["position", Number(log.position).toLocaleString("en")],
      ["size", bytes(log.bytes)],
    ],
    lines: [{ name: "events", colour: "main", value: (one) => one.log.perSecond }],
    chartUnit: "/s",
    problems: [],
  };
}

function mirrorOf({ mirror }: System): Box {
  return {
    title: "EVENTS",
    rate: mirror.movement.perSecond,
    unit: "events/s mirrored",
    figures: [
      ["lag", short(Number(mirror.movement.lag))],
      ["relay", mirror.running ? "runs" : "does not run"],
    ],
    lines: [{ name: "lag", colour: "main", value: (one) => Number(one.mirror.movement.lag) }],
    chartUnit: "events",
    problems: sentences([mirror.problem]),
  };
}

interface Follower {
  name: string;
  movement: Movement;
  problem: string | null;
}

function followersOf(title: string, all: readonly Follower[], of: (system: System) => readonly Follower[]): Box {
  return {
    title,
    rate: all.length ? Math.max(...all.map(({ movement }) => movement.perSecond ?? 0)) : null,
    unit: "events/s, the fastest",
    figures: all.map(({ name, movement }) => [name, Number(movement.lag) ? `${short(Number(movement.lag))} behind` : "at the end"]),
    lines: [{ name: "largest lag", colour: "main", value: (system) => largestLag(of(system)) }],
    chartUnit: "events",
    problems: sentences(all.map(({ name, problem }) => problem && `${name}: ${problem}`)),
  };
}

function feedOf({ api }: System): Box {
  const lags = (system: System) => system.api.processes.map(({ feedLag }) => Number(feedLag ?? 0));
  const followed = api.processes.filter(({ feedLag }) => feedLag !== null);
  return {
    title: "Feed",
    rate: api.subscribers,
    unit: "subscribers of events",
    figures: followed.map(({ host, process, feedLag }) => [`${host} ${process}`, `${short(Number(feedLag))} behind`]),
    lines: [{ name: "largest lag", colour: "main", value: (system) => Math.max(0, ...lags(system)) }],
    chartUnit: "events",
    problems: [],
  };
}

const largestLag = (all: readonly Follower[]) => Math.max(0, ...all.map(({ movement }) => Number(movement.lag)));

const sentences = (found: readonly (string | null)[]) => found.filter((one): one is string => Boolean(one));

const perSecond = (rate: number | null) => (rate === null ? "–" : `${short(rate)}/s`);

function bytes(size: string): string {
  const format = { style: "unit", unit: "byte", unitDisplay: "narrow", notation: "compact" } as const;
  return new Intl.NumberFormat("en", format).format(Number(size));
}
