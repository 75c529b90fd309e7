// Addresses of people who want a mail when a product drops: kept until that drop or the show is over. Never edited after it has
// landed; add a new one instead.

export const sql = `
CREATE TABLE drop_mails (
  id            INTEGER PRIMARY KEY,
  show_id       TEXT NOT NULL REFERENCES shows (id),
  product_id    TEXT NOT NULL REFERENCES products (id),
  buyer_hash    TEXT NOT NULL,
  address       TEXT NOT NULL,
  asked_ms      INTEGER NOT NULL,
  drop_id       TEXT REFERENCES drops (id),   -- that has begun: a mail is due, or has gone out
  sent_ms       INTEGER,
  forget_hash   TEXT,                         -- of the link in the mail; none before there is a mail
  UNIQUE (show_id, product_id, address),
  CHECK (sent_ms IS NULL OR drop_id IS NOT NULL)
) STRICT;
CREATE INDEX drop_mails_of_buyer ON drop_mails (buyer_hash, show_id);
CREATE INDEX drop_mails_due ON drop_mails (show_id, drop_id) WHERE sent_ms IS NULL;
CREATE UNIQUE INDEX drop_mails_by_link ON drop_mails (forget_hash, product_id) WHERE forget_hash IS NOT NULL;
`;
