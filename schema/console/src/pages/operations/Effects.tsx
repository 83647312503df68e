// Effects, and their calls that failed for good.
import { useState } from "react";
import { Link } from "wouter";
import { useAsked } from "../../hooks.js";
import type { System } from "../../system.js";
import { Trouble } from "../../Values.js";
import { count, moment } from "../../words.js";
import { Action } from "./Action.js";
import { Problem, Progress } from "./Progress.js";
import { Rows } from "./Rows.js";

const FAILED = "query ConsoleEffectFailures { effectFailures(first: 100) { effect position state attempts error failedAt } }";
const RETRY = `mutation ConsoleRetryEffect($effect: String!, $position: Position!) {
  retryEffect(effect: $effect, position: $position) { effect }
}`;
const DROP = `mutation ConsoleDropEffect($effect: String!, $position: Position!) {
  dropEffect(effect: $effect, position: $position) { effect }
}`;

interface Failure {
  effect: string;
  position: string;
  state: string;
  attempts: number;
  error: string;
  failedAt: string;
}

export function Effects({ system }: { system: System }) {
  const rows = system.effects.map((one) => ({
    key: one.name,
    cells: [
      <b key="name">{one.name}</b>,
      one.running ? "is called" : "nobody calls it",
      <Progress key="progress" name={one.name} movement={one.movement} />,
      count(one.failed, "call"),
    ],
    below: one.problem && <Problem problem={one.problem} />,
  }));
  const failed = system.effects.reduce((sum, one) => sum + one.failed, 0);
  return (
    <>
      <Rows label="Effects" columns={["effect", "state", "progress", "failed"]} rows={rows} empty="This domain has no effect." />
      <Failures now={failed} />
    </>
  );
}

/** now: how many there are. When it changes, they are read again. */
function Failures({ now }: { now: number }) {
  const [acted, setActed] = useState(0);
  const { data, error } = useAsked<{ effectFailures: Failure[] }>(FAILED, {}, `${now} ${acted}`);
  const done = () => setActed(acted + 1);
  const rows = (data?.effectFailures ?? []).map((one) => ({
    key: `${one.effect} ${one.position}`,
    cells: [
      one.effect,
      <Link key="event" href={`/log/${one.position}`}>
        {one.position}
      </Link>,
      `${one.state.toLowerCase()}, ${count(one.attempts, "attempt")}, last ${moment(one.failedAt)}`,
      <CallActions key="actions" of={one} done={done} />,
    ],
    below: <pre className="problem">{one.error}</pre>,
  }));
  return (
    <>
      <h3>Failed calls</h3>
      {error && <Trouble error={error} />}
      {data && <Rows label="Failed calls" columns={["effect", "event", "state", "actions"]} rows={rows} empty="No call has failed for good." />}
    </>
  );
}

function CallActions({ of: { effect, position }, done }: { of: Failure; done: () => void }) {
  const given = { variables: { effect, position }, about: `${effect}, position ${position}`, done };
  return (
    <div className="choices">
      <Action {...given} label="Retry" what={`${effect} is called again for the event at position ${position}, with the same key.`} document={RETRY} />
      <Action
        {...given}
        label="Drop"
        what={`The call leaves this list. ${effect} is never called for the event at position ${position} again.`}
        document={DROP}
      />
    </div>
  );
}
