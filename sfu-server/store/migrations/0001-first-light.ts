// Shows, co-hosts' links, products and the log of what happened. Never edited after it has landed; add a new one instead.

export const sql = `
CREATE TABLE shows (
  id          TEXT PRIMARY KEY,
  title       TEXT NOT NULL,
  phase       TEXT NOT NULL,              -- JSON of ShowPhase
  scene       TEXT NOT NULL,              -- JSON of Scene
  lock        TEXT NOT NULL DEFAULT 'none',
  created_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE guests (
  id          TEXT PRIMARY KEY,
  show_id     TEXT NOT NULL REFERENCES shows (id),
  name        TEXT NOT NULL,
  token_hash  TEXT NOT NULL UNIQUE,
  created_ms  INTEGER NOT NULL,
  revoked_ms  INTEGER
) STRICT;

CREATE TABLE products (
  id           TEXT PRIMARY KEY,
  show_id      TEXT NOT NULL REFERENCES shows (id),
  name         TEXT NOT NULL,
  price_minor  INTEGER NOT NULL CHECK (price_minor >= 0),
  currency     TEXT NOT NULL CHECK (length(currency) = 3),
  picture_url  TEXT,
  stock        INTEGER NOT NULL CHECK (stock >= 0),
  held         INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  sold         INTEGER NOT NULL DEFAULT 0 CHECK (sold >= 0),
  seq          INTEGER NOT NULL DEFAULT 1,
  created_ms   INTEGER NOT NULL,
  CHECK (held + sold <= stock)
) STRICT;
CREATE INDEX products_by_show ON products (show_id, created_ms);

CREATE TABLE events (
  id       INTEGER PRIMARY KEY,
  show_id  TEXT NOT NULL REFERENCES shows (id),
  at_ms    INTEGER NOT NULL,
  kind     TEXT NOT NULL,
  detail   TEXT NOT NULL                  -- JSON
) STRICT;
CREATE INDEX events_by_show ON events (show_id, id);
`;
