"""Tests of a domain without servers.

domains.py      the domain of a message, and the time at which tests begin
deciding.py     given events, when a command, then events or a refusal
streams.py      the streams and decision models that given events make
projecting.py   the rows of a projection after events
reacting.py     the commands that reactors and processes send, with a simulated clock
seeing.py       who sees a row or an event

Test an aggregate: given events, when a command, then events or a rejection.

given(AccountOpened(id, "Ada")).when(Withdraw(id, Decimal(5))).then(Rejected("INSUFFICIENT_FUNDS"))

Test a rule: who sends the command, and who sees a row or an event.

given(AccountOpened(id, "ada")).as_viewer(Viewer("eve")).when(Withdraw(id, Decimal(5))).then(Forbidden)

assert not can_see(Viewer("eve"), AccountRow(id, "ada"))

Test a reactor or a process with a simulated clock: a timedelta among the events moves the clock.

process(bank, "transfers").given(TransferRequested(…)).when(timedelta(minutes=5)).then(ExpireTransfer(…))
"""

from commander.domain import Forbidden
from commander.domain.viewers import NOBODY
from commander.testing.deciding import Decided, Given, given
from commander.testing.domains import domain_of
from commander.testing.projecting import rows
from commander.testing.reacting import ProcessGiven, Reacted, Reactors, new_id_of, process, reactions
from commander.testing.seeing import can_see

__all__ = [
    "NOBODY",
    "Decided",
    "Forbidden",
    "Given",
    "ProcessGiven",
    "Reacted",
    "Reactors",
    "can_see",
    "domain_of",
    "given",
    "new_id_of",
    "process",
    "reactions",
    "rows",
]
