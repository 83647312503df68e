"""The authentication that the settings describe. It imports the library for tokens: only the API needs it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.claims import ClaimNames
from commander.resolvers.identity.issued_keys import IssuedKeys
from commander.resolvers.identity.keys import ALGORITHMS, GivenKey, Keys, UnusableKey, public_key, secret_key
from commander.resolvers.identity.minting import Mint
from commander.resolvers.identity.tokens import Demands, Tokens
from commander.settings import PREFIX, Settings, SettingsError

_OF_SECRETS = frozenset(("HS256",))
_OF_PAIRS = frozenset(name for name in ALGORITHMS if not name.startswith("HS"))
_KEYS = ("auth_secret", "auth_secret_file", "auth_public_key", "auth_public_key_file", "auth_jwks_url")
_ANY = "*"


def authentication_of(settings: Settings) -> Authentication:
    """What verifies tokens. Raises SettingsError, which never shows a key."""
    given = [name for name in _KEYS if getattr(settings, name)]
    if len(given) > 1:
        raise SettingsError(f"{_listed(given)} are set: tokens have one issuer, so set one of them")
    if not given and not settings.auth_issuer:
        raise SettingsError(
            f"COMMANDER_AUTH={settings.auth} needs a key: set one of {_listed(_KEYS)}, or "
            "COMMANDER_AUTH_ISSUER alone for OpenID Connect Discovery"
        )
    by_secret = bool(given) and given[0].startswith("auth_secret")
    demands = _demands(settings, by_secret=by_secret, published=not given or given[0] == "auth_jwks_url")
    claims = ClaimNames(settings.auth_subject_claim, settings.auth_roles_claim)
    if not given or given[0] == "auth_jwks_url":
        issued = _issued(settings)
        tokens = Tokens(issued, demands, claims)
        issued.on_removal = tokens.forget
        return Authentication(tokens, issued)
    return Authentication(Tokens(_given(settings, given[0]), demands, claims))


def mint_of(settings: Settings) -> Mint:
    """What mints tokens that this system accepts, if it has a shared secret. Raises SettingsError."""
    name = "auth_secret_file" if settings.auth_secret_file else "auth_secret"
    secret = _text(settings, name)
    audience = settings.auth_audience.split(",")[0].strip()
    return Mint(
        secret,
        ClaimNames(settings.auth_subject_claim, settings.auth_roles_claim),
        settings.auth_issuer or None,
        None if audience in ("", _ANY) else audience,
    )


def _text(settings: Settings, name: str) -> str:
    text = str(getattr(settings, name) or "")
    if not name.endswith("_file"):
        return text
    try:
        return Path(text).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"{PREFIX}{name.upper()}={text!r} cannot be read: {reason}") from None


def _given(settings: Settings, name: str) -> Keys:
    text = _text(settings, name)
    try:
        if name.startswith("auth_secret"):
            return GivenKey(secret_key(text))
        return GivenKey(public_key(text.replace("\\n", "\n")))
    except UnusableKey as error:
        raise SettingsError(f"{PREFIX}{name.upper()}: {error}") from None


def _issued(settings: Settings) -> IssuedKeys:
    if not settings.auth_jwks_url and urlsplit(settings.auth_issuer or "").scheme not in ("http", "https"):
        raise SettingsError(
            f"COMMANDER_AUTH_ISSUER={settings.auth_issuer!r} is no URL, so it cannot be asked for its keys: "
            "set COMMANDER_AUTH_JWKS_URL"
        )
    return IssuedKeys(settings.auth_jwks_url, settings.auth_issuer, settings.auth_keys_seconds)


def _demands(settings: Settings, *, by_secret: bool, published: bool) -> Demands:
    named = frozenset(one.strip() for one in settings.auth_algorithms.split(",") if one.strip())
    fitting = frozenset(name for name in ALGORITHMS if name.startswith("HS") == by_secret)
    if named - fitting:
        kind = "a shared secret" if by_secret else "public keys"
        raise SettingsError(
            f"COMMANDER_AUTH_ALGORITHMS={settings.auth_algorithms!r}: {', '.join(sorted(named - fitting))} "
            f"cannot be used with {kind}"
        )
    audience = tuple(one.strip() for one in settings.auth_audience.split(",") if one.strip())
    if published and not audience:
        raise SettingsError(
            "COMMANDER_AUTH_AUDIENCE is not set: an issuer gives tokens for other APIs too. Set the audience "
            "of this one, or * if tokens of this issuer are for this API alone"
        )
    return Demands(
        algorithms=named or (_OF_SECRETS if by_secret else _OF_PAIRS),
        issuer=settings.auth_issuer or None,
        audience=None if _ANY in audience else audience,
        leeway_seconds=settings.auth_leeway_seconds,
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{PREFIX}{name.upper()}" for name in names)
