"""Who may send which command, and what of it is shown: the part of the table about mutations."""

from __future__ import annotations

from collections.abc import Mapping

from tests.rights.table import Reach

MUTATIONS = {
    "openAccount": "ada tom",
    "deposit": "ada tom",
    "withdraw": "ada",
    "closeAccount": "ada",
    "requestTransfer": "ada",
    "complain": "ada tom",
    "handOver": "tom",
    "publish": "ada tom",
    "jam": "nobody ada bob tom olga",
    "archive": "olga",
    "submit": "nobody ada bob tom olga",
    "cancelCommand": "ada olga",
    "retryDeadLetter": "olga",
    "dropDeadLetter": "olga",
    "retryEffect": "olga",
    "dropEffect": "olga",
    "retryReaction": "olga",
    "skipReaction": "olga",
    "rebuildProjection": "olga",
    "switchProjection": "olga",
    "rollBackProjection": "olga",
    "dropProjectionTable": "olga",
}
"""Who may send each mutation about what is ada's. For the commands of `submit` their own rules hold."""

AVAILABLE = {
    "openAccount": "teller signed-in",
    "deposit": "teller owner",
    "withdraw": "owner",
    "closeAccount": "owner",
    "requestTransfer": "signed-in",
    "complain": "teller signed-in",
    "handOver": "teller",
    "publish": "teller customer",
    "jam": "anyone",
    "archive": "operator",
}
"""Who is shown a command as one that is not forbidden. signed-in: the rest of its rule needs the input."""

INPUTS: Mapping[str, Mapping[str, Reach]] = {"Complain": {"note": Reach.TELLERS}}
"""The fields of commands that are not shown in `input` to all who see the command."""
