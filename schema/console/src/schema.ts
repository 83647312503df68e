// What is the domain's own, by introspection: its events, the rows that have versions, its commands.
import { ask } from "./api.js";
import { watch } from "./session.js";

export interface TypeRef {
  kind: string;
  name: string | null;
  ofType: TypeRef | null;
}

export interface InputField {
  name: string;
  description: string | null;
  defaultValue: string | null;
  type: TypeRef;
}

interface Field {
  name: string;
  args: { name: string; type: TypeRef }[];
  type: TypeRef;
}

export interface Type {
  kind: string;
  name: string;
  description: string | null;
  fields: Field[] | null;
  inputFields: InputField[] | null;
  enumValues: { name: string; description: string | null }[] | null;
  possibleTypes: { name: string }[] | null;
  interfaces: { name: string }[] | null;
}

/** A projection whose rows have versions, by the names of its queries. `key`: the argument, and the field of a row. */
export interface Versioned {
  name: string;
  at: string;
  history: string;
  key: string;
  keyType: TypeRef;
  row: string;
  past: string;
  /** Whether a row tells which commands its aggregate takes now. */
  hasCommands: boolean;
}

export interface CommandType {
  name: string;
  description: string | null;
  input: string;
}

const DEPTH = 4;
const TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
const ALL = `query ConsoleSchema {
  __schema {
    queryType { name }
    types {
      kind name description
      fields(includeDeprecated: true) { name args { name type { ${TYPE} } } type { ${TYPE} } }
      inputFields { name description defaultValue type { ${TYPE} } }
      enumValues(includeDeprecated: true) { name description }
      possibleTypes { name }
      interfaces { name }
    }
  }
}`;

export class Schema {
  private readonly types: Map<string, Type>;

  constructor(
    types: readonly Type[],
    private readonly query: string,
  ) {
    this.types = new Map(types.map((type) => [type.name, type]));
  }

  type(name: string | null | undefined): Type | undefined {
    return this.types.get(name ?? "");
  }

  /** The types of the domain's events, by name. */
  get events(): string[] {
    return (this.type("Event")?.possibleTypes ?? []).map(({ name }) => name).sort();
  }

  /** The commands that clients send. */
  get commands(): CommandType[] {
    const fields = this.type("AnyCommand")?.inputFields ?? [];
    return fields.map(({ name, description, type }) => ({ name, description, input: named(type).name! }));
  }

  get versioned(): Versioned[] {
    const fields = this.type(this.query)?.fields ?? [];
    return fields.flatMap(({ name, args, type }) => {
      const key = args.find((one) => one.name !== "asOf");
      const one = fields.find((field) => `${field.name}At` === name);
      if (!key || !one || args.length !== 2) return [];
      const row = named(one.type).name!;
      const hasCommands = this.hasField(row, "availableCommands");
      const names = { name: one.name, at: name, history: `${one.name}History`, row, past: named(type).name! };
      return [{ ...names, key: key.name, keyType: key.type, hasCommands }];
    });
  }

  /** The content of each type of event, as fragments: what the type has beside the fields of every event. */
  get contents(): string {
    const shared = new Set((this.type("Event")?.fields ?? []).map(({ name }) => name));
    const parts = this.events.map((name) => [name, this.selection(name, shared)] as const);
    return parts.map(([name, own]) => (own ? `... on ${name} { ${own} }` : "")).join(" ");
  }

  /** The fields that every event has. */
  get shared(): Set<string> {
    return new Set(["__typename", ...(this.type("Event")?.fields ?? []).map(({ name }) => name)]);
  }

  /** What a field of an input takes, in words of JSON: `Int`, `[{ sku: String, count: Int }]`. */
  taken(type: TypeRef): string {
    if (type.kind === "NON_NULL") return this.taken(type.ofType!);
    if (type.kind === "LIST") return `[${this.taken(type.ofType!)}]`;
    const fields = this.type(type.name)?.inputFields;
    return fields ? `{ ${fields.map((field) => `${field.name}: ${named(field.type).name}`).join(", ")} }` : type.name!;
  }

  /** All values of a type, as a selection, without fields that take arguments or lead to other objects of the API. */
  selection(name: string, without: ReadonlySet<string> = new Set(), depth = DEPTH): string {
    const fields = (this.type(name)?.fields ?? []).filter((field) => !field.args.length && !without.has(field.name));
    return fields.flatMap((field) => this.selected(field, depth)).join(" ");
  }

  private selected(field: Field, depth: number): string[] {
    const type = this.type(named(field.type).name);
    if (!type?.fields) return type?.possibleTypes ? [] : [field.name];
    const leads = type.interfaces?.some((one) => one.name === "Node") || /At$/.test(type.name);
    const below = leads || depth === 0 ? "" : this.selection(type.name, new Set(), depth - 1);
    return below ? [`${field.name} { ${below} }`] : [];
  }

  private hasField(type: string, field: string): boolean {
    return this.type(type)?.fields?.some(({ name }) => name === field) ?? false;
  }
}

/** The type without its lists and non-nulls. */
export function named(type: TypeRef): TypeRef {
  return type.ofType ? named(type.ofType) : type;
}

let asked: Promise<Schema> | undefined;
watch(() => (asked = undefined)); // each viewer may see another schema

/** The schema of this API, asked once for each viewer. */
export function schema(): Promise<Schema> {
  asked ??= ask<{ __schema: { types: Type[]; queryType: { name: string } } }>(ALL, {}).then(
    ({ __schema }) => new Schema(__schema.types, __schema.queryType.name),
  );
  asked.catch(() => (asked = undefined));
  return asked;
}
