"""The files that `commander documents add` reads: a document of GraphQL, or the manifest of a tool.

- Apollo (`generate-persisted-query-manifest`, Apollo Kotlin and iOS): `{"format":
  "apollo-persisted-query-manifest", "version": 1, "operations": [{"id": …, "body": …}]}`.
- Relay (`persistConfig.file`) and GraphQL Code Generator (`persistedDocuments`): `{"<hash>": "<document>"}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from commander.domain.errors import CommanderError

_APOLLO = "apollo-persisted-query-manifest"
_FORMS = "an Apollo manifest, or an object whose keys are ids and whose values are documents"


class UnusableFile(CommanderError):
    """A file is no document and no manifest. The message names the file and what is wrong."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


def documents_in(path: Path) -> dict[str, str]:
    """The documents of a file, by their ids. Raises UnusableFile.

    The id of a file that is a document itself is the SHA-256 of its text, in lower case.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UnusableFile(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnusableFile(path, "is not UTF-8") from error
    if path.suffix != ".json":
        return {sha256(text.encode()).hexdigest(): text}
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableFile(path, f"is not JSON: {error}") from error
    documents: dict[str, str] = {}
    for id, document in _pairs(path, manifest):
        if not isinstance(id, str) or not isinstance(document, str) or not id or not document:
            raise UnusableFile(path, f"is not {_FORMS}: {id!r:.80} has {document!r:.80}")
        if documents.setdefault(id, document) != document:
            raise UnusableFile(path, f"has two documents with the id {id}")
    return documents


def _pairs(path: Path, manifest: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(manifest, dict):
        raise UnusableFile(path, f"is not {_FORMS}")
    if manifest.get("format") != _APOLLO:
        yield from manifest.items()
        return
    version, operations = manifest.get("version"), manifest.get("operations")
    if version != 1 or not isinstance(operations, list):
        raise UnusableFile(path, f"is an Apollo manifest of version {version!r:.20}; version 1 is known")
    for one in operations:
        if not isinstance(one, dict):
            raise UnusableFile(path, f"has an operation that is no object: {one!r:.80}")
        yield one.get("id"), one.get("body")
