"""Requests with the id of a trusted document in place of its text.

- `documentId`: GraphQL over HTTP, appendix A.
- `extensions.persistedQuery.sha256Hash`: Apollo Client, urql and others.
- `doc_id` and `id`: what Relay's guide and clients made after it send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commander.resolvers.trusted_documents import TrustedDocuments
from commander.schema.http.wire import HttpError

_FIELDS = ("documentId", "doc_id", "id")


class PersistedQueryNotSupported(HttpError):
    """A client that sent only the hash of a document sends the document after this, and no hash again.

    Status, message and code are those of Apollo Server: clients know them.
    """

    code = "PERSISTED_QUERY_NOT_SUPPORTED"

    def __init__(self) -> None:
        super().__init__(200, "PersistedQueryNotSupported")
        self.headers = {"cache-control": "private, no-cache, must-revalidate"}


class PersistedQueryNotFound(HttpError):
    """There is no document with this id. A client of Apollo then sends the document, this once.

    status: 200 as of Apollo Server for a client of Apollo, which looks at the message.
    """

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self, status: int) -> None:
        super().__init__(status, "PersistedQueryNotFound")
        self.headers = {"cache-control": "private, no-cache, must-revalidate"}


def has_document_id(parameters: Mapping[str, Any]) -> bool:
    """Whether the parameters of a URL may have the id of a document."""
    return any(parameters.get(name) for name in (*_FIELDS, "extensions"))


def text_for(request: Mapping[str, Any], trusted: TrustedDocuments) -> str | None:
    """The text of the document whose id a request without a document has. None if it has no id.

    Raises HttpError if the id is wrong or unknown.
    """
    for field in _FIELDS:
        if (id := request.get(field)) is not None:
            if not isinstance(id, str):
                raise HttpError(400, f"{field} must be a string")
            return _found(id, trusted, 400)
    extensions = request.get("extensions")
    persisted = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    if persisted is None:
        return None
    hash = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not trusted or not isinstance(hash, str):
        raise PersistedQueryNotSupported
    return _found(hash, trusted, 200)


def _found(id: str, trusted: TrustedDocuments, status: int) -> str:
    text = trusted.text_of(id)
    if text is None:
        raise PersistedQueryNotFound(status)
    return text
