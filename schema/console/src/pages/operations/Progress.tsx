// How far something that follows the log has come, and where it has stopped.
import { Link } from "wouter";
import type { Movement, StoppedAt } from "../../system.js";
import { duration } from "../../words.js";
import { short } from "../flow/Chart.js";

export function Progress({ name, movement }: { name: string; movement: Movement }) {
  const { position, lag, perSecond, secondsLeft } = movement;
  const behind = Number(lag);
  const head = Number(position) + behind;
  return (
    <div className="progress">
      <progress aria-label={`${name}: position in the log`} value={Number(position)} max={Math.max(1, head)} />
      <span>
        {Number(position).toLocaleString("en")} of {head.toLocaleString("en")}
        {behind > 0 && perSecond !== null && `, ${short(perSecond)}/s`}
        {secondsLeft !== null && `, ${duration(secondsLeft * 1000)} left`}
      </span>
    </div>
  );
}

export function Problem({ problem, stopped }: { problem: string | null; stopped?: StoppedAt | null }) {
  if (!problem) return null;
  if (!stopped) return <p className="problem">{problem}</p>;
  return (
    <div className="problem">
      <p>
        It has stopped before <b>{stopped.type}</b> at position{" "}
        <Link href={`/log/${stopped.position}`}>{stopped.position}</Link>. It goes on when its code is fixed.
      </p>
      {stopped.traceback ? (
        <details>
          <summary>{stopped.error}</summary>
          <pre>{stopped.traceback}</pre>
        </details>
      ) : (
        <pre>{stopped.error}</pre>
      )}
    </div>
  );
}
