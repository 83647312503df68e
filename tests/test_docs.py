"""The code in the docs runs."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from commander import Domain

ROOT = Path(__file__).parent.parent


@pytest.fixture
def reacting(tmp_path: Path) -> ModuleType:
    """docs/reacting.md, its code as one module."""
    text = (ROOT / "docs" / "reacting.md").read_text("utf-8")
    path = tmp_path / "reacting_md.py"
    path.write_text("\n\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)))
    spec = importlib.util.spec_from_file_location("reacting_md", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reacting_md"] = module  # the domain asks it for its annotations
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["reacting_md"]
    return module


def test_the_reactors_of_the_docs_do_what_is_said_of_them(reacting: ModuleType) -> None:
    shop = reacting.shop
    assert isinstance(shop, Domain)
    shop.check()
    tests = [value for name, value in vars(reacting).items() if name.startswith("test_")]
    assert len(tests) == 5
    for test in tests:
        test()
