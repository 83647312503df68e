#!/usr/bin/env bash
# relay-compiler's ES modules import each other without a file extension, so Node.js cannot load them.
#
# Versions   relay-compiler 21.0.1, relay-runtime 21.0.1, graphql 16.15.0
# Behaviour  With `eagerEsModules` an artifact is an ES module. The artifact of a @refetchable fragment and that of its
#            query need each other, and the import says './Name.graphql', while the file is 'Name.graphql.js'. A bundler
#            finds it. Node.js wants the whole name in an ES module, also in a test or in server-side rendering. An
#            artifact that needs no other one loads.
# Seen       the query alone: loads
#            the refetchable fragment: ERR_MODULE_NOT_FOUND
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" \
  relay-compiler@21.0.1 relay-runtime@21.0.1 graphql@16.15.0 >/dev/null
cd "$work"
mkdir src && echo '{"type": "module"}' >src/package.json
cat >schema.graphql <<'GRAPHQL'
interface Node { id: ID! }
type Account implements Node { id: ID! owner: String }
type Query { account: Account node(id: ID!): Node }
GRAPHQL
cat >src/page.js <<'JAVASCRIPT'
graphql`query pageQuery { account { id owner } }`;
graphql`fragment page_account on Account @refetchable(queryName: "pageAccountQuery") { owner }`;
JAVASCRIPT
echo '{"src": "src", "language": "javascript", "schema": "schema.graphql", "eagerEsModules": true}' >relay.config.json
node_modules/.bin/relay-compiler >/dev/null
cat >finding.mjs <<'JAVASCRIPT'
const loaded = (name) =>
  import(`./src/__generated__/${name}.graphql.js`).then(
    () => "loads",
    (error) => error.code,
  );
const query = await loaded("pageQuery");
const fragment = await loaded("page_account");
console.log(`the query alone: ${query}`);
console.log(`the refetchable fragment: ${fragment}`);
const same = query === "loads" && fragment === "ERR_MODULE_NOT_FOUND";
if (!same) console.error("changed");
process.exit(same ? 0 : 1);
JAVASCRIPT
node finding.mjs
