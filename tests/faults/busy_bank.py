"""The bank with what it has not: an inline projection and an effect, which writes a line to the file SENT."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from commander import EffectCall
from commander.examples.bank import bank as bank
from commander.examples.bank.messages import AccountOpened, MoneyDeposited


@bank.projection("movement", key="account_id", inline=True)
@dataclass(frozen=True)
class MovementRow:
    """How many deposits an account has had. It is written while the log is locked."""

    account_id: UUID
    deposits: int = 0

    @classmethod
    def opened(cls, event: AccountOpened) -> MovementRow:
        return cls(event.account_id)

    def deposited(self, event: MoneyDeposited) -> MovementRow:
        return replace(self, deposits=self.deposits + 1)


@bank.effect(AccountOpened, begins="now", concurrency=8)
async def welcome(event: AccountOpened, call: EffectCall) -> None:
    await asyncio.to_thread(_write, f"{call.position}\n")


def _write(line: str) -> None:
    with Path(os.environ["SENT"]).open("a") as file:
        file.write(line)
