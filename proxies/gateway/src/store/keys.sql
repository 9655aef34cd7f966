-- Public keys that a user may prove to be theirs, as a JSON list of texts in OpenSSH's form.
ALTER TABLE users ADD COLUMN keys TEXT NOT NULL DEFAULT '[]';
