"""What rules may cost: a tenth of what is reached without them, by the same code and by the build before."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report import Target
from bench.rights.accepting import accepted
from bench.rights.feeding import Crowd
from bench.rights.variants import Variant

AT_LEAST = 0.9


def targets(ruled: Variant, plain: Sequence[Variant], crowds: Sequence[Crowd]) -> list[Target]:
    """plain: without rules. crowds: of the variant with rules."""
    return [
        *(Target(accepted(ruled), accepted(one), at_least=AT_LEAST) for one in plain),
        *(Target(crowd.name, Crowd(one, 0).name, at_least=AT_LEAST) for crowd in crowds for one in plain),
        *(Target(crowd.renderings, below=crowd.rules + 0.001) for crowd in crowds),
    ]
