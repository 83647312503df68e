"""A domain whose process remembers an id that it has made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from commander import Domain, SubmitContext, new_id

wallets = Domain("wallets")


@wallets.command
@dataclass(frozen=True)
class Register:
    customer: str
    note: str = ""


@wallets.command
@dataclass(frozen=True)
class OpenWallet:
    customer: str
    wallet_id: UUID = new_id()


@wallets.command
@dataclass(frozen=True)
class Audit:
    name: str
    audit_id: UUID = new_id()


@wallets.event
@dataclass(frozen=True)
class Registered:
    customer: str
    note: str = ""


@wallets.event
@dataclass(frozen=True)
class WalletOpened:
    wallet_id: UUID


@wallets.event
@dataclass(frozen=True)
class Audited:
    audit_id: UUID


@wallets.aggregate(key="customer")
@dataclass(frozen=True)
class Customer:
    registered: bool = False

    def register(self, command: Register) -> Registered:
        return Registered(command.customer, command.note)

    def was_registered(self, event: Registered) -> Customer:
        return Customer(True)


@wallets.aggregate(key="wallet_id")
@dataclass(frozen=True)
class Wallet:
    opened: bool = False

    def open(self, command: OpenWallet) -> WalletOpened:
        return WalletOpened(command.wallet_id)

    def was_opened(self, event: WalletOpened) -> Wallet:
        return Wallet(True)


@wallets.aggregate(key="audit_id")
@dataclass(frozen=True)
class OneAudit:
    count: int = 0

    def audit(self, command: Audit) -> Audited:
        return Audited(command.audit_id)

    def audited(self, event: Audited) -> OneAudit:
        return OneAudit(self.count + 1)


@wallets.reactor(key="customer")
@dataclass(frozen=True)
class Welcome:
    """Opens two wallets, and remembers them."""

    opened: tuple[UUID, ...] = ()

    def registered(self, event: Registered) -> tuple[Welcome, OpenWallet, OpenWallet]:
        made = OpenWallet(event.customer), OpenWallet(event.customer)
        return replace(self, opened=tuple(one.wallet_id for one in made)), *made


@wallets.every("0 0 1 1 *")
def yearly(tick: datetime) -> Audit:
    return Audit(f"of {tick.year}")


@wallets.before_submit(Register)
def noted(command: Register, context: SubmitContext) -> Register:
    return replace(command, note=str(OpenWallet(command.customer).wallet_id))
