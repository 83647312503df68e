"""The requests of a pull consumer that the server has not answered in full, in the order of its answers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass
class _Request:
    """What a request may still bring."""

    messages: int
    bytes: int


class OpenRequests:
    """Counts what may still arrive, message by message, as the server counts it.

    A request ends when its messages have arrived, when its bytes are used up, or when the server says so.
    """

    def __init__(self) -> None:
        self._requests: deque[_Request] = deque()

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def messages(self) -> int:
        """How many messages may still arrive."""
        return sum(one.messages for one in self._requests)

    @property
    def bytes(self) -> int:
        """How many bytes may still arrive."""
        return sum(one.bytes for one in self._requests)

    def add(self, messages: int, size: int) -> None:
        self._requests.append(_Request(messages, size))

    def answered(self, size: int) -> None:
        """A message has arrived. size: of its headers, data, subject and reply."""
        if self._requests:
            request = self._requests[0]
            request.messages -= 1
            request.bytes -= size
            if request.messages <= 0 or request.bytes <= 0:
                self._requests.popleft()

    def ended(self) -> None:
        """The server has said that the first request brings no more."""
        if self._requests:
            self._requests.popleft()

    def clear(self) -> None:
        self._requests.clear()
