"""What a second process must bring, and what a death may cost."""

from __future__ import annotations

from bench.report import Target
from bench.scaling import beside, deciding, dying, finding, joining, reacting, windows

_ABOVE_LONGEST = windows.LONGEST_SECONDS + windows.WINDOW_SECONDS / 2

TARGETS = (
    *(Target(deciding.name(2, kind), deciding.name(1, kind), at_least=1.2) for kind in ("alone", "together")),
    *(Target(windows.longest_below(name), below=_ABOVE_LONGEST) for name in (joining.NAME, reacting.NAME)),
    Target(dying.KILLED, dying.STOPPED, at_least=0.8),
    Target(finding.DEATHS, below=3.5),
    Target(beside.LAST, beside.FIRST, below=1.5),
)
