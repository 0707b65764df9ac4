-- A chain that an event began (a challenged decision, a campaign) climbs beside those of the incident's level, and its generations are its own.
ALTER TABLE chain_run ADD COLUMN IF NOT EXISTS cause uuid; -- the event; NULL: the level, or the lack of a grade
