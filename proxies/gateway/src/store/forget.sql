-- What a hold reveals is for whoever decides about it: it is not kept once nobody does.
CREATE TRIGGER forget_what_was_revealed AFTER UPDATE OF state ON approvals
WHEN NEW.state <> 'pending' AND NEW.revealed IS NOT NULL
BEGIN
  UPDATE approvals SET revealed = NULL WHERE number = NEW.number;
END;
UPDATE approvals SET revealed = NULL WHERE state <> 'pending';
