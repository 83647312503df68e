"""What a hook cannot be: told at import, with the line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from typing import Any

import pytest

from commander import CommandContext, Domain, Rejected, SubmitContext
from tests.domain.refusing import refused
from tests.domain.shop import Elsewhere, Open, Opened


def see(command: Any) -> None: ...


def see_more(command: Open, context: SubmitContext) -> None: ...


def veto(command: Any, decision: Any) -> None: ...


def veto_more(
    command: Open | Elsewhere, decision: tuple[Any, ...] | Rejected, context: CommandContext
) -> None: ...


def test_hooks_are_for_all_commands_or_for_those_named(domain: Domain) -> None:
    assert domain.before_submit(see) is see
    assert domain.before_submit(Open)(see_more) is see_more
    assert domain.before_submit()(see) is see
    assert domain.after_decide(veto) is veto
    assert domain.after_decide(Open)(veto_more) is veto_more
    assert [hook.function for hook in domain.submit_hooks.of(Open)] == [see, see_more, see]
    assert [hook.function for hook in domain.submit_hooks.of(Elsewhere)] == [see, see]
    assert [hook.function for hook in domain.decide_hooks.of(Open)] == [veto, veto_more]


@pytest.mark.parametrize("kind", ["before_submit", "after_decide"])
def test_a_hook_that_is_not_a_plain_function(domain: Domain, kind: str) -> None:
    decorator = getattr(domain, kind)
    with refused(f"check: a {kind} hook must be a plain function, not async and not a generator"):

        async def check(command: Any, decision: Any) -> None: ...  # <- here

        decorator(check)
    with refused(f"examine: a {kind} hook must be a plain function, not async and not a generator"):

        def examine(command: Any, decision: Any) -> Any:  # <- here
            yield command

        decorator(Open)(examine)
    with refused(f"a {kind} hook must be a function"):
        decorator(5)  # <- here


@pytest.mark.parametrize("kind", ["before_submit", "after_decide"])
@pytest.mark.parametrize("command", [Opened, Elsewhere, int], ids=repr)
def test_a_hook_for_what_is_no_command(domain: Domain, kind: str, command: Any) -> None:
    """Also a class below the decorator, which would otherwise be taken for a command to filter by."""
    with refused(f"{kind}: {command.__name__} is not a command of this domain"):
        getattr(domain, kind)(command)  # <- here


def test_a_hook_before_submitting_that_takes_the_wrong_things(domain: Domain) -> None:
    with refused("check must take the command and at most a SubmitContext"):

        @domain.before_submit  # <- here
        def check() -> None: ...

    with refused("inspect must take the command and at most a SubmitContext"):

        @domain.before_submit  # <- here
        def inspect(command: Any, context: CommandContext) -> None: ...

    with refused("examine must take the command and at most a SubmitContext"):

        @domain.before_submit  # <- here
        def examine(command: Any, context) -> None: ...  # type: ignore[no-untyped-def]

    with refused("look must take the command and at most a SubmitContext"):

        @domain.before_submit  # <- here
        def look(command: Any, context: SubmitContext, more: int) -> None: ...


def test_a_hook_after_deciding_that_takes_the_wrong_things(domain: Domain) -> None:
    with refused("check must take the command, the decision and at most a CommandContext"):

        @domain.after_decide  # <- here
        def check(command: Any) -> None: ...

    with refused("inspect must take the command, the decision and at most a CommandContext"):

        @domain.after_decide  # <- here
        def inspect(command: Any, decision: Any, context: SubmitContext) -> None: ...


def test_a_hook_whose_command_is_of_another_type(domain: Domain) -> None:
    with refused("check: command does not take Open"):

        @domain.before_submit(Open)  # <- here
        def check(command: Elsewhere) -> None: ...

    with refused("command is Open, but the hook is for all commands; write @….before_submit(Open)"):

        @domain.before_submit  # <- here
        def inspect(command: Open) -> None: ...


def test_an_annotation_that_is_nowhere(domain: Domain) -> None:
    with refused("name 'Nowhere' is not defined"):

        @domain.before_submit(Open)  # <- here
        def check(command: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


def test_a_hook_takes_its_parameters_by_position(domain: Domain) -> None:
    with refused("check must take the command and at most a SubmitContext, each as a positional parameter"):

        @domain.before_submit  # <- here
        def check(command: Any, *, context: SubmitContext) -> None: ...

    with refused("inspect must take the command and at most a SubmitContext"):

        @domain.before_submit  # <- here
        def inspect(**everything: Any) -> None: ...

    with refused("annotate the last one with SubmitContext"):

        @domain.before_submit  # <- here
        def examine(command: Any, context) -> None: ...  # type: ignore[no-untyped-def]
