"""A bank: accounts, deposits, withdrawals, and transfers that a process carries out.

rules.py        who may send and see what
messages.py     the commands and events
accounts.py     the Account aggregate: the rules for deposits and withdrawals
transfers.py    the Transfer aggregate, and the process that moves the money
projections.py  the tables that clients query: accounts and transfers
"""

from commander.examples.bank import accounts, projections, transfers
from commander.examples.bank.messages import bank

__all__ = ["accounts", "bank", "projections", "transfers"]
