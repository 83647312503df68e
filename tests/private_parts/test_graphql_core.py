"""What Commander relies on in graphql-core."""

from __future__ import annotations

from typing import Any

from tests.private_parts.relying import (
    accepts,
    begins_with,
    relied_on,
)


@relied_on(
    "schema/execution/following.py", "graphql-core", "Executor.build and the attributes of an Executor"
)
def test_an_executor_is_built_of_an_operation() -> None:
    from graphql import build_schema, execute, parse, subscribe
    from graphql.execution import Executor

    schema = build_schema("type Query { one(by: Int): Int }")
    document = parse("query ($by: Int) { one(by: $by) ...F } fragment F on Query { two: one }")
    given: dict[str, Any] = {"raw_variable_values": {"by": 1}, "operation_name": None, "context_value": None}
    executor = Executor.build(schema, document, **given)
    assert isinstance(executor, Executor)
    assert executor.schema is schema
    assert list(executor.fragments) == ["F"]
    assert executor.operation is document.definitions[0]
    assert executor.variable_values.coerced == {"by": 1}
    assert executor.variable_values.sources["by"].value == 1
    refused = Executor.build(schema, document, **given | {"raw_variable_values": {"by": "x"}})
    assert isinstance(refused, list)
    accepts(execute, "executor_class", "is_awaitable")
    accepts(subscribe, "executor_class")


@relied_on(
    "schema/execution/resolved.py",
    "graphql-core",
    "the steps of a subscription, the last for each item",
)
def test_a_subscription_is_followed_step_by_step() -> None:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator

    from graphql import build_schema, create_source_event_stream, map_source_to_response_event, parse
    from graphql.execution import Executor, execute_subscription_event

    async def items() -> AsyncIterator[dict[str, int]]:
        yield {"one": 1}
        yield {"one": 2}

    async def followed() -> list[Any]:
        schema = build_schema("type Query { one: Int } type Subscription { one: Int }")
        given: dict[str, Any] = {"max_coercion_errors": 1, "hide_suggestions": True}
        given["subscribe_field_resolver"] = lambda root, _: root
        executor: Any = Executor.build(schema, parse("subscription { one }"), items(), **given)
        source: Any = create_source_event_stream(executor)
        results = map_source_to_response_event(executor, source, execute_subscription_event)
        assert isinstance(results, AsyncGenerator)
        return [result.data async for result in results]

    assert asyncio.run(followed()) == [{"one": 1}, {"one": 2}]


@relied_on("schema/execution/counting.py", "graphql-core", "Executor.complete_list_value, once for each list")
def test_an_executor_completes_lists_by_one_method() -> None:
    from graphql import build_schema, execute, parse
    from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

    lists: list[Any] = []

    class Execution(StrawberryGraphQLCoreExecutionContext):
        def complete_list_value(self, *args: Any) -> Any:
            assert len(args) == 6
            lists.append(args[4])
            return super().complete_list_value(*args)

    schema = build_schema("type Query { all: [[Int]] }")
    execute(schema, parse("{ all more: all }"), {"all": [[1], [2, 3]]}, executor_class=Execution)
    assert lists == [[[1], [2, 3]], [1], [2, 3], [[1], [2, 3]], [1], [2, 3]]


@relied_on("schema/execution/rendering.py", "graphql-core", "collect_fields and collect_subfields")
def test_selected_fields_are_collected() -> None:
    from graphql import build_schema, parse
    from graphql.execution import Executor
    from graphql.execution.collect_fields import collect_fields, collect_subfields

    schema = build_schema("type Query { one: One } type One { two: Int }")
    at = Executor.build(schema, parse("{ a: one { b: two } }"))
    assert isinstance(at, Executor) and schema.query_type
    collected = collect_fields(schema, at.fragments, at.variable_values, schema.query_type, at.operation)
    [(key, details)] = collected.grouped_field_set.items()
    assert (key, details[0].node.name.value) == ("a", "one")
    below: Any = schema.get_type("One")
    fields = collect_subfields(schema, at.fragments, at.variable_values, at.operation, below, details)
    assert list(fields.grouped_field_set) == ["b"]


@relied_on("schema/execution/mutation_plans.py", "graphql-core", "how variables and arguments are read")
def test_variables_and_arguments_are_read() -> None:
    from graphql import FieldNode, GraphQLInt, OperationDefinitionNode, build_schema, parse
    from graphql.execution.collect_fields import FragmentDetails
    from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
    from graphql.execution.values import (
        VariableValues,
        VariableValueSource,
        get_argument_values,
        get_variable_values,
    )
    from graphql.utilities import coerce_input_value

    schema = build_schema("type Query { one(by: Int): Int }")
    [operation] = parse("query ($n: Int) { one(by: $n) }").definitions
    assert isinstance(operation, OperationDefinitionNode)
    [declared], [node] = operation.variable_definitions or (), operation.selection_set.selections
    assert isinstance(node, FieldNode) and schema.query_type
    signature = get_variable_signature(schema, declared)
    assert isinstance(signature, GraphQLVariableSignature)
    assert (signature.name, signature.type, signature.default) == ("n", GraphQLInt, None)
    values = VariableValues(
        {"n": VariableValueSource(signature, 7)}, {"n": coerce_input_value(7, GraphQLInt)}
    )
    assert get_argument_values(schema.query_type.fields["one"], node, values) == {"by": 7}
    assert get_variable_values(schema, (declared,), {"n": 7}) == values
    assert isinstance(get_variable_values(schema, (declared,), {"n": "x"}), list)
    assert GraphQLInt.coerce_output_value(7) == 7
    begins_with(FragmentDetails, "definition")
