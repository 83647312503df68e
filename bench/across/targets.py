"""What unique keys may cost, what decisions over two streams must reach, and what plain commands may lose."""

from __future__ import annotations

from bench.across import transferring
from bench.across.claiming import KINDS, name
from bench.across.variants import Variant
from bench.report import Target


def targets(unique: Variant, plain: Variant, before: Variant) -> list[Target]:
    return [
        *(Target(name(kind, unique), name(kind, plain), at_least=0.75) for kind in KINDS),
        *(Target(name(kind, plain), name(kind, before), at_least=0.97) for kind in KINDS),
        Target(transferring.name(1), at_least=15_000),
        Target(transferring.name(2), transferring.name(1), at_least=1.0),
    ]
