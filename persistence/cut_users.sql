-- Beside `cut.sql`, if the journal's users are indexed.

CREATE TEMP TRIGGER cut_users INSTEAD OF INSERT ON cut BEGIN
    DELETE FROM journal_users WHERE (user, first_seq) IN
        (SELECT value ->> 0, value ->> 1 FROM json_each(CAST(NEW.users AS TEXT)));
END;
