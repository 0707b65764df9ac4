"""The classifier at full size: ten thousand reports graded twice, and thousands of cases whose events come in every order."""
import collections
import glob
import itertools
import json
import random
import shutil
import uuid

import confluent_kafka
import pytest

from servers import ROOT, wait_until
from stack import Service

REPORT, INCIDENT, ACTION, DEAD = (f"tongbao.{t}.v1" for t in ("report", "incident", "action", "dead"))
REPORTS, CASES = 10000, 3000
LEVELS = ["general", "larger", "major", "extreme"]
CATEGORIES = ["system_failure", "data_leak", "malware", "intrusion"]
FIGURES = {"people_affected": 20000000, "personal_records_persons": 200000000, "outage_minutes": 3000, "main_function_outage_minutes": 3000,
           "direct_loss_cny": 200000000, "illegal_content_minutes": 3000, "illegal_content_reposts": 200000, "illegal_content_views": 2000000}
HARMS = ["data_leaked", "user_data_touched", "public_interest_touched", "attempt_failed"]
SITES = ["enterprise", "government_city", "government_province", "news", "news_central", "platform", "platform_super", "other"]
DATA = ["personal", "sensitive_personal", "customer", "important", "core", "financial", "trade_secret"]


class Chance(random.Random):
    """The same on every machine: what is random in these tests follows from the seed."""

    def __init__(self, seed):
        super().__init__(seed)
        files = sorted(glob.glob(f"{ROOT}/deploy/policy/texts/*.jsonl"))
        self.texts = [json.loads(line)["text"] for f in files for line in open(f)]
        for f in sorted(glob.glob(f"{ROOT}/deploy/policy/cases/*.json")):
            self.texts += [case["report"]["summary"] for case in json.load(open(f))["cases"]]

    def uuid(self):
        return str(uuid.UUID(int=self.getrandbits(128), version=4))

    def impact(self):
        """Figures from 1 to above every threshold, as many small as great ones."""
        ret = {name: int(most ** self.random()) for name, most in FIGURES.items() if self.random() < 0.15}
        return ret | {name: self.random() < 0.5 for name in HARMS if self.random() < 0.1}

    def facts(self):
        ret = {"impact": self.impact()}
        if self.random() < 0.4:
            ret["system"] = {"site_class": self.choice(SITES), "is_cii": self.random() < 0.3, "workstations_hit": self.randint(1, 40)}
        if self.random() < 0.3:
            ret["data_kinds"] = self.sample(DATA, self.randint(1, 3))
        if self.random() < 0.1:
            ret["ransom"] = {"amount": f"{self.randint(1, 9)} BTC"}
        if self.random() < 0.2:
            ret["cause"] = self.choice(self.texts)
        if self.random() < 0.1:
            ret["category_hint"] = self.choice(["数据安全事件", "拒绝服务", "malicious_program", "急!"])
        return ret

    def report(self, **fields):
        """Everything of a report but whose it is and when it came."""
        profile = {"code": "ACME", "name": "艾克米", "sector": self.choice(["manufacturing", "energy", "finance"]), "staff": self.randint(5, 9000),
                   "is_cii": self.random() < 0.2, "is_listed": self.random() < 0.2, "data_kinds": self.sample(DATA, 2)}
        return {"summary": "。".join(self.sample(self.texts, self.randint(1, 2))), "discovered_at": "2026-11-22T02:59:00.000Z", "via": "api",
                "actor": {"scope": "enterprise", "id": "k1"}, "profile": profile, "reference": "TB-" + self.uuid()[:13].upper(),
                **self.facts(), **fields}


class System:
    """The classifier, what feeds it and what it says. By the deployed policy but for its links: thousands of like incidents would be campaigns, and raised."""

    def __init__(self, workspace, kafka, database):
        self.workspace, self.kafka, self.database = workspace, kafka, database
        self.sent = collections.Counter()
        self.policy = workspace.dir / "policy"
        shutil.copytree(ROOT / "deploy/policy", self.policy)
        (self.policy / "correlation.json").unlink()
        self.producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "partitioner": "murmur2_random", "log_level": 0,
                                                  "queue.buffering.max.messages": 1000000, "linger.ms": 5})

    def classifier(self, instance, policy=None):
        return Service(self.workspace, "classifier", {"kafka_brokers": self.kafka.brokers, "policy": policy or self.policy,
                                                      "pg": self.database.dsn_as("tongbao_classifier")}, instance=instance)

    def send(self, topic, kind, event_id, body):
        def acked(problem, _):
            assert not problem, problem
        self.producer.produce(topic, key=body["incident_id"], value=json.dumps(body, ensure_ascii=False), on_delivery=acked,
                              headers=[("ce_specversion", "1.0"), ("ce_id", event_id), ("ce_type", kind)])
        self.producer.poll(0)
        self.sent[topic] += 1

    def flush(self):
        assert self.producer.flush(60) == 0

    def end(self, topic):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.kafka.brokers, "group.id": "ends", "log_level": 0})
        try:
            return sum(consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, p), timeout=10)[1] for p in range(8))
        finally:
            consumer.close()

    def decisions(self, incidents):
        """{incident: its decisions, in the order of the topic}"""
        ret = {incident: [] for incident in incidents}
        for record in self.kafka.records(INCIDENT, 120):
            ret.get(record.key, []).append(record)
        return ret

    def grade_with(self, service, until_end):
        service.start()
        wait_until(lambda: self.end(INCIDENT) >= until_end, 120, "all is graded", pause_s=0.1)
        service.stop()
        assert not service.check_health()

    def heard(self, topic):
        """Records of the topic that the cases have taken."""
        return self.database.value("SELECT sum(next_offset)::int FROM classifier.kafka_offset WHERE topic = %s", topic) or 0

    def wait_heard(self, *topics):
        for topic in topics:
            wait_until(lambda: self.heard(topic) >= self.end(topic), 120, f"the cases have heard all of {topic}", pause_s=0.1)

    def wait_settled(self):
        """All first grades are out, and what follows from them; no more comes of it."""
        wait_until(lambda: sum(self.kafka.committed("classifier.grade", REPORT).values()) == self.end(REPORT), 120, "all is graded",
                   pause_s=0.1)
        self.wait_heard(REPORT, ACTION, INCIDENT)
        wait_until(lambda: not self.database.value("SELECT count(*) FROM classifier.outbox WHERE acked_at IS NULL"), 60, "all is relayed", pause_s=0.1)
        self.wait_heard(INCIDENT)


@pytest.fixture(scope="module")
def system(workspace, kafka, migrated):
    kafka.create_topics()
    wait_until(lambda: DEAD in kafka.admin().list_topics(timeout=5).topics, 20, "the topics are visible")
    return System(workspace, kafka, migrated)


# --- the same report, the same policy: the same bytes -----------------------------------------------


def another_layout(policy):
    """The policy with other white space: the same rules, so the same hash."""
    folder = policy.with_name("policy-in-another-layout")
    shutil.copytree(policy, folder)
    for path in folder.rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    return folder


def read_from_the_start(kafka):
    """The pipe's group as if nobody had ever read: what lies in the topic is graded again. Waits for the former member's session to end."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": "classifier.grade", "log_level": 0})
    start = [confluent_kafka.TopicPartition(REPORT, p, 0) for p in range(8)]
    wait_until(lambda: consumer.commit(offsets=start, asynchronous=False), 20, "the group is empty", pause_s=0.5)
    consumer.close()


def test_ten_thousand_reports_graded_again_give_the_same_bytes(system):
    """Another process under another name, by the same policy in other files, reads the records again from the first one on."""
    chance, before, incidents = Chance(20986), system.end(INCIDENT), []
    for i in range(REPORTS):
        incidents.append(chance.uuid())
        body = chance.report(incident_id=incidents[-1], enterprise_id=chance.uuid(), drill=i % 50 == 0,
                             occurred_at=f"2026-11-22T03:{i // 60 % 60:02d}:{i % 60:02d}.000Z")
        system.send(REPORT, "report.submitted", chance.uuid(), body)
    system.flush()
    system.grade_with(system.classifier("1"), before + REPORTS)
    read_from_the_start(system.kafka)
    system.grade_with(system.classifier("2", another_layout(system.policy)), before + 2 * REPORTS)
    decisions = system.decisions(incidents)
    assert len(decisions) == REPORTS and not system.end(DEAD)
    for incident, found in decisions.items():
        assert len(found) == 2, f"{incident} has {found}"
        first, again = found
        assert first.id == again.id and first.value == again.value, incident
        assert {**first.headers, "ce_time": ""} == {**again.headers, "ce_time": ""}
    bodies = [found[0].json for found in decisions.values()]
    assert len({body["policy_version"] for body in bodies}) == 1
    assert {body["level"] for body in bodies} == set(LEVELS) and {body["category"] for body in bodies} == set(CATEGORIES)
    assert len({found[0].id for found in decisions.values()}) == REPORTS


# --- hard case 9: all orders end alike --------------------------------------------------------------


def story(chance):
    """What is said of one incident: [(topic, type, body without its ids)], a copy of the first among them; half of them end with a person."""
    ret = [(REPORT, "report.submitted", chance.report(occurred_at="2026-11-22T03:00:01.000Z"))] * 2
    ret.append((REPORT, "report.submitted", chance.report(occurred_at="2026-11-22T03:00:02.000Z")))
    ret.append((REPORT, "report.supplemented", {"summary": chance.choice(chance.texts), "occurred_at": "2026-11-22T03:00:03.000Z",
                                                "actor": {"scope": "enterprise", "id": "k2"}, **chance.facts()}))
    if chance.random() < 0.5:
        ret.append((ACTION, "action.reclassified", {"level": chance.choice(LEVELS), "reason": "已核实", "occurred_at": "2026-11-22T03:00:04.000Z",
                                                    "actor": {"scope": "park", "id": "k3", "name": "王磊"}}))
    return ret


def standing(records):
    """What a client of the topic holds: of records with one id the first counts, and of decisions the greatest revision."""
    first = {}
    for record in records:
        first.setdefault(record.id, record.json)
    return max(first.values(), key=lambda body: body["revision"])  # of two first grades, the one that came first


def test_hard_case_09_thousands_of_cases_in_every_order_end_alike(system):
    """In waves: one event of every incident, in its own order, and the next wave when all are applied; so the topics cannot outrun each other."""
    chance = Chance(9)
    stories = [story(chance) for _ in range(CASES // 60)]
    cases = []
    for i in range(CASES):
        events = stories[i % len(stories)]
        ids = {"incident_id": chance.uuid(), "enterprise_id": chance.uuid(), "drill": False}
        event_ids = [chance.uuid() for _ in events]
        event_ids[1] = event_ids[0]
        steps = [(topic, kind, event_id, {**body, **ids}) for (topic, kind, body), event_id in zip(events, event_ids)]
        cases.append((ids["incident_id"], i % len(stories), chance.sample(steps, len(steps))))
    service = system.classifier("1")
    service.start()
    for wave in itertools.zip_longest(*(steps for _, _, steps in cases)):
        for step in filter(None, wave):
            system.send(*step)
        system.flush()
        system.wait_heard(REPORT, ACTION)
    system.wait_settled()
    service.stop()
    assert not service.check_health() and not system.end(DEAD)
    decisions = system.decisions(incident for incident, _, _ in cases)
    rows = {r["id"]: r for r in system.database.rows("SELECT incident_id::text AS id, level, category, revision, inputs FROM classifier.incident_case")}
    ends = collections.defaultdict(set)
    for incident, number, _ in cases:
        body, row = standing(decisions[incident]), rows[incident]
        assert (row["level"], row["category"], row["revision"]) == (body["level"], body["category"], body["revision"]), incident
        assert row["inputs"] == len(stories[number]) - 1, "each once, the copy not"
        ends[number].add((body["level"], body["category"], body["gbt20986"]["name"], body["decided_by"]))
    assert not {n: found for n, found in ends.items() if len(found) > 1}
    for number, events in enumerate(stories):
        decided = [body["level"] for _, kind, body in events if kind == "action.reclassified"]
        (level, _, _, by), = ends[number]
        assert (level, by) == ((decided[0], "park") if decided else (level, "system"))
    assert any(standing(found)["revision"] > 0 for found in decisions.values())
