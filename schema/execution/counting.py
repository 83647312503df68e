"""Execution by graphql-core that counts the items of all lists in an answer."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from graphql import ExecutionResult, GraphQLError, GraphQLResolveInfo, SchemaMetaFieldDef, TypeMetaFieldDef
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from commander.resolvers.answer_size import AnswerTooLarge
from commander.schema.context import Context
from commander.schema.errors import bounded, coerced, typed


class CountingExecution(StrawberryGraphQLCoreExecutionContext):
    """Refuses each further list once the answer has too many items. So the answer stops growing."""

    def complete_list_value(  # the signature is graphql-core's
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, context: Any
    ) -> Any:
        if isinstance(self.context_value, Context) and isinstance(result, Sized):
            self.context_value.size.add(len(result))
        return super().complete_list_value(return_type, field_details_list, info, path, result, context)


class IntrospectingExecution(CountingExecution):
    """Shows by introspection the schema that the viewer knows, and not the one that is executed."""

    def build_resolve_info(  # the signature is graphql-core's
        self, field_def: Any, field_nodes: Any, parent_type: Any, path: Any
    ) -> GraphQLResolveInfo[Context]:
        info = super().build_resolve_info(field_def, field_nodes, parent_type, path)
        if parent_type.name.startswith("__") or field_def in (SchemaMetaFieldDef, TypeMetaFieldDef):
            return info._replace(schema=self.context_value.known)
        return info


def errors_of(result: ExecutionResult, context: Context) -> list[GraphQLError]:
    """The errors of an answer, bounded. An answer that is too large has one, and no data."""
    if context.size.exceeded:
        result.data = None
        return [typed(coerced(AnswerTooLarge(context.size.limit)))]
    errors = bounded(result.errors or (), complete=result.data is not None)
    return [typed(error, context.operates) for error in errors]
