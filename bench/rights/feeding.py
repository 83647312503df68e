"""b: events to many subscribers, who all may see all of them, by their rules or without rules.

All ask for deposits. Their rules for other events differ for each viewer, as they do in most domains.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.audit import audit_log
from bench.feed.client import Watch
from bench.feed.cores import SERVER
from bench.feed.fanout import seen_while
from bench.feed.publishing import Publication, publish_into
from bench.feed.subscribers import subscribed
from bench.measuring import Measure
from bench.rights.plan import Bench
from bench.rights.variants import Variant
from bench.rights.viewers import tokens
from commander.eventstore.migrate import migrate

_QUERY = """subscription { events(filter: {types: ["MoneyDeposited"]}) {
    position ... on Event { type stream } ... on MoneyDeposited { amount countedBy } } }"""
_STREAMS = 100


@dataclass(frozen=True)
class Crowd:
    """The subscribers of a variant. rules: how many different ones the rules of all of them resolve to."""

    variant: Variant
    rules: int

    @property
    def name(self) -> str:
        of = f", {self.rules} different" if self.variant.ruled else ""
        return f"feed, {self.variant.name}{of}"

    @property
    def renderings(self) -> str:
        """The name of how often each event was rendered."""
        return f"{self.name}: renderings of each event"


async def measure_feed(crowd: Crowd, bench: Bench) -> list[Measure]:
    """Each subscriber is another viewer, and every event of each of them is checked."""
    plan, variant = bench.plan, crowd.variant
    events = max(20, plan.deliveries // plan.subscribers)
    async with (
        variant.system(bench) as system,
        variant.part(system, "relay"),
        variant.api(system, core=SERVER) as api,
    ):
        await migrate(system.database)  # this build appends, whichever build serves
        given = tokens(plan.subscribers, crowd.rules) if variant.ruled else []
        watch = Watch(api.port, _QUERY, plan.subscribers, events, tokens=given)
        async with subscribed(watch) as subscribers:
            before = api.process.cpu_seconds()
            publication = Publication(events, plan.offered_deliveries / plan.subscribers, _STREAMS)
            seen = await seen_while(subscribers, publish_into(system, publication))
            on_a_cpu = api.process.cpu_seconds() - before
            rendered = [api.metric("commander_feed_renderings_total")] if variant.ruled else []
        await audit_log(system.database)
    return [
        Measure(crowd.name, "deliveries/s", seen.per_second),
        Measure(f"{crowd.name}: time on a CPU", "µs/delivery", on_a_cpu / seen.deliveries * 1e6),
        *(Measure(crowd.renderings, "", count / events) for count in rendered),
    ]
