"""Customers of the bank: they choose their commands' ids and repeat a command until they know its outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

from tests.faults.waiting import until
from tests.system import NO_TLS

_CUSTOMERS = 4
_PACE_SECONDS = 0.03
_PATIENCE_SECONDS = 30.0
_RESULT = "{ __typename ... on CommandApplied { position version stream } ... on CommandRejected { code } }"


@dataclass(frozen=True)
class Known:
    """A command whose outcome its sender knows. result: the fields of the mutation's answer."""

    command_id: str
    name: str
    input: dict[str, Any]
    result: dict[str, Any]

    @property
    def applied(self) -> bool:
        return bool(self.result["__typename"] == "CommandApplied")


class Client:
    """A client of the API over HTTP. known: the commands whose outcome it was told, by id."""

    def __init__(self, url: str) -> None:
        self.known: dict[str, Known] = {}
        self.repeated = 0
        self._url = url
        self._http = httpx.AsyncClient(timeout=10, trust_env=False, verify=NO_TLS)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """The whole response. Raises httpx.TransportError."""
        answer = await self._http.post(self._url, json={"query": document, "variables": variables})
        body: dict[str, Any] = answer.json()
        return body

    async def data(self, document: str, **variables: Any) -> dict[str, Any]:
        """The data of a response; an error fails the test."""
        answer = await self.ask(document, **variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def attempt(self, name: str, input: dict[str, Any], command_id: str) -> dict[str, Any]:
        """Submits a command once; the whole response. Raises httpx.TransportError."""
        type_ = name[0].upper() + name[1:] + "Input"
        field = f"{name}(input: $input, options: {{commandId: $id}}) {_RESULT}"
        document = f"mutation ($input: {type_}!, $id: UUID!) {{ {field} }}"
        return await self.ask(document, input=input, id=command_id)

    async def submit(self, name: str, input: dict[str, Any], command_id: str | None = None) -> Known:
        """Submits a command, under a new id where none is given, and again until its outcome is known."""
        command_id = command_id or str(uuid4())
        deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while (result := await self._result(name, input, command_id)) is None:
            assert asyncio.get_running_loop().time() < deadline, f"no outcome of {name} {command_id}"
            self.repeated += 1
            await asyncio.sleep(0.1)
        self.known[command_id] = Known(command_id, name, input, result)
        return self.known[command_id]

    async def _result(self, name: str, input: dict[str, Any], command_id: str) -> dict[str, Any] | None:
        """How the command ended; None where only another attempt can tell."""
        try:
            answer = await self.attempt(name, input, command_id)
        except httpx.TransportError:
            return None
        if "errors" in answer:
            codes = [error["extensions"]["code"] for error in answer["errors"]]
            assert codes == ["UNAVAILABLE"], answer
            return None
        result: dict[str, Any] = answer["data"][name]
        return None if result["__typename"] == "CommandPending" else result


class Customers:
    """Four customers who deposit and transfer without end, from entering to leaving.

    Of the transfers some are refused (too much) and some are returned (to a closed account).
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.accounts: list[str] = []
        self.closed = ""
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Customers:
        self.accounts = [await self._open() for _ in range(_CUSTOMERS)]
        self.closed = await self._open()
        await self.client.submit("closeAccount", {"accountId": self.closed})
        self._tasks = [asyncio.create_task(self._work(number)) for number in range(_CUSTOMERS)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def finish(self, count: int) -> None:
        """Returns when so many more commands have ended; fails when one of the customers has failed."""
        wanted = len(self.client.known) + count

        def done() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return len(self.client.known) >= wanted

        await until(done, f"{count} more commands end", timeout_seconds=2 * _PATIENCE_SECONDS)

    async def stop(self) -> None:
        """Returns once each customer knows the outcome of its last command."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _open(self) -> str:
        opened = await self.client.submit("openAccount", {"owner": "a customer"})
        return str(opened.result["stream"]).partition("-")[2]

    async def _work(self, number: int) -> None:
        own, other = self.accounts[number], self.accounts[(number + 1) % _CUSTOMERS]
        turn = number
        while not self._stopping:
            match turn % 5:
                case 0 | 2:
                    await self.client.submit("deposit", {"accountId": own, "amount": "10.00"})
                case 1 | 3:
                    await self._transfer(own, other, "0.70")
                case 4 if turn % 2:
                    await self._transfer(own, other, "1000000.00")
                case 4:
                    await self._transfer(own, self.closed, "0.30")
            turn += 1
            await asyncio.sleep(_PACE_SECONDS)

    async def _transfer(self, source: str, target: str, amount: str) -> None:
        transfer = {"sourceId": source, "targetId": target, "amount": amount}
        await self.client.submit("requestTransfer", transfer)
