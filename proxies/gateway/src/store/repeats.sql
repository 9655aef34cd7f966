-- Which arguments of a tool a request repeats in its head, as its descriptions said: the field's name in lower case, and a JSON
-- pointer into the arguments.
CREATE TABLE tool_repeats (
  target TEXT NOT NULL,
  tool TEXT NOT NULL,
  field TEXT NOT NULL,
  pointer TEXT NOT NULL,
  PRIMARY KEY (target, tool, field, pointer)
) STRICT, WITHOUT ROWID;
