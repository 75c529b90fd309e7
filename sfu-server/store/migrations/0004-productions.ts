// Scenes and sources of the director, in their last versions; what is on program becomes a picture of its own. Never edited after it
// has landed; add a new one instead.

export const sql = `
CREATE TABLE productions (
  id        INTEGER PRIMARY KEY,
  document  TEXT NOT NULL,
  begun_ms  INTEGER NOT NULL,             -- edits soon after go into the same version
  saved_ms  INTEGER NOT NULL
) STRICT;

UPDATE shows SET scene = json_object(
  'picture', NULL,
  'guestIds', json('[]'),
  'lowerThird', json(scene -> '$.lowerThird'),
  'qrVisible', json(scene -> '$.qrVisible')
) WHERE json_valid(scene);
`;
