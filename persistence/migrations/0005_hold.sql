-- Version 5: which place the database belongs to, how often its outbox has moved, and whether what waits there may go out.

ALTER TABLE meta ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE meta ADD COLUMN moves INTEGER NOT NULL DEFAULT 0 CHECK (moves >= 0);

CREATE TABLE hold (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    at     INTEGER NOT NULL CHECK (at >= 0),
    reason TEXT NOT NULL
) STRICT;

-- What may go out although the outbox is on hold.
CREATE TABLE released (
    send TEXT NOT NULL PRIMARY KEY CHECK (send <> '')
) STRICT, WITHOUT ROWID;
