-- What the decision in incident.v1 says by regime: {"cac-2025":"extreme","eu-nis2":"reportable"}. Legal duties run by it, so rules never lower it.
-- NULL: written before this column.
ALTER TABLE incident_case ADD COLUMN IF NOT EXISTS standing text;
