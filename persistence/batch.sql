-- How a commit is written: ONE statement, `INSERT INTO batch`, which SQLite runs as one transaction. These live in the
-- connection's temp schema, not in the file.
--
-- The journal's block is bytes, and goes in as it is. Each other list of the commit is a JSON array of arrays, NULL if it is
-- empty. Raw bytes (decisions, sends, states, sources) do not go through JSON: they all lie in `raw`, one after the other,
-- and a row names its place there (from 1) and length. They come back byte for byte, whatever is in them.
--
-- MATERIALIZED: else SQLite writes a row's JSON anew for each column that is taken out of it (measured: 1.3 times slower).
-- ON CONFLICT instead of OR IGNORE: the latter would also swallow rows that a CHECK refuses.

CREATE TEMP VIEW batch AS SELECT
    NULL AS first_seq, NULL AS count, NULL AS first_at, NULL AS last_at, NULL AS operators, NULL AS crc, NULL AS entries,
    NULL AS users, NULL AS raw, NULL AS rest, NULL AS ledger, NULL AS outbox, NULL AS names, NULL AS actors, NULL AS gone,
    NULL AS replayed_from, NULL AS marks, NULL AS suppressions, NULL AS links, NULL AS programs,
    NULL AS apart, NULL AS freed, NULL AS held, NULL AS dismissed, NULL AS quarantined;

CREATE TEMP TRIGGER batch_journal INSTEAD OF INSERT ON batch WHEN NEW.entries IS NOT NULL BEGIN
    INSERT INTO journal (first_seq, count, first_at, last_at, operators, crc, entries)
    VALUES (NEW.first_seq, NEW.count, NEW.first_at, NEW.last_at, NEW.operators, NEW.crc, NEW.entries);
END;

CREATE TEMP TRIGGER batch_rest INSTEAD OF INSERT ON batch WHEN NEW.rest IS NOT NULL BEGIN
    INSERT INTO ledger (user, turn, idx, at, campaign, decision)
    WITH r (v) AS MATERIALIZED (SELECT value FROM json_each(CAST(NEW.ledger AS TEXT)))
    SELECT v ->> 0, v ->> 1, v ->> 2, v ->> 3, v ->> 4, substr(NEW.raw, v ->> 5, v ->> 6) FROM r WHERE true
    ON CONFLICT (user, turn, idx) DO NOTHING;

    INSERT INTO outbox (id, user, at, due, moved_at, send)
    WITH r (v) AS MATERIALIZED (SELECT value FROM json_each(CAST(NEW.outbox AS TEXT)))
    SELECT v ->> 0, v ->> 1, v ->> 2, v ->> 2, v ->> 2, substr(NEW.raw, v ->> 3, v ->> 4) FROM r WHERE true
    ON CONFLICT (id) DO NOTHING;

    INSERT INTO names (name, user)
    SELECT value ->> 0, value ->> 1 FROM json_each(CAST(NEW.names AS TEXT)) WHERE true
    ON CONFLICT (name) DO UPDATE SET user = excluded.user;

    INSERT INTO actors (user, position, due, state)
    WITH r (v) AS MATERIALIZED (SELECT value FROM json_each(CAST(NEW.actors AS TEXT)))
    SELECT v ->> 0, v ->> 1, v ->> 2, substr(NEW.raw, v ->> 3, v ->> 4) FROM r WHERE true
    ON CONFLICT (user) DO UPDATE SET position = excluded.position, due = excluded.due, state = excluded.state;

    DELETE FROM actors WHERE user IN (SELECT value FROM json_each(CAST(NEW.gone AS TEXT)));

    UPDATE meta SET replay_from = max(replay_from, NEW.replayed_from) WHERE NEW.replayed_from IS NOT NULL;

    UPDATE meta SET moves = moves + 1 WHERE NEW.outbox IS NOT NULL OR NEW.marks IS NOT NULL;

    INSERT INTO mark
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
    FROM json_each(CAST(NEW.marks AS TEXT));

    INSERT INTO suppressions (address, topic, reason, at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(CAST(NEW.suppressions AS TEXT)) WHERE true
    ON CONFLICT (address, topic) DO NOTHING;

    INSERT INTO links (send, idx, url, name)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(CAST(NEW.links AS TEXT)) WHERE true
    ON CONFLICT (send, idx) DO UPDATE SET url = excluded.url, name = excluded.name;

    INSERT INTO programs (hash, source, at)
    SELECT value ->> 0, CAST(substr(NEW.raw, value ->> 1, value ->> 2) AS TEXT), value ->> 3
    FROM json_each(CAST(NEW.programs AS TEXT)) WHERE true
    ON CONFLICT (hash) DO NOTHING;
END;

-- Apart from the others, for it is there in hardly any commit.
CREATE TEMP TRIGGER batch_quarantine INSTEAD OF INSERT ON batch WHEN NEW.apart IS NOT NULL BEGIN
    DELETE FROM held WHERE user IN (SELECT value FROM json_each(CAST(NEW.freed AS TEXT)));

    INSERT INTO held (user, at, reason, position)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(CAST(NEW.held AS TEXT)) WHERE true
    ON CONFLICT (user) DO NOTHING;

    DELETE FROM quarantine WHERE (user, message_id) IN
        (SELECT value ->> 0, value ->> 1 FROM json_each(CAST(NEW.dismissed AS TEXT)));

    INSERT INTO quarantine (user, message_id, at, reason, event)
    WITH r (v) AS MATERIALIZED (SELECT value FROM json_each(CAST(NEW.quarantined AS TEXT)))
    SELECT v ->> 0, v ->> 1, v ->> 2, v ->> 3, substr(NEW.raw, v ->> 4, v ->> 5) FROM r WHERE true
    ON CONFLICT (user, message_id) DO NOTHING;
END;

-- Row by row, so that several marks of one send are taken in their order. The schema's trigger keeps the arrows.
CREATE TEMP VIEW mark AS SELECT NULL AS id, NULL AS state, NULL AS at, NULL AS boot, NULL AS due, NULL AS reply;

CREATE TEMP TRIGGER mark_outbox INSTEAD OF INSERT ON mark BEGIN
    UPDATE outbox SET
        state = NEW.state,
        moved_at = NEW.at,
        attempts = attempts + (NEW.state = 'claimed'),
        boot = CASE WHEN NEW.state = 'claimed' THEN NEW.boot ELSE boot END,
        due = CASE WHEN NEW.state = 'retry' THEN coalesce(NEW.due, NEW.at) ELSE due END,
        reply = CASE WHEN NEW.state IN ('claimed', 'at_dot') THEN reply ELSE NEW.reply END
    WHERE id = NEW.id;
END;
