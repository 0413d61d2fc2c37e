-- The index of the journal's users, if the store keeps one: in which blocks there is something of a user.

CREATE TABLE journal_users (
    user      TEXT NOT NULL CHECK (user <> ''),
    first_seq INTEGER NOT NULL CHECK (first_seq > 0),
    PRIMARY KEY (user, first_seq)
) STRICT, WITHOUT ROWID;
