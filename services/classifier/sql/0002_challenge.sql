-- The decision that stands (decision_event_id) was challenged: incident.challenged was published with this level. NULL: it was not.
ALTER TABLE incident_case ADD COLUMN IF NOT EXISTS challenged_level text;
