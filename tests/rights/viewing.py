"""The oracle: what a viewer is shown of an answer that operators get, by the table."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.rights.commands import AVAILABLE, INPUTS
from tests.rights.documents import name_of
from tests.rights.story import OPERATOR, ROLES, Exported
from tests.rights.table import TABLE, Reach, Whose

Answer = dict[str, Any]
_HIDDEN = object()


class Expected(NamedTuple):
    """data: of the answer. code: of its error."""

    data: Any
    code: str | None = None


class Viewing:
    """What one viewer is shown. exported: what is true, whatever the API says."""

    def __init__(self, viewer: str, exported: Exported) -> None:
        self._viewer = viewer
        self._exported = exported

    def answer(self, operation: str, name: str, data: Any, asked: Answer) -> Expected:
        """What it gets where an operator gets this value of a root field. asked: the arguments."""
        reach, data = TABLE[operation.capitalize()].fields[name], comparable(data)
        if self._viewer == OPERATOR:
            return Expected(data)
        if reach is Reach.OPERATORS:
            return Expected(None, "FORBIDDEN")
        if reach is Reach.OWN and "commandId" in asked and not self._sent(asked["commandId"]):
            return Expected(None, "NOT_FOUND")
        own = reach is Reach.OWN and name != "lineage"  # those that followed from it are of the system
        if name == "nodes":
            return Expected([next(iter(self.shown([item], own)), None) for item in data])
        [shown] = self.shown([data], own) or [None]
        return Expected(shown)

    def shown(self, value: Any, own: bool = False) -> Any:
        """What is shown of a value. own: commands that the viewer has not sent are not shown at all."""
        if isinstance(value, list):
            items = (self.shown(item, own) for item in value)
            return [item for item in items if item is not _HIDDEN]
        return self._object(value, own) if isinstance(value, dict) and "__typename" in value else value

    def _object(self, value: Answer, own: bool) -> Any:
        type_ = value["__typename"]
        if not self._sees(TABLE[type_].whose, value):
            return _HIDDEN
        if type_ == "Command":
            if own and not self._sent(value["commandId"]):
                return _HIDDEN
            own = False
        made: Answer = {}
        for key, one in value.items():
            reach = Reach.SHOWN if key == "__typename" else TABLE[type_].fields[name_of(key)]
            if key == "input" and one is not None:
                reaches = INPUTS.get(value["type"], {})
                one = {n: self._field(reaches.get(n, Reach.SHOWN), value, v, own) for n, v in one.items()}
            found = self._field(reach, value, one, own)
            if found is _HIDDEN and (reach is Reach.WHOLE or key == "node"):
                return _HIDDEN
            made[key] = None if found is _HIDDEN else found
        return _of_the_page(made)

    def _field(self, reach: Reach, value: Answer, one: Any, own: bool) -> Any:
        match reach:
            case Reach.PLACE:
                return "a place"
            case Reach.COMMANDS if one is not None:
                return [{**command, "forbidden": not self._may(command["name"], value)} for command in one]
            case Reach.TELLERS if "teller" not in ROLES[self._viewer] and self._viewer != OPERATOR:
                return None
            case Reach.WHOLE if one is None and not self._sees_every(value["__typename"]):
                return _HIDDEN
            case Reach.SENDER if not self._sent(value["commandId"]):
                return None
            case Reach.CODE if not self._sent(value["commandId"]) and value["reactor"] is None:
                return None
        return self.shown(one, own)

    def _may(self, command: str, row: Answer) -> bool:
        """Whether the viewer may send the command to the aggregate of a row."""
        words = {"anyone", *ROLES[self._viewer]} | (set() if self._viewer == "nobody" else {"signed-in"})
        words |= {word for word in ("owner", "customer") if row.get(word) == self._viewer}
        return not words.isdisjoint(AVAILABLE[command].split())

    def _sent(self, command_id: str) -> bool:
        if self._viewer == OPERATOR:
            return True
        return self._viewer != "nobody" and self._exported.senders.get(command_id) == self._viewer

    def _sees(self, whose: Whose, value: Answer) -> bool:
        if self._viewer == OPERATOR or whose is Whose.ANYONE:
            return True
        if whose is Whose.OPERATORS:
            return False
        if self._viewer == "tom":
            return True
        if whose is Whose.PUBLIC and value["public"]:
            return True
        return self._viewer != "nobody" and self._person(whose, value) == self._viewer

    def _sees_every(self, version: str) -> bool:
        """Whether the viewer sees all rows that there are versions of, so also that one was removed."""
        whose = TABLE[version.removesuffix("Version")].whose
        return self._viewer == OPERATOR or (self._viewer == "tom" and whose is not Whose.OPERATORS)

    def _person(self, whose: Whose, value: Answer) -> Any:
        """Whom the row names; or the account or the transfer whose stream an event is in."""
        if "stream" not in value:
            return value[{Whose.OWNER: "owner", Whose.PAYER: "payer"}.get(whose, "customer")]
        key = value["stream"].partition("-")[2]
        match whose:
            case Whose.OWNER:
                return self._exported.owners[key]
            case Whose.PAYER:
                return self._exported.payers[key]
        return next(one for name, one in value.items() if name_of(name) == "customer")


def comparable(value: Any) -> Any:
    """An answer without what differs from answer to answer: places, and why a command is not available."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if not isinstance(value, dict) or "__typename" not in value:
        return value
    if value["__typename"] == "AvailableCommand":
        return {"name": value["name"], "forbidden": value["code"] == "FORBIDDEN"}
    places = [name for name, reach in TABLE[value["__typename"]].fields.items() if reach is Reach.PLACE]
    value = {key: "a place" if key in places else comparable(one) for key, one in value.items()}
    return {**value, "changes": in_order(value["changes"])} if "changes" in value else value


def in_order(changes: list[Answer]) -> list[Answer]:
    """The changes of an item of a live list, which are in no order, by the key of their rows."""
    return sorted(
        changes, key=lambda change: str(next(one for key, one in change.items() if key[-2:] == "Id"))
    )


def _of_the_page(made: Answer) -> Answer:
    """A connection whose count and cursors are those of the edges that are left."""
    if "edges" in made:
        cursors = [edge["cursor"] for edge in made["edges"]]
        made["pageInfo"] |= {
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        }
        if "totalCount" in made:
            made["totalCount"] = len(cursors)
    return made
