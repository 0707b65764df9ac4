-- SHA-256 of what else the decision in incident.v1 says (levels by regime, who is needed, sub-category, facts): a grade at the same level that says
-- other things is published too, for duties are judged by it. NULL: written before this column.
ALTER TABLE incident_case ADD COLUMN IF NOT EXISTS digest text;
