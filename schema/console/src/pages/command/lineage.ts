// What followed from a command, as the subscription tells it, and its picture.
import { graphlib, layout } from "@dagrejs/dagre";

export interface LineageEvent {
  recordedAt: string;
  sinceSubmittedMs: number;
  /** Null for those who may not see it. */
  event: { position: string; type: string; stream: string; version: number } | null;
  projections: { name: string; applied: boolean }[];
}

export interface LineageCommand {
  depth: number;
  submittedAt: string;
  decidedAt: string | null;
  waitedMs: number | null;
  sinceSubmittedMs: number | null;
  command: {
    commandId: string;
    type: string;
    status: string;
    stream: string;
    reactor: string | null;
    causationPosition: string | null;
    code: string | null;
    message: string | null;
    notBefore: string | null;
  };
  events: LineageEvent[];
}

export interface Lineage {
  correlationId: string;
  settled: boolean;
  truncated: boolean;
  durationMs: number | null;
  /** Each stands before those that followed from it. */
  commands: LineageCommand[];
}

export const LINEAGE = `subscription ConsoleLineage($commandId: UUID!) {
  lineage(commandId: $commandId) {
    correlationId settled truncated durationMs
    commands {
      depth submittedAt decidedAt waitedMs sinceSubmittedMs
      command { commandId type status stream reactor causationPosition code message notBefore }
      events { recordedAt sinceSubmittedMs event { position type stream version } projections { name applied } }
    }
  }
}`;

export interface Node {
  id: string;
  kind: "command" | "event";
  title: string;
  about: string;
  status: string;
  /** Where a click leads. Undefined for an event that the viewer may not see. */
  path: string | undefined;
}

export interface Edge {
  from: string;
  to: string;
}

/** Commands and events, and which led to which. */
export function graphOf({ commands }: Lineage): { nodes: Node[]; edges: Edge[] } {
  const nodes: Node[] = [];
  const edges: Edge[] = [];
  for (const { command, events } of commands) {
    const { commandId, type, status, reactor, causationPosition } = command;
    const about = reactor ? `sent by ${reactor}` : "sent by a client";
    nodes.push({ id: commandId, kind: "command", title: type, about, status, path: `/command/${commandId}` });
    if (causationPosition !== null) edges.push({ from: causationPosition, to: commandId });
    events.forEach(({ event, projections }, index) => {
      const id = event?.position ?? `${commandId} ${index}`;
      const isShown = projections.every(({ applied }) => applied);
      const title = event?.type ?? "an event that you may not see";
      const place = event && `version ${event.version} of ${event.stream}`;
      nodes.push({
        id,
        kind: "event",
        title,
        about: place ?? "",
        status: isShown ? "SHOWN" : "STORED",
        path: event ? `/log/${id}` : undefined,
      });
      edges.push({ from: commandId, to: id });
    });
  }
  const known = new Set(nodes.map(({ id }) => id));
  return { nodes, edges: edges.filter(({ from }) => known.has(from)) };
}

export const NODE = { width: 230, height: 64 }; // pixels

export interface Picture {
  width: number;
  height: number;
  /** The upper left corner of each node. */
  places: Map<string, { x: number; y: number }>;
  /** The points of each edge. */
  lines: { x: number; y: number }[][];
}

/** Where each node and edge goes: what follows stands below. */
export function pictureOf(nodes: readonly Node[], edges: readonly Edge[]): Picture {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 36, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id } of nodes) graph.setNode(id, { ...NODE });
  for (const { from, to } of edges) graph.setEdge(from, to);
  layout(graph);
  const places = new Map(
    nodes.map(({ id }) => {
      const { x, y } = graph.node(id) as { x: number; y: number };
      return [id, { x: x - NODE.width / 2, y: y - NODE.height / 2 }];
    }),
  );
  const lines = graph.edges().map((edge) => (graph.edge(edge) as { points: { x: number; y: number }[] }).points);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { width, height, places, lines };
}
