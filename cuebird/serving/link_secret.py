"""What links are signed with where the settings name no secret."""

from __future__ import annotations

import secrets
from pathlib import Path

from actors.values.token import SECRET_BYTES_MIN


def own_secret(folder: Path) -> bytes:
    """Return the secret of a database in development: made once, beside it, so that the links of an earlier run still lead
    somewhere."""
    path = folder / "link-secret"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(SECRET_BYTES_MIN))
    return path.read_bytes()
