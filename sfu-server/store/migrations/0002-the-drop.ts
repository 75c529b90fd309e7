// The shop: stock, products, drops, holds, waiting list, orders, money, delivery. Never edited after it has landed; add a new one.
// What a stranger's race could break is a constraint here, not a rule in code. Money is integer minor units of the show's currency.

export const sql = `
ALTER TABLE products RENAME TO products_first_light;
DROP INDEX products_by_show;

-- What stock is counted in. A variant of a product takes one or more of these; bundles share them.
CREATE TABLE skus (
  id       TEXT PRIMARY KEY,
  show_id  TEXT NOT NULL REFERENCES shows (id),
  code     TEXT NOT NULL,
  stock    INTEGER NOT NULL CHECK (stock >= 0),
  held     INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  sold     INTEGER NOT NULL DEFAULT 0 CHECK (sold >= 0),
  seq      INTEGER NOT NULL DEFAULT 1,    -- rises with every change of the three above
  UNIQUE (show_id, code),
  CHECK (held + sold <= stock)
) STRICT;

CREATE TABLE products (
  id             TEXT PRIMARY KEY,
  show_id        TEXT NOT NULL REFERENCES shows (id),
  kind           TEXT NOT NULL CHECK (kind IN ('physical', 'printOnDemand', 'digital', 'bundle', 'ticket', 'tier', 'pass')),
  name           TEXT NOT NULL,
  description    TEXT NOT NULL DEFAULT '',
  price_minor    INTEGER NOT NULL CHECK (price_minor >= 0),
  vat_note       TEXT NOT NULL DEFAULT '',
  max_per_buyer  INTEGER CHECK (max_per_buyer > 0),
  selling        TEXT NOT NULL DEFAULT 'open' CHECK (selling IN ('open', 'dropsOnly')),
  picture_url    TEXT,
  link_life_ms   INTEGER NOT NULL DEFAULT 86400000 CHECK (link_life_ms > 0),  -- digital goods: how long a link or code works
  created_ms     INTEGER NOT NULL,
  removed_ms     INTEGER                  -- orders keep pointing at what was sold
) STRICT;
CREATE INDEX products_by_show ON products (show_id, created_ms);

CREATE TABLE variants (
  id           TEXT PRIMARY KEY,
  product_id   TEXT NOT NULL REFERENCES products (id),
  name         TEXT NOT NULL,             -- '' where there is only one
  sku          TEXT NOT NULL,             -- the code a person reads; for all but bundles also the code of its row in skus
  price_minor  INTEGER CHECK (price_minor >= 0),  -- null: the product's
  held         INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  sold         INTEGER NOT NULL DEFAULT 0 CHECK (sold >= 0),
  position     INTEGER NOT NULL,
  removed_ms   INTEGER
) STRICT;
CREATE INDEX variants_by_product ON variants (product_id, position);

-- What one piece of a variant takes from stock. A bundle has several rows, everything else one of quantity 1.
CREATE TABLE variant_components (
  variant_id  TEXT NOT NULL REFERENCES variants (id),
  sku_id      TEXT NOT NULL REFERENCES skus (id),
  quantity    INTEGER NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (variant_id, sku_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX variant_components_by_sku ON variant_components (sku_id);

CREATE TABLE drops (
  id               TEXT PRIMARY KEY,
  show_id          TEXT NOT NULL REFERENCES shows (id),
  name             TEXT NOT NULL,
  length_ms        INTEGER CHECK (length_ms > 0),  -- null: until sold out
  early_access_ms  INTEGER CHECK (early_access_ms > 0),
  state            TEXT NOT NULL,         -- JSON of DropState
  created_ms       INTEGER NOT NULL,
  removed_ms       INTEGER
) STRICT;
CREATE INDEX drops_by_show ON drops (show_id, created_ms);

CREATE TABLE drop_items (
  drop_id               TEXT NOT NULL REFERENCES drops (id),
  product_id            TEXT NOT NULL REFERENCES products (id),
  position              INTEGER NOT NULL,
  quantity              INTEGER CHECK (quantity > 0),  -- the drop's own share of the stock; null: all of it
  held                  INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  sold                  INTEGER NOT NULL DEFAULT 0 CHECK (sold >= 0),
  seq                   INTEGER NOT NULL DEFAULT 1,
  price_minor           INTEGER CHECK (price_minor >= 0),
  flash_price_minor     INTEGER CHECK (flash_price_minor >= 0),
  flash_window_ms       INTEGER CHECK (flash_window_ms > 0),
  collector_variant_id  TEXT REFERENCES variants (id),
  collector_window_ms   INTEGER CHECK (collector_window_ms > 0),
  PRIMARY KEY (drop_id, product_id),
  CHECK (quantity IS NULL OR held + sold <= quantity)
) STRICT, WITHOUT ROWID;
CREATE INDEX drop_items_by_product ON drop_items (product_id);

CREATE TABLE early_access_codes (
  drop_id    TEXT NOT NULL REFERENCES drops (id),
  code_hash  TEXT NOT NULL,
  max_uses   INTEGER NOT NULL CHECK (max_uses > 0),
  uses       INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0 AND uses <= max_uses),
  PRIMARY KEY (drop_id, code_hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
  id           TEXT PRIMARY KEY,
  show_id      TEXT NOT NULL REFERENCES shows (id),
  buyer_hash   TEXT NOT NULL,             -- of a token that only the buyer's device has
  variant_id   TEXT NOT NULL REFERENCES variants (id),
  drop_id      TEXT REFERENCES drops (id),
  origin       TEXT NOT NULL CHECK (origin IN ('taken', 'offered')),
  quantity     INTEGER NOT NULL CHECK (quantity > 0),
  price_minor  INTEGER NOT NULL CHECK (price_minor >= 0),  -- per piece, locked
  currency     TEXT NOT NULL CHECK (length(currency) = 3),
  stage        TEXT NOT NULL DEFAULT 'held' CHECK (stage IN ('held', 'paying', 'sold', 'released', 'expired')),
  made_ms      INTEGER NOT NULL,
  deadline_ms  INTEGER NOT NULL,
  ended_ms     INTEGER,
  returned     INTEGER NOT NULL DEFAULT 0 CHECK (returned >= 0 AND returned <= quantity)  -- sold pieces put back on the shelf
) STRICT;
CREATE UNIQUE INDEX holds_in_force ON holds (buyer_hash, variant_id) WHERE stage IN ('held', 'paying');
CREATE INDEX holds_by_deadline ON holds (show_id, deadline_ms) WHERE stage IN ('held', 'paying');
CREATE INDEX holds_by_buyer ON holds (buyer_hash, stage);
CREATE INDEX holds_by_variant ON holds (variant_id, stage);

-- What a hold took, so that exactly this goes back even if the bundle has been changed since.
CREATE TABLE hold_components (
  hold_id   TEXT NOT NULL REFERENCES holds (id),
  sku_id    TEXT NOT NULL REFERENCES skus (id),
  quantity  INTEGER NOT NULL CHECK (quantity > 0),  -- per piece of the hold
  PRIMARY KEY (hold_id, sku_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE waiting (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of the line
  show_id     TEXT NOT NULL REFERENCES shows (id),
  buyer_hash  TEXT NOT NULL,
  variant_id  TEXT NOT NULL REFERENCES variants (id),
  quantity    INTEGER NOT NULL CHECK (quantity > 0),
  stage       TEXT NOT NULL DEFAULT 'waiting' CHECK (stage IN ('waiting', 'offered', 'left')),
  hold_id     TEXT REFERENCES holds (id),  -- what was offered
  joined_ms   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX waiting_in_line ON waiting (buyer_hash, variant_id) WHERE stage = 'waiting';
CREATE INDEX waiting_by_show ON waiting (show_id, id) WHERE stage = 'waiting';

CREATE TABLE wishes (
  buyer_hash  TEXT NOT NULL,
  product_id  TEXT NOT NULL REFERENCES products (id),
  at_ms       INTEGER NOT NULL,
  PRIMARY KEY (buyer_hash, product_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX wishes_by_product ON wishes (product_id);

-- Sales at the table that crew only counted; negative where one was taken back.
CREATE TABLE tallies (
  id           INTEGER PRIMARY KEY,
  show_id      TEXT NOT NULL REFERENCES shows (id),
  variant_id   TEXT NOT NULL REFERENCES variants (id),
  drop_id      TEXT REFERENCES drops (id),
  quantity     INTEGER NOT NULL CHECK (quantity <> 0),
  price_minor  INTEGER NOT NULL CHECK (price_minor >= 0),
  at_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX tallies_by_variant ON tallies (variant_id);

CREATE TABLE shop_settings (
  show_id              TEXT PRIMARY KEY REFERENCES shows (id),
  currency             TEXT NOT NULL DEFAULT 'EUR' CHECK (length(currency) = 3),
  money                TEXT NOT NULL DEFAULT 'test' CHECK (money IN ('test', 'real')),
  hold_ms              INTEGER NOT NULL DEFAULT 300000 CHECK (hold_ms > 0),
  offer_ms             INTEGER NOT NULL DEFAULT 120000 CHECK (offer_ms > 0),
  vat_note             TEXT NOT NULL DEFAULT '',
  seller               TEXT NOT NULL DEFAULT '',
  featured_product_id  TEXT REFERENCES products (id)
) STRICT;

-- Crew on their phones, by personal link.
CREATE TABLE crew (
  id          TEXT PRIMARY KEY,
  show_id     TEXT NOT NULL REFERENCES shows (id),
  name        TEXT NOT NULL,
  token_hash  TEXT NOT NULL UNIQUE,
  created_ms  INTEGER NOT NULL,
  revoked_ms  INTEGER
) STRICT;

CREATE TABLE pickup_windows (
  id         TEXT PRIMARY KEY,
  show_id    TEXT NOT NULL REFERENCES shows (id),
  place      TEXT NOT NULL,
  starts_ms  INTEGER NOT NULL,
  ends_ms    INTEGER NOT NULL CHECK (ends_ms > starts_ms),
  capacity   INTEGER CHECK (capacity > 0),  -- orders; null: no bound
  taken      INTEGER NOT NULL DEFAULT 0 CHECK (taken >= 0),
  CHECK (capacity IS NULL OR taken <= capacity)
) STRICT;

CREATE TABLE shipping_lanes (
  id               TEXT PRIMARY KEY,
  show_id          TEXT NOT NULL REFERENCES shows (id),
  name             TEXT NOT NULL,
  countries        TEXT NOT NULL,         -- JSON array of ISO 3166-1 alpha-2; empty: everywhere
  price_minor      INTEGER NOT NULL CHECK (price_minor >= 0),
  free_from_minor  INTEGER CHECK (free_from_minor >= 0),
  estimate         TEXT NOT NULL DEFAULT '',
  position         INTEGER NOT NULL,
  removed_ms       INTEGER
) STRICT;

CREATE TABLE orders (
  id                TEXT PRIMARY KEY,     -- unguessable: the receipt's address
  show_id           TEXT NOT NULL REFERENCES shows (id),
  buyer_hash        TEXT NOT NULL,
  pickup_code       TEXT NOT NULL,        -- short, read out at the table
  state             TEXT NOT NULL,        -- JSON of OrderState
  stage             TEXT NOT NULL GENERATED ALWAYS AS (json_extract(state, '$.kind')) STORED,
  money             TEXT NOT NULL CHECK (money IN ('test', 'real')),
  email             TEXT NOT NULL DEFAULT '',
  name              TEXT NOT NULL DEFAULT '',
  fulfilment        TEXT NOT NULL,        -- JSON of Fulfilment
  pickup_window_id  TEXT REFERENCES pickup_windows (id),
  shipping_lane_id  TEXT REFERENCES shipping_lanes (id),
  currency          TEXT NOT NULL CHECK (length(currency) = 3),
  items_minor       INTEGER NOT NULL CHECK (items_minor >= 0),
  shipping_minor    INTEGER NOT NULL DEFAULT 0 CHECK (shipping_minor >= 0),
  total_minor       INTEGER NOT NULL GENERATED ALWAYS AS (items_minor + shipping_minor) STORED,
  refunded_minor    INTEGER NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
  address_prefix    TEXT NOT NULL DEFAULT '',  -- of the network address, for disputes; never the whole
  flag              TEXT NOT NULL DEFAULT '',  -- something a person should look at, in a sentence
  created_ms        INTEGER NOT NULL,
  updated_ms        INTEGER NOT NULL,
  UNIQUE (show_id, pickup_code)
) STRICT;
CREATE INDEX orders_by_show ON orders (show_id, created_ms);
CREATE INDEX orders_by_buyer ON orders (buyer_hash);
CREATE INDEX orders_by_stage ON orders (stage, updated_ms);

CREATE TABLE order_lines (
  id            TEXT PRIMARY KEY,
  order_id      TEXT NOT NULL REFERENCES orders (id),
  hold_id       TEXT NOT NULL REFERENCES holds (id),
  variant_id    TEXT NOT NULL REFERENCES variants (id),
  product_name  TEXT NOT NULL,            -- as it was called when it was bought
  variant_name  TEXT NOT NULL,
  sku           TEXT NOT NULL,
  quantity      INTEGER NOT NULL CHECK (quantity > 0),
  price_minor   INTEGER NOT NULL CHECK (price_minor >= 0),
  returned      INTEGER NOT NULL DEFAULT 0 CHECK (returned >= 0 AND returned <= quantity),
  position      INTEGER NOT NULL
) STRICT;
CREATE INDEX order_lines_by_order ON order_lines (order_id, position);
CREATE UNIQUE INDEX order_lines_by_hold ON order_lines (hold_id, order_id);

-- One attempt to be paid. The idempotency key derives from the order.
CREATE TABLE payments (
  id               TEXT PRIMARY KEY,
  order_id         TEXT NOT NULL REFERENCES orders (id),
  provider         TEXT NOT NULL CHECK (provider IN ('stripe', 'counter', 'free', 'test')),
  provider_ref     TEXT,                  -- the provider's own id, once known
  idempotency_key  TEXT NOT NULL UNIQUE,
  stage            TEXT NOT NULL CHECK (stage IN ('open', 'paid', 'failed', 'expired')),
  amount_minor     INTEGER NOT NULL CHECK (amount_minor >= 0),
  currency         TEXT NOT NULL CHECK (length(currency) = 3),
  redirect_url     TEXT,
  created_ms       INTEGER NOT NULL,
  ended_ms         INTEGER,
  UNIQUE (provider, provider_ref)
) STRICT;
CREATE INDEX payments_by_order ON payments (order_id);
CREATE INDEX payments_open ON payments (created_ms) WHERE stage = 'open';

CREATE TABLE refunds (
  id               TEXT PRIMARY KEY,
  order_id         TEXT NOT NULL REFERENCES orders (id),
  payment_id       TEXT NOT NULL REFERENCES payments (id),
  idempotency_key  TEXT NOT NULL UNIQUE,
  provider_ref     TEXT,
  stage            TEXT NOT NULL CHECK (stage IN ('open', 'done', 'failed')),
  amount_minor     INTEGER NOT NULL CHECK (amount_minor >= 0),
  reason           TEXT NOT NULL,
  lines            TEXT NOT NULL,         -- JSON: which lines, how many, back on the shelf or not
  created_ms       INTEGER NOT NULL,
  ended_ms         INTEGER
) STRICT;
CREATE INDEX refunds_by_order ON refunds (order_id);

-- Money that moved. A charge and a refund of one provider id can be written once only.
CREATE TABLE ledger (
  id            INTEGER PRIMARY KEY,
  order_id      TEXT NOT NULL REFERENCES orders (id),
  kind          TEXT NOT NULL CHECK (kind IN ('charge', 'refund')),
  provider      TEXT NOT NULL,
  provider_ref  TEXT NOT NULL,
  amount_minor  INTEGER NOT NULL CHECK (amount_minor >= 0),
  currency      TEXT NOT NULL CHECK (length(currency) = 3),
  at_ms         INTEGER NOT NULL,
  UNIQUE (provider, provider_ref, kind)
) STRICT;
CREATE INDEX ledger_by_order ON ledger (order_id);

-- Callbacks of providers that have been dealt with.
CREATE TABLE provider_events (
  provider  TEXT NOT NULL,
  event_id  TEXT NOT NULL,
  at_ms     INTEGER NOT NULL,
  PRIMARY KEY (provider, event_id)
) STRICT, WITHOUT ROWID;

-- What happened to an order, for the person at the table and for disputes.
CREATE TABLE order_events (
  id        INTEGER PRIMARY KEY,
  order_id  TEXT NOT NULL REFERENCES orders (id),
  at_ms     INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  detail    TEXT NOT NULL                 -- JSON
) STRICT;
CREATE INDEX order_events_by_order ON order_events (order_id, id);

CREATE TABLE digital_files (
  product_id  TEXT PRIMARY KEY REFERENCES products (id),
  digest      TEXT NOT NULL,
  file_name   TEXT NOT NULL,
  bytes       INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;

CREATE TABLE digital_codes (
  id             INTEGER PRIMARY KEY,
  product_id     TEXT NOT NULL REFERENCES products (id),
  code           TEXT NOT NULL,
  order_line_id  TEXT REFERENCES order_lines (id),
  UNIQUE (product_id, code)
) STRICT;
CREATE INDEX digital_codes_free ON digital_codes (product_id, id) WHERE order_line_id IS NULL;

CREATE TABLE digital_links (
  token_hash     TEXT PRIMARY KEY,
  order_line_id  TEXT NOT NULL REFERENCES order_lines (id),
  expires_ms     INTEGER NOT NULL,
  downloads      INTEGER NOT NULL DEFAULT 0,
  last_ms        INTEGER
) STRICT;
CREATE INDEX digital_links_by_line ON digital_links (order_line_id);

CREATE TABLE mails (
  id          INTEGER PRIMARY KEY,
  order_id    TEXT NOT NULL REFERENCES orders (id),
  kind        TEXT NOT NULL,
  address     TEXT NOT NULL,
  subject     TEXT NOT NULL,
  text        TEXT NOT NULL,
  stage       TEXT NOT NULL CHECK (stage IN ('waiting', 'sent', 'failed', 'notConfigured')),
  created_ms  INTEGER NOT NULL,
  sent_ms     INTEGER,
  UNIQUE (order_id, kind)
) STRICT;

-- A show set up by the version before keeps its product, its stock and what was sold at the table.
INSERT INTO skus (id, show_id, code, stock, held, sold, seq)
  SELECT id, show_id, 'P' || rowid, stock, 0, sold, seq + 1 FROM products_first_light;
INSERT INTO products (id, show_id, kind, name, price_minor, picture_url, created_ms)
  SELECT id, show_id, 'physical', name, price_minor, picture_url, created_ms FROM products_first_light ORDER BY rowid;
INSERT INTO variants (id, product_id, name, sku, sold, position)
  SELECT id, id, '', 'P' || rowid, sold, 0 FROM products_first_light;
INSERT INTO variant_components (variant_id, sku_id, quantity) SELECT id, id, 1 FROM products_first_light;
INSERT INTO tallies (show_id, variant_id, quantity, price_minor, at_ms)
  SELECT show_id, id, sold, price_minor, created_ms FROM products_first_light WHERE sold > 0;
INSERT INTO shop_settings (show_id) SELECT id FROM shows;
UPDATE shop_settings SET
  featured_product_id = (SELECT id FROM products_first_light p WHERE p.show_id = shop_settings.show_id ORDER BY created_ms DESC, rowid DESC LIMIT 1),
  currency = COALESCE((SELECT currency FROM products_first_light p WHERE p.show_id = shop_settings.show_id ORDER BY created_ms DESC, rowid DESC LIMIT 1), 'EUR');
DROP TABLE products_first_light;
`;
