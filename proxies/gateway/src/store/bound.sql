-- Approvals that are bound to the principal outlive the session that asked. `untold`: evidence has yet to say how it ended.
ALTER TABLE approvals ADD COLUMN bound_to TEXT NOT NULL DEFAULT 'session';
ALTER TABLE approvals ADD COLUMN untold INTEGER NOT NULL DEFAULT 0;
CREATE INDEX approvals_bound ON approvals (binding, number) WHERE bound_to = 'principal';
CREATE INDEX approvals_untold ON approvals (number) WHERE untold = 1;
-- How many clients wait for one of those at the moment, at which instance.
CREATE TABLE waits (
  approval INTEGER NOT NULL REFERENCES approvals (number),
  instance INTEGER NOT NULL,
  clients INTEGER NOT NULL,
  PRIMARY KEY (approval, instance)
) STRICT, WITHOUT ROWID;
