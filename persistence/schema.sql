-- Version 1 of the database. What each table holds is told in sqlite.py. Later versions: migrations/NNNN_what.sql.
-- A CHECK refuses what the code would never write: such a row is a bug, and must not reach the disk.

-- A row is a block: the entries of one commit (blocks.py). `crc` is the CRC-32 of `entries`.
CREATE TABLE journal (
    first_seq INTEGER PRIMARY KEY CHECK (first_seq > 0),
    count     INTEGER NOT NULL CHECK (count > 0),
    first_at  INTEGER NOT NULL CHECK (first_at >= 0),
    last_at   INTEGER NOT NULL CHECK (last_at >= first_at),
    operators INTEGER NOT NULL CHECK (operators BETWEEN 0 AND count),
    crc       INTEGER NOT NULL,
    entries   BLOB NOT NULL
) STRICT;

CREATE INDEX journal_operators ON journal (first_seq) WHERE operators > 0;

CREATE TRIGGER journal_follows BEFORE INSERT ON journal
WHEN NEW.first_seq <> coalesce((SELECT first_seq + count FROM journal ORDER BY first_seq DESC LIMIT 1), 1)
BEGIN
    SELECT RAISE(ABORT, 'a gap in the journal, or a place in it twice');
END;

-- With a rowid: measured, 300 snapshots are written in 5.2 ms instead of 8.4, and 100 actors read in 0.6 ms instead of 0.9.
CREATE TABLE actors (
    user     TEXT NOT NULL PRIMARY KEY CHECK (user <> ''),
    position INTEGER NOT NULL CHECK (position >= 0),
    due      INTEGER CHECK (due > 0),
    state    BLOB NOT NULL
) STRICT;

CREATE INDEX actors_due ON actors (due, user) WHERE due IS NOT NULL;

-- `decision` and the outbox's `send` are the whole struct in MessagePack; beside it stands what is looked for by SQL.
CREATE TABLE ledger (
    row      INTEGER PRIMARY KEY,
    user     TEXT NOT NULL CHECK (user <> ''),
    turn     INTEGER NOT NULL CHECK (turn >= 0),
    idx      INTEGER NOT NULL CHECK (idx >= 0),
    at       INTEGER NOT NULL CHECK (at >= 0),
    campaign TEXT NOT NULL,
    decision BLOB NOT NULL,
    UNIQUE (user, turn, idx)
) STRICT;

CREATE INDEX ledger_at ON ledger (at);
CREATE INDEX ledger_campaign ON ledger (campaign, at);

CREATE TABLE outbox (
    row       INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE CHECK (id <> ''),
    user      TEXT NOT NULL CHECK (user <> ''),
    at        INTEGER NOT NULL CHECK (at >= 0),
    send      BLOB NOT NULL,
    state     TEXT NOT NULL DEFAULT 'pending',
    attempts  INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due       INTEGER NOT NULL CHECK (due >= 0),
    boot      TEXT NOT NULL DEFAULT '',
    reply     TEXT NOT NULL DEFAULT '' CHECK (length(reply) <= 500),
    moved_at  INTEGER NOT NULL CHECK (moved_at >= 0),
    -- Not IN: SQLite makes a table of such a list anew for each row, which costs 3 µs.
    CHECK (CASE state WHEN 'pending' THEN 1 WHEN 'claimed' THEN 1 WHEN 'at_dot' THEN 1 WHEN 'sent' THEN 1
                      WHEN 'retry' THEN 1 WHEN 'failed' THEN 1 WHEN 'unknown' THEN 1 ELSE 0 END)
) STRICT;

CREATE INDEX outbox_due ON outbox (due) WHERE state IN ('pending', 'retry');
CREATE INDEX outbox_state ON outbox (state, at);

-- The arrows between the states of a send. A move along none of them changes nothing.
CREATE TRIGGER outbox_arrows BEFORE UPDATE OF state ON outbox
WHEN NEW.state IS NOT NULL AND NOT CASE OLD.state || ' ' || NEW.state
    WHEN 'pending claimed' THEN 1  WHEN 'pending failed' THEN 1
    WHEN 'claimed at_dot'  THEN 1  WHEN 'claimed retry'  THEN 1  WHEN 'claimed failed' THEN 1
    WHEN 'at_dot sent'     THEN 1  WHEN 'at_dot retry'   THEN 1  WHEN 'at_dot failed'  THEN 1  WHEN 'at_dot unknown' THEN 1
    WHEN 'retry claimed'   THEN 1  WHEN 'retry failed'   THEN 1
    WHEN 'unknown retry'   THEN 1
    ELSE 0 END
BEGIN
    SELECT RAISE(IGNORE);
END;

CREATE TABLE programs (
    hash   TEXT NOT NULL PRIMARY KEY CHECK (hash <> ''),
    source TEXT NOT NULL,
    at     INTEGER NOT NULL CHECK (at >= 0)
) STRICT;

CREATE TABLE names (
    name TEXT PRIMARY KEY CHECK (name <> ''),
    user TEXT NOT NULL CHECK (user <> '' AND user <> name)
) STRICT, WITHOUT ROWID;

CREATE TABLE suppressions (
    address TEXT NOT NULL COLLATE NOCASE CHECK (address <> ''),
    topic   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    at      INTEGER NOT NULL CHECK (at >= 0),
    PRIMARY KEY (address, topic)
) STRICT, WITHOUT ROWID;

CREATE TABLE links (
    send TEXT NOT NULL CHECK (send <> ''),
    idx  INTEGER NOT NULL CHECK (idx >= 0),
    url  TEXT NOT NULL CHECK (url <> ''),
    PRIMARY KEY (send, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    replay_from INTEGER NOT NULL DEFAULT 0 CHECK (replay_from >= 0)
) STRICT;

INSERT INTO meta (one) VALUES (1);
