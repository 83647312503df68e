"""The top level of a module: the names that it imports and those that it defines."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from commander.domain.normalising import Chain, Definition, Import, chain_of, definition_of


class Source:
    """The top level of a module. imports, defined: by the name that they bind. stars: imports of *."""

    def __init__(self, source: str | bytes) -> None:
        """Raises SyntaxError and ValueError."""
        self.imports: dict[str, list[Import]] = {}
        self.stars: list[Import] = []
        self.defined: dict[str, list[ast.AST]] = {}
        self._spans: list[tuple[int, int, str]] = []
        self._lambdas: dict[str, list[ast.AST]] = {}
        self._collect(ast.parse(source).body, [])

    def definition(self, name: str, is_left_out: Callable[[Chain], bool]) -> Definition:
        """The definition of a name, or of what `lambdas_at` names.

        is_left_out: tells the decorators that are not part of it.
        """
        return definition_of(self._lambdas.get(name) or self.defined[name], is_left_out)

    def lambdas_at(self, line: int) -> str | None:
        """The name for the lambdas that begin in this line of a decorator; None if there are none."""
        name = f"lambda:{line}"
        return name if name in self._lambdas else None

    def defined_at(self, line: int) -> str | None:
        """The name that the statement at this line defines."""
        return next((name for first, last, name in self._spans if first <= line <= last), None)

    def _collect(self, body: Sequence[ast.stmt], tests: list[ast.AST]) -> None:
        """tests: the conditions under which these statements run."""
        for node in body:
            match node:
                case ast.Import(names):
                    for alias in names:
                        bound, top = alias.asname or "", alias.name.partition(".")[0]
                        made = Import(0, alias.name if bound else top, None)
                        self.imports.setdefault(bound or top, []).append(made)
                case ast.ImportFrom(module, names, level):
                    for alias in names:
                        made = Import(level or 0, module or "", alias.name)
                        if alias.name == "*":
                            self.stars.append(made)
                        else:
                            self.imports.setdefault(alias.asname or alias.name, []).append(made)
                case ast.If(test) if not _is_of_a_script(test):
                    self._collect([*node.body, *node.orelse], [*tests, test])
                case ast.If():
                    pass
                case ast.With():
                    self._collect(node.body, [*tests, *(item.context_expr for item in node.items)])
                case ast.Match(subject, cases):
                    for one in cases:
                        guard = [] if one.guard is None else [one.guard]
                        self._collect(one.body, [*tests, subject, one.pattern, *guard])
                case ast.Try() | ast.TryStar():
                    handled = [one for handler in node.handlers for one in handler.body]
                    self._collect([*node.body, *handled, *node.orelse, *node.finalbody], tests)
                case _:
                    for name in dict.fromkeys(_changed_by(node)):
                        self.defined.setdefault(name, []).extend([*tests, node])
                        self._spans.append((_first_line(node), node.end_lineno or node.lineno, name))
                    for decorator in getattr(node, "decorator_list", ()):
                        for part in ast.walk(decorator):
                            if isinstance(part, ast.Lambda):
                                self._lambdas.setdefault(f"lambda:{part.lineno}", []).append(part)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(node.lineno, *(one.lineno for one in decorators)) if decorators else node.lineno


def _is_of_a_script(test: ast.expr) -> bool:
    """Whether it is `__name__ == "__main__"`. What it guards does not run in the parts."""
    return isinstance(test, ast.Compare) and chain_of(test.left) == ("__name__",)


def _changed_by(node: ast.stmt) -> Iterator[str]:
    """The names of the module that a statement binds, or whose values it may change."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Assign(targets):
            for target in targets:
                yield from _roots(target)
        case ast.AnnAssign(target, value=value) if value is not None:
            yield from _roots(target)
        case ast.AugAssign(target):
            yield from _roots(target)
        case ast.Expr(ast.Call(function, args, keywords)):
            for one in (function, *args, *(keyword.value for keyword in keywords)):
                if one is not function or not isinstance(one, ast.Name):
                    yield from _roots(one)
        case ast.For() | ast.While() | ast.Delete():
            for part in ast.walk(node):
                if isinstance(part, ast.Name):
                    yield part.id
                elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    yield part.name
        case _ if type(node).__name__ == "TypeAlias":  # `type Money = …`, from Python 3.12
            yield from _roots(node.name)  # type: ignore[attr-defined]


def _roots(target: ast.expr) -> Iterator[str]:
    """The names at the beginning of a target: a in `a.b`, `a["b"]` and `a, b = …`."""
    match target:
        case ast.Name(name):
            yield name
        case ast.Attribute(value) | ast.Subscript(value) | ast.Starred(value):
            yield from _roots(value)
        case ast.Call(function):
            yield from _roots(function) if isinstance(function, ast.Attribute) else ()
        case ast.Tuple(elements) | ast.List(elements):
            for element in elements:
                yield from _roots(element)
