"""What every wrong definition must get: a DefinitionError that begins with the file and line of it."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from commander import DefinitionError


@contextmanager
def refused(problem: str) -> Iterator[pytest.ExceptionInfo[DefinitionError]]:
    """The block raises DefinitionError for this reason, at the next line that ends with `# <- here`."""
    frame = sys._getframe(2)
    file, line = frame.f_code.co_filename, frame.f_lineno
    with pytest.raises(DefinitionError) as caught:
        yield caught
    while not linecache.getline(file, line).rstrip().endswith("# <- here"):
        line += 1
        assert linecache.getline(file, line), "no line is marked"
    assert str(caught.value).startswith(f"{file}:{line}: "), str(caught.value)
    assert problem in caught.value.problem, caught.value.problem
    assert caught.value.where == f"{file}:{line}"
