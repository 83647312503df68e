#!/usr/bin/env bash
# An input object that becomes @oneOf breaks callers that give two fields, and graphql-js reports no change at all.
#
# Versions   graphql 17.1.0 and 16.15.0, @graphql-inspector/core 8.0.0 (with graphql 16.15.0)
# Behaviour  After `input By` becomes `input By @oneOf`, a request with both of its fields is refused.
#            findBreakingChanges and findDangerousChanges give an empty list, and so does findSchemaChanges of 17, which
#            lists additions too. graphql-inspector calls it breaking if both schemas were made from text. If they were
#            introspected it is silent as well: getIntrospectionQuery() does not ask for isOneOf by default, and even
#            with { oneOf: true }, when the schema knows it, nothing is reported. A check of a served schema against
#            the next one sees nothing.
# Seen       graphql 16.15.0: before 0 errors, after 1; breaking 0, dangerous 0
#            graphql 17.1.0: before 0 errors, after 1; breaking 0, dangerous 0, all changes 0
#            graphql-inspector: from text BREAKING; introspected nothing; introspected with oneOf nothing
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/compare.mjs" <<'JS'
import assert from "node:assert";
import * as graphql from "graphql";

const before = graphql.buildSchema("input By { id: ID, name: String } type Query { one(by: By!): String }");
const after = graphql.buildSchema("input By @oneOf { id: ID, name: String } type Query { one(by: By!): String }");
const request = graphql.parse('{ one(by: {id: "1", name: "a"}) }');
const errors = [before, after].map((schema) => graphql.validate(schema, request).length);
const found = {
  breaking: graphql.findBreakingChanges(before, after).length,
  dangerous: graphql.findDangerousChanges(before, after).length,
  ...(graphql.findSchemaChanges && { "all changes": graphql.findSchemaChanges(before, after).length }),
};
const listed = Object.entries(found).map(([kind, count]) => `${kind} ${count}`).join(", ");
console.log(`graphql ${graphql.version}: before ${errors[0]} errors, after ${errors[1]}; ${listed}`);
assert.deepEqual(errors, [0, 1], "changed");
assert(Object.values(found).every((count) => count === 0), "changed");

const inspector = await import("@graphql-inspector/core").catch(() => null);
if (inspector) {
  const introspected = (schema, options) =>
    graphql.buildClientSchema(graphql.introspectionFromSchema(schema, { oneOf: false, ...options }));
  const level = async (...schemas) =>
    (await inspector.diff(...schemas)).map((change) => change.criticality.level).join() || "nothing";
  const levels = [
    await level(before, after),
    await level(introspected(before), introspected(after)),
    await level(introspected(before, { oneOf: true }), introspected(after, { oneOf: true })),
  ];
  console.log(`graphql-inspector: from text ${levels[0]}; introspected ${levels[1]}; introspected with oneOf ${levels[2]}`);
  assert.deepEqual(levels, ["BREAKING", "nothing", "nothing"], "changed");
  assert(introspected(after, { oneOf: true }).getType("By").isOneOf, "changed");
  assert(!graphql.getIntrospectionQuery().includes("isOneOf"), "changed");
}
JS
compare() { # DIRECTORY PACKAGE...
  mkdir "$work/$1"
  (cd "$work/$1" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund "${@:2}" >/dev/null)
  cp "$work/compare.mjs" "$work/$1/" && node "$work/$1/compare.mjs"
}
compare sixteen graphql@16.15.0 @graphql-inspector/core@8.0.0
compare seventeen graphql@17.1.0
