CREATE TABLE instances (
  id INTEGER PRIMARY KEY,
  heartbeat INTEGER NOT NULL
) STRICT;
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  instance INTEGER NOT NULL,
  principal TEXT NOT NULL,
  target TEXT NOT NULL,
  source TEXT NOT NULL,
  client TEXT NOT NULL,
  opened INTEGER NOT NULL
) STRICT;
CREATE TABLE approvals (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  instance INTEGER NOT NULL,
  session INTEGER NOT NULL,
  principal TEXT NOT NULL,
  kind TEXT NOT NULL,
  person TEXT,
  owner TEXT,
  target TEXT NOT NULL,
  binding BLOB NOT NULL,
  shown TEXT NOT NULL,
  revealed TEXT,
  actions TEXT NOT NULL,
  holds TEXT NOT NULL,
  justification TEXT,
  in_transaction INTEGER NOT NULL,
  created INTEGER NOT NULL,
  deadline INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending',
  decided_by TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  ended INTEGER
) STRICT;
CREATE INDEX approvals_pending ON approvals (state, number);
CREATE TABLE votes (
  approval INTEGER NOT NULL REFERENCES approvals (number),
  voter TEXT NOT NULL,
  approve INTEGER NOT NULL,
  at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  binding BLOB NOT NULL,
  holds TEXT NOT NULL,
  PRIMARY KEY (approval, voter, approve, holds)
) STRICT;
CREATE TABLE revocations (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  session INTEGER,
  principal TEXT,
  by TEXT NOT NULL,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL,
  CHECK ((session IS NULL) <> (principal IS NULL))
) STRICT;
CREATE TABLE counters (
  counter TEXT PRIMARY KEY,
  window INTEGER NOT NULL,
  used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE users (
  name TEXT PRIMARY KEY,
  verifier TEXT NOT NULL,
  kind TEXT NOT NULL,
  groups TEXT NOT NULL,
  person TEXT,
  owner TEXT,
  disabled INTEGER NOT NULL
) STRICT;
CREATE TABLE tag_pins (
  target TEXT NOT NULL,
  pattern TEXT NOT NULL,
  relation INTEGER NOT NULL,
  attribute INTEGER NOT NULL,
  PRIMARY KEY (target, pattern, relation, attribute)
) STRICT;
