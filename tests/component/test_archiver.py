"""The archiver on a real Kafka and a real PostgreSQL: every record once, whatever it holds and whenever it is killed."""
import itertools
import json
import random
import uuid

import confluent_kafka
import psycopg2
import pytest

from servers import ROOT, FallsSilent, wait_until
from stack import Service

EXAMPLES = ROOT / "proto/examples"
TOPICS = [f"tongbao.{t}.v1" for t in ("report", "incident", "action", "escalation", "notification", "advisory", "dead")]
FAILPOINTS = ("sink.polled", "sink.begun", "sink.applied", "sink.written", "sink.committed", "sink.relayed")


def topic_of(kind):
    noun = kind.split(".")[0]
    return f"tongbao.{'escalation' if noun == 'obligation' else noun}.v1"


def canonical(body):
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


class Incident:
    """Makes events of one incident from the contract's examples."""

    def __init__(self):
        self.id, self.enterprise = str(uuid.uuid4()), str(uuid.uuid4())

    def event(self, kind, event_id=None, **changes):
        body = json.loads((EXAMPLES / f"{kind}.json").read_text())
        body.update(incident_id=self.id, enterprise_id=self.enterprise, **changes)
        return Record(topic_of(kind), self.id, canonical({k: v for k, v in body.items() if v is not None}), kind,
                      event_id or str(uuid.uuid4()))


class Record:
    def __init__(self, topic, key, value, kind=None, event_id=None, headers=None):
        self.topic, self.key, self.id = topic, key, event_id
        self.value = value.encode() if isinstance(value, str) else value
        self.headers = headers if headers is not None else [
            ("ce_specversion", "1.0"), ("ce_id", event_id), ("ce_type", kind), ("ce_source", "/tongbao/test")]


class Archiver:
    """The service, and what it is compared with: the log itself."""

    def __init__(self, workspace, kafka, database):
        self.kafka, self.database, self.sent = kafka, database, 0
        self.service = Service(workspace, "archiver", {"kafka_brokers": kafka.brokers,
                                                       "pg": database.dsn_as("tongbao_archiver")})
        self.producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "partitioner": "murmur2_random",
                                                  "log_level": 0})

    def send(self, *records):
        fates = []
        for r in records:
            self.producer.produce(r.topic, key=r.key, value=r.value, headers=r.headers,
                                  on_delivery=lambda problem, message: fates.append(problem))
        assert self.producer.flush(20) == 0 and fates == [None] * len(records), fates
        self.sent += len(records)

    def archived(self):
        """Waits until as many rows are there as records were sent."""
        wait_until(lambda: self.in_archive() == self.sent, 30, f"{self.sent} records are archived")

    def in_archive(self):
        return self.database.value("SELECT count(*) FROM archive.event")

    def proved(self):
        """Every record that Kafka holds is archived, once, to the byte."""
        self.archived()
        logs = raw_records(self.kafka)
        assert len(logs) == self.sent  # the archiver itself writes none, no dead letter either
        rows = self.database.rows('SELECT topic, partition, "offset", incarnation, key, headers, value'
                                  " FROM archive.event")
        archived = {(r["topic"], r["partition"], r["offset"]):
                    (as_bytes(r["key"]), [as_bytes(h) for h in r["headers"]], as_bytes(r["value"])) for r in rows}
        assert len(archived) == len(rows) == len(logs)
        assert {r["incarnation"] for r in rows} == {1}
        for m in logs:
            flat = [x if isinstance(x, bytes) or x is None else x.encode() for h in m.headers() or [] for x in h]
            assert archived[m.topic(), m.partition(), m.offset()] == (m.key(), flat, m.value())

    def row(self, event_id, offset_order=0):
        return self.database.rows('SELECT *, convert_from(headers[2], \'LATIN1\') AS first_value FROM archive.event'
                                  ' WHERE event_id = %s ORDER BY appended_at, "offset"', event_id)[offset_order]

    def view(self, name, incident, columns="*"):
        return self.database.rows(f"SELECT {columns} FROM analytics.{name} WHERE incident_id = %s", incident.id,
                                  role="tongbao_analyst")


def as_bytes(value):
    return None if value is None else bytes(value)


def raw_records(kafka):
    """Every record of every topic, with headers as bytes, as the client gives them."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": "raw", "log_level": 0,
                                         "enable.auto.commit": False, "enable.partition.eof": True})
    found = []
    try:
        known = consumer.list_topics(timeout=10).topics
        places = [confluent_kafka.TopicPartition(t, p, 0) for t in TOPICS for p in known[t].partitions]
        consumer.assign(places)
        left = len(places)
        while left:
            for m in consumer.consume(1000, timeout=0.05):
                if not m.error():
                    found.append(m)
                elif m.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    left -= 1
                else:
                    raise confluent_kafka.KafkaException(m.error())
    finally:
        consumer.close()
    return found


@pytest.fixture(scope="module")
def archiver(workspace, kafka, migrated):
    kafka.create_topics()
    wait_until(lambda: set(TOPICS) <= set(kafka.admin().list_topics(timeout=5).topics), 20, "the topics are visible")
    it = Archiver(workspace, kafka, migrated)
    it.service.start()
    yield it
    trouble = it.service.check_health()
    it.service.stop()
    assert not trouble + it.service.check_health()


@pytest.fixture(autouse=True)
def runs_and_settles(archiver):
    """Each test begins with a running archiver, and ends with every record of the log archived once."""
    archiver.service.failpoints(None)
    if not archiver.service.running():
        archiver.service.start()
    yield
    if not archiver.service.running():
        archiver.service.failpoints(None)
        archiver.service.start()
    archiver.proved()


def test_every_type_reaches_its_view(archiver):
    incident = Incident()
    kinds = sorted(p.stem for p in EXAMPLES.glob("*.json"))
    archiver.send(*(incident.event(kind) for kind in kinds))
    wait_until(lambda: len(archiver.view("timeline", incident)) == len(kinds), 20, "the timeline is whole")

    row, = archiver.view("incident", incident)
    example = json.loads((EXAMPLES / "report.submitted.json").read_text())
    assert (row["reference"], row["enterprise_code"], row["drill"]) == (example["reference"], "HXJM", False)
    assert row["revision"] == json.loads((EXAMPLES / "incident.reclassified.json").read_text())["revision"]
    assert row["received_at"] and row["graded_at"] and row["state"] == "confirmed"
    assert [r["revision"] for r in archiver.view("classification", incident, "revision")].count(0) == 1
    assert len(archiver.view("classification", incident)) == 2
    assert archiver.view("obligation", incident) and archiver.view("escalation", incident)
    assert archiver.view("notification", incident)
    sources = {r["source"] for r in archiver.view("timeline", incident)}
    assert sources == {"/tongbao/test"}


def test_personal_data_of_reporters_is_masked(archiver):
    incident = Incident()
    archiver.send(incident.event("report.submitted"), incident.event("incident.classified"))
    wait_until(lambda: len(archiver.view("timeline", incident)) == 2, 20, "both are there")
    text = json.dumps([r["body"] for r in archiver.view("timeline", incident)], ensure_ascii=False)
    assert "021-5555 0123" not in text and text.count('"masked": true') == 2
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        archiver.database.rows("SELECT * FROM archive.event", role="tongbao_analyst")


def test_every_column_of_the_views_is_explained(archiver):
    silent = archiver.database.rows(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'v'"
        " AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)")
    assert silent == []


@pytest.mark.parametrize("verb", ["UPDATE archive.event SET type = 'x'", "DELETE FROM archive.event",
                                  "TRUNCATE archive.event", "DELETE FROM archive.incident"])
def test_the_archive_is_append_only(archiver, verb):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        archiver.database.rows(verb, role="tongbao_archiver")


def incident_story():
    """One incident's events, with what the views must show when all have come, in whatever order."""
    incident, call, duty, message = Incident(), *(str(uuid.uuid4()) for _ in range(3))
    actor = {"scope": "park", "id": "k", "name": "甲"}
    events = [
        incident.event("report.submitted", summary="第一份"),
        incident.event("incident.classified", revision=0, level="general", summary="第一份"),
        incident.event("incident.reclassified", revision=1, level="major", summary="补充后"),
        incident.event("escalation.state", incident_seq=2, state="reported", acknowledged_escalation_ids=[]),
        incident.event("escalation.state", incident_seq=4, state="triaged", acknowledged_escalation_ids=[call],
                       occurred_at="2026-11-22T03:04:00.000Z", actor=actor),
        incident.event("escalation.state", incident_seq=6, state="confirmed", acknowledged_escalation_ids=[call],
                       occurred_at="2026-11-22T03:06:00.000Z", actor={**actor, "name": "乙"}),
        incident.event("escalation.raised", escalation_id=call, incident_seq=3),
        incident.event("obligation.created", obligation_id=duty, incident_seq=3, state="running"),
        incident.event("obligation.satisfied", obligation_id=duty, incident_seq=5),
        incident.event("notification.failed", notification_id=message, attempt=1),
        incident.event("notification.sent", notification_id=message, attempt=2),
    ]
    return incident, events


def shown(archiver, incident):
    row, = archiver.view("incident", incident, "state, level, summary, revision, incident_seq")
    call, = archiver.view("escalation", incident, "acknowledged_by, acknowledged_at::text, step")
    duty, = archiver.view("obligation", incident, "state, satisfied_at::text")
    note, = archiver.view("notification", incident, "state, attempt")
    return tuple(row.values()), tuple(call.values()), tuple(duty.values()), tuple(note.values())


WANTED = (("confirmed", "major", "补充后", 1, 6), ("甲", "2026-11-22 03:04:00+00", 1),
          ("satisfied", "2026-11-22 06:55:00+00"), ("sent", 2))


def test_hard_case_02_any_order_gives_the_same_views(archiver):
    """Effects count by their ids; of states the one of the greatest number: in batches, and one by one."""
    order = random.Random(2)
    stories = [incident_story() for _ in range(40)]
    for _, events in stories:
        order.shuffle(events)
    archiver.service.stop()  # so that the first ones are read in large batches
    archiver.send(*itertools.chain.from_iterable(events for _, events in stories[:20]))
    archiver.service.start()
    for place in range(11):
        archiver.send(*(events[place] for _, events in stories[20:]))
        archiver.archived()
    archiver.archived()
    assert [shown(archiver, incident) for incident, _ in stories] == [WANTED] * len(stories)


def test_campaigns_are_shown_whatever_comes_first(archiver):
    campaign, incidents = str(uuid.uuid4()), [Incident() for _ in range(3)]
    reports = [i.event("report.submitted") for i in incidents]

    def link(incident, enterprises, **fields):
        return incident.event("incident.linked", opens=enterprises == 2, drill=False, **fields, zh=f"{enterprises} 家",
                              campaign={"campaign_id": campaign, "enterprises": enterprises, "incidents": enterprises},
                              **({} if enterprises == 2 else {"advisory": None}),
                              indicator={"type": "ip", "value": "203.0.113.77"})
    third = link(incidents[2], 3, occurred_at="2026-11-22T07:00:00.000Z")
    archiver.send(third, reports[0], link(incidents[1], 2))
    archiver.archived()
    archiver.send(link(incidents[0], 2), third, reports[2], reports[1])
    archiver.archived()
    row, = archiver.database.rows("SELECT *, opened_at::text AS opened FROM analytics.campaign WHERE campaign_id = %s",
                                  campaign, role="tongbao_analyst")
    enterprises = len({json.loads(r.value)["enterprise_id"] for r in reports})
    assert (row["rule"], row["kind"], row["indicator_type"], row["shared"]) == ("correlation.indicator", "indicator", "ip",
                                                                               "203.0.113.77")
    assert (row["enterprises"], row["incidents"], row["why_zh"]) == (enterprises, 3, "2 家")
    assert row["opened"].startswith("2026-11-22 06:00:00") and row["advisory"]["tlp"] == "TLP:AMBER" and not row["drill"]
    members = {r["incident_id"]: r for r in archiver.database.rows(
        "SELECT * FROM analytics.campaign_incident WHERE campaign_id = %s", campaign, role="tongbao_analyst")}
    assert set(members) == {i.id for i in incidents}
    received = [r["received_at"] for r in members.values()]
    assert (row["first_at"], row["last_at"]) == (min(received), max(received))
    assert all(archiver.view("incident", i)[0]["received_at"] == members[i.id]["received_at"] for i in incidents)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        archiver.database.rows("SELECT * FROM analytics.campaign", role="tongbao_intake")


def test_an_incident_is_shown_once_it_is_known(archiver):
    incident = Incident()
    archiver.send(incident.event("escalation.state"))
    archiver.archived()
    assert archiver.view("incident", incident) == []
    archiver.send(incident.event("report.submitted"))
    wait_until(lambda: archiver.view("incident", incident), 20, "the incident is shown")
    assert archiver.view("incident", incident)[0]["state"] == "confirmed"


def test_hard_case_14_a_repeat_has_no_effect_and_other_bytes_are_flagged(archiver):
    incident = Incident()
    first = incident.event("report.submitted", summary="第一份")
    same = incident.event("report.submitted", first.id, summary="第一份")
    other = incident.event("report.submitted", first.id, summary="别的内容")
    before = archiver.service.metrics()
    archiver.send(first, same, other)  # in one batch, or nearly so
    archiver.archived()
    archiver.send(same, other)
    archiver.archived()
    flags = [(archiver.row(first.id, i)["is_repeat"], archiver.row(first.id, i)["is_conflict"]) for i in range(5)]
    assert flags == [(False, False), (True, False), (True, True), (True, False), (True, True)]
    assert len(archiver.view("timeline", incident)) == 1
    assert archiver.view("incident", incident)[0]["summary"] == "第一份"
    now = archiver.service.metrics()
    assert now["archiver_repeats_total"] - before["archiver_repeats_total"] == 2
    assert now["archiver_conflicts_total"] - before["archiver_conflicts_total"] == 2


@pytest.mark.parametrize("kind, field", [("action.confirmed", "note"), ("report.supplemented", "summary")])
def test_an_action_that_is_sent_again_is_no_conflict(archiver, kind, field):
    """It came later, which its occurred_at says; all else must be the same, its type too."""
    incident = Incident()
    def sent(at, text, kind=kind):
        return incident.event(kind, first.id if at else None, occurred_at=f"2026-11-22T03:00:0{at}.000Z",
                              **{field: text + ' "occurred_at":"x"'})
    first = sent(0, "一")
    before = archiver.service.metrics()["archiver_conflicts_total"]
    archiver.send(first, sent(1, "一"))  # in one batch, or nearly so
    archiver.archived()
    archiver.send(sent(2, "一"), sent(3, "二"), *([sent(4, "一", "action.contained")] if field == "note" else []))
    archiver.archived()
    flags = [(row["is_repeat"], row["is_conflict"]) for row in archiver.database.rows(
        'SELECT is_repeat, is_conflict FROM archive.event WHERE event_id = %s ORDER BY "offset"', first.id)]
    wanted = [(False, False), (True, False), (True, False), (True, True), (True, True)]
    assert flags == wanted[:len(flags)] and len(flags) == (5 if field == "note" else 4)
    assert archiver.service.metrics()["archiver_conflicts_total"] - before == len(flags) - 3


def test_hard_case_10_what_another_enterprise_says_is_not_shown(archiver):
    """B sends an action on A's incident before anybody knows whose it is."""
    incident, other = Incident(), str(uuid.uuid4())
    actor = {"scope": "enterprise", "id": "k", "name": "B 的人"}
    foreign = incident.event("action.confirmed", reason="B 的话", actor=actor)
    body = json.loads(foreign.value)
    body["enterprise_id"] = other
    foreign.value = canonical(body).encode()
    own = incident.event("action.confirmed", reason="A 的话", actor={**actor, "name": "A 的人"})
    body = json.loads(incident.event("action.confirmed", actor={"scope": "park", "id": "k", "name": "值班"}).value)
    body["enterprise_id"] = str(uuid.uuid4())  # the park's: the incident was not visible yet
    park = Record("tongbao.action.v1", incident.id, canonical(body), "action.confirmed", str(uuid.uuid4()))
    archiver.send(foreign, own, park)
    archiver.archived()
    archiver.send(incident.event("report.submitted"))
    wait_until(lambda: archiver.view("incident", incident), 20, "the incident is shown")
    rows = archiver.view("timeline", incident)
    assert {row["event_id"] for row in rows if row["type"] == "action.confirmed"} == {own.id, park.id}
    assert "B 的" not in json.dumps([row["body"] for row in rows], ensure_ascii=False)
    assert {row["enterprise_id"] for row in rows} == {incident.enterprise}


def test_a_record_that_was_only_a_dead_letter_before_still_counts(archiver):
    """`tongbao replay` sends the original id again; so does a producer that was mended."""
    incident = Incident()
    event = incident.event("report.submitted")
    dead = Record("tongbao.dead.v1", incident.id, event.value, headers=event.headers + [("reason", "x")])
    broken = Record(event.topic, incident.id, b"{", headers=event.headers)
    for record in (dead, broken, event):
        archiver.send(record)
        archiver.archived()
    rows = [archiver.row(event.id, i) for i in range(3)]
    assert [r["problem"] is None for r in rows] == [False, False, True]
    assert [r["is_repeat"] for r in rows] == [False, False, False]
    assert len(archiver.view("incident", incident)) == 1


NO_EVENTS = {
    "no JSON": Record("tongbao.report.v1", "k", b"\x00\xff garbage"),
    "nothing at all": Record("tongbao.report.v1", None, None, headers=[]),
    "no headers": Record("tongbao.report.v1", str(uuid.uuid4()), b"{}", headers=[]),
    "headers that are no text": Record("tongbao.report.v1", "k", b"{}", headers=[
        ("ce_type", b"\xff\xfe\x00"), ("ce_id", b"\xc3"), ("empty", None), ("twice", b"1"), ("twice", b"2")]),
    "a type of tomorrow": Record("tongbao.report.v1", "k", b"{}", "report.submitted.v2", str(uuid.uuid4())),
    "a type cut inside a character": Record("tongbao.report.v1", "k", b"{}", "a" * 63 + "中文", str(uuid.uuid4())),
    "an id that is no UUID": Record("tongbao.report.v1", "k", b"{}", "report.submitted", "not-a-uuid"),
    "a key that is not the incident": Record("tongbao.report.v1", "other", Incident().event("report.submitted").value,
                                             "report.submitted", str(uuid.uuid4())),
    "a key with NUL": Record("tongbao.report.v1", b"a\x00b", b"{}"),
    "too large for an event": Record("tongbao.report.v1", "k", b'{"a":"' + b"x" * 600_000 + b'"}', "report.submitted",
                                     str(uuid.uuid4())),
}


def test_what_is_no_event_is_archived_between_its_neighbours(archiver):
    incidents = [Incident() for _ in range(len(NO_EVENTS) + 1)]
    before = archiver.service.metrics()["archiver_unreadable_total"]
    records = [incidents[0].event("report.submitted")]
    for incident, record in zip(incidents[1:], NO_EVENTS.values()):
        records += [record, incident.event("report.submitted")]
    archiver.send(*records)
    archiver.archived()
    assert archiver.service.metrics()["archiver_unreadable_total"] - before == len(NO_EVENTS)
    assert all(archiver.view("incident", incident) for incident in incidents)
    assert archiver.database.value("SELECT count(*) FROM archive.event WHERE problem IS NULL AND incident_id IS NULL") == 0


def test_what_a_projection_refuses_is_archived_all_the_same(archiver):
    """A row that SQL does not take must not cost its neighbours, and never becomes a dead letter of ours."""
    bad, good = Incident(), [Incident() for _ in range(20)]
    archiver.database.script("ALTER TABLE archive.obligation ALTER incident_seq TYPE int")
    try:
        event = bad.event("obligation.created", incident_seq=2**40)
        ids = [str(uuid.uuid4()) for _ in good]
        neighbours = [i.event("obligation.created", obligation_id=d) for i, d in zip(good, ids)]
        archiver.send(*neighbours[:10], event, *neighbours[10:])
        archiver.archived()
    finally:
        archiver.database.script("ALTER TABLE archive.obligation ALTER incident_seq TYPE bigint")
    assert "22003" in archiver.row(event.id)["problem"]
    assert archiver.view("obligation", bad) == []
    assert all(archiver.view("obligation", incident) for incident in good)


@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_killed_at_any_step_every_record_is_archived_once(archiver, failpoint):
    incidents = [Incident() for _ in range(60)]
    archiver.service.stop()
    archiver.service.failpoints(f"{failpoint}=kill@2")
    archiver.service.start(ready=False)
    for incident in incidents:
        archiver.send(incident.event("report.submitted"), incident.event("incident.classified"))
    archiver.service.died()
    archiver.service.failpoints(None)
    archiver.service.start()
    archiver.archived()
    assert all(len(archiver.view("timeline", incident)) == 2 for incident in incidents)


def test_a_month_without_a_partition_pauses_and_goes_on(archiver):
    """A detached month: the records wait, none becomes a dead letter; attached again, they go on."""
    month, first, after = archiver.database.rows(
        "SELECT to_char(now() AT TIME ZONE 'UTC', '\"archive.event_\"YYYY_MM') AS m,"
        " date_trunc('month', now() AT TIME ZONE 'UTC')::date::text AS f,"
        " (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month')::date::text AS a")[0].values()
    incident, at_rest = Incident(), archiver.in_archive()
    archiver.database.script(f"ALTER TABLE archive.event DETACH PARTITION {month}")
    try:
        archiver.send(incident.event("report.submitted"))
        wait_until(lambda: "no partition of relation" in archiver.service.log_text(), 20, "the pause is logged")
        assert archiver.in_archive() == 0 and archiver.view("incident", incident) == []
    finally:
        archiver.database.script(f"ALTER TABLE archive.event ATTACH PARTITION {month}"
                                 f" FOR VALUES FROM ('{first} 00:00+00') TO ('{after} 00:00+00')")
    wait_until(lambda: archiver.view("incident", incident), 30, "it goes on")
    assert archiver.in_archive() == at_rest + 1


def test_a_month_that_is_missing_at_the_start_is_made(archiver):
    archiver.service.stop()
    name = archiver.database.value("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '3 months', '\"event_\"YYYY_MM')")
    archiver.database.script(f"DROP TABLE archive.{name}")
    archiver.service.start()
    assert archiver.database.value("SELECT to_regclass(%s) IS NOT NULL", f"archive.{name}")


def test_a_copy_that_is_refused_leaves_the_connection_whole(archiver):
    """Its table is locked for longer than a lock is waited for: the next try goes through the same connection."""
    incident, backend = Incident(), "SELECT pid FROM pg_stat_activity WHERE application_name = 'archiver'"
    before = archiver.database.value(backend)
    locker = psycopg2.connect(archiver.database.dsn)
    with locker, locker.cursor() as cursor:
        cursor.execute("LOCK TABLE archive.event IN ACCESS EXCLUSIVE MODE")
        archiver.send(incident.event("report.submitted"))
        wait_until(lambda: archiver.service.metrics()["sink_retries_total"] > 0, 20, "it was refused")
    locker.close()
    wait_until(lambda: archiver.view("incident", incident), 20, "it goes on")
    assert archiver.database.value(backend) == before


def test_hard_case_05_a_postgres_that_falls_silent_in_a_copy_is_given_up(archiver):
    door, incident, database = FallsSilent(archiver.database), Incident(), archiver.database
    archiver.service.stop()
    archiver.service.set(pg=door.dsn_as("tongbao_archiver"))
    archiver.service.start()
    door.arm(b"COPY event")
    archiver.send(incident.event("report.submitted"))
    wait_until(lambda: archiver.view("incident", incident), 30, "on another connection")
    assert door.silenced.is_set() and "did not answer within" in archiver.service.log_text()
    archiver.service.stop()
    archiver.service.set(pg=database.dsn_as("tongbao_archiver"))
    archiver.service.start()
    door.close()


def test_postgresql_goes_and_comes_back(archiver):
    incidents = [Incident() for _ in range(30)]
    archiver.send(*(i.event("report.submitted") for i in incidents[:10]))
    archiver.database.postgres.stop()
    archiver.send(*(i.event("report.submitted") for i in incidents[10:20]))
    wait_until(lambda: not archiver.service.ready(), 20, "readiness shows that PostgreSQL is away")
    archiver.database.postgres.start()
    archiver.send(*(i.event("report.submitted") for i in incidents[20:]))
    archiver.service.wait_ready()
    archiver.archived()
    assert all(archiver.view("incident", incident) for incident in incidents)
