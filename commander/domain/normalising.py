"""The text of a definition without what does not change its result, and the names that it uses.

Left out are comments, layout, docstrings, and the annotations of functions and variables. The annotations of
a class's fields stay: dataclasses read them. The text is the same in every version of Python that Commander
supports, so it does not use ast.dump.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

_SKIPPED = frozenset({"ctx", "type_comment", "kind"})
_IGNORE_ANNOTATIONS = frozenset(
    {"property", "setter", "cached_property", "staticmethod", "classmethod", "cache", "lru_cache", "wraps"}
    | {"touches", "override"}
)
"""Decorators that do not read the annotations of their function. Others may, as singledispatch does."""

Chain = tuple[str, ...]
"""A name and the attributes after it: helpers.points_of is ("helpers", "points_of")."""


class Import(NamedTuple):
    """An import. level: how many dots. name: what is taken from the module; None for the module itself."""

    level: int
    module: str
    name: str | None


class Reference(NamedTuple):
    """A name of the module that a definition uses. imported: the import, if the definition itself has it."""

    chain: Chain
    imported: Import | None = None


class Definition(NamedTuple):
    """The statements that define a name. references: in the order in which they appear."""

    text: str
    references: tuple[Reference, ...]


def definition_of(nodes: Sequence[ast.AST], is_left_out: Callable[[Chain], bool]) -> Definition:
    """The definition that these statements make. is_left_out: which decorators are not part of it."""
    reader = _Reader(is_left_out)
    for node in nodes:
        reader.visit(node)
    return reader.definition()


class _Scope:
    """The names of a function, a comprehension or a class. loads: those it uses, with what follows them.

    through: those used by the functions in a class, which do not see the names that the class binds.
    """

    def __init__(self, is_class: bool = False) -> None:
        self.is_class = is_class
        self.loads: dict[Chain, None] = {}
        self.through: dict[Chain, None] = {}
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.imports: dict[str, Import] = {}


class _Reader:
    def __init__(self, is_left_out: Callable[[Chain], bool]) -> None:
        self._is_left_out = is_left_out
        self._parts: list[str] = []
        self._scopes = [_Scope()]
        self._imported: dict[Reference, None] = {}
        self._in_annotation = False

    def definition(self) -> Definition:
        [module] = self._scopes
        named = [Reference(chain) for chain in module.loads]
        return Definition("".join(self._parts), (*named, *self._imported))

    def visit(self, node: ast.AST) -> None:
        special = _SPECIAL.get(type(node))
        if special is None:
            self._fields(node)
        else:
            special(self, node)

    def _fields(self, node: ast.AST, *without: str) -> None:
        self._parts.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or value == [] or name in _SKIPPED or name in without:
                continue
            self._parts.append(f"{name}=")
            self._value(_statements(value) if name in ("body", "orelse", "finalbody") else value)
        self._parts.append(")")

    def _value(self, value: Any) -> None:
        if isinstance(value, ast.AST):
            self.visit(value)
        elif isinstance(value, list):
            self._parts.append("[")
            for one in value:
                self._value(one)
                self._parts.append(",")
            self._parts.append("]")
        else:
            self._parts.append(repr(value))

    def _name(self, node: ast.Name) -> None:
        self._parts.append(f"Name {node.id};")
        if isinstance(node.ctx, ast.Load):
            self._scopes[-1].loads[node.id,] = None
        else:
            self._scopes[-1].bound.add(node.id)

    def _attribute(self, node: ast.Attribute) -> None:
        chain = chain_of(node)
        if chain is None:
            self._fields(node)
        else:
            self._parts.append(f"Name {'.'.join(chain)};")
            self._scopes[-1].loads[chain] = None

    def _constant(self, node: ast.Constant) -> None:
        if self._in_annotation and isinstance(node.value, str):
            try:
                self.visit(ast.parse(node.value, mode="eval").body)
                return
            except (SyntaxError, ValueError):
                pass  # text, as in Literal["a b"]
        self._parts.append(f"{type(node.value).__name__} {node.value!r};")

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        decorators = self._decorators(node)
        self._scopes[-1].bound.add(node.name)
        self._parts.append(f"{type(node).__name__} {node.name}(")
        reads = any(_last_name(one) not in _IGNORE_ANNOTATIONS for one in decorators)
        annotated = [*_arguments(node.args)] if reads else []
        for annotation in [one.annotation for one in annotated] + ([node.returns] if reads else []):
            if annotation is not None:
                self._annotation(annotation)
        self._body_of_function(node.args, _statements(node.body))

    def _lambda(self, node: ast.Lambda) -> None:
        self._parts.append("Lambda(")
        self._body_of_function(node.args, [node.body])

    def _body_of_function(self, args: ast.arguments, body: list[Any]) -> None:
        self._value(args.defaults)
        self._value(args.kw_defaults)
        scope = self._enter()
        for part in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
            named = getattr(args, part) or []
            names = [one.arg for one in (named if isinstance(named, list) else [named])]
            self._parts.append(f"{part}{names}")
            scope.bound.update(names)
        self._value(body)
        self._leave()
        self._parts.append(")")

    def _class(self, node: ast.ClassDef) -> None:
        self._decorators(node)
        self._scopes[-1].bound.add(node.name)
        self._parts.append(f"ClassDef {node.name}(")
        self._value(node.bases)
        self._value(node.keywords)
        self._enter(is_class=True)
        self._value(_statements(node.body))
        self._leave()
        self._parts.append(")")

    def _comprehension(self, node: ast.AST) -> None:
        self._enter()
        self._fields(node)
        self._leave()

    def _annotated_assignment(self, node: ast.AnnAssign) -> None:
        """A field of a class with its annotation. Elsewhere the annotation does nothing."""
        if self._scopes[-1].is_class:
            self._parts.append("AnnAssign(")
            self._annotation(node.annotation)
            self._value([node.target, *([] if node.value is None else [node.value])])
            self._parts.append(")")
        elif node.value is not None:
            self._fields(ast.Assign([node.target], node.value))
        elif isinstance(node.target, ast.Name):
            self._scopes[-1].bound.add(node.target.id)

    def _annotation(self, node: ast.expr) -> None:
        before, self._in_annotation = self._in_annotation, True
        self.visit(node)
        self._in_annotation = before

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self._fields(node)
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                found, bound = Import(node.level or 0, node.module or "", alias.name), alias.name
            else:
                bound = alias.name.partition(".")[0]
                found = Import(0, alias.name if alias.asname else bound, None)
            self._scopes[-1].imports[alias.asname or bound] = found

    def _binding(self, node: Any) -> None:
        """The forms of `case` and `except` that bind a name, and `global`."""
        scope = self._scopes[-1]
        if isinstance(node, ast.Global):
            scope.globals.update(node.names)
        name = node.rest if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
        if name is not None:
            scope.bound.add(name)
        self._fields(node)

    def _decorators(self, node: Any) -> list[ast.expr]:
        kept = [one for one in node.decorator_list if not self._is_left_out(_called_chain(one))]
        self._value(kept)
        return kept

    def _enter(self, is_class: bool = False) -> _Scope:
        self._scopes.append(_Scope(is_class))
        return self._scopes[-1]

    def _leave(self) -> None:
        """Passes the names that the scope does not bind to the scope around it.

        A name that the body of a class both reads and binds may be the module's: `limit = limit`.
        """
        scope, around = self._scopes.pop(), self._scopes[-1]
        passed = around.through if around.is_class else around.loads
        for chain in scope.loads:
            name = chain[0]
            if name in scope.globals:
                self._scopes[0].loads[chain] = None
            elif name in scope.imports:
                self._imported[Reference(chain[1:], scope.imports[name])] = None
            elif scope.is_class or name not in scope.bound:
                passed[chain] = None
        passed.update(scope.through)


_SPECIAL: dict[type[ast.AST], Callable[[_Reader, Any], None]] = {
    ast.Name: _Reader._name,
    ast.Attribute: _Reader._attribute,
    ast.Constant: _Reader._constant,
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.Lambda: _Reader._lambda,
    ast.ClassDef: _Reader._class,
    ast.AnnAssign: _Reader._annotated_assignment,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import,
}
_SPECIAL |= dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Reader._comprehension)
_SPECIAL |= dict.fromkeys(
    (ast.MatchAs, ast.MatchStar, ast.MatchMapping, ast.ExceptHandler, ast.Global), _Reader._binding
)


def chain_of(node: ast.AST) -> Chain | None:
    """The chain of an expression like a.b.c; None for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def _called_chain(node: ast.expr) -> Chain:
    while isinstance(node, ast.Call):
        node = node.func
    return chain_of(node) or ()


def _last_name(decorator: ast.expr) -> str:
    return (*_called_chain(decorator), "")[-2] if _called_chain(decorator) else ""


def _arguments(args: ast.arguments) -> Iterator[ast.arg]:
    yield from (*args.posonlyargs, *args.args, *args.kwonlyargs)
    yield from (one for one in (args.vararg, args.kwarg) if one is not None)


def _statements(body: Any) -> Any:
    """A body without docstrings, comments in quotes and `pass`."""
    if not isinstance(body, list):
        return body  # of a conditional expression
    return [
        node
        for node in body
        if not isinstance(node, ast.Pass)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
