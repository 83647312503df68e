// The types that GraphQL Code Generator makes for operations, with its own plugins.
//
// node generate.js SCHEMA OPERATIONS OUT: OPERATIONS is a JSON file with a document per name. The name is given to its operation,
// because the generator takes all documents together.
import { readFileSync, writeFileSync } from "node:fs";
import { codegen } from "@graphql-codegen/core";
import * as typed from "@graphql-codegen/typed-document-node";
import * as operations from "@graphql-codegen/typescript-operations";
import { Kind, parse } from "graphql";

const [, , schema, documents, out] = process.argv;
const shared = new Set();
const renamed = ([name, text]) => {
  const definitions = parse(text).definitions.filter(({ kind, name: { value } }) =>
    kind === Kind.OPERATION_DEFINITION || (!shared.has(value) && shared.add(value)));
  const named = definitions.map((one) =>
    one.kind === Kind.OPERATION_DEFINITION ? { ...one, name: { kind: Kind.NAME, value: name } } : one);
  return { location: `${name}.graphql`, document: { kind: Kind.DOCUMENT, definitions: named } };
};
const text = "string";
const config = {
  scalars: { Decimal: text, Position: text, BigInt: text, UUID: text, DateTime: text, Date: text, Time: text, JSON: "unknown" },
  strictScalars: true,
  immutableTypes: true,
  useTypeImports: true,
};
writeFileSync(out, await codegen({
  filename: out,
  schema: parse(readFileSync(schema, "utf8")),
  documents: Object.entries(JSON.parse(readFileSync(documents, "utf8"))).map(renamed),
  config,
  plugins: [{ operations: {} }, { typed: {} }],
  pluginMap: { operations, typed },
}));
