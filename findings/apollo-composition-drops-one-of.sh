#!/usr/bin/env bash
# Apollo's composition leaves @oneOf out of the supergraph; The Guild's keeps it.
#
# Versions   @apollo/composition 2.14.4, @apollo/subgraph 2.14.4, @theguild/federation-composition 0.27.0, graphql 16.15.0
# Behaviour  A subgraph has an input object with the directive @oneOf. Both libraries compose it without an error or a hint
#            about it. In the supergraph of the first the input object has no directive: a gateway that reads it accepts
#            documents with two members, or with none, and each is refused only by the subgraph.
# Seen       @apollo/composition: input By @join__type(graph: A)
#            @theguild/federation-composition: input By @join__type(graph: A) @oneOf
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" @apollo/composition@2.14.4 \
  @theguild/federation-composition@0.27.0 graphql@16.15.0 >/dev/null
cat >"$work/finding.mjs" <<'JAVASCRIPT'
import { parse } from "graphql";
import apollo from "@apollo/composition";
import { composeServices } from "@theguild/federation-composition";

const typeDefs = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
  directive @oneOf on INPUT_OBJECT
  input By @oneOf { id: ID name: String }
  type Query { one(by: By!): String }
`);
const both = {
  "@apollo/composition": apollo.composeServices([{ name: "a", url: "http://a", typeDefs }]),
  "@theguild/federation-composition": composeServices([{ name: "a", url: "http://a", typeDefs }]),
};
const seen = {};
for (const [name, made] of Object.entries(both)) {
  if (made.errors?.length) throw new Error(`${name}: ${made.errors[0].message}`);
  const text = made.supergraphSdl.replace(/\s+/g, " ");
  seen[name] = /input By [^{]*/.exec(text)[0].trim();
  console.log(`${name}: ${seen[name]}`);
}
const same =
  !seen["@apollo/composition"].includes("@oneOf") && seen["@theguild/federation-composition"].includes("@oneOf");
if (!same) console.error("changed");
process.exit(same ? 0 : 1);
JAVASCRIPT
node "$work/finding.mjs"
