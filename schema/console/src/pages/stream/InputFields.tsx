// A form for an input type of the schema: one control for each field.
import { named, type InputField, type Schema } from "../../schema.js";
import { isRequired, kindOf, type Written } from "./input.js";

interface Given {
  known: Schema;
  input: string;
  written: Written;
  change: (written: Written) => void;
}

export function InputFields({ known, input, written, change }: Given) {
  const fields = known.type(input)?.inputFields ?? [];
  return fields.map((field) => {
    const set = (value: string | Written) => change({ ...written, [field.name]: value });
    const given = written[field.name];
    if (kindOf(known, field.type) === "object") {
      return (
        <fieldset key={field.name}>
          <legend>{field.name}</legend>
          <InputFields known={known} input={named(field.type).name!} written={(given ?? {}) as Written} change={set} />
        </fieldset>
      );
    }
    return <Control key={field.name} known={known} field={field} value={(given ?? "") as string} set={set} />;
  });
}

function Control({
  known,
  field,
  value,
  set,
}: {
  known: Schema;
  field: InputField;
  value: string;
  set: (value: string) => void;
}) {
  const kind = kindOf(known, field.type);
  const required = isRequired(field);
  const given = {
    name: field.name,
    value,
    required,
    onChange: (event: { target: { value: string } }) => set(event.target.value),
  };
  const choices =
    kind === "boolean"
      ? ["true", "false"]
      : (known.type(named(field.type).name)?.enumValues ?? []).map(({ name }) => name);
  return (
    <label>
      <span>
        {field.name}{" "}
        <small className="soft">
          {known.taken(field.type)}
          {required ? "" : ", may be empty"}
        </small>
      </span>
      {kind === "enum" || kind === "boolean" ? (
        <select {...given}>
          <option value=""></option>
          {choices.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      ) : kind === "json" ? (
        <textarea {...given} rows={3} spellCheck={false} placeholder="JSON" />
      ) : (
        <input {...given} inputMode={kind === "number" ? "numeric" : undefined} autoComplete="off" spellCheck={false} />
      )}
      {field.description && <small className="soft">{field.description}</small>}
    </label>
  );
}
