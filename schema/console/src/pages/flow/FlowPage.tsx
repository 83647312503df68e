// The way of commands and events through the system, live: what moves, how fast, and what stands still.
import { useMemo, type ReactNode } from "react";
import { Link } from "wouter";
import { useSystem, type System } from "../../system.js";
import { Trouble } from "../../Values.js";
import { clock, count } from "../../words.js";
import { Chart, short, type Line } from "./Chart.js";
import "./flow.css";
import { readersOf, wayOf, type Box } from "./boxes.js";

export function FlowPage() {
  const { system, history, broken, error } = useSystem();
  const times = useMemo(() => history.map(({ at }) => Date.parse(at) / 1000), [history]);
  return (
    <div className="flow">
      <h1>Flow</h1>
      {error && <Trouble error={error} />}
      {!error && <Standing system={system} broken={broken} />}
      {system && (
        <>
          <ol className="way" aria-label="From the API to the log">
            {wayOf(system).map((box) => (
              <BoxView key={box.title} box={box} times={times} history={history} />
            ))}
          </ol>
          <ol className="readers" aria-label="What follows the log">
            {readersOf(system).map((box) => (
              <BoxView key={box.title} box={box} times={times} history={history} />
            ))}
          </ol>
        </>
      )}
    </div>
  );
}

function Standing({ system, broken }: { system: System | undefined; broken: Error | undefined }) {
  if (broken) return <p role="status" data-state="broken">{`The connection is broken; the next attempt follows. ${broken.message}`}</p>;
  if (!system) return <p role="status" data-state="connecting">Connecting.</p>;
  const { problems, at, outage } = system;
  if (outage) return <p role="status" data-state="refused">{`These are the figures of ${clock(at)}. ${outage}`}</p>;
  if (problems.length === 0) return <p role="status" data-state="live">Nothing stands still.</p>;
  return (
    <div role="status" data-state="refused" className="problems">
      {count(problems.length, "thing")} to look at:
      <ul>
        {problems.map((problem) => (
          <li key={problem}>{problem}</li>
        ))}
      </ul>
    </div>
  );
}

interface BoxProps {
  box: Box;
  times: readonly number[];
  history: readonly System[];
}

function BoxView({ box, times, history }: BoxProps) {
  const lines: Line[] = useMemo(
    () => box.lines.map(({ name, colour, value }) => ({ name, colour, values: history.map(value) })),
    [history],
  );
  const standing = box.problems.length > 0;
  return (
    <li className="part" data-standing={standing} data-moving={(box.rate ?? 0) > 0}>
      <h2>{box.path ? <Link href={box.path}>{box.title}</Link> : box.title}</h2>
      <p className="rate">
        <b>{box.rate === null ? "–" : short(box.rate)}</b> {box.unit}
      </p>
      <dl>
        {box.figures.map(([name, value]) => (
          <Figure key={name} name={name} value={value} />
        ))}
      </dl>
      <Chart times={times} lines={lines} unit={box.chartUnit} />
      {box.problems.map((problem) => (
        <p key={problem} className="problem">
          <b>Look here:</b> {problem}
        </p>
      ))}
      {box.note && <p className="soft">{box.note}</p>}
    </li>
  );
}

function Figure({ name, value }: { name: string; value: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
