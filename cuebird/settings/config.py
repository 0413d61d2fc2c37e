"""What an operator may set, and from where: defaults < `cuebird.toml` < environment < flags.

    [server]                                CUEBIRD_SERVER__PORT=8701
    port = 8700                             CUEBIRD_SMTP__PASSWORD_FILE=/run/secrets/smtp

Everything is decoded into frozen structs. What is unknown or of the wrong type is an error that names its place and the
nearest known name; all of them are told at once. Limits have their unit last, and say what happens at the limit where
they are defined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from cuebird.settings.layers import ConfigError, Layer, build, environment_layer, file_layer, flag_layer
from cuebird.settings.logs import LogSettings
from delivery.settings import DeliverySettings, SmtpSettings
from engine.limits import Keep, Limits
from ingress.bounds.limits import IngressLimits
from ingress.http.customer_pages import Shop
from ingress.principals.keys import KeyRing, ProofKey, ServerKey, WriteKey

FILE: Final = "cuebird.toml"
SECRET_BYTES_MIN: Final = 32
DAY_MS: Final = 86_400_000
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
HIDDEN: Final = "(hidden)"
OFF_AT_ZERO: Final = frozenset(
    {
        "ingress.key_events_per_second_max",
        "ingress.server_key_events_per_second_max",
        "ingress.address_events_per_second_max",
        "ingress.address_bytes_per_second_max",
    }
)
"""Limits of which 0 means none."""
_SECRETS: Final = frozenset({"secret", "old_secrets", "password", "key", "value"})


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8700
    public_url: str = ""
    """How browsers and mail programs reach us, without a slash at the end; empty: http://host:port."""
    dev: bool = False
    """Everybody is believed. On a loopback address only."""
    secret: str = ""
    """Signs links in mails and visitor tokens; at least 32 bytes."""
    old_secrets: tuple[str, ...] = ()
    """What was signed with these still holds."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url.rstrip("/") or f"http://{host}:{self.port}"


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    reload: Literal["watch", "apply", ""] = ""
    """`watch`: edited files count as soon as they are whole, sound and explained; `apply`: by `cuebird apply` alone. Empty: `watch` in development mode, else `apply`."""


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    path: str = "data/cuebird.db"
    """The database; relative to the site. Its directory is made with mode 0700."""
    index_users: bool = False
    """An index on the journal's users: quick histories of one user, commits of about twice the size."""
    machine: str = ""
    """What this machine is called instead of its `/etc/machine-id`: one name for all that take over one volume from each other, so that it is no copy there."""
    journal_keep_days: int = 400
    """The journal's older entries are removed, as far as no start, no user in quarantine and no backtest needs them."""
    journal_bytes_max: int = 100_000_000_000
    """Past it the oldest entries are removed too, as far as nobody needs them. The file does not shrink; its room is used again."""
    backtest_days: int = 30
    """So much of the journal, and as much more as the site looks back, is kept whatever `journal_bytes_max` says."""

    def keep(self) -> Keep:
        return Keep(
            age_ms=self.journal_keep_days * DAY_MS,
            bytes_max=self.journal_bytes_max,
            reach_ms=self.backtest_days * DAY_MS,
        )


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """`[[keys.write]]`, `[[keys.server]]`, `[[keys.proof]]`; `cuebird keys new` makes them."""

    write: tuple[WriteKey, ...] = ()
    server: tuple[ServerKey, ...] = ()
    proof: tuple[ProofKey, ...] = ()

    def ring(self, *, dev: bool) -> KeyRing:
        return KeyRing(write_keys=self.write, server_keys=self.server, proofs=self.proof, dev=dev)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    server: ServerSettings = ServerSettings()
    site: SiteSettings = SiteSettings()
    store: StoreSettings = StoreSettings()
    engine: Limits = Limits()
    ingress: IngressLimits = IngressLimits()
    smtp: SmtpSettings = SmtpSettings()
    delivery: DeliverySettings = DeliverySettings()
    shop: Shop = Shop()
    log: LogSettings = LogSettings()
    keys: Keys = Keys()

    @property
    def watches(self) -> bool:
        """Whether edited files of the site count without `cuebird apply`."""
        return self.site.reload == "watch" or (not self.site.reload and self.server.dev)

    def key_ring(self) -> KeyRing:
        return self.keys.ring(dev=self.server.dev)

    def shown_shop(self) -> Shop:
        """The shop as its customers see it: without a name of its own it has the one that its letters come from."""
        return msgspec.structs.replace(self.shop, name=self.shop.name or self.smtp.from_name)

    def secrets(self) -> list[bytes]:
        """For link tokens: the first signs, all are accepted."""
        return [secret.encode() for secret in (self.server.secret, *self.server.old_secrets)]


class Loaded(msgspec.Struct, frozen=True):
    settings: Settings
    origins: dict[str, str]
    """path -> where it was set; what is not in here is a default."""


# --- loading ------------------------------------------------------------------------------------------------------


def load(site: Path, environment: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None) -> Loaded:
    """The settings of a site. `flags`: path -> value, None if the flag was not given. Raises ConfigError."""
    if not site.is_dir():
        raise ConfigError([f"{site}: there is no such directory; `cuebird init {site}` makes a site"])
    layers = [
        file_layer(site / FILE, FILE),
        environment_layer(environment or {}, Settings),
        flag_layer(flags or {}),
    ]
    settings = build(Settings, layers)
    origins = {key: setting.origin for layer in layers for key, setting in layer.items()}
    problems = list(_out_of_range(settings, origins))
    if problems:
        raise ConfigError(problems)
    if "delivery.public_url" not in origins:
        delivery = msgspec.structs.replace(settings.delivery, public_url=settings.server.url)
        settings = msgspec.structs.replace(settings, delivery=delivery)
    return Loaded(settings, origins)


def _out_of_range(settings: Settings, origins: Mapping[str, str]) -> Iterator[str]:
    for key, value in flat(settings):
        place = origins.get(key, "default")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if key.endswith("port"):
            if not (isinstance(value, int) and 0 <= value <= 65535):
                yield f"{place}: `{key}` must be 0 to 65535, not {value}"
        elif key in OFF_AT_ZERO and isinstance(value, int):
            if value < 0:
                yield f"{place}: `{key}` must be 0 (no limit) or more, not {value}"
        elif is_number and isinstance(value, int | float) and not value > 0:
            yield f"{place}: `{key}` must be more than 0, not {value}"
    for key, url in (
        ("server.public_url", settings.server.public_url),
        ("delivery.site_url", settings.delivery.site_url),
    ):
        if url and not url.startswith(("http://", "https://")):
            yield f"{origins.get(key, 'default')}: `{key}` must begin with https:// or http://, not {url!r}"


def require_servable(settings: Settings) -> None:
    """Raises ConfigError if a server may not be started like this."""
    server = settings.server
    problems = []
    if server.dev and server.host not in LOOPBACK:
        problems.append(
            f"`server.dev` believes everybody, so it needs a loopback address, not {server.host!r}: "
            "set server.host to 127.0.0.1, or server.dev to false"
        )
    for name, secret in [
        ("server.secret", server.secret),
        *(("server.old_secrets", old) for old in server.old_secrets),
    ]:
        if len(secret.encode()) < SECRET_BYTES_MIN and not (server.dev and not secret):
            problems.append(
                f"`{name}` needs at least {SECRET_BYTES_MIN} bytes: set CUEBIRD_SERVER__SECRET_FILE to a file made with "
                "`openssl rand -hex 32`"
            )
    if not server.dev and not (settings.keys.write or settings.keys.server or settings.keys.proof):
        problems.append("there are no keys, so nobody could send an event: `cuebird keys new` makes one")
    if problems:
        raise ConfigError(problems)


# --- showing ------------------------------------------------------------------------------------------------------


def flat(part: msgspec.Struct, above: str = "") -> Iterator[tuple[str, object]]:
    """(path, value) of every setting, in order."""
    for field in part.__struct_fields__:
        value = getattr(part, field)
        if isinstance(value, msgspec.Struct):
            yield from flat(value, f"{above}{field}.")
        else:
            yield above + field, value


def shown(settings: Settings) -> dict[str, dict[str, object]]:
    """section -> name -> value, with what is secret hidden. Plain values, fit for JSON."""
    sections: dict[str, dict[str, object]] = {}
    for key, value in flat(settings):
        section, _, name = key.rpartition(".")
        sections.setdefault(section, {})[name] = _shown(name, value)
    return sections


def _shown(name: str, value: object) -> object:
    if name in _SECRETS and isinstance(value, tuple):
        return [HIDDEN for _ in value]
    if name in _SECRETS:
        return HIDDEN if value else ""
    if isinstance(value, msgspec.Struct):
        return {field: _shown(field, getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_shown("", one) for one in value]
    return value


__all__ = [
    "ConfigError",
    "Keys",
    "Layer",
    "Loaded",
    "ServerSettings",
    "Settings",
    "SiteSettings",
    "StoreSettings",
    "flat",
    "load",
    "require_servable",
    "shown",
]
