"""The escalator on a real Kafka and a real PostgreSQL: who is called and when, what is owed, and each hard case of its part."""
import collections
import datetime
import itertools
import json
import os
import random
import re
import shutil
import signal
import time
import uuid

import confluent_kafka
import pytest

from servers import ROOT, wait_until
from stack import Park, Service, ShiftedClock

EXAMPLES = ROOT / "proto/examples"
REPORT, INCIDENT, ACTION, ESCALATION, NOTIFICATION, DEAD = (
    f"tongbao.{t}.v1" for t in ("report", "incident", "action", "escalation", "notification", "dead"))
CAC = "cac-2025"


def stamp(moment):
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def remains(seconds, check):
    """check() holds all the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert check()


class Tap:
    """Everything that a topic holds, by incident, read as it comes."""

    def __init__(self, brokers, topics):
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "tap", "log_level": 0,
                                                  "enable.auto.commit": False})
        self.consumer.assign([confluent_kafka.TopicPartition(t, p, 0) for t in topics for p in range(8)])
        self.seen, self.ids = collections.defaultdict(list), collections.Counter()

    def read(self):
        """Takes what has come; true while there is more."""
        messages = self.consumer.consume(2000, timeout=0.05)
        for message in messages:
            assert not message.error(), message.error()
            headers = {k: v.decode() for k, v in message.headers()}
            event = {"id": headers["ce_id"], "type": headers["ce_type"], "headers": headers, "topic": message.topic(),
                     **json.loads(message.value())}
            self.ids[message.topic(), event["id"]] += 1
            if self.ids[message.topic(), event["id"]] == 1:
                self.seen[message.key().decode()].append(event)
        return bool(messages)


class Incident:
    """One incident's events, made from the contract's examples."""

    def __init__(self, bus, code="ACME"):
        self.bus, self.code = bus, code
        self.id, self.reference = str(uuid.uuid4()), "TB-" + uuid.uuid4().hex[:13].upper()
        self.enterprise = bus.park.ids[code]
        self.discovered = bus.clock.now() - datetime.timedelta(minutes=5)

    def body(self, kind, **changes):
        body = json.loads((EXAMPLES / f"{kind}.json").read_text())
        body.update(incident_id=self.id, enterprise_id=self.enterprise, occurred_at=stamp(self.bus.clock.now()))
        if "reference" in body:
            body.update(reference=self.reference, discovered_at=stamp(self.discovered))
        body.pop("answers_event_id", None)  # a grade answers nobody, unless its test says so
        body.update(changes)
        return {k: v for k, v in body.items() if v is not None}

    def send(self, topic, kind, event_id=None, **changes):
        return self.bus.send(topic, self.id, kind, self.body(kind, **changes), event_id)

    def report(self, **changes):
        return self.send(REPORT, "report.submitted", **changes)

    def grade(self, level="general", revision=0, cac=None, is_cii=False, user_data=False, **changes):
        kind = "incident.reclassified" if revision else "incident.classified"
        regimes = [{"regime": "park-lingang", "level": level, "needs_human": False},
                   {"regime": CAC, "needs_human": False, **({"level": cac} if cac else {})}]
        facts = {"system": {"is_cii": is_cii}, "impact": {"user_data_touched": user_data}}
        return self.send(INCIDENT, kind, revision=revision, level=level, regimes=regimes, facts=facts, **changes)

    def act(self, kind, scope="enterprise", **changes):
        return self.send(ACTION, f"action.{kind}", actor={"scope": scope, "id": "key-1"},
                         **{"escalation_id": None, **changes})

    def put_back(self, dead):
        """A dead letter, as `tongbao replay` puts it back."""
        body = {k: v for k, v in dead.items() if k not in ("id", "type", "headers", "topic")}
        return self.bus.send(dead["headers"]["origin-topic"], self.id, dead["type"], body, dead["id"])

    # --- what came of it

    def events(self, kind=None):
        return [e for e in self.bus.tap.seen[self.id] if e["topic"] == ESCALATION and kind in (None, e["type"])]

    def dead(self):
        return [e for e in self.bus.tap.seen[self.id] if e["topic"] == DEAD]

    def raised(self):
        """[(chain, step, role, why)] in order."""
        return [(e["chain"], e["step"], e["role"], e["why"]) for e in self.events("escalation.raised")]

    def duties(self):
        """{duty: state} as the last event of each tells."""
        events = sorted((e for e in self.events() if e["type"].startswith("obligation.")),
                        key=lambda e: (e["generation"], e["incident_seq"]))
        return {f'{e["regime"]}/{e["duty"]}': e["state"] for e in events}

    def answer(self, cause, deadline_s=20):
        """The one escalation.state that answers an event."""
        def look():
            return [e for e in self.events("escalation.state") if e.get("cause_event_id") == cause]
        answers = self.wait(lambda _: look(), f"the answer to {cause}", deadline_s)
        assert len(answers) == 1, answers
        return answers[0]

    def wait(self, check, what, deadline_s=20):
        return wait_until(lambda: check(self) or (self.bus.tap.read() and False), deadline_s, what, pause_s=0)

    def row(self):
        rows = self.bus.database.rows("SELECT * FROM escalator.incident WHERE incident_id = %s", self.id)
        return rows[0] if rows else None


class Bus:
    """The escalator, what feeds it and what it says."""

    def __init__(self, workspace, kafka, database):
        self.workspace, self.kafka, self.database = workspace, kafka, database
        self.clock = ShiftedClock(workspace)
        self.park = Park(database, "http://127.0.0.1:1")
        self.policy = workspace.dir / f"policy-{uuid.uuid4().hex[:6]}"
        shutil.copytree(ROOT / "deploy/policy", self.policy)
        self.tap = Tap(kafka.brokers, (ESCALATION, DEAD))
        self.producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers,
                                                  "partitioner": "murmur2_random", "log_level": 0})
        self.ends = collections.Counter()
        self.service, self.others = self.make("1"), []

    def make(self, instance, **options):
        return Service(self.workspace, "escalator", {
            "kafka_brokers": self.kafka.brokers, "pg": self.database.dsn_as("tongbao_escalator"),
            "policy": self.policy, **options}, env=self.clock.env, instance=instance)

    def another(self, instance, **options):
        self.others.append(self.make(instance, **options))
        return self.others[-1]

    def post(self, topic, key, kind, body, event_id=None):
        """Sends without waiting for the ack: flush() does that for many at once."""
        def delivered(problem, message):
            assert problem is None, problem
            place = message.topic(), message.partition()
            self.ends[place] = max(self.ends[place], message.offset() + 1)
        event_id = event_id or str(uuid.uuid4())
        self.producer.produce(topic, key=key, value=body if isinstance(body, (bytes, str)) else json.dumps(body),
                              headers=[("ce_specversion", "1.0"), ("ce_id", event_id), ("ce_type", kind)],
                              on_delivery=delivered)
        self.producer.poll(0)
        return event_id

    def send(self, topic, key, kind, body, event_id=None):
        event_id = self.post(topic, key, kind, body, event_id)
        self.flush()
        return event_id

    def flush(self):
        assert self.producer.flush(30) == 0

    def settle(self):
        """Waits until everything that was sent before now is applied, clocks have been looked at, and all of it was read here."""
        now = self.clock.now()

        def heard():
            rows = self.database.rows("SELECT topic, partition, next_offset, caught_up_to FROM escalator.kafka_offset")
            return all(r["next_offset"] >= self.ends[r["topic"], r["partition"]] and r["caught_up_to"] and
                       r["caught_up_to"] >= now for r in rows)
        wait_until(heard, 30, "all is heard")
        ticks = self.ticks()
        wait_until(lambda: self.ticks() >= ticks + 2, 10, "clocks are looked at")
        wait_until(lambda: self.database.value("SELECT count(*) FROM escalator.outbox WHERE acked_at IS NULL") == 0, 10,
                   "all is sent")
        while self.tap.read():
            pass

    def ticks(self):
        return self.service.metrics()["escalator_tick_seconds_count"]

    def edit_policy(self, file, change):
        path = self.policy / file
        text = json.loads(path.read_text())
        change(text)
        path.write_text(json.dumps(text, ensure_ascii=False))


@pytest.fixture(scope="module")
def bus(workspace, kafka, migrated):
    kafka.create_topics()
    system = Bus(workspace, kafka, migrated)
    system.service.start()
    yield system
    trouble = []
    for service in [system.service, *system.others]:
        trouble += service.check_health()
        if service.running():
            service.stop()
    assert not trouble, "\n".join(trouble)


@pytest.fixture
def alone(bus):
    """The one instance runs before and after, whatever the test does to it."""
    def ensure():
        bus.service.failpoints(None)
        for other in bus.others:
            if other.running():
                other.stop()
        if not bus.service.running():
            bus.service.start()
    ensure()
    yield bus
    if bus.kafka.running():
        bus.kafka.thaw()
    ensure()


# --- the main job -----------------------------------------------------------------------------------


def test_the_first_grade_calls_and_starts_the_clocks(bus):
    inc = Incident(bus)
    inc.report()
    grade = inc.grade("larger", cac="larger", user_data=True)
    state = inc.answer(grade)
    assert (state["applied"], state["state"], state["level"], state["revision"]) == (True, "reported", "larger", 0)
    inc.wait(lambda i: len(i.raised()) == 2, "two calls")
    assert inc.raised() == [("larger", 1, "security_lead", "first_grade"), ("larger.park", 1, "duty_officer", "first_grade")]
    lead, duty = inc.events("escalation.raised")
    assert lead["person_id"] == bus.park.people["ACME", "security_lead", 1] and lead["acknowledgement_wanted"]
    assert duty["person_id"] == bus.park.people["PARK", "duty_officer", 1] and not duty["acknowledgement_wanted"]
    assert "acknowledge_by" in lead and "acknowledge_by" not in duty and "@" not in json.dumps(lead)
    assert inc.wait(lambda i: i.duties(), "duties") == {
        "park-lingang/triage-1h": "running", "park-lingang/user-data-24h-cac": "running",
        "park-lingang/user-data-24h-park": "running", f"{CAC}/operator-4h": "running",
        f"{CAC}/summary-30d": "anchor_missing"}
    filing = next(e for e in inc.events("obligation.created") if e["duty"] == "operator-4h")
    assert filing["due_at"] == stamp(inc.discovered + datetime.timedelta(hours=4))
    assert filing["source"]["article"] == "第四条" and filing["anchor"] == "discovered"
    assert len({e["incident_seq"] for e in inc.events()}) == 1, "one input, one incident_seq"


def test_a_drill_owes_nothing_to_a_regulator(bus):
    inc = Incident(bus)
    inc.report(drill=True)
    inc.answer(inc.grade("larger", cac="larger", user_data=True, drill=True))
    inc.wait(lambda i: i.duties(), "duties")
    assert set(inc.duties()) == {"park-lingang/triage-1h", "park-lingang/user-data-24h-park"}
    assert all(e["drill"] for e in inc.events())


def test_critical_infrastructure_has_two_recipients(bus):
    inc = Incident(bus, "GRID")
    inc.answer(inc.grade("major", cac="major", is_cii=True))
    created = inc.wait(lambda i: [e["duty"] for e in i.events("obligation.created") if e["regime"] == CAC], "duties")
    assert sorted(created) == ["cii-1h-police", "cii-1h-protection", "summary-30d"]
    assert [r[2] for r in inc.raised()] == ["security_lead", "owner", "duty_officer"]


def test_filing_satisfies_and_is_judged_by_kafkas_time(bus):
    assert bus.clock.shift_ms == 0, "stands before the tests that move the clock: Kafka's does not move with it"
    bus.edit_policy("obligations/park-lingang.json", lambda p: p["obligations"].append(dict(
        p["obligations"][0], id="soon", within_s=2, warn_before_s=1, anchor="classified", satisfied_by="action.filed")))
    bus.service.restart()
    early, late = Incident(bus), Incident(bus)
    for inc in (early, late):
        inc.answer(inc.grade("general"))
    ids = {i: next(e["obligation_id"] for e in i.events("obligation.created") if e["duty"] == "soon")
           for i in (early, late)}
    early.answer(early.act("filed", obligation_id=ids[early], filed_reference="沪网信 1"))
    late.wait(lambda i: [e["duty"] for e in i.events("obligation.overdue")] == ["soon"], "overdue, once")
    assert [e["duty"] for e in late.events("obligation.warning")] == ["soon"]
    late.answer(late.act("filed", obligation_id=ids[late], filed_reference="沪网信 2"))
    again = late.answer(late.act("filed", obligation_id=ids[late], filed_reference="沪网信 3"))
    assert not again["applied"] and "already" in again["refused_why"]
    assert early.duties()["park-lingang/soon"] == "satisfied" and not early.events("obligation.overdue")
    assert late.duties()["park-lingang/soon"] == "satisfied_late"
    assert late.events("obligation.satisfied")[0]["filed_reference"] == "沪网信 2"
    bus.edit_policy("obligations/park-lingang.json", lambda p: p["obligations"].pop())
    bus.service.restart()


def test_nobody_acknowledges_and_the_chain_climbs(bus):
    inc, stopped = Incident(bus), Incident(bus)
    for i in (inc, stopped):
        i.report()
        i.answer(i.grade("general"))
    answer = stopped.answer(stopped.act("acknowledged"))
    assert answer["applied"] and answer["state"] == "triaged" and len(answer["acknowledged_escalation_ids"]) == 1
    for steps in (2, 3):
        bus.clock.shift(hours=1, seconds=1)
        inc.wait(lambda i: len(i.raised()) == steps, f"{steps} calls")
    assert inc.raised() == [("general", 1, "dept_head", "first_grade"), ("general", 2, "it", "unacknowledged"),
                            ("silent", 1, "duty_officer", "unacknowledged")]
    assert not any(e["unconfirmed"] for e in inc.events("escalation.raised"))
    assert len(stopped.raised()) == 1
    assert inc.answer(inc.act("acknowledged", "park"))["applied"]
    bus.clock.shift(hours=2)
    bus.settle()
    assert len(inc.raised()) == 3 and len(stopped.raised()) == 1


def test_each_scope_stops_its_own_chain(bus):
    inc = Incident(bus)
    inc.answer(inc.grade("major"))
    assert inc.answer(inc.act("acknowledged", "park"))["applied"]
    bus.clock.shift(minutes=10, seconds=1)
    inc.wait(lambda i: len(i.raised()) == 4, "the enterprise's next step")
    assert inc.raised()[3] == ("top", 2, "deputy", "unacknowledged")
    named = inc.events("escalation.raised")[2]["escalation_id"]
    refused = inc.answer(inc.act("acknowledged", "enterprise", escalation_id=named))
    assert not refused["applied"] and "its own people" in refused["refused_why"]
    assert inc.answer(inc.act("acknowledged", "enterprise"))["applied"]


def test_an_absent_lead_is_replaced_and_a_vacant_role_is_passed(bus):
    second = bus.park.add_person("BETA", "security_lead", rank=2)
    bus.database.rows("INSERT INTO registry.absence VALUES (%s, now() - interval '1 day', now() + interval '9 days')",
                      bus.park.people["BETA", "security_lead", 1])
    bus.database.rows("DELETE FROM registry.role_holder WHERE enterprise_id = %s AND role = 'dept_head'",
                      bus.park.ids["BETA"])


    def graded():
        pair = Incident(bus, "BETA"), Incident(bus, "BETA")
        for inc, level in zip(pair, ("larger", "general")):
            inc.answer(inc.grade(level))
        return pair if pair[0].events("escalation.raised")[0]["person_id"] == second else None
    _, general = wait_until(graded, 20, "the registry's change is seen")
    assert general.raised() == [("general", 1, "dept_head", "first_grade"), ("general", 2, "it", "vacant")]
    assert "person_id" not in general.events("escalation.raised")[0]


def test_a_message_that_no_one_got_hastens_the_next_step(bus):
    inc, other = Incident(bus), Incident(bus)
    for i in (inc, other):
        i.answer(i.grade("larger"))
        call = i.wait(lambda x: x.events("escalation.raised"), "the call")[0]
        if i is other:
            i.send(NOTIFICATION, "notification.sent", escalation_id=call["escalation_id"])
        i.send(NOTIFICATION, "notification.dead", escalation_id=call["escalation_id"])
    bus.settle()
    bus.clock.shift(seconds=61)
    inc.wait(lambda i: ("larger", 2, "deputy", "undelivered") in i.raised(), "the next step")
    assert len(other.raised()) == 2


def test_life_of_an_incident(bus):
    inc = Incident(bus)
    inc.report()
    inc.answer(inc.grade("larger", cac="larger"))
    told = [("confirmed", False, "reported"), ("acknowledged", True, "triaged"), ("confirmed", True, "confirmed"),
            ("recovered", False, "confirmed"), ("contained", True, "contained"), ("recovered", True, "recovered"),
            ("closed", False, "recovered"), ("reviewed", True, "reviewed"), ("closed", True, "closed"),
            ("acknowledged", False, "closed"), ("reopened", True, "reported"), ("refuted", True, "refuted")]
    for kind, applied, state in told:
        answer = inc.answer(inc.act(kind))
        assert (answer["applied"], answer["state"]) == (applied, state), kind
        assert applied or answer["refused_why"]
    assert inc.row()["state"] == "refuted"
    assert set(inc.duties().values()) <= {"stopped", "satisfied"}
    summaries = [e for e in inc.events() if e.get("duty") == "summary-30d"]
    assert [e["state"] for e in summaries] == ["anchor_missing", "running", "stopped", "anchor_missing", "stopped"]
    assert summaries[1]["due_at"] > summaries[1]["anchor_at"] and "due_at" not in summaries[3]


def test_a_duty_that_was_due_before_it_began_is_never_called_overdue(bus):
    inc = Incident(bus)
    inc.discovered -= datetime.timedelta(days=2)
    inc.answer(inc.grade("larger", cac="larger"))
    bus.clock.shift(minutes=5)
    bus.settle()
    assert inc.duties()[f"{CAC}/operator-4h"] == "warned" and not inc.events("obligation.overdue")


def test_a_raised_level_calls_again_and_a_lowered_one_does_not(bus):
    inc = Incident(bus)
    inc.answer(inc.grade("general"))
    inc.answer(inc.act("acknowledged"))
    inc.answer(inc.grade("major", revision=1, cac="major"))
    inc.wait(lambda i: len(i.raised()) == 4, "the calls of the new level")
    assert {r[3] for r in inc.raised()[1:]} == {"level_raised"}
    assert {e["generation"] for e in inc.events("escalation.raised")[1:]} == {1}
    assert inc.duties()[f"{CAC}/operator-4h"] == "running"
    assert inc.answer(inc.grade("general", revision=2))["level"] == "general"
    bus.settle()
    assert len(inc.raised()) == 4 and inc.duties()[f"{CAC}/operator-4h"] == "running", "rules end no duty that runs"
    inc.grade("general", revision=3, answers_event_id=str(uuid.uuid4()), decided_by="park", actor={"scope": "park", "id": "key-2"}, why="x")
    inc.wait(lambda i: i.duties()[f"{CAC}/operator-4h"] == "stopped", "a person does")
    stale = inc.answer(inc.grade("extreme", revision=1))
    assert not stale["applied"] and stale["level"] == "general" and inc.row()["level"] == "general"


def test_early_actions_wait_for_the_grade(bus):
    inc = Incident(bus)
    acks = [inc.act("acknowledged"), inc.act("confirmed"), inc.act("closed")]
    inc.report()
    bus.settle()
    assert not inc.events("escalation.state")
    inc.grade("larger")
    answers = [inc.answer(a) for a in acks]
    assert [(a["applied"], a["state"]) for a in answers] == [(True, "triaged"), (True, "confirmed"),
                                                             (False, "confirmed")]
    assert bus.database.value("SELECT count(*) FROM escalator.early WHERE incident_id = %s", inc.id) == 0
    expired = Incident(bus)
    late = expired.act("acknowledged")
    bus.settle()
    bus.clock.shift(days=8)
    bus.service.restart()
    dead, = expired.wait(lambda i: i.dead(), "given up")
    assert "seven days" in dead["headers"]["reason"]
    expired.answer(expired.grade("general"))
    expired.put_back(dead)
    assert expired.answer(late)["applied"]


def test_early_actions_are_bounded_and_what_was_refused_may_come_back(alone):
    alone.service.set(early_max=3)
    alone.service.restart()
    flood = Incident(alone, "SHOP")
    for kind in ("acknowledged", "confirmed", "contained", "recovered", "reviewed"):
        flood.act(kind)
    dead = flood.wait(lambda i: i.dead()[1:] and i.dead(), "two dead letters")
    assert [e["type"] for e in dead] == ["action.recovered", "action.reviewed"]
    assert all("wait for a grade" in e["headers"]["reason"] for e in dead)
    flood.answer(flood.grade("general"))
    for letter, state in zip(dead, ("recovered", "reviewed")):
        flood.put_back(letter)
        answer = flood.answer(letter["id"])
        assert (answer["applied"], answer["state"]) == (True, state)
    alone.service.set(early_max=None)
    alone.service.restart()


def test_an_early_action_that_cannot_be_read_any_more_does_not_take_the_grade_with_it(bus):
    inc = Incident(bus)
    spoilt, good = inc.act("assigned", task="x"), inc.act("acknowledged")
    bus.settle()
    bus.database.rows("UPDATE escalator.early SET value = '{}' WHERE event_id = %s", spoilt)
    assert inc.answer(inc.grade("general"))["applied"]
    assert inc.answer(good)["applied"]
    assert [e["id"] for e in inc.wait(lambda i: i.dead(), "a dead letter")] == [spoilt]
    assert bus.database.value("SELECT count(*) FROM escalator.early WHERE incident_id = %s", inc.id) == 0


def test_an_action_that_was_kept_beside_a_graded_incident_is_found_by_the_next_event(bus):
    """An instance that had just lost its partitions may commit the grade while the next one keeps the action."""
    inc = Incident(bus)
    ack = inc.act("acknowledged")
    bus.settle()
    bus.database.script("CREATE TABLE escalator.aside AS SELECT * FROM escalator.early; DELETE FROM escalator.early")
    inc.answer(inc.grade("larger"))
    assert not inc.events("escalation.state")[1:]
    bus.database.script("INSERT INTO escalator.early OVERRIDING SYSTEM VALUE SELECT * FROM escalator.aside; DROP TABLE escalator.aside")
    inc.report()
    assert inc.answer(ack)["applied"]


def test_poison_is_a_dead_letter_and_its_neighbours_go_on(bus):
    inc = Incident(bus)
    bus.send(ACTION, inc.id, "action.acknowledged", '{"incident_id":"x"}')
    bus.send(ACTION, inc.id, "action.of_tomorrow", "{}")
    inc.answer(inc.grade("general"))
    dead = inc.wait(lambda i: i.dead(), "a dead letter")
    assert len(dead) == 1 and dead[0]["headers"]["origin-topic"] == ACTION


def test_a_bad_policy_is_refused_and_the_old_one_stays(bus):
    before = (bus.policy / "chains.json").read_text()
    bus.edit_policy("chains.json", lambda p: p["chains"].pop(0))
    refused = bus.service.metrics().get("escalator_policy_refused_total", 0)
    bus.service.popen.send_signal(1)
    wait_until(lambda: bus.service.metrics()["escalator_policy_refused_total"] == refused + 1, 10, "refused")
    inc = Incident(bus)
    inc.answer(inc.grade("general"))
    assert inc.raised()[0][0] == "general"
    said = lambda: {c["name"]: c for c in bus.service.admin("/readyz").json()["checks"]}["policy"]  # noqa: E731
    assert said()["ready"] and "refused" in said()["detail"] and "chains.json" in said()["detail"], said()
    (bus.policy / "chains.json").write_text(before)
    wait_until(lambda: said()["detail"] == "in force", 10, "seen without a signal")


# --- hard cases ----------------------------------------------------------------------------------------


def test_hard_case_01_timers_never_run_ahead_of_the_news(alone):
    inc = Incident(alone)
    inc.report()
    inc.answer(inc.grade("larger", cac="larger"))
    owed = next(e["obligation_id"] for e in inc.events("obligation.created") if e["duty"] == "operator-4h")
    alone.service.stop()
    acknowledged = inc.act("acknowledged")
    filed = inc.act("filed", obligation_id=owed, filed_reference="沪网信 7")
    alone.clock.shift(hours=5)
    alone.kafka.freeze()
    alone.service.start(ready=False)
    remains(2, lambda: alone.database.value("SELECT count(*) FROM escalator.escalation WHERE incident_id = %s", inc.id) == 2)
    alone.kafka.thaw()
    alone.service.wait_ready()
    assert inc.answer(acknowledged)["applied"] and inc.answer(filed)["applied"]
    alone.settle()
    assert len(inc.raised()) == 2, "the two of the first grade"
    assert not inc.events("obligation.overdue") and not inc.events("obligation.warning")
    assert inc.duties()[f"{CAC}/operator-4h"] == "satisfied"


def test_hard_case_01_after_the_grace_steps_fire_unconfirmed_but_nothing_is_overdue(alone):
    alone.service.set(grace_s=1)
    alone.service.restart()
    inc = Incident(alone)
    inc.answer(inc.grade("larger", cac="larger"))
    alone.settle()
    alone.kafka.freeze()
    alone.clock.shift(hours=5)
    wait_until(lambda: alone.database.value(
        "SELECT count(*) FROM escalator.escalation WHERE incident_id = %s AND step = 2", inc.id), 20, "a step")
    assert alone.database.value("SELECT state FROM escalator.obligation WHERE incident_id = %s AND duty = 'operator-4h'",
                                inc.id) == "running"
    alone.kafka.thaw()
    inc.wait(lambda i: i.events("obligation.overdue"), "overdue once the bus was read")
    assert [e["unconfirmed"] for e in inc.events("escalation.raised")][:3] == [False, False, True]
    alone.service.set(grace_s=None)
    alone.service.restart()


def test_hard_case_01_postgres_away_does_not_make_the_bus_deaf(alone):
    alone.service.set(grace_s=3)
    alone.service.restart()
    inc = Incident(alone)
    inc.answer(inc.grade("larger"))
    alone.settle()
    alone.database.postgres.stop()
    acknowledged = inc.act("acknowledged")
    alone.clock.shift(hours=5)
    remains(4, alone.service.running)
    alone.database.postgres.start()
    assert inc.answer(acknowledged, 40)["applied"]
    alone.settle()
    assert len(inc.raised()) == 2 and not inc.events("obligation.overdue")
    alone.service.set(grace_s=None)
    alone.service.restart()


def test_hard_case_02_no_effect_is_dropped_for_its_age(alone):
    inc = Incident(alone)
    inc.answer(inc.grade("larger"))
    alone.service.stop()
    alone.service.failpoints("outbox.relay=kill@1")  # a tick commits too; only what has rows is relayed
    alone.service.start(ready=False)
    cause = inc.grade("major", revision=1)
    alone.service.died()
    other = alone.another("2").start()
    alone.clock.shift(minutes=11)
    inc.wait(lambda i: len(i.raised()) >= 7, "the calls of both instances")
    assert inc.answer(cause)["level"] == "major"
    history = [re.search(rb"ce_id.{4}([0-9a-f-]{36})", bytes(r["headers"]), re.S)[1].decode() for r in alone.database.rows(
        "SELECT headers FROM escalator.outbox WHERE key = %s ORDER BY seq", inc.id.encode())]
    assert set(history) == {e["id"] for e in inc.events()} and len(set(history)) == len(history)
    assert [e["id"] for e in inc.events()] == history, "in the outbox's order"
    other.stop()


def test_hard_case_03_new_work_has_new_ids_and_repeated_work_the_old_ones(bus):
    inc = Incident(bus)
    sent = []

    def again(topic, kind, body):
        sent.append((topic, kind, body, bus.send(topic, inc.id, kind, body)))
        return inc.answer(sent[-1][3])

    def grade(level, revision):
        kind = "incident.reclassified" if revision else "incident.classified"
        again(INCIDENT, kind, inc.body(kind, level=level, revision=revision, facts={}))

    def act(kind, **more):
        again(ACTION, f"action.{kind}", inc.body(f"action.{kind}", actor={"scope": "enterprise", "id": "k"},
                                                  **{"escalation_id": None, **more}))
    grade("general", 0)
    grade("larger", 1)
    grade("general", 2)
    grade("larger", 3)  # 100 -> 200 -> 100 persons, and 200 again
    act("refuted")
    act("reopened")
    act("refuted")
    act("reopened")
    calls = [e for e in inc.events("escalation.raised") if e["role"] == "security_lead"]
    assert [e["generation"] for e in calls] == [1, 2, 3, 4]
    assert len({e["escalation_id"] for e in calls}) == 4
    triage = {e["obligation_id"] for e in inc.events("obligation.created") if e["duty"] == "triage-1h"}
    assert len(triage) == 3, "begun, and begun again after each reopening"
    bus.settle()
    before = {e["id"] for e in inc.events()}
    for topic, kind, body, event_id in sent:
        bus.send(topic, inc.id, kind, body, event_id)
    bus.settle()
    assert {e["id"] for e in inc.events()} == before


def test_hard_case_03_each_repeat_of_the_last_step_is_a_call_of_its_own(bus):
    inc = Incident(bus)
    inc.answer(inc.grade("major"))
    for step in range(1, 7):
        bus.clock.shift(minutes=11)
        inc.wait(lambda i: len([r for r in i.raised() if r[0] == "top.park"]) >= min(step + 1, 4), "the next call")
    park = [e for e in inc.events("escalation.raised") if e["chain"] == "top.park"]
    assert [e["role"] for e in park] == ["duty_officer", "centre_head", "centre_head", "centre_head"]
    assert len({e["escalation_id"] for e in park}) == 4


def test_a_challenge_calls_who_decided(bus):
    park, own = Incident(bus), Incident(bus)
    for inc, scope in ((park, "park"), (own, "enterprise")):
        inc.answer(inc.grade("general", drill=True))
        inc.answer(inc.act("acknowledged"))
        answer = inc.answer(inc.send(INCIDENT, "incident.challenged", actor={"scope": scope, "id": "k"}, drill=True))
        assert (answer["applied"], answer["cause_type"], answer["state"]) == (True, "incident.challenged", "triaged")
        assert (answer["level"], answer["revision"]) == ("general", 0), "the decision stays in force"
    assert park.raised()[1:] == [("challenged.park", 1, "duty_officer", "challenged")]
    assert own.raised()[1:] == [("challenged", 1, "security_lead", "challenged")]
    for inc in (park, own):
        call = inc.events("escalation.raised")[1]
        assert call["acknowledgement_wanted"] and call["drill"] and call["person_id"]
    bus.settle()
    bus.clock.shift(minutes=10, seconds=1)
    park.wait(lambda i: i.raised()[2:] == [("challenged.park", 2, "centre_head", "challenged")], "the next step")
    assert park.answer(park.act("acknowledged", "park"))["applied"]
    for role in ("deputy", "owner", "duty_officer"):
        bus.clock.shift(minutes=30, seconds=1)
        own.wait(lambda i: i.raised()[-1][2] == role, role)
    assert own.raised()[-1] == ("challenged.silent", 1, "duty_officer", "challenged")
    bus.settle()
    assert len(park.raised()) == 3 and own.answer(own.act("acknowledged", "park"))["applied"]


def test_hard_case_03_each_challenge_is_a_call_of_its_own(bus):
    inc = Incident(bus)
    inc.answer(inc.grade("general"))
    first, second = (inc.send(INCIDENT, "incident.challenged") for _ in range(2))
    assert inc.answer(first)["applied"] and inc.answer(second)["applied"]
    calls = [e for e in inc.events("escalation.raised") if e["chain"] == "challenged.park"]
    assert [e["generation"] for e in calls] == [0, 1] and len({e["escalation_id"] for e in calls}) == 2
    stale = inc.answer(inc.act("acknowledged", "park", escalation_id=calls[0]["escalation_id"]))
    assert not stale["applied"] and "newer one" in stale["refused_why"]
    bus.settle()
    before = {e["id"] for e in inc.events()}
    inc.send(INCIDENT, "incident.challenged", first)
    inc.send(INCIDENT, "incident.challenged", second)
    bus.settle()
    assert {e["id"] for e in inc.events()} == before, "never twice for one event"
    answer = inc.answer(inc.act("acknowledged", "park", escalation_id=calls[1]["escalation_id"]))
    assert answer["applied"] and answer["acknowledged_escalation_ids"] == [calls[1]["escalation_id"]]
    inc.answer(inc.grade("larger", revision=1))
    inc.answer(inc.send(INCIDENT, "incident.challenged"))
    assert [e["generation"] for e in inc.events("escalation.raised") if e["chain"] == "challenged.park"] == [0, 1, 2]


def test_a_campaign_calls_the_park_once(bus):
    inc, member = Incident(bus), Incident(bus)
    for i in (inc, member):
        i.answer(i.grade("larger"))
    joins = member.send(INCIDENT, "incident.linked", opens=False, advisory=None)
    opens = inc.send(INCIDENT, "incident.linked")
    answer = inc.answer(opens)
    assert (answer["applied"], answer["cause_type"]) == (True, "incident.linked")
    assert inc.raised()[2:] == [("campaign", 1, "duty_officer", "campaign")]
    bus.settle()
    assert len(member.raised()) == 2 and not [e for e in member.events() if e.get("cause_event_id") == joins]
    inc.answer(inc.grade("major", revision=1))  # the campaign raises its level: the call for it goes on
    bus.clock.shift(minutes=10, seconds=1)
    inc.wait(lambda i: ("campaign", 2, "centre_head", "campaign") in i.raised(), "the next step")


def test_a_challenge_and_a_campaign_wait_for_the_grade(bus):
    inc, stranger = Incident(bus), Incident(bus)
    challenge = inc.send(INCIDENT, "incident.challenged")
    campaign = inc.send(INCIDENT, "incident.linked")
    foreign = stranger.send(INCIDENT, "incident.challenged", enterprise_id=bus.park.ids["SHOP"])
    inc.report()
    bus.settle()
    assert not inc.events() and inc.row()["state"] == "ungraded"
    inc.answer(inc.grade("general"))
    assert inc.answer(challenge)["applied"] and inc.answer(campaign)["applied"]
    assert [r[0] for r in inc.raised()] == ["general", "challenged.park", "campaign"]
    stranger.answer(stranger.grade("general"))
    assert [e["id"] for e in stranger.wait(lambda i: i.dead(), "the dead letter")] == [foreign]
    assert len(stranger.raised()) == 1


def test_nobody_is_called_for_what_is_refuted(bus):
    inc = Incident(bus)
    inc.answer(inc.grade("general"))
    inc.answer(inc.send(INCIDENT, "incident.challenged"))
    inc.answer(inc.act("refuted", "park"))
    for kind in ("incident.challenged", "incident.linked"):
        answer = inc.answer(inc.send(INCIDENT, kind))
        assert (answer["applied"], answer["state"]) == (False, "refuted") and "reopen" in answer["refused_why"]
    bus.clock.shift(hours=1)
    bus.settle()
    assert [r[0] for r in inc.raised()] == ["general", "challenged.park"], "and what climbed has stopped"


def test_hard_case_04_a_report_without_a_grade_pages_the_duty_officer(bus):
    inc, graded = Incident(bus), Incident(bus)
    inc.report()
    graded.report()
    graded.answer(graded.grade("general"))
    bus.settle()
    bus.clock.shift(seconds=61)
    inc.wait(lambda i: i.raised() == [("ungraded", 1, "duty_officer", "ungraded")], "the page")
    assert "level" not in inc.events("escalation.raised")[0]
    answer = inc.answer(inc.act("acknowledged", "park"))
    assert answer["applied"] and answer["state"] == "ungraded" and "level" not in answer
    waiting = inc.act("acknowledged")
    assert inc.answer(inc.grade("general"))["state"] == "reported"
    assert inc.answer(waiting)["state"] == "triaged"
    assert len(graded.raised()) == 1


def test_hard_case_05_a_frozen_holder_does_not_hide_due_rows(alone):
    incidents = [Incident(alone) for _ in range(40)]
    for inc in incidents:
        inc.grade("general")
    for inc in incidents:
        inc.wait(lambda i: i.raised(), "graded")
    frozen = alone.another("frozen")
    frozen.failpoints("escalator.claimed=stop@1")
    alone.service.stop()
    frozen.start()
    alone.clock.shift(hours=1, seconds=1)
    wait_until(lambda: "T" == open(f"/proc/{frozen.pid}/stat").read().split()[2], 20, "the holder is frozen")
    alone.service.start(ready=False)
    began = time.monotonic()
    for inc in incidents:
        inc.wait(lambda i: ("general", 2, "it", "unacknowledged") in i.raised(), "the step", 30)
    assert time.monotonic() - began < 20
    frozen.kill()


def test_hard_case_05_the_auditor_sees_what_a_frozen_holder_hides(alone):
    frozen, db = alone.another("frozen"), alone.database
    frozen.failpoints("escalator.claimed=stop@1")
    frozen.start()
    incidents = [Incident(alone) for _ in range(20)]
    for inc in incidents:
        inc.answer(inc.grade("general"))
    alone.settle()

    def heard():
        return {r["partition"]: r["at"] for r in db.rows(
            "SELECT partition, min(caught_up_to) AS at FROM escalator.kafka_offset GROUP BY partition")}
    os.kill(alone.service.pid, signal.SIGSTOP)  # for a moment, so that the other one comes first
    try:
        before = heard()
        inc = wait_until(lambda: next((i for i in incidents if heard()[i.row()["partition"]] > before[i.row()["partition"]]),
                                      None), 3, "a partition of the other one")
        for table in ("chain_run", "obligation"):
            db.rows(f"UPDATE escalator.{table} SET next_at = NULL WHERE incident_id <> %s", inc.id)
        alone.clock.shift(hours=3)
        wait_until(lambda: "T" == open(f"/proc/{frozen.pid}/stat").read().split()[2], 5, "the holder is frozen")
    finally:
        os.kill(alone.service.pid, signal.SIGCONT)

    def hidden():
        age = alone.service.metrics()["escalator_due_oldest_ms"]
        free = db.rows("SELECT FROM escalator.incident WHERE incident_id = %s FOR UPDATE SKIP LOCKED", inc.id)
        return not free and age
    assert 2 * 3600 * 1000 <= wait_until(hidden, 5, "the hidden clock's age") <= 3 * 3600 * 1000
    assert len(inc.raised()) == 1
    inc.wait(lambda i: ("general", 2, "it", "unacknowledged") in i.raised(), "the step, once the lock is taken away")
    wait_until(lambda: alone.service.metrics()["escalator_due_oldest_ms"] == 0, 10, "nothing waits any more")
    frozen.kill()


def test_hard_case_06_a_topic_that_has_a_successor_stops_no_clock(alone):
    inc = Incident(alone)
    inc.answer(inc.grade("general"))
    alone.settle()
    alone.database.rows("INSERT INTO escalator.kafka_offset (consumer_group, topic, partition, next_offset, caught_up_to)"
                        " SELECT consumer_group, 'tongbao.report.v0', partition, next_offset, caught_up_to"
                        " FROM escalator.kafka_offset WHERE topic = %s", REPORT)
    try:
        alone.clock.shift(hours=1, seconds=1)
        inc.wait(lambda i: len(i.raised()) == 2, "the next step")
        assert not any(e["unconfirmed"] for e in inc.events("escalation.raised"))
    finally:
        alone.database.rows("DELETE FROM escalator.kafka_offset WHERE topic = 'tongbao.report.v0'")


def test_hard_case_09_all_orders_end_alike(bus):
    def events(inc):
        report = inc.body("report.submitted")
        return [(REPORT, "report.submitted", report, "r"), (REPORT, "report.submitted", report, "r"),
                (REPORT, "report.submitted", dict(report, summary="另一份报告"), "r2"),
                (INCIDENT, "incident.classified", inc.body("incident.classified", level="larger", facts={}), "c0"),
                (INCIDENT, "incident.reclassified",
                 inc.body("incident.reclassified", level="major", revision=1, facts={}), "c1"),
                (ACTION, "action.acknowledged",
                 inc.body("action.acknowledged", actor={"scope": "enterprise", "id": "k"}, escalation_id=None), "a")]

    incidents = []
    for order in set(itertools.permutations(range(6))):
        if order.index(0) > order.index(1):
            continue  # the copy is the same record
        inc = Incident(bus)
        made, ids = events(inc), {}
        for at in order:
            topic, kind, body, name = made[at]
            ids[name] = bus.post(topic, inc.id, kind, body, ids.get(name))
        incidents.append(inc)
    bus.flush()
    ends = collections.Counter()
    for inc in incidents:
        inc.wait(lambda i: i.row() and len(i.events("escalation.state")) == 3, "all answered", 60)
        row = inc.row()
        ends[row["state"], row["level"], row["revision"], tuple(sorted(inc.duties().items()))] += 1
        assert inc.raised() and any(r[0] == "top" for r in inc.raised())
    assert len(ends) == 1, ends


def test_hard_case_10_another_enterprises_events_have_no_effect(bus):
    victim, unknown = Incident(bus), Incident(bus)
    victim.report()
    victim.answer(victim.grade("larger"))
    before = (victim.row(), bus.service.metrics()["escalator_foreign_total"])
    stranger = bus.park.ids["SHOP"]
    attacks = [inc.send(ACTION, f"action.{kind}", enterprise_id=stranger, actor={"scope": "enterprise", "id": "evil"},
                        escalation_id=None)
               for inc in (victim, unknown) for kind in ("acknowledged", "refuted", "closed")]
    attacks.append(victim.grade("general", revision=9, enterprise_id=stranger))
    unknown.report()
    unknown.answer(unknown.grade("larger"))
    bus.settle()
    assert victim.row() == before[0] and unknown.row()["state"] == "reported"
    dead = {e["id"] for inc in (victim, unknown) for e in inc.wait(lambda i: len(i.dead()) >= 3 and i.dead(), "dead letters")}
    assert dead == set(attacks)
    assert bus.service.metrics()["escalator_foreign_total"] == before[1] + len(attacks)
    assert not {e.get("cause_event_id") for inc in (victim, unknown) for e in inc.events()} & set(attacks)
    for inc in (victim, unknown):
        for letter in list(inc.dead()):
            inc.put_back(letter)  # it was judged, and stays so
    bus.settle()
    assert {bus.tap.ids[DEAD, event_id] for event_id in attacks} == {1}
    park = victim.send(ACTION, "action.acknowledged", enterprise_id=bus.park.ids["PARK"],
                       actor={"scope": "park", "id": "duty"}, escalation_id=None)
    assert victim.answer(park)["applied"]


def test_hard_case_11_every_action_has_one_answer_and_it_is_the_state(bus):
    inc = Incident(bus)
    inc.answer(inc.grade("major"))
    kinds = ["acknowledged", "confirmed", "contained", "recovered", "refuted", "reviewed", "closed", "assigned",
             "task_done", "reopened"]
    dice = random.Random(11)
    actions = [inc.act(dice.choice(kinds), dice.choice(["enterprise", "park"])) for _ in range(60)]
    answers = [inc.answer(a) for a in actions]
    states = inc.events("escalation.state")
    assert len(states) == len(actions) + 1
    last = max(states, key=lambda e: e["incident_seq"])
    row = inc.row()
    assert (row["state"], row["level"], row["incident_seq"]) == (last["state"], last["level"], max(
        e["incident_seq"] for e in inc.events()))
    assert [a["incident_seq"] for a in answers] == sorted({a["incident_seq"] for a in answers})
    silent = inc.act("reclassified")
    bus.settle()
    assert not [e for e in inc.events("escalation.state") if e["cause_event_id"] == silent]


def test_hard_case_11_a_persons_decision_is_answered_by_its_own_id(bus):
    inc = Incident(bus)
    inc.answer(inc.grade("general"))
    counts, below = inc.act("reclassified", "park"), inc.act("reclassified")
    inc.grade("larger", revision=1, answers_event_id=counts)
    answer = inc.answer(counts)
    assert (answer["applied"], answer["cause_type"], answer["revision"]) == (True, "action.reclassified", 1)
    bus.settle()
    before = (inc.raised(), inc.duties(), {k: v for k, v in inc.row().items() if k not in ("incident_seq", "updated_at")})
    inc.grade("larger", revision=1, answers_event_id=below, refused_why="the park has decided the grade")
    answer = inc.answer(below)
    assert (answer["applied"], answer["refused_why"]) == (False, "the park has decided the grade")
    assert (answer["state"], answer["level"], answer["revision"]) == ("reported", "larger", 1) and "actor" not in answer
    bus.settle()
    assert len(inc.events("escalation.state")) == 3
    assert before == (inc.raised(), inc.duties(),
                      {k: v for k, v in inc.row().items() if k not in ("incident_seq", "updated_at")})


class Race:
    """What became of a race: each incident's calls after its acknowledgement, each other one's calls, what waits though acknowledged."""

    def __init__(self, late, climbed, refused, waiting):
        self.late, self.climbed, self.refused, self.waiting = late, climbed, refused, waiting


def race(alone, n):
    """Two instances, n incidents, an acknowledgement for a random half of them just when their step is due."""
    other = alone.another("b").start()
    dice = random.Random(12)
    incidents = [Incident(alone) for _ in range(n)]
    for inc in incidents:
        alone.post(INCIDENT, inc.id, "incident.classified", inc.body("incident.classified", level="larger", facts={}))
    alone.flush()
    for inc in incidents:
        inc.wait(lambda i: len(i.raised()) == 2, "called", 60)
    acknowledged = {}
    alone.clock.shift(minutes=29, seconds=59)
    for inc in dice.sample(incidents, n // 2):
        body = inc.body("action.acknowledged", actor={"scope": "enterprise", "id": "k"}, escalation_id=None)
        acknowledged[inc] = alone.post(ACTION, inc.id, "action.acknowledged", body)
        if len(acknowledged) == n // 4:
            alone.clock.shift(seconds=30)
    alone.flush()
    late, climbed, refused = [], [], 0
    for inc in incidents:
        if inc in acknowledged:
            answer = inc.answer(acknowledged[inc])
            refused += not answer["applied"]
            late += [e for e in inc.events("escalation.raised") if e["incident_seq"] > answer["incident_seq"]]
        else:
            inc.wait(lambda i: len(i.raised()) >= 3, "the next step", 60)
            climbed.append(inc.raised())
    waiting = alone.database.value(
        "SELECT count(*) FROM escalator.chain_run r JOIN escalator.escalation e USING (incident_id, chain)"
        " WHERE r.next_at IS NOT NULL AND e.acknowledged_at IS NOT NULL AND e.generation = r.generation"
        " AND e.step = r.step")
    other.stop()
    return Race(late, climbed, refused, waiting)


SILENT_STEPS = [("larger", 1, "security_lead", "first_grade"), ("larger.park", 1, "duty_officer", "first_grade"),
                ("larger", 2, "deputy", "unacknowledged")]


def test_hard_case_12_two_instances_and_random_acknowledgements(alone):
    ended = race(alone, 400)
    assert ended.refused == 0 and ended.late == [], "an acknowledgement counts, and nobody is called after it"
    assert ended.climbed == [SILENT_STEPS] * 200, "who was silent: one step further, once"
    assert ended.waiting == 0, "no step waits that is acknowledged"


@pytest.mark.parametrize("place", ["sink.begun", "escalator.locked", "sink.applied", "sink.written", "sink.committed",
                                   "sink.relayed", "outbox.acked"])
def test_killed_between_any_two_steps_every_effect_comes_once(alone, place):
    alone.service.stop()
    alone.service.failpoints(f"{place}=kill@3")
    alone.service.start(ready=False)
    incidents = [Incident(alone) for _ in range(20)]
    causes = []
    for inc in incidents:
        inc.report()
        causes += [(inc, inc.grade("general")), (inc, inc.act("acknowledged"))]
    alone.service.died()
    alone.service.failpoints(None)
    alone.service.start()
    for inc, cause in causes:
        assert inc.answer(cause)["applied"]
    alone.settle()
    for inc in incidents:
        assert inc.raised() == [("general", 1, "dept_head", "first_grade")] and inc.row()["state"] == "triaged"


def test_killed_while_clocks_fire_each_step_fires_once(alone):
    incidents = [Incident(alone) for _ in range(20)]
    for inc in incidents:
        inc.answer(inc.grade("general"))
    alone.service.stop()
    alone.service.failpoints("escalator.claimed=kill@1")
    alone.service.start(ready=False)
    alone.clock.shift(hours=1, seconds=1)
    alone.service.died()
    alone.service.failpoints("sink.committed=kill@1")  # a tick that fires nothing is no passage
    alone.service.start(ready=False)
    alone.service.died()
    alone.service.failpoints(None)
    alone.service.start()
    for inc in incidents:
        inc.wait(lambda i: len(i.raised()) == 2, "the step")
    alone.settle()
    for inc in incidents:
        fired = collections.Counter((e["type"], e.get("duty")) for e in inc.events() if e["type"] != "escalation.state")
        assert fired == {("escalation.raised", None): 2, ("obligation.created", "triage-1h"): 1,
                         ("obligation.warning", "triage-1h"): 1, ("obligation.overdue", "triage-1h"): 1}
