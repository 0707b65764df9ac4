-- What calls people has become more.
COMMENT ON COLUMN analytics.escalation.why IS 'first_grade, level_raised, reopened, ungraded; challenged (news speaks against a person''s decision), campaign (the incident opens one); unacknowledged, undelivered, vacant (of the step before), policy_changed';
COMMENT ON COLUMN analytics.escalation.generation IS 'grows when a chain is begun again: level raised, reopened; challenged again';
