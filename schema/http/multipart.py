"""Multipart responses: Apollo's protocol for subscriptions.

https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import MultipartSubscriptionTransport, SSETransport


class Parts(MultipartSubscriptionTransport):
    """Each item is a part. Proxies are asked, as for Server-Sent Events, not to hold parts back."""

    def __init__(self, heartbeat_interval: float) -> None:
        super().__init__()
        self.heartbeat_interval = heartbeat_interval

    def encode_last(self, response: GraphQLHTTPResponse, encode_json: Callable[[object], str]) -> str:
        """A part after which the response ends. The protocol has no other end than a complete one."""
        return self.encode_next(response, encode_json) + self.encode_complete()

    @property
    def headers(self) -> Mapping[str, str]:
        return {**SSETransport.headers, **super().headers}
