// What operators look after: projections, reactors, effects, schedules and dead letters, with what can be done about each.
import type { ComponentType } from "react";
import { Link, useParams } from "wouter";
import { useSystem, type System } from "../../system.js";
import { Trouble } from "../../Values.js";
import { DeadLetters } from "./DeadLetters.js";
import { Effects } from "./Effects.js";
import { Projections } from "./Projections.js";
import { Reactors } from "./Reactors.js";
import { Schedules } from "./Schedules.js";
import "./operations.css";

interface Section {
  path: string;
  title: string;
  view: ComponentType<{ system: System }>;
  /** How many of it need somebody. */
  open(system: System): number;
}

const troubled = (all: readonly { problem: string | null }[]) => all.filter(({ problem }) => problem).length;
const SECTIONS: readonly Section[] = [
  { path: "projections", title: "Projections", view: Projections, open: ({ projections }) => troubled(projections) },
  { path: "reactors", title: "Reactors", view: Reactors, open: ({ reactors }) => troubled(reactors) },
  { path: "effects", title: "Effects", view: Effects, open: ({ effects }) => troubled(effects) },
  { path: "schedules", title: "Schedules", view: Schedules, open: ({ schedules }) => troubled(schedules) },
  { path: "dead-letters", title: "Dead letters", view: DeadLetters, open: ({ deadLetters }) => deadLetters.count },
];

export function OperationsPage() {
  const { section } = useParams<{ section?: string }>();
  const { system, error, broken } = useSystem();
  const chosen = SECTIONS.find(({ path }) => path === section) ?? SECTIONS[0]!;
  const View = chosen.view;
  return (
    <div className="operations">
      <h1>Operations</h1>
      <nav aria-label="Sections" className="sections">
        {SECTIONS.map(({ path, title, open }) => (
          <Link key={path} href={`/operations/${path}`} aria-current={path === chosen.path ? "page" : undefined}>
            {title}
            {system && open(system) > 0 && <span className="open"> {open(system)}</span>}
          </Link>
        ))}
      </nav>
      {error && <Trouble error={error} />}
      {broken && <p role="status" data-state="broken">{`The connection is broken; the next attempt follows. ${broken.message}`}</p>}
      {system?.outage && <p role="status" data-state="refused">{system.outage}</p>}
      {!system && !error && <p role="status" data-state="connecting">Connecting.</p>}
      {system && (
        <section aria-label={chosen.title}>
          <h2>{chosen.title}</h2>
          <View system={system} />
        </section>
      )}
    </div>
  );
}
