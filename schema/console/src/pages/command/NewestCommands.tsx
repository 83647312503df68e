// The newest commands that have ended, and the way to one by its id.
import { useState, type FormEvent } from "react";
import { Link, useLocation } from "wouter";
import { useAsked } from "../../hooks.js";
import { Trouble } from "../../Values.js";
import { moment } from "../../words.js";

const NEWEST = `query ConsoleCommands {
  commands(first: 50) { edges { node { commandId type status stream reactor decidedAt } } }
}`;

interface Ended {
  commandId: string;
  type: string;
  status: string;
  stream: string;
  reactor: string | null;
  decidedAt: string;
}

export function NewestCommands() {
  const [again, setAgain] = useState(0);
  const { data, error } = useAsked<{ commands: { edges: { node: Ended }[] } }>(NEWEST, {}, again);
  const [, navigate] = useLocation();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const id = String(new FormData(event.currentTarget).get("id")).trim();
    if (id) navigate(`/command/${encodeURIComponent(id)}`);
  };
  return (
    <div className="sheet">
      <h1>Commands</h1>
      <form className="find" aria-label="Find a command" onSubmit={submit}>
        <label>
          Id of a command
          <input name="id" autoComplete="off" spellCheck={false} />
        </label>
        <button>Show</button>
      </form>
      <section aria-label="Newest">
        <h2>The newest that have ended</h2>
        <p>
          <button type="button" onClick={() => setAgain(again + 1)}>
            Read again
          </button>
        </p>
        {error && <Trouble error={error} />}
        <ol className="links">
          {data?.commands.edges.map(({ node }) => (
            <li key={node.commandId}>
              <Link href={`/command/${node.commandId}`}>{node.type}</Link>{" "}
              <span className="status" data-status={node.status}>
                {node.status.toLowerCase()}
              </span>{" "}
              <span className="soft">
                on {node.stream}
                {node.reactor && `, sent by ${node.reactor}`}, {moment(node.decidedAt)}
              </span>
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}
