"""The mutants of `make mutants` are checks that stand in the code. That they are killed takes minutes."""

from __future__ import annotations

import pytest

from tests.rights_mutants import MUTANTS, ROOT, Mutant, mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_mutant_removes_one_check_that_is_there(mutant: Mutant) -> None:
    without = mutated((ROOT / mutant.file).read_text(), mutant)
    compile(without, mutant.file, "exec")
    module, _, test = mutant.tests.partition("::")
    assert not test or f"def {test}(" in (ROOT / module).read_text()
    assert (ROOT / module).is_file()


def test_each_mutant_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
