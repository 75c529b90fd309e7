// Standby clips and which one is chosen. Never edited after it has landed; add a new one instead.

export const sql = `
CREATE TABLE standby_clips (
  id         TEXT PRIMARY KEY,             -- digest of its parts, and its folder
  name       TEXT NOT NULL,
  length_ms  INTEGER NOT NULL CHECK (length_ms > 0),
  shop_url   TEXT NOT NULL,
  bytes      INTEGER NOT NULL CHECK (bytes > 0),
  added_ms   INTEGER NOT NULL
) STRICT;

CREATE TABLE standby_choice (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  clip_id  TEXT NOT NULL REFERENCES standby_clips (id)
) STRICT;
`;
