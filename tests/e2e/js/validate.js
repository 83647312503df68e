// Reads {schema, documents} as JSON from its standard input. Prints the errors of each document, as graphql-js finds them.
import { readFileSync } from "node:fs";
import { buildSchema, NoUnusedFragmentsRule, parse, specifiedRules, validate } from "graphql";

const { schema, documents } = JSON.parse(readFileSync(0, "utf8"));
const built = buildSchema(schema);
const rules = specifiedRules.filter((rule) => rule !== NoUnusedFragmentsRule);
const errors = documents.map((text) => validate(built, parse(text), rules).map((error) => error.message));
console.log(JSON.stringify(errors));
