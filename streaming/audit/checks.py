"""All checks of an audit, in the order in which they run."""

from __future__ import annotations

from commander.domain import Domain
from commander.eventstore.audit.digests import DIGESTS
from commander.eventstore.audit.events import EVENTS, VERSIONS
from commander.eventstore.audit.findings import Check
from commander.eventstore.audit.names import NAMES
from commander.eventstore.audit.outcomes import OUTCOMES
from commander.eventstore.audit.positions import POSITIONS
from commander.eventstore.audit.tables import tables_checks
from commander.streaming.audit.epoch import epoch_check
from commander.streaming.audit.log_indexes import TAGS, UNIQUE_KEYS
from commander.streaming.audit.mirror import mirror_checks
from commander.streaming.audit.pending import pending_check
from commander.streaming.audit.progress import progress_check
from commander.streaming.audit.reactor_states import states_checks
from commander.streaming.audit.schedules import schedules_checks
from commander.streaming.audit.snapshots import SNAPSHOTS
from commander.streaming.nats.connection import Nats


def all_checks(domain: Domain, nats: Nats) -> list[Check]:
    """The checks of a system. A new check is added here, with its damage in tests/commander/damages.py."""
    return [
        epoch_check(nats),
        EVENTS,
        VERSIONS,
        OUTCOMES,
        DIGESTS,
        POSITIONS,
        NAMES,
        *mirror_checks(nats),
        progress_check(nats),
        *tables_checks(domain),
        SNAPSHOTS,
        UNIQUE_KEYS,
        TAGS,
        *states_checks(domain),
        *schedules_checks(nats),
        pending_check(nats),
    ]
