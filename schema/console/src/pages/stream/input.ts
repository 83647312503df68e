// The values of a form, as the input of a command takes them.
import { named, type InputField, type Schema, type TypeRef } from "../../schema.js";

/** What the reader wrote: text for each scalar, nested for each input object. */
export interface Written {
  [name: string]: string | Written;
}

export type Kind = "object" | "enum" | "boolean" | "number" | "json" | "text";

export const isRequired = ({ type, defaultValue }: InputField): boolean =>
  type.kind === "NON_NULL" && defaultValue === null;

export function kindOf(known: Schema, type: TypeRef): Kind {
  const bare = type.kind === "NON_NULL" ? type.ofType! : type;
  if (bare.kind === "LIST" || bare.name === "JSON") return "json";
  if (bare.kind === "INPUT_OBJECT") return known.type(bare.name)?.inputFields ? "object" : "json";
  if (bare.kind === "ENUM") return "enum";
  if (bare.name === "Boolean") return "boolean";
  return bare.name === "Int" || bare.name === "Float" ? "number" : "text";
}

/** The input. A field that is left empty is left out. Throws an Error that names a field whose JSON cannot be read. */
export function inputOf(known: Schema, input: string, written: Written): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const field of known.type(input)?.inputFields ?? []) {
    const value = valueOf(known, field, written[field.name]);
    if (value !== undefined) made[field.name] = value;
  }
  return made;
}

function valueOf(known: Schema, field: InputField, given: string | Written | undefined): unknown {
  const kind = kindOf(known, field.type);
  if (kind === "object") {
    const below = inputOf(known, named(field.type).name!, (given ?? {}) as Written);
    return isRequired(field) || Object.keys(below).length ? below : undefined;
  }
  const text = (given ?? "") as string;
  if (text === "") return undefined;
  if (kind === "boolean") return text === "true";
  if (kind === "number") return Number(text);
  if (kind !== "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${field.name} must be JSON, such as ["a", "b"]`);
  }
}
