-- Beside `batch.sql`, on the connection that writes, if the journal's users are indexed.

CREATE TEMP TRIGGER batch_users INSTEAD OF INSERT ON batch WHEN NEW.users IS NOT NULL BEGIN
    INSERT INTO journal_users (user, first_seq) SELECT value, NEW.first_seq FROM json_each(CAST(NEW.users AS TEXT)) WHERE true
    ON CONFLICT (user, first_seq) DO NOTHING; -- two names that differ in a NUL only
END;
