-- notifier: the ledger of messages to people. Written by the notifier alone.

-- A call to a person (escalation.raised), and whether it was acknowledged: either may be read first.
CREATE TABLE call (
    escalation_id   uuid PRIMARY KEY,
    event_id        uuid,                                -- NULL, as the two below: only its acknowledgement is known yet
    incident_id     uuid,
    raised          text,                                -- the event's body
    is_acknowledged boolean NOT NULL DEFAULT false
);

-- Incidents that were refuted or closed: calls of a smaller incident_seq are not told any more; a reopened incident calls with a greater one.
CREATE TABLE ended (
    incident_id  uuid PRIMARY KEY,
    incident_seq bigint NOT NULL
);

-- One message to one person by one way. `sending` is written before the network is touched, so that a crash in between is seen.
CREATE TABLE message (
    notification_id  uuid PRIMARY KEY,
    escalation_id    uuid NOT NULL,
    incident_id      uuid NOT NULL,
    incident_seq     bigint NOT NULL,
    partition        int  NOT NULL,                       -- of the call: how far it must have been read before a message is sent
    person_id        uuid NOT NULL,
    channel          text NOT NULL,
    address          text NOT NULL,
    state            text NOT NULL CHECK (state IN ('planned', 'sending', 'sent', 'unknown', 'failed', 'dead', 'suppressed')),
    attempt          int  NOT NULL DEFAULT 0,
    due_at           timestamptz NOT NULL,                -- sending: until when the claim holds
    may_be_duplicate boolean NOT NULL DEFAULT false,
    claimed_by       text,                                -- instance and process that has the message in hand
    claimed_process  text,
    planned_at       timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL,
    why              text
);
CREATE INDEX message_due ON message (due_at) WHERE state IN ('planned', 'sending', 'unknown', 'failed');
CREATE INDEX message_call ON message (escalation_id);
CREATE INDEX message_incident ON message (incident_id);

GRANT SELECT, INSERT, UPDATE ON call, ended, message TO tongbao_notifier;
