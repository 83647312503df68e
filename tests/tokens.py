"""An issuer of tokens for the tests: its key, its tokens, and the server that publishes its keys."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

SECRET = "a secret of the tests, which is long enough"
AUDIENCE = "bank"
ISSUER = "https://issuer.test"
LASTS_SECONDS = 6 * 3600.0
"""Modules make tokens when they are collected: these outlast a whole run on a busy machine."""


def claims(
    subject: str = "alice", *roles: str, seconds: float = LASTS_SECONDS, **others: Any
) -> dict[str, Any]:
    """Claims that are accepted. A claim that is None is left out."""
    now = time.time()
    made = {"sub": subject, "roles": list(roles), "iss": ISSUER, "aud": AUDIENCE, "iat": int(now)}
    made |= {"exp": int(now + seconds), **others}
    return {name: value for name, value in made.items() if value is not None}


def secret_token(
    subject: str = "alice", *roles: str, seconds: float = LASTS_SECONDS, secret: str = SECRET
) -> str:
    """A token of a shared secret, without issuer and audience."""
    plain = claims(subject, *roles, seconds=seconds, iss=None, aud=None)
    return jwt.encode(plain, secret, algorithm="HS256")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def encoded(value: object) -> str:
    """A part of a token: the value as JSON in base64url."""
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class Issuer:
    """Signs with a key of the curve P-256."""

    def __init__(self, kid: str = "one") -> None:
        self.kid = kid

    @cached_property
    def key(self) -> EllipticCurvePrivateKey:
        return generate_private_key(SECP256R1())

    @property
    def pem(self) -> str:
        """The public key."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key, as a key set has it."""
        made: dict[str, Any] = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**made, "kid": self.kid, "alg": "ES256", "use": "sig"}

    def token(self, given: Mapping[str, Any] | None = None, **header: Any) -> str:
        """A token with these claims. A part of the header that is None is left out."""
        headers = {"kid": self.kid, **header}
        headers = {name: value for name, value in headers.items() if value is not None}
        return jwt.encode(
            dict(claims() if given is None else given), self.key, algorithm="ES256", headers=headers
        )


class KeyServer:
    """Publishes keys at /jwks, and where they are at /.well-known/openid-configuration.

    asked: how often the keys were asked for. answers: what a path answers, in place of that.
    """

    def __init__(self, *keys: Mapping[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.issuer}/jwks"

    def __enter__(self) -> KeyServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listens, after a stop at the same port."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = outer._answer(self.path)
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path == "/jwks":
            self.asked += 1
        if path in self.answers:
            return self.answers[path]
        if path == "/jwks":
            return 200, json.dumps({"keys": self.keys}).encode()
        if path == "/.well-known/openid-configuration":
            return 200, json.dumps({"issuer": self.issuer, "jwks_uri": self.url}).encode()
        return 404, b""
