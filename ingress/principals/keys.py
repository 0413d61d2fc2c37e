"""Keys and proofs: who is speaking (interfaces.md §1).

Keys are kept as SHA-256 and compared in constant time; proofs are JWTs with their algorithm pinned by the key, never
taken from the token.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Literal, TypeVar

import jwt
import msgspec

from ingress.principals.principal import Principal

AUDIENCE = "cuebird"
SECRET_BYTES_MIN = 32
SECONDS_MAX = 253_402_300_799
"""End of the year 9999. Who tells milliseconds where seconds are asked for is beyond it."""


class Denied(Exception):
    """The caller may not do this. `status` is the HTTP status, `code` a word for programs."""

    status = 401
    code = "unauthorized"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthorized(Denied):
    """No key, or none that we know; a proof that does not hold."""


class ProofEnded(Unauthorized):
    """A proof that held, by a key that was taken away since: who made it may make another."""


class Forbidden(Denied):
    """A key that we know, used from where or for what it may not be."""

    status = 403
    code = "forbidden"


def digest(value: str) -> str:
    """What is stored of a key."""
    return sha256(value.encode()).hexdigest()


class WriteKey(msgspec.Struct, frozen=True, kw_only=True):
    """Public, in the page. Give `sha256` (of `cuebird keys new`) or, for development, the `value` itself."""

    name: str
    sha256: str = ""
    value: str = ""
    allowed_origins: tuple[str, ...] = ()
    """Exact `scheme://host[:port]`. Empty: from anywhere. Not empty: a request without an Origin is refused too."""

    @property
    def digest(self) -> str:
        return self.sha256 or digest(self.value)


class ServerKey(msgspec.Struct, frozen=True, kw_only=True):
    """Secret, in a back end."""

    name: str
    sha256: str = ""
    value: str = ""

    @property
    def digest(self) -> str:
        return self.sha256 or digest(self.value)


class ProofKey(msgspec.Struct, frozen=True, kw_only=True):
    """What proofs are checked with: the shared secret (HS256) or the public key in PEM (EdDSA)."""

    key: str
    algorithm: Literal["HS256", "EdDSA"] = "HS256"
    name: str = ""

    @property
    def digest(self) -> str:
        return digest(self.key)

    def __post_init__(self) -> None:
        if self.algorithm == "HS256" and len(self.key.encode()) < SECRET_BYTES_MIN:
            raise ValueError(f"a proof secret needs at least {SECRET_BYTES_MIN} bytes")


class KeyRing(msgspec.Struct, kw_only=True):
    """All keys of a site, as they are now. `dev`: everybody is believed (loopback only)."""

    write_keys: tuple[WriteKey, ...] = ()
    server_keys: tuple[ServerKey, ...] = ()
    proofs: tuple[ProofKey, ...] = ()
    dev: bool = False

    def follow(self, keys: KeyRing) -> None:
        """These are the site's keys from now on. Who was let in by others is found by `still`."""
        self.write_keys, self.server_keys, self.proofs = keys.write_keys, keys.server_keys, keys.proofs

    def still(self, speaker: Principal, origin: str | None) -> None:
        """Raise Denied if who was let in earlier, from there, would not be now; ProofEnded if it is for the proof alone."""
        if self.dev:
            return
        if speaker.source == "server":
            if not any(key.digest == speaker.digest for key in self.server_keys):
                raise Unauthorized("this key was revoked")
            return
        shown = [key for key in self.write_keys if key.digest == speaker.digest]
        if speaker.digest and not shown:
            raise Unauthorized("this key was revoked")
        _check_origin(shown if speaker.digest else self.write_keys, origin)
        if speaker.voucher and not any(key.digest == speaker.voucher for key in self.proofs):
            raise ProofEnded("the key of this proof was revoked")

    def speaker(self, token: str, *, proof: str = "", origin: str | None = None, now: int) -> Principal:
        """Who shows this key or proof. Raises Unauthorized or Forbidden; all bad tokens get the same words."""
        server = _find(self.server_keys, token)
        if server is not None:
            return Principal(source="server", key=server.name, digest=server.digest)
        if self.dev:
            return Principal(source="client", key="dev")
        write = _find(self.write_keys, token)
        if write is not None:
            _check_origin((write,), origin)
            speaker = Principal(source="client", key=write.name, digest=write.digest, trusted=False)
        elif token.count(".") == 2 and not proof:
            # The proof alone: it is signed by the shop itself.
            speaker = self.proven(Principal(source="client", key="proof", trusted=False), token, now)
            _check_origin(self.write_keys, origin)
        else:
            raise Unauthorized(
                "no key that is known here: send a write key (wk_…) or a server key (sk_…); `cuebird keys list` shows which "
                "there are, `cuebird keys new` makes one"
            )
        return self.proven(speaker, proof, now) if proof else speaker

    def proven(self, speaker: Principal, proof: str, now: int) -> Principal:
        """The same speaker, vouched for by a proof. Raises Unauthorized."""
        if speaker.trusted:
            return speaker
        claims, voucher = self._claims(proof, now)
        email = claims.get("email")
        return msgspec.structs.replace(
            speaker,
            voucher=voucher,
            proven=str(claims["sub"]),
            email=email if isinstance(email, str) else "",
            expires_ms=_moment_ms(claims["exp"]),
        )

    def allows(self, origin: str) -> bool:
        """May a page of this origin talk to us at all (for CORS, where the key is not known yet)?"""
        return self.dev or any(_origin_fits(key, origin) for key in self.write_keys)

    def _claims(self, proof: str, now: int) -> tuple[dict[str, Any], str]:
        """What it says, and the digest of the key that it holds by."""
        for key in self.proofs:
            try:
                claims = jwt.decode(
                    proof,
                    key.key,
                    algorithms=[key.algorithm],
                    audience=AUDIENCE,
                    # The clock is ours, not the library's: both times are checked below.
                    options={
                        "require": ["sub", "exp", "aud"],
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                    },
                )
            except jwt.PyJWTError:
                continue
            if _in_time(claims, now) and isinstance(claims["sub"], str) and claims["sub"]:
                return claims, key.digest
        raise Unauthorized("the proof does not hold: it must be a JWT with sub, exp and aud 'cuebird', not expired")


_AnyKey = TypeVar("_AnyKey", WriteKey, ServerKey)


def _find(keys: Iterable[_AnyKey], token: str) -> _AnyKey | None:
    shown = digest(token)
    found = None
    # All are compared, so that the time tells nothing about which one was close.
    for key in keys:
        if hmac.compare_digest(shown, key.digest) and (key.sha256 or key.value):
            found = key
    return found


def _check_origin(keys: Sequence[WriteKey], origin: str | None) -> None:
    """One of the keys must be usable from there."""
    if keys and not any(_origin_fits(key, origin) for key in keys):
        place = origin[:200] if origin else "outside a page"
        raise Forbidden(f"this key may not be used from {place}: its `allowed_origins` in cuebird.toml say from where")


def _origin_fits(key: WriteKey, origin: str | None) -> bool:
    return not key.allowed_origins or (origin is not None and origin in key.allowed_origins)


def _in_time(claims: dict[str, Any], now: int) -> bool:
    expires, begins = _moment_ms(claims["exp"]), _moment_ms(claims.get("nbf", 0))
    return expires is not None and begins is not None and begins <= now < expires


def _moment_ms(claim: object) -> int | None:
    """A NumericDate (RFC 7519) in milliseconds; None: it is no number, or beyond the year 9999."""
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not abs(claim) <= SECONDS_MAX:
        return None
    return int(claim * 1000)
