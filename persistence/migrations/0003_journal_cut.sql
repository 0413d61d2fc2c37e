-- Version 3: the journal may begin later than at 1. What operators changed before stays readable: runs are pinned to old
-- programs, and `cuebird history` tells of every change. `entry` is the whole struct in MessagePack.

CREATE TABLE changes (
    seq   INTEGER PRIMARY KEY CHECK (seq > 0),
    entry BLOB NOT NULL
) STRICT;
