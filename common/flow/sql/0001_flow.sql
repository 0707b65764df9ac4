-- The tables of a sink, made in the schema of each service that has one; the search_path is that schema.
-- Offsets move with the changes they stand for: sink_advance() is the first statement of every transaction.

CREATE TABLE IF NOT EXISTS kafka_offset (
    consumer_group text   NOT NULL,
    topic          text   NOT NULL,
    partition      int    NOT NULL,
    incarnation    int    NOT NULL DEFAULT 1,   -- grows when the log turned out to be another one (hard case 7)
    next_offset    bigint NOT NULL DEFAULT 0,   -- the first record that is not applied
    last_event_id  text,                        -- of the record before next_offset: compared on assignment
    caught_up_to   timestamptz,                 -- everything that was appended before this time is applied
    starts         int    NOT NULL DEFAULT 0,   -- beginnings on this offset without progress (hard case 4) …
    starter        text,                        -- … by different processes: the last of them
    PRIMARY KEY (consumer_group, topic, partition)
);

CREATE TABLE IF NOT EXISTS kafka_gap (
    consumer_group text NOT NULL,
    topic          text NOT NULL,
    partition      int NOT NULL,
    from_offset    bigint NOT NULL,             -- wanted
    to_offset      bigint NOT NULL,             -- where the log begins: what lies between was removed unread
    found_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    accepted_at    timestamptz,                 -- an operator said to go on: tongbao offsets accept
    PRIMARY KEY (consumer_group, topic, partition, from_offset)
);

-- Ids that were applied; kept longer than the topics keep records.
CREATE TABLE IF NOT EXISTS seen (
    event_id   uuid PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT transaction_timestamp()
);
CREATE INDEX IF NOT EXISTS seen_applied_at ON seen USING brin (applied_at);

CREATE TABLE IF NOT EXISTS outbox (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    key        bytea NOT NULL,                  -- the incident id, as text; of a dead letter: its own key
    headers    bytea NOT NULL,                  -- each: length (2 bytes), name, length (4 bytes), value
    value      bytea NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acked_at   timestamptz
);
-- A stranger's key may be longer than an index takes.
CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (substring(key FROM 1 FOR 64), seq) WHERE acked_at IS NULL;
CREATE INDEX IF NOT EXISTS outbox_acked ON outbox (acked_at) WHERE acked_at IS NOT NULL;

-- Locks the offset's row and moves it; raises when somebody else moved it, or when it is missing.
CREATE OR REPLACE FUNCTION sink_advance(a_group text, a_topic text, a_partition int, a_expected bigint, a_next bigint, a_last_event_id text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE kafka_offset SET next_offset = a_next, last_event_id = a_last_event_id, starts = 0
     WHERE consumer_group = a_group AND topic = a_topic AND partition = a_partition AND next_offset = a_expected;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'offset of % % is not %: another instance has it', a_topic, a_partition, a_expected USING ERRCODE = 'TB001';
    END IF;
END $$;

-- Ids older than any record that a topic keeps (proto/topics.def), so that no repeat is taken for new; a few at a time. A BRIN index is read
-- by a bitmap, which the services do without (common/db/db.c).
CREATE OR REPLACE FUNCTION sink_forget(a_max int) RETURNS bigint LANGUAGE plpgsql SET enable_bitmapscan = on AS $$
DECLARE
    forgotten bigint;
BEGIN
    DELETE FROM seen WHERE event_id IN (SELECT event_id FROM seen WHERE applied_at < now() - interval '180 days' LIMIT a_max);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;
