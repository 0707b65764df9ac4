-- What the event was that a chain was begun for: a changed policy may call its chain otherwise.
ALTER TABLE chain_run ADD COLUMN IF NOT EXISTS occasion text CHECK (occasion IN ('challenged', 'campaign'));
UPDATE chain_run SET occasion = CASE WHEN chain LIKE 'campaign%' THEN 'campaign' ELSE 'challenged' END
 WHERE cause IS NOT NULL AND occasion IS NULL;
