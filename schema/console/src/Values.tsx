// Values as tables: the fields of an event or of a row, and what has changed between two rows.
export type Values = Record<string, unknown>;

export function ValueOf({ value }: { value: unknown }) {
  if (value === null || value === undefined) return <i className="soft">null</i>;
  if (typeof value === "object") return <pre>{JSON.stringify(value, null, 2)}</pre>;
  return <>{String(value)}</>;
}

/** Names and values. */
export function Fields({ of, label }: { of: Values; label: string }) {
  return (
    <dl className="fields" aria-label={label}>
      {Object.entries(of).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <ValueOf value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** A row before and after an event. A field that has changed is marked. Null: there was no row. */
export function Change({ before, after, label }: { before: Values | null; after: Values | null; label: string }) {
  const names = Object.keys({ ...before, ...after });
  if (names.length === 0) return <p className="soft">There is no row before and none after.</p>;
  return (
    <table className="change">
      <caption>{label}</caption>
      <thead>
        <tr>
          <th scope="col">field</th>
          <th scope="col">before</th>
          <th scope="col">after</th>
        </tr>
      </thead>
      <tbody>
        {names.map((name) => {
          const changed = JSON.stringify(before?.[name]) !== JSON.stringify(after?.[name]);
          return (
            <tr key={name} data-changed={changed}>
              <th scope="row">
                {name}
                {changed && <span className="mark"> changed</span>}
              </th>
              <td>{before ? <ValueOf value={before[name]} /> : "–"}</td>
              <td>{after ? <ValueOf value={after[name]} /> : "–"}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** Why something is not shown. */
export function Trouble({ error }: { error: Error }) {
  return <p role="alert">{error.message}</p>;
}
