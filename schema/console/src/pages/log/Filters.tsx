// What the list is limited to. It stands in the address, so a link shows the same events.
import { useEffect, useState, type FormEvent } from "react";
import { useLocation, useSearch } from "wouter";
import { schema } from "../../schema.js";
import type { Filter } from "./log.js";

const NAMES = [
  ["type", "Type", "MoneyDeposited"],
  ["stream", "Stream", "account-7b1c…"],
  ["aggregate", "Aggregate", "account"],
  ["correlation", "Correlation", "the id of a command"],
] as const;

/** The filter in the part of an address behind its question mark. */
export function filterOf(search: string): Filter {
  const given = new URLSearchParams(search);
  const list = (name: string) => (given.get(name) ?? "").split(/[\s,]+/).filter(Boolean);
  const [types, streams, aggregates] = [list("type"), list("stream"), list("aggregate")];
  const correlationId = given.get("correlation");
  return {
    ...(types.length && { types }),
    ...(streams.length && { streams }),
    ...(aggregates.length && { aggregates }),
    ...(correlationId && { correlationId }),
  };
}

export function Filters() {
  const given = new URLSearchParams(useSearch());
  const [, navigate] = useLocation();
  const [events, setEvents] = useState<string[]>([]);
  useEffect(() => {
    schema().then(
      (known) => setEvents(known.events),
      () => setEvents([]), // names are only offered
    );
  }, []);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const next = new URLSearchParams();
    for (const [name, value] of new FormData(event.currentTarget)) {
      if (String(value).trim()) next.set(name, String(value).trim());
    }
    navigate(`/log${next.size ? `?${next}` : ""}`);
  };
  return (
    <form className="filters" aria-label="Filter" onSubmit={submit}>
      {NAMES.map(([name, label, example]) => (
        <label key={name}>
          {label}
          <input
            name={name}
            defaultValue={given.get(name) ?? ""}
            placeholder={example}
            list={name === "type" ? "event-types" : undefined}
            autoComplete="off"
            spellCheck={false}
          />
        </label>
      ))}
      <datalist id="event-types">
        {events.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      <button>Filter</button>
    </form>
  );
}
