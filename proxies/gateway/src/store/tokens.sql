-- Tokens that clients prove themselves by. `hash` is the SHA-256 of the whole token, which stands nowhere.
CREATE TABLE tokens (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  hash BLOB NOT NULL UNIQUE,
  user TEXT NOT NULL,
  name TEXT NOT NULL,
  owner TEXT,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  used INTEGER,
  revoked INTEGER
) STRICT;
CREATE INDEX tokens_of_users ON tokens (user);
-- A revocation may be of a token now. Numbers stay what they are: gateways remember the last one they have seen.
CREATE TABLE revocations_now (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  session INTEGER,
  principal TEXT,
  token INTEGER,
  by TEXT NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  CHECK ((session IS NOT NULL) + (principal IS NOT NULL) + (token IS NOT NULL) = 1)
) STRICT;
INSERT INTO revocations_now SELECT sequence, session, principal, NULL, by, reason, at FROM revocations;
DROP TABLE revocations;
ALTER TABLE revocations_now RENAME TO revocations;
