"""Settings: read once from the environment, frozen, and told by variable and value where they are wrong."""

from __future__ import annotations

import pytest

from commander.settings import Settings, SettingsError, read_settings


def test_without_any_variable_the_bank_runs_on_this_machine() -> None:
    settings = read_settings()
    assert (settings.domain, settings.host, settings.port) == (
        "commander.examples.bank:bank",
        "127.0.0.1",
        8000,
    )
    assert (settings.postgres_url, settings.nats_url) == (None, None)
    assert settings.allowed_origins == ()


def test_every_setting_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "postgres_url": "postgresql://ada:s3cret@db:5432/bank",
        "nats_url": "nats://one:4222,nats://two:4222",
        "domain": "shop.domain:shop",
        "port": "0",
        "partitions": "256",
        "heartbeat_seconds": "0.5",
        "log_level": "debug",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"COMMANDER_{name.upper()}", value)
    settings = read_settings()
    assert {name: str(getattr(settings, name)) for name in given} == given
    assert set(given) < set(Settings.__struct_fields__)


def test_variables_of_others_and_unknown_ones_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("COMMANDER_FUTURE", "1")
    assert read_settings() == Settings()


def test_what_is_given_on_the_command_line_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMANDER_PORT", "1")
    assert read_settings(port=2).port == 2
    assert read_settings(port=0).port == 0
    assert read_settings(port=None).port == 1, "None is not given"


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        read_settings().port = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "many"),
        ("system", ""),
        ("system", "my.bank"),
        ("system", "bank>"),
        ("system", "two words"),
        ("system", "-bank"),
        ("system", "a" * 33),
        ("system", "events"),
        ("system", "signals"),
        ("system", "bänk"),
        ("port", "65536"),
        ("port", ""),
        ("partitions", "0"),
        ("partitions", "257"),
        ("nats_replicas", "6"),
        ("batch_size", "5001"),
        ("log_level", "loud"),
        ("domain", "shop"),
        ("domain", "shop:"),
        ("domain", ".shop:shop"),
        ("domain", "shop..domain:shop"),
        ("heartbeat_seconds", "0"),
        ("max_command_bytes", "99999999"),
        ("postgres_url", "mysql://db/bank"),
        ("postgres_url", "db:5432/bank"),
        ("postgres_url", "postgresql://db:port/bank"),
        ("nats_url", ""),
        ("nats_url", "nats://host:port"),
        ("nats_url", "http://host"),
        ("nats_url", "nats://one:4222,"),
        ("origins", "foo bar"),
        ("trusted_proxies", "gateway"),
        ("trusted_proxies", "*"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "10.0.0.256"),
        ("trusted_proxies", "10.0.0.0/8,::/129"),
        ("operations_per_second", "-1"),
        ("max_cost", "0.5"),
        ("documents", "none"),
        ("log_format", "xml"),
        ("origins", "https://a.example/"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    variable = f"COMMANDER_{name.upper()}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert str(caught.value).startswith(f"{variable}={value!r}: ")
    assert "\n" not in str(caught.value)


def test_every_wrong_value_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMANDER_PORT", "many")
    monkeypatch.setenv("COMMANDER_PARTITIONS", "0")
    with pytest.raises(SettingsError) as caught:
        read_settings(log_level="loud")
    for told in ("COMMANDER_PORT='many'", "COMMANDER_PARTITIONS='0'", "COMMANDER_LOG_LEVEL='loud'"):
        assert told in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["mysql://ada:s3cret@db/bank", "postgresql://ada:s3/cret@db:5432/bank", "postgresql://a:s3cret@db:x/b"],
)
def test_a_password_in_a_wrong_url_is_not_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("COMMANDER_POSTGRES_URL", url)
    with pytest.raises(
        SettingsError, match="must be like postgresql://user:password@host:5432/name"
    ) as caught:
        read_settings()
    assert "s3" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db/bank",
        "postgresql://ada:s3cret@db:5432/bank?sslmode=require",
        "postgresql://ada:s%2Fcret@[::1]:5432/bank",
        "postgresql://ada@one:5432,two:5433/bank",
        "postgresql://postgres@/commander?host=%2Ftmp%2Fsockets",
        "postgresql:///bank",
        "postgresql://db",
    ],
)
def test_the_urls_that_postgres_knows_are_taken(url: str) -> None:
    assert read_settings(postgres_url=url).postgres_url == url


@pytest.mark.parametrize(
    "url",
    [
        "nats://host:4222",
        "host",
        "tls://user:s3cret@[::1]:4222",
        "nats://one:1, nats://two:2",
        "token@host:1",
    ],
)
def test_the_urls_that_nats_knows_are_taken(url: str) -> None:
    assert read_settings(nats_url=url).nats_url == url


def test_origins_are_separated_by_commas() -> None:
    assert read_settings(origins=" https://a.example, ,https://b.example ").allowed_origins == (
        "https://a.example",
        "https://b.example",
    )
