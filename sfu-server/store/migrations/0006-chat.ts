// The chat of a show: what was written, by whom as far as anybody is told, and who may not. Kept until a day after the show. Never
// edited after it has landed; add a new one instead.

export const sql = `
CREATE TABLE chat_messages (
  id         TEXT PRIMARY KEY,
  show_id    TEXT NOT NULL REFERENCES shows (id),
  seq        INTEGER NOT NULL,            -- its place in the feed
  writer_id  TEXT NOT NULL,               -- of a fan: the hash of show and secret of the device
  client_id  TEXT NOT NULL,               -- what the page calls it: written again it is the same message
  role       TEXT NOT NULL CHECK (role IN ('fan', 'cohost', 'host')),
  name       TEXT NOT NULL,
  text       TEXT NOT NULL,
  at_ms      INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('shown', 'held', 'removed')),
  reason     TEXT CHECK (reason IN ('swearing', 'link', 'contact')),   -- why it was ever held
  UNIQUE (show_id, seq),
  UNIQUE (show_id, writer_id, client_id),
  CHECK (state <> 'held' OR reason IS NOT NULL)
) STRICT;

CREATE TABLE chat_muted (
  show_id    TEXT NOT NULL REFERENCES shows (id),
  writer_id  TEXT NOT NULL,
  name       TEXT NOT NULL,
  PRIMARY KEY (show_id, writer_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE chat_rooms (
  show_id    TEXT PRIMARY KEY REFERENCES shows (id),
  writing    TEXT NOT NULL CHECK (writing IN ('open', 'closed')),
  rules      TEXT NOT NULL
) STRICT;
`;
