// Recurring commands: when each is sent next.
import type { System } from "../../system.js";
import { count, moment } from "../../words.js";
import { Problem } from "./Progress.js";
import { Rows } from "./Rows.js";

export function Schedules({ system }: { system: System }) {
  const rows = system.schedules.map((one) => ({
    key: one.name,
    cells: [
      <b key="name">{one.name}</b>,
      <code key="cron">{one.cron}</code>,
      one.nextAt ? moment(one.nextAt) : "not set",
      count(one.commands, "command"),
    ],
    below: one.problem && <Problem problem={one.problem} />,
  }));
  return (
    <>
      <Rows label="Schedules" columns={["name", "cron", "next", "sends"]} rows={rows} empty="This domain has no recurring command." />
      <p className="soft">A recurring command changes with the code of the domain. There is nothing to do here.</p>
    </>
  );
}
