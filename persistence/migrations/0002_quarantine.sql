-- Version 2: what an actor failed on, and who is held.

CREATE TABLE held (
    user     TEXT NOT NULL PRIMARY KEY CHECK (user <> ''),
    at       INTEGER NOT NULL CHECK (at >= 0),
    reason   TEXT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0)
) STRICT;

-- `event` is the whole struct in MessagePack.
CREATE TABLE quarantine (
    row        INTEGER PRIMARY KEY,
    user       TEXT NOT NULL CHECK (user <> ''),
    message_id TEXT NOT NULL,
    at         INTEGER NOT NULL CHECK (at >= 0),
    reason     TEXT NOT NULL,
    event      BLOB NOT NULL,
    UNIQUE (user, message_id)
) STRICT;
