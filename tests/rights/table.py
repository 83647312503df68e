"""Who reaches what: an entry for each field of the schema of the bank and its branch.

It is the rules of docs/rights.md, examples/bank/rules.py and branch.py once more, as what is shown. A type
has the word for whose its objects are: nobody else is shown them. A field is shown with its object, or says
what else it needs. `commander export` has no entry: it needs the database instead of a token, and writes all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Whose(Enum):
    """Who sees an object. Operators see all."""

    ANYONE = auto()
    OWNER = auto()
    """The owner of the account."""
    PAYER = auto()
    """Who pays the transfer."""
    CUSTOMER = auto()
    """The customer that it names."""
    PUBLIC = auto()
    """The customer that it names; everyone, once the complaint is public."""
    OPERATORS = auto()


class Reach(Enum):
    """What a field shows to those who see its object."""

    SHOWN = auto()
    """Its value: what operators see, without the objects below it that are not shown."""
    PLACE = auto()
    """A place in the log, or a figure, that differs from answer to answer."""
    SENDER = auto()
    """Null unless the viewer has sent the command."""
    CODE = auto()
    """Null unless the viewer, or a reactor, has sent the command."""
    TELLERS = auto()
    """Null unless the viewer is a teller."""
    WHOLE = auto()
    """If it is not shown, nor is its object."""
    COMMANDS = auto()
    """The commands that the viewer may send, see commands.py."""
    COUNT = auto()
    """The number of edges that are shown."""
    CURSOR = auto()
    """The cursor of an edge that is shown."""
    OWN = auto()
    """Of a root: commands that the viewer has sent. There are no others."""
    OPERATORS = auto()
    """Of a root: FORBIDDEN for others."""


@dataclass(frozen=True)
class Entry:
    """The objects of a type: whose they are, and what each field shows."""

    whose: Whose
    fields: Mapping[str, Reach]


def of(whose: Whose, shown: str = "", **others: str) -> Entry:
    """shown: the names of fields. others: those of other fields, by what they show."""
    fields = dict.fromkeys(shown.split(), Reach.SHOWN)
    for reach, names in others.items():
        fields |= dict.fromkeys(names.split(), Reach[reach.upper()])
    return Entry(whose, fields)


def event(whose: Whose, shown: str = "", **others: str) -> Entry:
    return of(whose, f"{EVENT} {shown}", **others)


def outcome(shown: str = "") -> Entry:
    """An outcome is for who has sent the command."""
    return of(Whose.ANYONE, f"commandId type stream position {shown}")


EVENT = (
    "position logEpoch id stream version aggregate type schemaVersion recordedAt commandId correlationId "
    "causationPosition reactions"
)
ANYONE, OWNER, PAYER, CUSTOMER, PUBLIC, OPERATORS = Whose

ROOTS = {
    "Query": of(
        ANYONE,
        "account accounts accountHistory accountAt transfer transfers transferHistory transferAt complaint "
        "complaints complaintHistory complaintAt complaintByText dossier dossiers dossierHistory dossierAt "
        "event events",
        own="node nodes command commands lineage",
        operators="deadLetters effectFailures reactorFailures system",
    ),
    "Subscription": of(
        ANYONE,
        "account accounts transfer transfers complaint complaints dossier dossiers events",
        own="commandStatus lineage",
        operators="system",
    ),
}

ROWS = {
    "Account": of(
        OWNER,
        "id accountId owner balance closed events history outgoing incoming",
        commands="availableCommands",
    ),
    "AccountAt": of(OWNER, "accountId owner balance closed version position time"),
    "AccountVersion": of(ANYONE, "version position recordedAt event command", whole="row"),
    "Transfer": of(
        PAYER,
        "id transferId sourceId targetId amount status reason payer events history source target",
        commands="availableCommands",
    ),
    "TransferAt": of(
        PAYER,
        "transferId sourceId targetId amount status reason payer version position time source target",
    ),
    "TransferVersion": of(ANYONE, "version position recordedAt event command", whole="row"),
    "Complaint": of(
        PUBLIC,
        "id complaintId customer text public events history",
        tellers="note",
        commands="availableCommands",
    ),
    "ComplaintAt": of(PUBLIC, "complaintId customer text public version position time", tellers="note"),
    "ComplaintVersion": of(ANYONE, "version position recordedAt event command", whole="row"),
    "Dossier": of(OPERATORS, "id complaintId events history", commands="availableCommands"),
    "DossierAt": of(OPERATORS, "complaintId version position time"),
    "DossierVersion": of(ANYONE, "version position recordedAt event command", whole="row"),
}

LIVE = {
    f"{row}{kind}": entry
    for row, key in (
        ("Account", "accountId"),
        ("Transfer", "transferId"),
        ("Complaint", "complaintId"),
        ("Dossier", "complaintId"),
    )
    for kind, entry in (
        ("LiveRow", of(ANYONE, "row standsStill", place="position cursor")),
        ("LiveList", of(ANYONE, "snapshot changes standsStill", place="position cursor")),
        ("LiveChange", of(ANYONE, f"kind {key}", whole="row")),
    )
}

EVENTS = {
    "AccountOpened": event(OWNER, "accountId owner"),
    "MoneyDeposited": event(OWNER, "accountId amount transferId"),
    "MoneyWithdrawn": event(OWNER, "accountId amount transferId"),
    "MoneyReturned": event(OWNER, "accountId amount transferId"),
    "AccountClosed": event(OWNER, "accountId"),
    "TransferRequested": event(PAYER, "transferId sourceId targetId amount payer"),
    "TransferWithdrawn": event(PAYER, "transferId targetId amount"),
    "TransferCompleted": event(PAYER, "transferId"),
    "TransferRefused": event(PAYER, "transferId reason"),
    "TransferExpired": event(PAYER, "transferId"),
    "TransferReturning": event(PAYER, "transferId sourceId amount reason"),
    "TransferReturned": event(PAYER, "transferId"),
    "Complained": event(CUSTOMER, "complaintId customer text", tellers="note"),
    "HandedOver": event(CUSTOMER, "complaintId customer"),
    "Published": event(ANYONE, "complaintId"),
    "Archived": event(OPERATORS, "complaintId"),
    "ReactionRejected": event(OPERATORS, "reactor commandType code message"),
    "UnreadableEvent": event(OPERATORS, "reason"),
    "AvailableCommand": of(ANYONE, "name allowed code reason"),
    "Reaction": of(ANYONE, "reactor command"),
    "CaughtUp": of(ANYONE, "position logEpoch"),
    "Heartbeat": of(ANYONE, "position logEpoch"),
    "StandsStill": of(ANYONE, "position logEpoch since reason stopped"),
    "StoppedAt": of(ANYONE, "position type error traceback"),
}

COMMANDS = {
    "Command": of(
        ANYONE,
        "id commandId type status stream position version correlationId causationPosition reactor "
        "submittedAt notBefore decidedAt deciderNow events behind",
        sender="input message actor deadLetterAction",
        code="code",
    ),
    "DeadLetterAction": of(ANYONE, "deed retriedAs actor at"),
    "ProjectionBehind": of(ANYONE, "projection code message position wanted stopped"),
    "Lineage": of(ANYONE, "correlationId root commands settled truncated position durationMs"),
    "LineageCommand": of(ANYONE, "command depth submittedAt decidedAt waitedMs sinceSubmittedMs events"),
    "LineageEvent": of(ANYONE, "event recordedAt sinceSubmittedMs projections reactions"),
    "LineageProjection": of(ANYONE, "name applied"),
}

OPERATIONS = {
    "EffectFailure": of(OPERATORS, "effect position state attempts error failedAt actions"),
    "EffectAction": of(OPERATORS, "deed actor at"),
    "ReactorFailure": of(
        OPERATORS,
        "reactor key state position eventType error traceback attempts parkedAt failedAt actions",
    ),
    "ReactorAction": of(OPERATORS, "position deed actor at"),
    "ProjectionTable": of(OPERATORS, "projection table state serving servedAt position"),
}

SYSTEM = {
    "System": of(
        OPERATORS,
        place="at outage problems api queue processing log mirror projections reactors effects schedules "
        "deadLetters",
    ),
    "SystemApi": of(OPERATORS, "processes submittedPerSecond connections subscribers"),
    "SystemApiProcess": of(
        OPERATORS,
        "host process submittedPerSecond connections subscribers feedPosition feedLag problem",
    ),
    "SystemQueue": of(OPERATORS, "commands bytes ageSeconds full messagesPerSecond problem"),
    "SystemProcessing": of(
        OPERATORS,
        "decided decidedPerSecond appliedPerSecond rejectedPerSecond failedPerSecond partitions processors "
        "problem",
    ),
    "SystemPartition": of(OPERATORS, "partition lag holder problem"),
    "SystemProcessor": of(OPERATORS, "host process code partitions"),
    "SystemLog": of(OPERATORS, "position perSecond bytes newestAt"),
    "SystemMirror": of(OPERATORS, "movement running problem"),
    "SystemMovement": of(OPERATORS, "position lag perSecond secondsLeft"),
    "SystemProjection": of(
        OPERATORS,
        "name table code state serving servedAt inline keptUp movement stopped problem",
    ),
    "SystemReactor": of(OPERATORS, "name movement partitions held parked rebuilding stopped problem"),
    "SystemEffect": of(OPERATORS, "name movement running failed problem"),
    "SystemSchedule": of(OPERATORS, "name cron nextAt commands problem"),
    "SystemDeadLetters": of(OPERATORS, "count newestAt"),
}
"""All of it is for operators, and moves."""

OUTCOMES = {
    "CommandAccepted": outcome(),
    "CommandApplied": outcome("version settled events account transfer complaint dossier"),
    "CommandConflict": outcome("message"),
    "CommandFailed": outcome("code message"),
    "CommandForbidden": outcome("code message"),
    "CommandInvalid": outcome("problems"),
    "CommandPending": outcome("stage behind"),
    "CommandRejected": outcome(
        "code message openAccountCode depositCode withdrawCode closeAccountCode requestTransferCode "
        "complainCode handOverCode publishCode jamCode archiveCode"
    ),
    "CommandValid": outcome("version events"),
    "VersionConflict": outcome("expectedVersion currentVersion message"),
    "Settlement": of(ANYONE, "commands rejected failed position truncated"),
    "ProposedEvent": of(ANYONE, "type data"),
    "InputProblem": of(ANYONE, "path message"),
}

PAGES = {
    "PageInfo": of(ANYONE, "hasNextPage hasPreviousPage", cursor="startCursor endCursor"),
    **{
        f"{name}Connection": of(ANYONE, "edges pageInfo")
        for name in (
            "Event",
            "Command",
            "ReactorFailure",
            "AccountVersion",
            "TransferVersion",
            "ComplaintVersion",
            "DossierVersion",
        )
    },
    **{
        f"{name}Connection": of(ANYONE, "edges pageInfo", count="totalCount")
        for name in ("Account", "Transfer", "Complaint", "Dossier")
    },
    **{
        f"{name}Edge": of(ANYONE, "cursor node")
        for name in (
            "Account",
            "Transfer",
            "Complaint",
            "Dossier",
            "Event",
            "Command",
            "ReactorFailure",
            "AccountVersion",
            "TransferVersion",
            "ComplaintVersion",
            "DossierVersion",
        )
    },
}

TABLE: Mapping[str, Entry] = {
    **ROOTS,
    **ROWS,
    **LIVE,
    **EVENTS,
    **COMMANDS,
    **OPERATIONS,
    **SYSTEM,
    **OUTCOMES,
    **PAGES,
}
"""By the name of the type."""

NOT_MET = {
    "Query",
    "Mutation",
    "Subscription",
    *OUTCOMES,
    "TransferExpired",
    "UnreadableEvent",
    "Heartbeat",
    "StandsStill",
    "StoppedAt",
    "ProjectionBehind",
    "EffectAction",
    "ReactorAction",
    "SystemSchedule",
    "ProjectionTable",
}
"""The types of which the story has no object, beside roots and outcomes."""
