// The tables of projections.
import type { ProjectionTable, System } from "../../system.js";
import { moment } from "../../words.js";
import { short } from "../flow/Chart.js";
import { Action } from "./Action.js";
import { Problem, Progress } from "./Progress.js";
import { Rows } from "./Rows.js";

const REBUILD = "mutation ConsoleRebuild($projection: String!) { rebuildProjection(projection: $projection) { table } }";
const SWITCH = `mutation ConsoleSwitch($projection: String!, $table: String!, $behind: Boolean!) {
  switchProjection(projection: $projection, table: $table, behind: $behind) { table }
}`;
const ROLL_BACK = `mutation ConsoleRollBack($projection: String!, $behind: Boolean!) {
  rollBackProjection(projection: $projection, behind: $behind) { table }
}`;
const DROP = `mutation ConsoleDrop($projection: String!, $table: String!) {
  dropProjectionTable(projection: $projection, table: $table) { table }
}`;
const COLUMNS = ["projection", "table", "state", "progress", "actions"];

export function Projections({ system }: { system: System }) {
  const tables = system.projections;
  const rows = tables.map((one) => ({
    key: one.table,
    cells: [
      <b key="name">{one.name}</b>,
      <code key="table">{one.table}</code>,
      stateOf(one),
      <Progress key="progress" name={one.name} movement={one.movement} />,
      <Actions key="actions" of={one} tables={tables} />,
    ],
    below: one.problem && <Problem problem={one.problem} stopped={one.stopped} />,
  }));
  return <Rows label="Tables of projections" columns={COLUMNS} rows={rows} empty="This domain has no projection." />;
}

function stateOf({ state, serving, servedAt, keptUp, inline }: ProjectionTable): string {
  const words = [serving ? "serves" : state === "BUILDING" ? "is being built" : "is built"];
  if (!serving && servedAt) words.push(`served from ${moment(servedAt)}`);
  if (inline) words.push("inline");
  if (!keptUp) words.push("nobody keeps it up");
  return words.join(", ");
}

function Actions({ of, tables }: { of: ProjectionTable; tables: readonly ProjectionTable[] }) {
  const { name, table, serving, state } = of;
  const others = tables.filter((one) => one.name === name && !one.serving);
  const before = others.filter(({ servedAt }) => servedAt).sort((a, b) => (a.servedAt! < b.servedAt! ? 1 : -1))[0];
  const served = tables.find((one) => one.name === name && one.serving);
  return (
    <div className="choices">
      {serving && (
        <Action
          label="Rebuild"
          about={name}
          what={`Another table is filled from the whole log, with the code of this API. ${table} serves meanwhile; then the new one does.`}
          document={REBUILD}
          variables={{ projection: name }}
        />
      )}
      {serving && before && (
        <Action
          label="Roll back"
          about={name}
          what={`${before.table} serves again, in place of ${table}. ${lateness(before)}`}
          document={ROLL_BACK}
          variables={{ projection: name, behind: isLeft(before) }}
        />
      )}
      {!serving && state === "BUILT" && (
        <Action
          label="Switch to"
          about={table}
          what={`Queries of ${name} read ${table}${served ? `, and no longer ${served.table}` : ""}. ${lateness(of)}`}
          document={SWITCH}
          variables={{ projection: name, table, behind: isLeft(of) }}
        />
      )}
      {!serving && (
        <Action
          label="Drop"
          about={table}
          what={`The table ${table} is deleted, with all its rows. They can be made again from the log. API processes with other code can still read it: stop them first.`}
          document={DROP}
          variables={{ projection: name, table }}
        />
      )}
    </div>
  );
}

const isLeft = ({ keptUp, movement }: ProjectionTable) => !keptUp && Number(movement.lag) > 0;

function lateness(table: ProjectionTable): string {
  if (!isLeft(table)) return "";
  return `It is ${short(Number(table.movement.lag))} events behind, and no process keeps it up: rows stay as they are until one does.`;
}
