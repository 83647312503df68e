"""A bank: accounts, deposits, withdrawals, and transfers carried by a process.

messages.py     the commands and events, in the bank's words
accounts.py     the Account aggregate: the rules of money
transfers.py    the Transfer aggregate and the process that moves the money
projections.py  what can be asked: accounts and transfers
"""

from commander.examples.bank import accounts, projections, transfers
from commander.examples.bank.messages import bank

__all__ = ["accounts", "bank", "projections", "transfers"]
