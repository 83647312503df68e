"""new_id(): derived in the code of a reactor, so that a test sees what was sent; random elsewhere."""

from __future__ import annotations

import pytest

from commander.testing import given, new_id_of, process
from tests.streaming.wallets import OpenWallet, Register, Registered, WalletOpened, Welcome, wallets


def test_a_reaction_sends_the_ids_that_it_remembers_in_each_run() -> None:
    first, second = (process(wallets, "welcome").when(Registered("Ada")) for _ in range(2))
    ids = tuple(new_id_of("welcome", 1, index) for index in (0, 1))
    first.then(*(OpenWallet("Ada", one) for one in ids))
    assert first == second
    assert first.states == {"Ada": Welcome(ids)}


def test_each_trigger_and_each_reactor_has_ids_of_its_own() -> None:
    later = process(wallets, "welcome").given(Registered("Ada")).when(Registered("Bob"))
    later.then(*(OpenWallet("Bob", new_id_of("welcome", 2, index)) for index in (0, 1)))
    ids = [new_id_of(name, position, index) for name in ("a", "b") for position in (1, 2) for index in (0, 1)]
    assert len(set(ids)) == 8


def test_outside_of_a_reaction_an_id_is_random() -> None:
    assert OpenWallet("Ada") != OpenWallet("Ada")
    with pytest.raises(AssertionError):
        process(wallets, "welcome").when(Registered("Ada")).then(OpenWallet("Ada"), OpenWallet("Ada"))
    given().when(command := OpenWallet("Ada")).then(WalletOpened(command.wallet_id))


def test_a_hook_makes_the_same_ids_in_each_run() -> None:
    first, second = (given().when(Register("Ada")).events for _ in range(2))
    assert first == second
