-- Version 4. A link is called what its letter calls it, whatever its address says. Letters that are out there keep the names that
-- were read from their addresses until now: `utm_content`, and without it the link's number.
ALTER TABLE links ADD COLUMN name TEXT NOT NULL DEFAULT '';

UPDATE links SET name = substr(url, instr(url, 'utm_content=') + 12) WHERE instr(url, 'utm_content=');
UPDATE links SET name = substr(name, 1, instr(name, '&') - 1) WHERE instr(name, '&');
UPDATE links SET name = substr(name, 1, instr(name, '#') - 1) WHERE instr(name, '#');
UPDATE links SET name = CAST(idx AS TEXT) WHERE name = '';
