// Scalars as the caller wants them: a codec per scalar, and where in requests and answers its values are.

/** Between a scalar as JSON has it, a string for most, and a value of the caller's. The value must not be an array. */
export interface Codec<Value> {
  decode(json: string): Value;
  encode(value: Value): string;
}

/**
 * The codecs by scalar, and by type the fields that lead to such a scalar, with the types of these.
 *
 * `Mutation deposit` is the type of the variables of that operation.
 */
export interface Coding {
  codecs: Record<string, Codec<any>>;
  fields: Record<string, Record<string, string>>;
}

export function decoded<T>(coding: Coding | undefined, type: string, value: T): T {
  return coding ? (changed(coding, "decode", type, value) as T) : value;
}

/** A value that is a string is taken as it is, such as one that was kept as JSON. */
export function encoded<T>(coding: Coding | undefined, type: string, value: T): T {
  return coding ? (changed(coding, "encode", type, value) as T) : value;
}

function changed(coding: Coding, way: "encode" | "decode", type: string, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  const { codecs, fields } = coding;
  if (Array.isArray(value)) return value.map((one) => changed(coding, way, type, one));
  const codec = codecs[type];
  if (codec) return way === "encode" && typeof value === "string" ? value : codec[way](value as string);
  const { __typename: concrete } = value as { __typename?: string };
  const inside = fields[concrete ?? type] ?? fields[type];
  if (!inside) return value;
  const copy: Record<string, unknown> = { ...value };
  for (const [name, inner] of Object.entries(inside)) if (name in copy) copy[name] = changed(coding, way, inner, copy[name]);
  return copy;
}
