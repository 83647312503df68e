#!/usr/bin/env bash
# Strawberry resolves the type of an interface by the name of the Python class, whatever the name converter says.
#
# Versions   strawberry-graphql 0.341.2, graphql-core as it requires, Python 3.11
# Behaviour  A schema's NameConverter gives its object types other names, for example with a prefix, and the schema prints
#            them so. A field of an object type shows the prefixed name. A field of an interface fails: the resolver of
#            the interface's type returns the name of the class, which the schema does not have.
# Seen       { cat { __typename } }: {'cat': {'__typename': 'ZooCat'}}
#            { animal { __typename } }: Abstract type 'ZooAnimal' was resolved to a type 'Cat' that does not exist inside
#            the schema.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet strawberry-graphql==0.341.2
"$work/venv/bin/python" - <<'PYTHON'
import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter


class Prefixed(NameConverter):
    def from_object(self, object_type):
        name = super().from_object(object_type)
        return name if name == "Query" else f"Zoo{name}"


@strawberry.interface
class Animal:
    name: str


@strawberry.type
class Cat(Animal):
    pass


@strawberry.type
class Query:
    @strawberry.field
    def cat(self) -> Cat:
        return Cat(name="Tom")

    @strawberry.field
    def animal(self) -> Animal:
        return Cat(name="Tom")


schema = strawberry.Schema(Query, types=[Cat], config=StrawberryConfig(name_converter=Prefixed()))
assert "type ZooCat" in str(schema) and "type Cat" not in str(schema)
seen = {}
for field in ("cat", "animal"):
    result = schema.execute_sync(f"{{ {field} {{ __typename }} }}")
    seen[field] = result
    print(f"{{ {field} {{ __typename }} }}: {result.errors[0].message if result.errors else result.data}")
same = seen["cat"].data == {"cat": {"__typename": "ZooCat"}}
same = same and bool(seen["animal"].errors) and "'Cat'" in seen["animal"].errors[0].message
raise SystemExit(None if same else "changed")
PYTHON
