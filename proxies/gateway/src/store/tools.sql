-- How the tools of MCP servers were described, each description by its SHA-256. One that a tool is first seen with is approved.
CREATE TABLE tool_pins (
  target TEXT NOT NULL,
  tool TEXT NOT NULL,
  digest BLOB NOT NULL,
  approved INTEGER NOT NULL,
  PRIMARY KEY (target, tool, digest)
) STRICT, WITHOUT ROWID;
