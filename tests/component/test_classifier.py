"""The classifier on a real Kafka and a real PostgreSQL: every report graded once and at once, cases graded again, each hard case of its part."""
import collections
import datetime
import json
import shutil
import signal
import subprocess
import uuid

import confluent_kafka
import pytest

from servers import ROOT, Record, wait_until
from stack import SANITIZED, Service, program, tongbao

EXAMPLES = ROOT / "proto/examples"
REPORT, INCIDENT, ACTION, DEAD = (f"tongbao.{t}.v1" for t in ("report", "incident", "action", "dead"))
TOPICS = {f"tongbao.{t}.v1" for t in ("report", "incident", "action", "escalation", "notification", "advisory", "dead")}
PIPE_STEPS = ("pipe.polled=kill@5", "pipe.produced=kill@5", "pipe.acked=kill", "pipe.committed=kill")
SINK_STEPS = ("sink.begun", "sink.applied", "sink.written", "sink.committed", "sink.relayed")
ABORT = "[[test: abort the classifier]]"
OURS, THEIRS = str(uuid.uuid4()), str(uuid.uuid4())
PROFILE = {"code": "ACME", "name": "艾克米汽车制造有限公司", "sector": "manufacturing", "staff": 2600, "is_cii": False,
           "is_listed": True}


class Tap:
    """Every record of the topics that the classifier writes, read as it comes."""

    def __init__(self, brokers):
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "tap", "log_level": 0,
                                                  "enable.auto.commit": False})
        self.consumer.assign([confluent_kafka.TopicPartition(t, p, 0) for t in (INCIDENT, DEAD) for p in range(8)])
        self.seen = collections.defaultdict(list)

    def read(self):
        """{(topic, key): records in order}"""
        for message in self.consumer.consume(2000, timeout=0.02):
            assert not message.error(), message.error()
            record = Record(message)
            self.seen[record.topic, record.key].append(record)
        return self.seen


class Bus:
    """The classifier, what feeds it and what it says."""

    def __init__(self, workspace, kafka, database):
        self.workspace, self.kafka, self.database = workspace, kafka, database
        self.policy = workspace.dir / f"policy-{uuid.uuid4().hex[:6]}"
        shutil.copytree(ROOT / "deploy/policy", self.policy)
        self.producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "partitioner": "murmur2_random",
                                                  "log_level": 0})
        self.tap = Tap(kafka.brokers)
        self.service = Service(workspace, "classifier", {
            "kafka_brokers": kafka.brokers, "pg": database.dsn_as("tongbao_classifier"), "policy": self.policy})

    def send(self, topic, key, kind, value, event_id=None):
        """Returns the event's id and where it lies, as (topic, partition, offset)."""
        event_id, fates = event_id or str(uuid.uuid4()), []
        self.producer.produce(topic, key=key, value=value if isinstance(value, (bytes, str)) else json.dumps(value),
                              headers=[("ce_specversion", "1.0"), ("ce_id", event_id), ("ce_type", kind)],
                              on_delivery=lambda problem, message: fates.append((problem, message)))
        self.producer.flush(20)
        problem, message = fates[0]
        assert not problem, problem
        return event_id, (message.topic(), message.partition(), message.offset())

    def records(self, topic, incident):
        return list(self.tap.read()[topic, incident])

    def edit_policy(self, change, file="regimes/park-lingang.json"):
        path = self.policy / file
        text = json.loads(path.read_text())
        change(text)
        path.write_text(json.dumps(text, ensure_ascii=False))

    def reload(self, counter):
        before = self.service.metrics()[counter]
        self.service.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: self.service.metrics()[counter] == before + 1, 20, counter)


class Incident:
    def __init__(self, bus, enterprise=OURS):
        self.bus, self.enterprise, self.id = bus, enterprise, str(uuid.uuid4())
        self.reference, self.seconds = "TB-" + uuid.uuid4().hex[:13].upper(), 0

    def body(self, **fields):
        self.seconds += 1
        at = f"2026-11-22T03:{self.seconds // 60:02d}:{self.seconds % 60:02d}.000Z"
        return {"enterprise_id": self.enterprise, "incident_id": self.id, "drill": False, "occurred_at": at, **fields}

    def report(self, summary="员工的一台办公电脑感染病毒", event_id=None, **fields):
        return self.bus.send(REPORT, self.id, "report.submitted", self.body(
            reference=self.reference, summary=summary, via="api", actor={"scope": "enterprise", "id": "k1"}, profile=PROFILE,
            **{"discovered_at": "2026-11-22T02:59:00.000Z", **fields}), event_id)

    def supplement(self, scope="enterprise", enterprise=None, **fields):
        body = self.body(actor={"scope": scope, "id": "k2"}, **fields)
        return self.bus.send(REPORT, self.id, "report.supplemented", {**body, "enterprise_id": enterprise or OURS})

    def replay(self, letter):
        """Puts a refused event back as it was, as `tongbao replay` does."""
        self.bus.send(letter.headers["origin-topic"], self.id, letter.type, letter.value, letter.id)

    def decide(self, level, scope="park", enterprise=None, **fields):
        body = self.body(actor={"scope": scope, "id": "k3", "name": "王磊"}, level=level, reason="已核实", **fields)
        return self.bus.send(ACTION, self.id, "action.reclassified", {**body, "enterprise_id": enterprise or OURS})

    def wait_answer(self, decision, deadline_s=30):
        """The one event that tells what became of a person's decision."""
        def look():
            found = {(r.id, r.value): r.json for r in self.grades() if r.json.get("answers_event_id") == decision}
            assert len(found) < 2, found
            return found and found.popitem()[1]
        return wait_until(look, deadline_s, f"the answer to {decision}")

    def grades(self, *kinds):
        kinds = kinds or ("incident.classified", "incident.reclassified")
        return [r for r in self.bus.records(INCIDENT, self.id) if r.type in kinds]

    def challenges(self):
        """[(decided level, level by the rules)] as they were published, each once."""
        found = {r.id: r for r in self.grades("incident.challenged")}
        return [(r.json["decided_level"], r.json["level"]) for r in found.values()]

    def wait_challenges(self, *want):
        wait_until(lambda: self.challenges() == list(want), 30, f"challenges of {self.id} are {want}")

    def wait_grade(self, revision=0, deadline_s=30):
        def look():
            found = [r for r in self.grades() if r.json["revision"] == revision]
            return found and found[0]
        return wait_until(look, deadline_s, f"revision {revision} of {self.id}")

    def wait_dead(self, n=1, deadline_s=30):
        def look():
            found = self.bus.records(DEAD, self.id)
            return len(found) >= n and found
        return wait_until(look, deadline_s, f"{n} dead letters of {self.id}")

    def row(self):
        rows = self.bus.database.rows("SELECT * FROM classifier.incident_case WHERE incident_id = %s", self.id)
        return rows[0] if rows else None

    def wait_row(self, **want):
        def look():
            row = self.row()
            return row and all(row[k] == v for k, v in want.items()) and row
        return wait_until(look, 30, f"{self.id} is {want}", pause_s=0.05)


@pytest.fixture(scope="module")
def bus(workspace, kafka, migrated):
    kafka.create_topics()
    wait_until(lambda: TOPICS <= set(kafka.admin().list_topics(timeout=5).topics), 20, "the topics are visible")
    system = Bus(workspace, kafka, migrated)
    system.service.start()
    yield system
    trouble = system.service.check_health()
    if system.service.running():
        system.service.stop()
    assert not trouble + system.service.check_health()


@pytest.fixture(autouse=True)
def runs(bus):
    """Each test begins with a running classifier, the deployed policy and PostgreSQL."""
    bus.service.failpoints(None)
    if not bus.database.postgres.running():
        bus.database.postgres.start()
    if not bus.service.running():
        bus.service.start()
    yield


def settle(bus):
    """Waits until everything that was sent before now is graded and stored."""
    probes, partitions = [], set()
    while len(partitions) < 8:
        probes.append(Incident(bus))
        partitions.add(probes[-1].report()[1][1])
    for probe in probes:
        probe.wait_grade()
        probe.wait_row(revision=0, inputs=1)


# --- first grades ---------------------------------------------------------------------------------


def test_a_report_is_graded_at_once(bus):
    incident = Incident(bus)
    parent, _ = incident.report("客户资料泄露,网上有人出售", impact={"personal_records_persons": 1200000},
                                evidence=[{"name": "log", "excerpt": "x" * 5000}])
    grade = incident.wait_grade()
    body = grade.json
    assert grade.type == "incident.classified" and grade.headers["ce_source"] == "/tongbao/classifier"
    assert body["parent_event_id"] == parent and body["occurred_at"] == "2026-11-22T03:00:01.000Z"
    assert (body["category"], body["level"], body["decided_by"]) == ("data_leak", "major", "system")
    assert {r["regime"]: r.get("level") for r in body["regimes"]} == {
        "cac-2025": "larger", "park-lingang": "major", "gbt-20986": None, "miit-2024": None}
    fired = {r["rule"]: r for r in body["reasons"]}
    assert {"category.data-taken-given", "cac.5.larger", "park.customer-data-leaked"} <= set(fired)
    assert fired["cac.5.larger"]["fields"] == [{"pointer": "/facts/impact/personal_records_persons",
                                                "value": "1200000"}]
    assert fired["cac.5.larger"]["source"]["article"] == "第5项 较大"
    assert body["facts"] == {"impact": {"personal_records_persons": 1200000}}, "evidence stays in the report"
    assert incident.wait_row(revision=0)["level"] == "major"


def test_the_example_report_is_graded(bus):
    body = json.loads((EXAMPLES / "report.submitted.json").read_text())
    bus.send(REPORT, body["incident_id"], "report.submitted", body)
    grade = wait_until(lambda: bus.records(INCIDENT, body["incident_id"]), 20, "its grade")[0].json
    assert grade["category"] == "malware" and grade["profile"] == body["profile"]
    assert grade["summary"] == body["summary"] and grade["reference"] == body["reference"]


def test_poison_between_good_ones(bus):
    good, bad = [Incident(bus) for _ in range(8)], Incident(bus)
    places = []
    for i, incident in enumerate(good):
        incident.report()
        if i == 3:
            places.append(bus.send(REPORT, bad.id, "report.submitted", '{"summary": "half')[1])
            places.append(bus.send(REPORT, bad.id, "report.submitted", {**bad.body(), "summary": 7})[1])
    letters = bad.wait_dead(4)  # two records, each refused by both groups
    assert {r.headers["group"] for r in letters} == {"classifier.grade", "classifier.case"}
    origins = {(r.headers["origin-topic"], int(r.headers["origin-partition"]), int(r.headers["origin-offset"]))
               for r in letters}
    assert origins == set(places)
    assert all(r.headers["ce_type"] == "report.submitted" for r in letters)
    assert any("must be" in r.headers["reason"] for r in letters)
    for incident in good:
        assert incident.wait_grade().json["level"] == "general"
        assert not bus.records(DEAD, incident.id)


def test_types_that_are_not_ours_are_passed_over(bus):
    incident = Incident(bus)
    bus.send(REPORT, incident.id, "report.withdrawn", "{}")  # of a later release
    bus.send(ACTION, incident.id, "action.acknowledged", "{}")
    incident.report()
    incident.wait_grade()
    incident.wait_row(revision=0, inputs=1)
    assert not bus.records(DEAD, incident.id)


@pytest.mark.parametrize("step", PIPE_STEPS)
def test_the_pipe_killed_grades_each_report_once(bus, step):
    incidents = [Incident(bus) for _ in range(40)]
    bus.service.stop()
    bus.service.failpoints(step)
    bus.service.start(ready=False)
    for incident in incidents:
        incident.report()
    assert bus.service.died() == -signal.SIGKILL
    bus.service.failpoints(None)
    bus.service.start()
    for incident in incidents:
        incident.wait_grade()
    settle(bus)
    for incident in incidents:
        found = incident.grades()
        assert len({r.id for r in found}) == 1, "one event id, however often it was sent"
        assert len({r.value for r in found}) == 1, "the same bytes"


def test_hard_case_04_a_killer_is_dead_lettered(bus):
    before, killer, after = Incident(bus), Incident(bus), Incident(bus)
    killer.enterprise = before.enterprise
    bus.service.stop()
    bus.service.failpoints("classifier.transform.abort=abort@*")
    before.report()
    killer.report(f"{ABORT} 系统中断")
    after.report()
    deaths = 0

    def look():
        nonlocal deaths
        if not bus.service.running():
            deaths += bus.service.popen is not None and bus.service.popen.returncode not in (None, 0)
            bus.service.start(ready=False)
            bus.service.was_ended = True
        return bus.records(DEAD, killer.id)

    bus.service.start(ready=False)
    bus.service.was_ended = True
    letter = wait_until(look, 60, "the killer's dead letter")[0]
    assert deaths <= 3, f"died {deaths} times"
    assert letter.headers["group"] == "classifier.grade" and letter.headers["reason"]
    assert before.wait_grade() and after.wait_grade() and not killer.grades()
    bus.service.stop()


def test_hard_case_04_first_grades_do_not_wait_for_postgresql(bus):
    early = Incident(bus)
    early.report()
    early.wait_row(revision=0)
    bus.database.postgres.stop()
    incidents = [Incident(bus) for _ in range(20)]
    for incident in incidents:
        incident.report()
    for incident in incidents:
        incident.wait_grade(deadline_s=10)
    assert bus.service.ready(), "it grades: it is ready"
    early.supplement(summary="客户资料泄露")
    bus.database.postgres.start()
    assert early.wait_grade(1).json["level"] == "major"
    for incident in incidents:
        incident.wait_row(revision=0)


@pytest.mark.parametrize("wrong,right", [
    ("REVOKE INSERT ON classifier.case_input FROM tongbao_classifier",
     "GRANT INSERT ON classifier.case_input TO tongbao_classifier"),
    ("ALTER TABLE classifier.incident_case RENAME TO away", "ALTER TABLE classifier.away RENAME TO incident_case"),
], ids=["a missing right", "a missing table"])
def test_first_grades_do_not_wait_for_a_wrong_database(bus, wrong, right):
    settle(bus)
    bus.service.stop()
    bus.database.script(wrong)
    bus.service.start(ready=False)
    try:
        first, second = Incident(bus), Incident(bus)
        first.report()
        first.wait_grade()

        def refused():
            checks = {c["name"]: c for c in bus.service.admin("/readyz").json()["checks"]}
            return "SQLSTATE 42" in checks.get("case", {}).get("detail", "") and checks
        checks = wait_until(refused, 20, "the check tells of it")
        assert not checks["case"]["ready"] and checks["grade"]["ready"] and not bus.service.ready()
        second.report()
        second.wait_grade(deadline_s=10)
        assert bus.service.running()
    finally:
        bus.database.script(right)
    first.wait_row(revision=0, inputs=1)
    second.wait_row(revision=0, inputs=1)
    bus.service.wait_ready(40)


def test_without_kafka_it_is_not_ready(bus):
    settle(bus)
    bus.kafka.freeze()
    try:
        wait_until(lambda: not bus.service.ready(), 20, "readiness follows Kafka")
        assert "no broker answers" in bus.service.admin("/readyz").text
    finally:
        bus.kafka.thaw()
    bus.service.wait_ready()


# --- cases ----------------------------------------------------------------------------------------


def test_a_supplement_raises_the_level(bus):
    incident = Incident(bus)
    incident.report(place="三号厂房")
    incident.wait_row(revision=0)
    incident.supplement(place="三号厂房")
    cause, _ = incident.supplement(summary="确认客户资料泄露", impact={"direct_loss_cny": 6000000})
    grade = incident.wait_grade(1)
    body = grade.json
    assert grade.type == "incident.reclassified" and body["parent_event_id"] == cause
    assert (body["level"], body["decided_by"], body["category"]) == ("major", "system", "data_leak")
    assert body["facts"] == {"place": "三号厂房", "impact": {"direct_loss_cny": 6000000}}
    assert body["summary"].split("\n") == ["员工的一台办公电脑感染病毒", "确认客户资料泄露"]
    incident.wait_row(revision=1, inputs=3)
    assert len(incident.grades()) == 2, "the supplement that changed nothing published nothing"
    said = bus.database.rows("SELECT field, value, actor_id FROM classifier.case_said WHERE incident_id = %s"
                             " AND field = 'summary' ORDER BY said_at", incident.id)
    assert [(r["actor_id"], r["value"]) for r in said] == [("k1", "员工的一台办公电脑感染病毒"), ("k2", "确认客户资料泄露")]


def test_a_person_decides_over_the_rules(bus):
    incident = Incident(bus)
    incident.report("客户资料泄露")
    assert incident.wait_grade().json["level"] == "major"
    decision, _ = incident.decide("general", category="system_failure")
    body = incident.wait_grade(1).json
    assert (body["level"], body["category"], body["decided_by"]) == ("general", "system_failure", "park")
    assert (body["why"], body["actor"]["name"], body["parent_event_id"]) == ("已核实", "王磊", decision)
    assert body["gbt20986"]["name"] == "facility_failure" and not body["needs_human"]
    incident.supplement(impact={"direct_loss_cny": 200000000})
    incident.decide("extreme", scope="enterprise")  # the park's decision stands above it
    incident.wait_row(inputs=4)
    assert incident.row()["level"] == "general"
    body = incident.wait_grade(2).json  # what has come to be known is told: duties are judged by it
    assert (body["level"], body["decided_by"], body["facts"]) == ("general", "park", {"impact": {"direct_loss_cny": 200000000}})


def test_news_challenges_a_persons_decision(bus):
    incident = Incident(bus)
    incident.report("系统中断", drill=True)
    decision, _ = incident.decide("general")
    standing = incident.wait_answer(decision)
    news, _ = incident.supplement(summary="客户资料泄露")
    incident.wait_challenges(("general", "major"))
    body = incident.grades("incident.challenged")[0].json
    assert (body["decision_event_id"], body["parent_event_id"]) == (decision, news)
    assert body["actor"] == {"scope": "park", "id": "k3", "name": "王磊"} and body["reference"] == incident.reference
    assert "park.customer-data-leaked" in [r["rule"] for r in body["reasons"]]
    assert {r["level"] for r in body["reasons"]} == {"major"} and body["policy_version"] == standing["policy_version"]
    assert body["drill"] is True and body["occurred_at"] == "2026-11-22T03:00:03.000Z"
    row = incident.wait_row(inputs=3, challenged_level="major")
    assert row["level"] == "general" and row["revision"] == body["revision"], "the decision stays in force"
    incident.supplement(summary="客户资料泄露,已确认")  # says nothing new
    incident.supplement(impact={"direct_loss_cny": 200000000})
    incident.wait_challenges(("general", "major"), ("general", "extreme"))
    incident.wait_answer(incident.decide("larger")[0])
    incident.wait_row(level="larger", challenged_level=None)
    incident.supplement(summary="客户资料泄露")  # was known to whoever decided anew
    incident.wait_row(inputs=7)
    settle(bus)
    assert incident.challenges() == [("general", "major"), ("general", "extreme")]
    assert incident.row()["level"] == "larger" and not bus.records(DEAD, incident.id)


def test_a_decision_that_comes_after_its_news_is_challenged_with_its_grade(bus):
    incident = Incident(bus)
    incident.report("系统中断")
    incident.wait_row(revision=0)
    decision = {**incident.body(actor={"scope": "enterprise", "id": "k3"}, level="general", reason="已核实")}
    incident.supplement(summary="客户资料泄露")
    assert incident.wait_grade(1).json["level"] == "major"
    bus.send(ACTION, incident.id, "action.reclassified", decision)
    incident.wait_challenges(("general", "major"))
    assert [r.type for r in incident.grades("incident.reclassified", "incident.challenged")][-2:] == \
        ["incident.reclassified", "incident.challenged"]
    assert incident.row()["level"] == "general"


@pytest.mark.parametrize("step", SINK_STEPS)
def test_the_sink_killed_challenges_once(bus, step):
    incidents = [Incident(bus) for _ in range(12)]
    for incident in incidents:
        incident.report("系统中断")
        incident.wait_answer(incident.decide("general")[0])
    bus.service.stop()
    bus.service.failpoints(f"{step}=kill@2")
    bus.service.start(ready=False)
    for incident in incidents:
        incident.supplement(summary="客户资料泄露")
    assert bus.service.died() == -signal.SIGKILL
    bus.service.failpoints(None)
    bus.service.start()
    for incident in incidents:
        incident.wait_challenges(("general", "major"))
        incident.wait_row(inputs=3, level="general", challenged_level="major")
    settle(bus)
    for incident in incidents:
        assert len({(r.id, r.value) for r in incident.grades("incident.challenged")}) == 1


def test_hard_case_09_a_supplement_before_its_report(bus):
    incident = Incident(bus)
    incident.supplement(summary="客户资料泄露")
    incident.wait_row(inputs=1, revision=-1)
    assert incident.row()["enterprise_id"] is None and not incident.grades(), "kept, not graded"
    incident.report("系统中断")
    assert incident.wait_grade(0).json["level"] == "larger"
    assert incident.wait_grade(1).json["level"] == "major"
    incident.wait_row(inputs=2, revision=1)
    assert bus.database.value("SELECT count(*) FROM classifier.case_input WHERE incident_id = %s AND is_early",
                              incident.id) == 0


def test_hard_case_09_a_conflicting_report_only_raises(bus):
    incident = Incident(bus)
    incident.report("客户资料泄露")
    assert incident.wait_grade().json["level"] == "major"
    incident.report("虚惊一场")
    wait_until(lambda: len(incident.grades("incident.classified")) == 2, 20, "both first grades")
    incident.wait_row(inputs=2, level="major")
    settle(bus)
    assert incident.row()["level"] == "major"
    assert all(r.json["level"] == "major" for r in incident.grades("incident.reclassified"))


def test_hard_case_10_strangers(bus):
    counted = bus.service.metrics()["classifier_strangers_total"]
    incident = Incident(bus)
    incident.report()
    incident.wait_row(revision=0)
    for _ in range(12):  # more in a row than poison may be before it pauses a partition
        incident.supplement(summary="客户资料泄露", enterprise=THEIRS)
    _, place = incident.decide("general", scope="enterprise", enterprise=THEIRS)
    letters = incident.wait_dead(13)
    assert all("another enterprise" in r.headers["reason"] for r in letters)
    decisions = [r for r in letters if r.type == "action.reclassified"]
    assert [r.type for r in letters if r not in decisions] == ["report.supplemented"] * 12 and len(decisions) == 1
    letter = decisions[0]
    assert (letter.headers["origin-topic"], int(letter.headers["origin-partition"]),
            int(letter.headers["origin-offset"])) == place
    assert letter.json["enterprise_id"] == THEIRS
    incident.replay(letter)  # theirs stays refused: it is passed over
    settle(bus)
    assert len(incident.wait_dead(13)) == 13
    incident.supplement(summary="客户资料泄露", scope="park", enterprise=THEIRS)
    assert incident.wait_grade(1).json["level"] == "major"
    assert incident.wait_row(inputs=2)
    assert bus.service.metrics()["classifier_strangers_total"] == counted + 13


def test_hard_case_10_early_strangers(bus):
    incident = Incident(bus)
    stranger, place = incident.decide("extreme", scope="enterprise", enterprise=THEIRS)
    incident.supplement(summary="客户资料泄露")
    incident.wait_row(inputs=2)
    incident.report()
    letter = incident.wait_dead()[0]
    assert letter.id == stranger and letter.json["enterprise_id"] == THEIRS
    assert (letter.headers["origin-topic"], int(letter.headers["origin-partition"]),
            int(letter.headers["origin-offset"])) == place
    assert incident.wait_grade(1).json["level"] == "major"
    incident.wait_row(inputs=2, revision=1)


def test_hard_case_10_early_events_are_bounded(bus):
    bus.service.stop()
    bus.service.set(early_max=5)
    bus.service.start()
    flood, enterprise = [Incident(bus) for _ in range(9)], str(uuid.uuid4())
    for incident in flood:
        incident.supplement(place="x", enterprise=enterprise)
    refused = wait_until(lambda: (found := [r for i in flood for r in bus.records(DEAD, i.id)])
                         and len(found) == 4 and found, 30, "four refusals")
    assert all("wait for incidents" in r.headers["reason"] for r in refused)
    incident = next(i for i in flood if i.id == refused[0].key)
    assert incident.row() is None, "nothing is kept of what was refused"
    incident.enterprise = enterprise
    incident.report()
    incident.wait_row(inputs=1, revision=0)
    incident.replay(refused[0])
    incident.wait_row(inputs=2)
    assert len(bus.records(DEAD, incident.id)) == 1
    bus.service.stop()
    bus.service.set(early_max=None)


def test_hard_case_10_early_events_expire_and_may_come_back(bus):
    incident, other = Incident(bus), Incident(bus)
    late, place = incident.supplement(summary="客户资料泄露")
    other.supplement(place="x")
    incident.wait_row(inputs=1)
    other.wait_row(inputs=1)
    bus.database.script(f"""UPDATE classifier.case_input SET added_at = added_at - interval '8 days'
                             WHERE incident_id = '{incident.id}'""")
    bus.service.restart()  # the first look at them is at the start
    letter = incident.wait_dead()[0]
    assert letter.id == late and letter.type == "report.supplemented" and "within 7 days" in letter.headers["reason"]
    assert (letter.headers["origin-topic"], int(letter.headers["origin-partition"]),
            int(letter.headers["origin-offset"])) == place
    assert letter.json["summary"] == "客户资料泄露" and letter.headers["group"] == "classifier.case"
    assert wait_until(lambda: incident.row() is None, 10, "nothing is left of it") and other.row()["inputs"] == 1
    assert bus.service.metrics()["classifier_early_expired_total"] == 1
    incident.report()
    incident.wait_row(inputs=1, revision=0)
    incident.replay(letter)
    assert incident.wait_grade(1).json["level"] == "major"
    assert len(bus.records(DEAD, incident.id)) == 1


def test_hard_case_11_every_decision_is_answered(bus):
    incident = Incident(bus)
    early, _ = incident.decide("major", scope="enterprise")
    incident.wait_row(inputs=1)
    incident.report()
    body = incident.wait_answer(early)
    assert (body["level"], body["parent_event_id"], body.get("refused_why")) == ("major", early, None)
    bus.service.stop()
    first, _ = incident.decide("general")
    below, _ = incident.decide("extreme", scope="enterprise")
    second, _ = incident.decide("larger")
    bus.service.start()
    grade = incident.wait_answer(second)
    assert grade["level"] == "larger" and "refused_why" not in grade
    refused = incident.wait_answer(below)
    assert refused["refused_why"].startswith("the park has decided") and refused["parent_event_id"] == below
    assert (refused["level"], refused["revision"]) == ("larger", grade["revision"]), "what stands"
    answer = incident.wait_answer(first)  # in another batch than the second it was a grade for a while
    assert answer["level"] == ("larger" if "refused_why" in answer else "general")
    flood = [incident.decide("extreme", scope="enterprise")[0] for _ in range(256)]
    for decision in flood:
        assert incident.wait_answer(decision)["revision"] == grade["revision"]
    assert "256 action.reclassified of this sender" in incident.wait_answer(flood[-1])["refused_why"]
    incident.wait_row(level="larger", revision=grade["revision"])
    assert not bus.records(DEAD, incident.id)


@pytest.mark.parametrize("step", ("sink.written", "sink.committed"))
def test_hard_case_11_killed_it_answers_once(bus, step):
    incident = Incident(bus)
    incident.report()
    incident.wait_row(revision=0)
    incident.wait_answer(incident.decide("general")[0])
    bus.service.stop()
    bus.service.failpoints(f"{step}=kill")
    bus.service.start(ready=False)
    decision, _ = incident.decide("extreme", scope="enterprise")
    assert bus.service.died() == -signal.SIGKILL
    bus.service.failpoints(None)
    bus.service.start()
    assert incident.wait_answer(decision)["refused_why"]
    settle(bus)
    assert incident.wait_answer(decision)["level"] == "general"


def test_hundreds_of_supplements_at_once(bus):
    """They are merged one by one and graded once: graded one by one they would outlast PostgreSQL's patience."""
    incident, neighbour = Incident(bus), Incident(bus)
    incident.report()
    incident.wait_row(revision=0, inputs=1)
    bus.service.stop()
    before = bus.service.log_text().count("idle-in-transaction")
    for i in range(150):
        for scope in ("enterprise", "park"):
            incident.supplement(summary=f"{i} 号厂房已排查,一切正常。" * 120, scope=scope)
    incident.supplement(summary="客户资料泄露")
    neighbour.report()
    bus.service.start()
    grade = incident.wait_grade(1).json
    incident.wait_row(inputs=302)
    neighbour.wait_row(revision=0, inputs=1)
    again = incident.grades("incident.reclassified")
    assert grade["level"] == "major" and len({r.id for r in again}) <= 3, [r.json["parent_event_id"] for r in again]
    assert not bus.records(DEAD, incident.id)
    assert bus.service.log_text().count("idle-in-transaction") == before


def test_hard_case_10_a_flood_of_strangers_takes_nobodys_room(bus):
    incident = Incident(bus)
    for _ in range(257):
        incident.supplement(place="x", enterprise=THEIRS)
    refused = incident.wait_dead()
    assert "256 report.supplemented of this sender" in refused[0].headers["reason"]
    incident.report("系统中断")
    assert incident.wait_grade().json["level"] == "larger"
    incident.wait_dead(257)  # found out when the incident opened
    incident.supplement(summary="客户资料泄露")
    assert incident.wait_grade(1).json["level"] == "major"
    incident.wait_row(inputs=2)


@pytest.mark.parametrize("step", SINK_STEPS)
def test_the_sink_killed_grades_again_once(bus, step):
    incidents = [Incident(bus) for _ in range(12)]
    for incident in incidents:
        incident.report()
    for incident in incidents:
        incident.wait_row(revision=0)
    bus.service.stop()
    bus.service.failpoints(f"{step}=kill@2")
    bus.service.start(ready=False)
    for incident in incidents:
        incident.supplement(summary="客户资料泄露")
    assert bus.service.died() == -signal.SIGKILL
    bus.service.failpoints(None)
    bus.service.start()
    for incident in incidents:
        incident.wait_grade(1)
        incident.wait_row(revision=1, inputs=2)
    for incident in incidents:
        again = incident.grades("incident.reclassified")
        assert len({(r.id, r.value) for r in again}) == 1 and not bus.records(DEAD, incident.id)


# --- policy ---------------------------------------------------------------------------------------


def version(bus):
    incident = Incident(bus)
    incident.report()
    return incident.wait_grade().json["policy_version"]


def test_a_reload_takes_a_good_policy_and_refuses_a_bad_one(bus):
    first = version(bus)
    bus.edit_policy(lambda p: p["rules"][0].update(level="nonsense"))
    bus.reload("classifier_policy_refused_total")
    assert version(bus) == first
    assert "regimes/park-lingang.json:1: /rules/0/level: must be one of" in bus.service.log_text()
    bus.edit_policy(lambda p: p["rules"][0].update(level="extreme"))
    bus.reload("classifier_policy_loads_total")
    incident = Incident(bus)
    incident.report("客户资料泄露")
    body = incident.wait_grade().json
    assert body["level"] == "extreme" and body["policy_version"] != first
    bus.edit_policy(lambda p: p["rules"][0].update(level="major"))
    bus.reload("classifier_policy_loads_total")
    assert version(bus) == first, "the same rules, whatever their layout"


def says_of_policy(bus):
    ready = bus.service.admin("/readyz").json()
    return ready["ready"], next(c["detail"] for c in ready["checks"] if c["name"] == "policy")


def test_a_change_in_the_folder_is_taken_by_itself_and_a_bad_one_refused(bus):
    first = version(bus)
    assert says_of_policy(bus) == (True, f"in force: {first}")
    bus.edit_policy(lambda p: p["rules"][0].update(level="extreme"))
    wait_until(lambda: first not in says_of_policy(bus)[1], 20, "the new policy in force")
    second = version(bus)
    assert says_of_policy(bus) == (True, f"in force: {second}")
    bus.edit_policy(lambda p: p["rules"][0].update(level="nonsense"))
    wait_until(lambda: "refused" in says_of_policy(bus)[1], 20, "the bad policy refused")
    ready, detail = says_of_policy(bus)
    assert ready and detail.startswith(f"in force: {second};") and "park-lingang.json:1: /rules/0/level" in detail
    assert version(bus) == second
    bus.edit_policy(lambda p: p["rules"][0].update(level="major"))
    wait_until(lambda: says_of_policy(bus) == (True, f"in force: {first}"), 20, "the first policy again")


def test_every_published_first_grade_follows_from_its_policy(bus):
    """R10: what stands on the bus comes out again, byte by byte, of the body and the policy alone."""
    reports = [c["report"] for f in sorted((bus.policy / "cases").glob("*.json")) for c in json.loads(f.read_text())["cases"]]
    incidents = [Incident(bus) for _ in reports]
    for incident, report in zip(incidents, reports):
        at = datetime.datetime.fromisoformat(report.get("discovered_at", "2026-11-22T03:00:00+00:00")).astimezone(datetime.timezone.utc)
        incident.report(**{**report, "discovered_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")})
    bodies = [incident.wait_grade().value.decode() for incident in incidents]
    done = tongbao("policy", "diff", bus.policy, bus.policy, "--file", "-", input="\n".join(bodies))
    n = len(reports)
    assert n >= 150 and f"{n} graded, 0 differ" in done.stdout
    assert f"{n} first grades are of the old policy: {n} follow from it, 0 do not" in done.stdout


def test_hard_case_14_a_policy_swap_between_crash_and_repeat(bus):
    """The same report is graded twice with one id and two contents: the first in the partition counts."""
    bus.service.stop()
    bus.service.failpoints("pipe.acked=kill")
    incident = Incident(bus)
    incident.report("客户资料泄露")
    bus.service.start(ready=False)
    assert bus.service.died() == -signal.SIGKILL
    bus.service.failpoints(None)
    bus.edit_policy(lambda p: p["rules"][0].update(level="extreme"))
    bus.service.start()
    wait_until(lambda: len(incident.grades()) == 2, 30, "the repeat")
    first, second = incident.grades()
    assert first.id == second.id
    assert (first.json["level"], second.json["level"]) == ("major", "extreme")
    settle(bus)
    row = incident.row()
    assert (row["level"], row["revision"]) == ("major", 0)
    bus.edit_policy(lambda p: p["rules"][0].update(level="major"))
    bus.reload("classifier_policy_loads_total")


def check_config(bus, *args):
    return subprocess.run([program("tongbao-classifier"), "--check-config", *map(str, args)], capture_output=True,
                          text=True, cwd=ROOT, env=SANITIZED, timeout=30)


def test_check_config_checks_the_policy(bus):
    assert check_config(bus).returncode == 0
    bad = bus.workspace.dir / "bad-policy"
    shutil.copytree(ROOT / "deploy/policy", bad)
    (bad / "taxonomy.json").write_text('{"gbt20986": [],\n "gbt20986": []}')
    done = check_config(bus, "--policy", bad)
    assert done.returncode == 78 and "taxonomy.json" in done.stderr and "line 2" in done.stderr
    done = check_config(bus, "--early-max", "none")
    assert done.returncode == 78 and "--early-max" in done.stderr
