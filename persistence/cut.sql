-- How the journal's beginning is cut off: ONE statement, `INSERT INTO cut`, which SQLite runs as one transaction, so that a
-- checkpoint on the same connection never finds one half done. As in `batch.sql`, rows name their places in `raw`.

CREATE TEMP VIEW cut AS SELECT NULL AS until, NULL AS changes, NULL AS raw, NULL AS users;

CREATE TEMP TRIGGER cut_journal INSTEAD OF INSERT ON cut BEGIN
    INSERT INTO changes (seq, entry)
    SELECT value ->> 0, substr(NEW.raw, value ->> 1, value ->> 2) FROM json_each(CAST(NEW.changes AS TEXT)) WHERE true
    ON CONFLICT (seq) DO NOTHING;

    DELETE FROM journal WHERE first_seq <= NEW.until;
END;
