"""What the settings say about who may ask, and what is refused at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commander.domain.errors import Unauthenticated
from commander.parts.api import authentication_by
from commander.resolvers.identity.authentication import Authentication
from commander.settings import Settings, SettingsError
from tests.tokens import AUDIENCE, ISSUER, SECRET, Issuer, bearer, claims, secret_token


def made(**settings: Any) -> Authentication:
    found = authentication_by(Settings(**settings))
    assert found is not None
    return found


async def subject(authentication: Authentication, token: str) -> str | None:
    return (await authentication.access(bearer(token)["authorization"])).viewer.subject


def test_without_the_word_none_an_api_does_not_start() -> None:
    with pytest.raises(SettingsError, match="COMMANDER_AUTH is not set"):
        authentication_by(Settings())
    assert authentication_by(Settings(auth="none")) is None


async def test_a_shared_secret_verifies_tokens(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    for settings in ({"auth_secret": SECRET}, {"auth_secret_file": str(file)}):
        assert await subject(made(auth="jwt", **settings), secret_token("alice")) == "alice"


async def test_a_public_key_verifies_tokens(tmp_path: Path) -> None:
    issuer, file = Issuer(), tmp_path / "key.pem"
    file.write_text(issuer.pem)
    demands = {"auth_issuer": ISSUER, "auth_audience": f"shop, {AUDIENCE}"}
    for settings in (
        {"auth_public_key": issuer.pem},
        {"auth_public_key": issuer.pem.replace("\n", "\\n")},
        {"auth_public_key_file": str(file)},
    ):
        authentication = made(auth="jwt", **settings, **demands)
        assert await subject(authentication, issuer.token(claims("bob"))) == "bob"
        with pytest.raises(Unauthenticated, match="another audience"):
            await subject(authentication, issuer.token(claims("bob", aud="vault")))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({}, "needs a key"),
    "two keys": ({"auth_secret": SECRET, "auth_public_key": "x"}, "set one of them"),
    "a short secret": (
        {"auth_secret": "s3cret"},
        "COMMANDER_AUTH_SECRET: a shared secret must have at least 32",
    ),
    "no PEM": ({"auth_public_key": SECRET}, "COMMANDER_AUTH_PUBLIC_KEY: it is not a public key"),
    "no file": (
        {"auth_secret_file": "/nowhere/key"},
        "COMMANDER_AUTH_SECRET_FILE='/nowhere/key' cannot be read",
    ),
    "keys without an audience": (
        {"auth_jwks_url": "https://a.test/jwks"},
        "COMMANDER_AUTH_AUDIENCE is not set",
    ),
    "an issuer without an audience": (
        {"auth_issuer": "https://a.test"},
        "COMMANDER_AUTH_AUDIENCE is not set",
    ),
    "an issuer that is no URL": ({"auth_issuer": "bank", "auth_audience": "*"}, "is no URL"),
    "a secret's algorithm for a public key": (
        {"auth_public_key": "x", "auth_algorithms": "ES256,HS256"},
        "HS256 cannot be used with public keys",
    ),
    "a key's algorithm for a secret": (
        {"auth_secret": SECRET, "auth_algorithms": "RS256"},
        "RS256 cannot be used with a shared secret",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_cannot_be_meant_are_refused_and_no_key_is_shown(case: str) -> None:
    settings, reason = REFUSED[case]
    with pytest.raises(SettingsError, match=reason) as refused:
        made(auth="jwt", **settings)
    assert not any(secret in str(refused.value) for secret in (SECRET, "s3cret"))


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer  ", "alice", ""])
async def test_an_authorization_that_is_no_bearer_token_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated, match="must be a bearer token"):
        await made(auth="jwt", auth_secret=SECRET).access(header)


async def test_a_scheme_in_other_letters_is_the_same() -> None:
    access = await made(auth="jwt", auth_secret=SECRET).access(f"bEARER   {secret_token('alice')} ")
    assert access.viewer.subject == "alice"
