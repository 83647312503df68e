"""Does a test fail when a check of the rights is removed? Run `make mutants`.

Each mutant is one check, removed in a copy of the tree. A test of the named module must fail then. A mutant
that survives has no test, and fails the run. NAMES selects some: make mutants NAMES="count cancel"
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_SECONDS = 1800
"""How long the tests of one mutant may take."""

ROWS = "tests/schema/test_visible_rows.py"
EVENTS = "tests/schema/test_visible_events.py"
EACH_ROW = f"{ROWS}::test_each_field_that_shows_rows_shows_those_that_the_viewer_sees"
PAST = f"{ROWS}::test_rows_of_the_past_are_those_that_the_viewer_saw"
LIVE = f"{ROWS}::test_a_live_row_comes_and_goes_with_who_sees_it"
GUESS = f"{ROWS}::test_a_hidden_value_cannot_be_guessed_from_which_rows_there_are_or_their_order"
HIDDEN = f"{ROWS}::test_a_field_is_null_for_those_who_do_not_see_it"
HIDDEN_LINKS = "tests/schema/test_hidden_links.py"
BY_KEY = "tests/schema/test_unique_rows.py::test_a_row_that_the_viewer_does_not_see_is_as_no_row"
BY_HIDDEN = "tests/schema/test_unique_rows.py::test_nobody_is_told_of_a_hidden_column_by_asking_by_it"
EACH_EVENT = f"{EVENTS}::test_each_field_that_shows_events_shows_those_that_the_viewer_sees"
OF_OTHERS = f"{EVENTS}::test_the_past_of_a_row_tells_of_others_commands_only_that_they_were"
STATUS_OF_OTHERS = (
    f"{EVENTS}::test_of_a_command_of_somebody_else_a_subscription_tells_what_it_tells_of_an_unknown_id"
)
COMMANDS_OF_OTHERS = f"{EVENTS}::test_pages_of_commands_are_full_however_many_others_have_sent"
SENDER = f"{EVENTS}::test_a_command_is_for_its_sender_and_for_operators"
OPERATE = f"{EVENTS}::test_operations_are_for_operators"
FEED = "tests/schema/test_visible_feed.py"
FEED_EVENTS = f"{FEED}::test_the_feed_has_the_past_and_the_new_events_that_the_viewer_sees"
ALLOWING = "tests/resolvers/test_allowing.py"
RULES = "tests/domain/test_rights.py"

_NARROWED = 'narrowed(rights, link.source, rows.where.read(given.get("where")), domain.projections)'
_ASKED = 'rows.where.read(given.get("where"))'
_SEEN = "{event.position for event in await visible_events(self._services, self._rights, "


class Mutant(NamedTuple):
    """One check, and the code without it. code: it stands once in the file. tests: a test that fails without
    the check, or its module."""

    name: str
    file: str
    code: str
    without: str
    tests: str


def _checks() -> Iterator[Mutant]:
    file = "resolvers/allowing.py"
    forbidden = "None if verdict is Verdict.FORBIDDEN else rights.sender(type_, verdict)"
    yield Mutant("command", file, forbidden, "rights.sender(type_, verdict)", ALLOWING)
    file = "streaming/commands/allowing.py"
    yield Mutant(
        "command-state", file, "if domain.may_send(type_, sender, command, own):", "if True:", ALLOWING
    )
    file = "streaming/commands/deciding.py"
    by_state = "by_state = command.sender is not None and command.sender.by_state"
    yield Mutant("command-waits", file, by_state, "by_state = False", ALLOWING)
    file = "commander/domain/rights.py"
    no_rule = "found = Verdict.ALLOWED if self.is_operator else Verdict.FORBIDDEN"
    yield Mutant("command-no-rule", file, no_rule, "found = Verdict.ALLOWED", RULES)
    yield Mutant("command-kept", file, "part.parameters < 3", "False", RULES)
    resolved = "self._resolved({0}.visible, "
    open_ = "self._resolved(Anyone() if {0}.visible is None else {0}.visible, "
    yield Mutant("row-no-rule", file, resolved.format("projection"), open_.format("projection"), RULES)
    yield Mutant("event-no-rule", file, resolved.format("event"), open_.format("event"), RULES)
    yield Mutant(
        "id-of-another", "resolvers/repeating.py", "if earlier != sender_of(made):", "if False:", ALLOWING
    )
    ending = "_end(context.services, command_id, Status.REJECTED, CANCELLED, message, "
    file = "tests/schema/test_forbidden.py::test_only_its_sender_or_an_operator_cancels_a_command"
    yield Mutant("cancel", "resolvers/ending.py", f"{ending}sender)", f"{ending}None)", file)


def _tokens() -> Iterator[Mutant]:
    tests = "tests/schema/test_signing_in.py::"
    socket = f"{tests}test_an_operation_on_a_socket_whose_token_has_just_ended_does_not_run"
    end = "test_no_item_follows_the_end_of_the_token_also_before_its_transport_ends_the_stream"
    yield Mutant("ended-token", "schema/execution/gate.py", "        context.must_stand()\n", "", socket)
    stands = "and not authentication.stands(access)"
    yield Mutant("ended-stream", "schema/execution/following.py", stands, "and False", f"{FEED}::{end}")
    operates = "if not self.operates:"
    yield Mutant("operate", "resolvers/request_context.py", operates, "if False:", OPERATE)


def _rows() -> Iterator[Mutant]:
    file = "resolvers/visible_rows.py"
    checked = "_checked(rights, type_, where, projections)"
    predicate = f"reduced(AllOf(({checked}, rights.row_filter(type_))))"
    yield Mutant("sql", file, predicate, checked, EACH_ROW)
    one = "masked(rights, type_, row) if matches(rights.row_filter(type_), row) else None"
    yield Mutant("row", file, one, "masked(rights, type_, row)", EACH_ROW)
    linked = "narrowed(rights, projections[projection], part, projections)"
    yield Mutant("where-link", file, linked, "part", EACH_ROW)

    file = "schema/types/projections.py"
    everything = f"Listing(type_.plural, table, {_ASKED}, order)"
    total = "return await resolving.total(services, "
    yield Mutant("count", file, f"{total}listing)", f"{total}{everything})", EACH_ROW)

    file = "schema/types/links.py"
    yield Mutant("reverse-link", file, _NARROWED, _ASKED, EACH_ROW)
    load = "batching.counts_of_links.load((referring, "
    yield Mutant("reverse-count", file, f"{load}where))", f"{load}{_ASKED}))", EACH_ROW)
    row = "visible(self._rights, type_, row) for key"
    yield Mutant("link", "schema/batching.py", row, "row for key", EACH_ROW)
    row = "visible(self._rights, self._services.domain.projections[projection], row)"
    yield Mutant("unique-row", "schema/batching.py", row, "row", BY_KEY)

    file = "schema/types/time_travel.py"
    yield Mutant("as-of", file, "row = visible(rights, self.type, made.row)", "row = made.row", PAST)
    versions = "if as_of.version is not None and not sees_every_row(rights, type_):"
    yield Mutant("as-of-versions", file, versions, "if False:", PAST)
    of_versions = "if sees_every_row(rights, type_) or visible(rights, type_, made.version.row) is not None"
    yield Mutant("history", file, of_versions, "if True", PAST)

    file = "schema/types/live.py"
    yield Mutant("live-row", file, "row_filter(rights, type_)", "row_filter(None, type_)", LIVE)
    live = "narrowed(context.rights, type_, asked, domain.projections)"
    yield Mutant("live-list", file, live, "asked", LIVE)
    kept = "is_kept(context.services.epochs, after)"
    cursor = f"{kept} and sees_every_row(context.rights, type_)"
    yield Mutant("live-cursor", file, cursor, kept, LIVE)


def _fields() -> Iterator[Mutant]:
    file = "resolvers/visible_rows.py"
    shown = "if rights is None or row is None or not (hidden := rights.hidden(type_)):"
    yield Mutant("field", file, shown, "if True:", HIDDEN)
    condition = '        case Condition(field):\n            must_see(rights, type_, (field,), "where")\n'
    yield Mutant("where", file, condition, "", GUESS)
    linked = '            must_see(rights, type_, (field,), "where")\n            return Linked('
    yield Mutant("where-by-link", file, linked, "            return Linked(", HIDDEN_LINKS)
    file, order = "schema/types/projections.py", 'must_see(rights, type_, order.fields, "orderBy")'
    yield Mutant("order-by", file, order, "pass", GUESS)
    key = "must_see(context.rights, type_, columns, rows.query)"
    yield Mutant("unique-key", "schema/types/unique_rows.py", key, "pass", BY_HIDDEN)
    file = "schema/types/links.py"
    order = 'must_see(rights, link.source, (link.field, *order.fields), "orderBy")'
    yield Mutant("order-of-link", file, order, "pass", HIDDEN_LINKS)
    row = "row=masked(rights, type_, found)"
    yield Mutant("live-field", "schema/types/live.py", row, "row=found", LIVE)
    row = "row=masked(rights, type_, one.row)"
    yield Mutant("live-list-field", "schema/types/live.py", row, "row=one.row", LIVE)
    file = "schema/types/events.py"
    own = "own.update(dict.fromkeys(rights.hidden(type_)))"
    yield Mutant("event-field", file, own, "pass", EACH_EVENT)
    hides = "hides = own[name].name in hidden"
    yield Mutant("feed-field", "schema/execution/rendering.py", hides, "hides = False", FEED_EVENTS)
    proposed = "data |= dict.fromkeys(rights.hidden(type_))"
    dry_run = f"{EVENTS}::test_a_dry_run_does_not_tell_the_hidden_fields_of_what_it_proposes"
    yield Mutant("dry-run-field", "schema/types/results.py", proposed, "pass", dry_run)


def _events() -> Iterator[Mutant]:
    file = "resolvers/visible_events.py"
    yield Mutant("event-rule", file, "if matches(rule.own, own):", "if True:", EACH_EVENT)
    same = "return at is not None and matches(row.filter, at)"
    yield Mutant("event-same-as", file, same, "return at is not None", EACH_EVENT)
    page = "return Page(await visible_events(services, rights, page.items), "
    yield Mutant("events", file, page, "return Page(page.items, ", EACH_EVENT)
    one = "await visible_events(services, rights, [found])"
    yield Mutant("event", "schema/types/events.py", one, "[found]", EACH_EVENT)
    file, every = "schema/batching.py", "{event.position for event in "
    yield Mutant("events-of-row", file, f"{_SEEN}events)}}", f"{every}events}}", EACH_EVENT)
    yield Mutant("events-of-command", file, f"{_SEEN}others)}}", f"{every}others}}", OF_OTHERS)
    by_id = "await visible_events(self._services, self._rights, found.values())"
    yield Mutant("event-by-id", file, by_id, "list(found.values())", EACH_EVENT)
    file = "schema/types/time_travel.py"
    made = "await visible_events(context.services, rights, events_made)"
    yield Mutant("event-of-version", file, made, "events_made", OF_OTHERS)
    file = "schema/types/lineage.py"
    tree = "await visible_events(context.services, context.rights, found.root.all_events())"
    of_lineage = f"{EVENTS}::test_a_lineage_does_not_tell_an_event_that_its_sender_does_not_see"
    yield Mutant("lineage-events", file, tree, "found.root.all_events()", of_lineage)

    file, key = "schema/execution/following.py", "key = (document, hidden, "
    yield Mutant("feed-key", file, f"{key}rules)", f"{key}None)", FEED)
    key = "self._renderers.setdefault((document, "
    yield Mutant("feed-fields-key", file, f"{key}hidden)", f"{key}None)", FEED)
    stage = "if rights is not None and not sees_every_event(rights):"
    yield Mutant("feed", file, stage, "if False:", FEED_EVENTS)
    waits = "                await self._until_decidable(events)\n"
    yield Mutant("feed-waits", "resolvers/visible_feed.py", waits, "", FEED)


def _commands() -> Iterator[Mutant]:
    file, sees = "resolvers/status.py", "if outcome is not None and sees_command(rights, outcome):"
    yield Mutant("outcome", file, sees, "if outcome is not None:", SENDER)
    file, rights = "schema/types/command_status.py", "command_id, rights):"
    yield Mutant("status", file, rights, "command_id):", STATUS_OF_OTHERS)
    rights = "before=before, rights=rights\n"
    yield Mutant("commands", file, rights, "before=before\n", COMMANDS_OF_OTHERS)
    file, seen = "schema/types/records.py", "seen = sees_command(rights, outcome)"
    yield Mutant("input", file, seen, "seen = True", OF_OTHERS)
    file, ended = "resolvers/status.py", "for one, outcome in ended.items()"
    yield Mutant("command-by-id", file, f"{ended} if sees_command(rights, outcome)", ended, SENDER)
    file, sees = "schema/types/lineage.py", "if not sees_command(context.rights, found.root.state.known):"
    yield Mutant("lineage", file, sees, "if False:", SENDER)


MUTANTS = (*_checks(), *_tokens(), *_rows(), *_fields(), *_events(), *_commands())


def main(names: Iterable[str]) -> int:
    """Runs some of the mutants, or all. Returns how many have survived or could not be tried."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with _copy() as tree:
        ended = _tests(tree, *dict.fromkeys(mutant.tests for mutant in chosen))
        if ended.returncode:
            print(f"with all checks:\n{ended.stdout[-4000:]}", flush=True)
            return 1
        lives = [mutant.name for mutant in chosen if not _is_killed(tree, mutant)]
    print(f"{len(chosen) - len(lives)} of {len(chosen)} mutants are killed")
    return len(lives)


def mutated(text: str, mutant: Mutant) -> str:
    """The file without the check. Raises ValueError if the check does not stand in it once."""
    if (found := text.count(mutant.code)) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has {found} times, not once: {mutant.code}")
    return text.replace(mutant.code, mutant.without)


def _is_killed(tree: Path, mutant: Mutant) -> bool:
    """Whether a test fails. A failed fixture, or a module that cannot be imported, is no failed test."""
    file = tree / mutant.file
    text = file.read_text()
    file.write_text(mutated(text, mutant))
    try:
        ended = _tests(tree, mutant.tests)
    finally:
        file.write_text(text)
    failed = [line for line in ended.stdout.splitlines() if line.startswith("FAILED ")]
    killed = ended.returncode == 1 and bool(failed)
    shown = failed[0].removeprefix("FAILED ")[:150] if killed else f"it SURVIVES:\n{ended.stdout[-2000:]}"
    print(f"{mutant.name}: {shown}", flush=True)
    return killed


def _tests(tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command,
        cwd=tree,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


@contextmanager
def _copy() -> Iterator[Path]:
    """What git knows of this tree, as it is now, in a folder of its own."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory(prefix="commander-mutants-") as folder:
        tree = Path(folder)
        tree.chmod(0o711)  # Postgres may run as another user
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_symlink() or (ROOT / name).exists():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
        yield tree


if __name__ == "__main__":
    raise SystemExit(min(main(sys.argv[1:]), 100))
