"""What happens at the branch before the table is asked, and what is known of it from an export."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from graphql import GraphQLSchema, build_client_schema, get_introspection_query

from commander.dev.development_key import development_key
from tests.e2e.bank import until
from tests.forking import fork_server
from tests.rights.documents import Documents
from tests.rights.table import EVENTS, ROWS
from tests.system import NO_TLS, System
from tests.tokens import bearer, secret_token

Given = dict[str, Any]
ROLES: Mapping[str, tuple[str, ...]] = {
    "nobody": (),
    "ada": (),
    "bob": (),
    "tom": ("teller",),
    "olga": ("operator",),
}
"""The viewers. ada and bob are customers. nobody is not signed in."""
OPERATOR = "olga"
LEVELS = {"Node", "Event", "FeedItem", "Command", "CommandApplied"}
LEVELS |= {name for name, entry in EVENTS.items() if "stream" in entry.fields}
LEVELS |= {name for name in ROWS if not name.endswith("Version")}
"""The types that count as a level of a document: what rules are about."""


@dataclass(frozen=True)
class Exported:
    """What `commander export` has: the events by position, the senders of commands by their ids.

    owners, payers: by the key of the stream of an account, of a transfer.
    """

    events: Mapping[str, Given]
    senders: Mapping[str, str | None]
    owners: Mapping[str, str]
    payers: Mapping[str, str | None]


class Branch:
    """The running branch. given: the values that the arguments of its fields get, by name."""

    def __init__(self, system: System) -> None:
        secret = development_key(system.data_dir).read_text().strip()
        self.system = system
        self.headers = {
            name: bearer(secret_token(name, *roles, secret=secret)) if name != "nobody" else {}
            for name, roles in ROLES.items()
        }
        self.schema: GraphQLSchema = build_client_schema(
            self.asked(OPERATOR, get_introspection_query())["data"]
        )
        self.documents = Documents(self.schema, LEVELS)
        self.accounts = {name: str(uuid4()) for name in ("ada", "bob", "closed")}
        self.transfers: list[str] = []
        self.complaints = {name: str(uuid4()) for name in ("ada", "public", "handed over", "jammed")}
        self.commands: dict[str, str] = {}
        self.outcomes: list[tuple[str, Given]] = []
        """Each outcome that a mutation has had, with who had sent it."""

    def asked(self, viewer: str, document: str, **variables: Any) -> Given:
        """The whole response. It waits as long as the mutations here do."""
        body = {"query": document, "variables": variables}
        headers = self.headers[viewer]
        response = httpx.post(self.system.url, json=body, headers=headers, timeout=120, verify=NO_TLS)
        found: Given = response.json()
        return found

    def send(self, viewer: str, mutation: str, input: Given, **options: Any) -> Given:
        """The outcome of a command, with all fields that the table has."""
        document = self.documents.document("mutation", mutation, ("input", "options"))
        answer = self.asked(viewer, document, input=input, options={"timeoutMs": 60_000, **options})
        assert "errors" not in answer, answer["errors"]
        outcome: Given = answer["data"][mutation]
        self.outcomes.append((viewer, outcome))
        self.commands.setdefault(f"{viewer} {mutation}", outcome["commandId"])
        return outcome

    def tell(self) -> None:
        """The story. It ends when nothing moves any more."""
        accounts, complaints = self.accounts, self.complaints
        for owner, account in (("ada", "ada"), ("bob", "bob"), ("ada", "closed")):
            self._applied(owner, "openAccount", {"owner": owner, "accountId": accounts[account]})
        self._applied("ada", "closeAccount", {"accountId": accounts["closed"]})
        for account in ("ada", "bob"):
            self._applied("tom", "deposit", {"accountId": accounts[account], "amount": "100"})
        self._applied("ada", "withdraw", {"accountId": accounts["ada"], "amount": "1"})
        for payer, source, target, amount in (
            ("ada", "ada", "bob", "10"),
            ("ada", "ada", "closed", "5"),
            ("ada", "ada", "bob", "1000"),
            ("bob", "bob", "ada", "3"),
        ):
            self.transfers.append(str(uuid4()))
            move = {"sourceId": accounts[source], "targetId": accounts[target], "amount": amount}
            self._applied(
                payer, "requestTransfer", {**move, "payer": payer, "transferId": self.transfers[-1]}
            )
        for customer, complaint, text in (
            ("ada", "ada", "slow"),
            ("bob", "public", "slower"),
            ("ada", "handed over", "wrong"),
            ("ada", "jammed", "a jam"),
        ):
            told = {"complaintId": complaints[complaint], "customer": customer, "text": text}
            outcome = self._applied(customer, "complain", {**told, "note": f"a note about {customer}"})
            self.commands[f"complain: {complaint}"] = outcome["commandId"]
        self._applied("tom", "publish", {"complaintId": complaints["public"]})
        self._applied("tom", "handOver", {"complaintId": complaints["handed over"], "customer": "bob"})
        self._applied("olga", "archive", {"complaintId": complaints["ada"]}, wait="PROJECTED")
        later = {"accountId": accounts["ada"], "amount": "7"}
        scheduled = self.send("ada", "deposit", later, notBefore=self.far_away())
        assert scheduled["__typename"] == "CommandAccepted"
        forbidden = self.send("bob", "withdraw", {"accountId": accounts["ada"], "amount": "1"})
        assert forbidden["__typename"] == "CommandForbidden"
        self._fail()

    @staticmethod
    def far_away() -> str:
        """A time at which no test runs any more, within the bounds that the API sets."""
        return (datetime.now(UTC) + timedelta(days=300)).isoformat()

    def _applied(self, viewer: str, mutation: str, input: Given, **options: Any) -> Given:
        outcome = self.send(viewer, mutation, input, **{"wait": "SETTLED", **options})
        assert outcome["__typename"] == "CommandApplied", outcome
        return outcome

    def _fail(self) -> None:
        """What failed is there: one dead letter that is dropped, one that is not, an effect, a reactor."""
        jammed = self.send("ada", "jam", {"complaintId": self.complaints["ada"]})
        assert jammed["__typename"] == "CommandFailed"
        failed = """{ deadLetters { commandId reactor } effectFailures { state }
            reactorFailures { edges { node { state } } } }"""
        found = until(
            lambda: self.asked(OPERATOR, failed)["data"],
            lambda data: (
                [one["state"] for one in data["effectFailures"]] == ["FAILED"]
                and [edge["node"]["state"] for edge in data["reactorFailures"]["edges"]] == ["PARKED"]
                and len(data["deadLetters"]) == 2
            ),
            timeout_seconds=120,
        )
        [of_reactor] = [one["commandId"] for one in found["deadLetters"] if one["reactor"] is not None]
        drop = "mutation ($id: UUID!) { dropDeadLetter(commandId: $id) { commandId } }"
        assert "errors" not in self.asked(OPERATOR, drop, id=of_reactor)

    def exported(self, file: Path) -> Exported:
        """What the command line exports. It needs the database, and no token."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COMMANDER_")}
        ended = fork_server().run(["export", str(file)], {**inherited, **self.system.settings})
        assert ended.returncode == 0, ended.stderr
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        events = {str(line["position"]): line for line in lines if line["line"] == "event"}
        senders = {line["command_id"]: line.get("actor") for line in lines if line["line"] == "command"}
        senders[self.commands["ada deposit"]] = "ada"  # it is scheduled: the log does not have it yet

        def first(type_: str, field: str) -> dict[str, Any]:
            named = [event for event in events.values() if event["type"] == type_]
            return {event["stream"].partition("-")[2]: event["data"][field] for event in named}

        return Exported(events, senders, first("AccountOpened", "owner"), first("TransferRequested", "payer"))
