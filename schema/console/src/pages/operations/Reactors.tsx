// Reactors, and their parked keys.
import { useState } from "react";
import { Link } from "wouter";
import { useAsked } from "../../hooks.js";
import type { System } from "../../system.js";
import { Trouble } from "../../Values.js";
import { count, moment } from "../../words.js";
import { Action } from "./Action.js";
import { Problem, Progress } from "./Progress.js";
import { Rows } from "./Rows.js";

const PARKED = `query ConsoleParked {
  reactorFailures(first: 100) {
    edges { node { reactor key state position eventType error traceback attempts parkedAt failedAt } }
  }
}`;
const RETRY = "mutation ConsoleRetryReaction($reactor: String!, $key: String!) { retryReaction(reactor: $reactor, key: $key) { key } }";
const SKIP = "mutation ConsoleSkipReaction($reactor: String!, $key: String!) { skipReaction(reactor: $reactor, key: $key) { key } }";

interface Parked {
  reactor: string;
  key: string;
  state: string;
  position: string;
  eventType: string;
  error: string;
  traceback: string;
  attempts: number;
  parkedAt: string;
  failedAt: string;
}

export function Reactors({ system }: { system: System }) {
  const rows = system.reactors.map((one) => ({
    key: one.name,
    cells: [
      <b key="name">{one.name}</b>,
      one.rebuilding ? "its states are made again" : `${one.held} of ${one.partitions} partitions`,
      <Progress key="progress" name={one.name} movement={one.movement} />,
      count(one.parked, "key"),
    ],
    below: one.problem && <Problem problem={one.problem} stopped={one.stopped} />,
  }));
  const parked = system.reactors.reduce((sum, one) => sum + one.parked, 0);
  return (
    <>
      <Rows label="Reactors" columns={["reactor", "handled", "progress", "parked"]} rows={rows} empty="This domain has no reactor." />
      <p className="soft">
        To make the states of a reactor again from the log, stop the part <code>reactors</code> and run{" "}
        <code>commander reactors replay NAME</code>.
      </p>
      <ParkedKeys now={parked} />
    </>
  );
}

/** now: how many there are. When it changes, they are read again. */
function ParkedKeys({ now }: { now: number }) {
  const [acted, setActed] = useState(0);
  const { data, error } = useAsked<{ reactorFailures: { edges: { node: Parked }[] } }>(PARKED, {}, `${now} ${acted}`);
  const done = () => setActed(acted + 1);
  const rows = (data?.reactorFailures.edges ?? []).map(({ node }) => ({
    key: `${node.reactor} ${node.key}`,
    cells: [
      node.reactor,
      <code key="key">{node.key}</code>,
      <span key="event">
        {node.eventType} at <Link href={`/log/${node.position}`}>{node.position}</Link>
      </span>,
      `${node.state.toLowerCase()}, ${count(node.attempts, "attempt")}, last ${moment(node.failedAt)}`,
      <KeyActions key="actions" of={node} done={done} />,
    ],
    below: (
      <details className="problem">
        <summary>{node.error}</summary>
        <pre>{node.traceback}</pre>
      </details>
    ),
  }));
  return (
    <>
      <h3>Parked keys</h3>
      {error && <Trouble error={error} />}
      {data && <Rows label="Parked keys" columns={["reactor", "key", "event", "state", "actions"]} rows={rows} empty="No key is parked." />}
    </>
  );
}

function KeyActions({ of, done }: { of: Parked; done: () => void }) {
  const { reactor, key, eventType, position } = of;
  const given = { variables: { reactor, key }, about: `${reactor}, ${key}`, done };
  return (
    <div className="choices">
      <Action
        {...given}
        label="Retry"
        what={`The reactor handles ${eventType} at position ${position} again, then the later events of this key. If it fails, the key is parked again.`}
        document={RETRY}
      />
      <Action
        {...given}
        label="Skip"
        what={`The reactor never handles ${eventType} at position ${position} for this key. It goes on with the later events. This cannot be taken back.`}
        document={SKIP}
      />
    </div>
  );
}
