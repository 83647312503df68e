#!/usr/bin/env bash
# ariadne-codegen's class of a @oneOf input takes no member, two members, and null: mypy and pydantic pass all of them.
#
# Versions   ariadne-codegen 0.19.0, graphql-core 3.2.14, pydantic 2.14.4, mypy 2.4.1
# Behaviour  @oneOf (GraphQL specification of September 2025) says that exactly one member is given. The class has each
#            member as Optional with the default None, as for any input, so what the server refuses is found there only.
# Seen       mypy: Success: no issues found in 1 source file
#            {'position': 1, 'version': 2}
#            {}
#            {'position': None}
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  ariadne-codegen==0.19.0 graphql-core==3.2.14 pydantic==2.14.4 mypy==2.4.1
cat >schema.graphql <<'GRAPHQL'
input AsOf @oneOf { position: Int version: Int }
type Query { balance(asOf: AsOf!): Int }
GRAPHQL
echo 'query Balance($asOf: AsOf!) { balance(asOf: $asOf) }' >queries.graphql
cat >pyproject.toml <<'TOML'
[tool.ariadne-codegen]
schema_path = "schema.graphql"
queries_path = "queries.graphql"
target_package_name = "client"
[tool.mypy]
plugins = ["pydantic.mypy"]
TOML
venv/bin/ariadne-codegen >/dev/null
cat >use.py <<'PYTHON'
from client import AsOf

for given in (AsOf(position=1, version=2), AsOf(), AsOf(position=None)):
    print(given.model_dump(by_alias=True, exclude_unset=True))
PYTHON
typed=$(venv/bin/mypy use.py)
echo "mypy: $typed"
used=$(venv/bin/python use.py)
echo "$used"
[ "$used" = "$(printf '%s\n' "{'position': 1, 'version': 2}" '{}' "{'position': None}")" ] || { echo changed >&2; exit 1; }
