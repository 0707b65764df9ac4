"""Campaigns on a real Kafka and a real PostgreSQL: two classifiers at once, many enterprises that share indicators, and each thing that may go wrong."""
import collections
import json
import os
import random
import signal
import uuid

import confluent_kafka
import pytest

from servers import ROOT, Record, wait_until
from stack import Service

REPORT, INCIDENT, DEAD = (f"tongbao.{t}.v1" for t in ("report", "incident", "dead"))
TOPICS = {f"tongbao.{t}.v1" for t in ("report", "incident", "action", "escalation", "notification", "advisory", "dead")}
PROFILE = {"code": "ACME", "name": "艾克米汽车制造有限公司", "sector": "manufacturing", "staff": 2600, "is_cii": False,
           "is_listed": True}
ENTERPRISES = [str(uuid.uuid4()) for _ in range(12)]
VALUES, WAVE = 200, 2400
STEPS = ("classifier.traits.read=kill@2", "sink.applied=kill@2", "sink.committed=kill@2")


class Bus:
    """Two classifiers, what feeds them and what they say."""

    def __init__(self, workspace, kafka, database):
        self.kafka, self.database = kafka, database
        self.producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "partitioner": "murmur2_random",
                                                  "log_level": 0, "linger.ms": 20})
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": "tap", "log_level": 0,
                                                  "enable.auto.commit": False})
        self.consumer.assign([confluent_kafka.TopicPartition(t, p, 0) for t in (INCIDENT, DEAD) for p in range(8)])
        # a question to the broker waits behind the fetches of whoever asks
        self.asker = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": "ask", "log_level": 0})
        self.seen = collections.defaultdict(list)
        self.services = [Service(workspace, "classifier", {
            "kafka_brokers": kafka.brokers, "pg": database.dsn_as("tongbao_classifier"),
            "policy": ROOT / "deploy/policy"}, instance=str(i)) for i in (1, 2)]

    def read(self):
        """{incident: records in order}"""
        while messages := self.consumer.consume(5000, timeout=0.05):
            for message in messages:
                assert not message.error(), message.error()
                record = Record(message)
                self.seen[record.key].append(record)
        return self.seen

    def dead(self):
        return [r for records in self.read().values() for r in records if r.topic == DEAD]

    def links(self):
        """[body of each incident.linked], repeats of one event once; their bytes must be the same."""
        found = {}
        for records in self.read().values():
            for record in records:
                if record.type == "incident.linked":
                    assert found.setdefault(record.id, record.value) == record.value, "one id, two contents"
        return [json.loads(value) for value in found.values()]

    def metric(self, name):
        return sum(s.metrics()[name] for s in self.services if s.running())

    def start(self):
        for service in self.services:
            if not service.running():
                service.start(ready=False)
        for service in self.services:
            service.wait_ready(60)

    def stop(self):
        for service in self.services:
            if service.running():
                service.stop()


class Incident:
    def __init__(self, bus, enterprise=0):
        self.bus, self.enterprise, self.id = bus, ENTERPRISES[enterprise], str(uuid.uuid4())

    def send(self, kind, body, at):
        minutes, seconds = divmod(at, 60)
        hours, minutes = divmod(minutes, 60)
        body = {"enterprise_id": self.enterprise, "incident_id": self.id, "drill": False,
                "occurred_at": f"2026-11-22T{hours:02d}:{minutes:02d}:{seconds:02d}.000Z", **body}
        self.bus.producer.produce(REPORT, key=self.id, value=json.dumps(body), headers=[
            ("ce_specversion", "1.0"), ("ce_id", str(uuid.uuid4())), ("ce_type", kind)])

    def report(self, *ips, at=0, **fields):
        self.send("report.submitted", {
            "reference": "TB-" + uuid.uuid4().hex[:13].upper(), "summary": "员工的一台办公电脑感染病毒",
            "discovered_at": "2026-11-21T23:59:00.000Z", "via": "api", "actor": {"scope": "enterprise", "id": "k1"},
            "profile": PROFILE, "indicators": [{"type": "ip", "value": ip} for ip in ips], **fields}, at)
        return self

    def supplement(self, *ips, at=0, scope="enterprise", **fields):
        self.send("report.supplemented", {
            "actor": {"scope": scope, "id": "k2"}, "indicators": [{"type": "ip", "value": ip} for ip in ips], **fields},
            at)
        return self

    def records(self, kind):
        found = {r.id: r.json for r in self.bus.read()[self.id] if r.type == kind}
        return list(found.values())

    def wait_link(self, deadline_s=30):
        return wait_until(lambda: self.records("incident.linked"), deadline_s, f"{self.id} is linked")[0]

    def wait_level(self, level):
        return wait_until(lambda: [g for g in self.records("incident.reclassified") if g["level"] == level], 30,
                          f"{self.id} is {level}")[0]


_addresses = iter(f"203.0.{i // 250}.{i % 250 + 1}" for i in range(60000))


def address():
    """An address that no other test uses."""
    return next(_addresses)


@pytest.fixture(scope="module")
def bus(workspace, kafka, migrated):
    kafka.create_topics()
    wait_until(lambda: TOPICS <= set(kafka.admin().list_topics(timeout=5).topics), 20, "the topics are visible")
    system = Bus(workspace, kafka, migrated)
    yield system
    system.stop()
    trouble = [line for s in system.services for line in s.check_health()]
    assert not trouble


@pytest.fixture(autouse=True)
def runs(bus):
    """Each test begins with two running classifiers without failpoints, and PostgreSQL."""
    if not bus.database.postgres.running():
        bus.database.postgres.start()
    for service in bus.services:
        if "TONGBAO_FAILPOINTS" in service.env and service.running():
            service.stop()
        service.failpoints(None)
    bus.start()
    yield


def settle(bus):
    """Waits until everything that was sent, and what follows from it, is read by the cases."""
    bus.producer.flush(30)

    def done():
        ends = {(t, p): bus.asker.get_watermark_offsets(confluent_kafka.TopicPartition(t, p), timeout=5)[1]
                for t in (REPORT, INCIDENT) for p in range(8)}
        rows = bus.database.rows("SELECT topic, partition, next_offset FROM classifier.kafka_offset"
                                 " WHERE consumer_group = 'classifier.case'")
        read = {(r["topic"], r["partition"]): r["next_offset"] for r in rows}
        unsent = bus.database.value("SELECT count(*) FROM classifier.outbox WHERE acked_at IS NULL")
        return unsent == 0 and all(read.get(place, 0) == end for place, end in ends.items())
    for _ in range(2):  # links are read back: what follows from them has had its turn then
        wait_until(done, 120, "the cases have read everything", pause_s=0.3)


# --- one campaign ---------------------------------------------------------------------------------


def test_three_enterprises_are_a_campaign_that_raises_their_level(bus):
    ip = address()
    first, second, third = (Incident(bus, i) for i in range(3))
    first.report(ip, at=10)
    second.report(ip.replace(".", "[.]"), at=20)
    settle(bus)
    assert not first.records("incident.linked") and not second.records("incident.linked")
    third.report(ip, at=30)
    settle(bus)
    bodies = [i.wait_link() for i in (first, second, third)]
    assert [b["opens"] for b in bodies] == [False, False, True]
    assert [("advisory" in b) for b in bodies] == [False, False, True]
    assert len({b["campaign"]["campaign_id"] for b in bodies}) == 1
    for body, others in zip(bodies, ((third, second), (third, first), (second, first))):
        assert (body["campaign"]["enterprises"], body["campaign"]["incidents"]) == (3, 3)
        assert body["linked_incident_ids"] == [i.id for i in others], "the newest first"
        assert body["rule"] == "correlation.indicator" and body["indicator"] == {"type": "ip", "value": ip}
        assert body["occurred_at"] == "2026-11-22T00:00:30.000Z" and ip in body["zh"] and "7 d" in body["en"]
        assert not any(e in json.dumps({**body, "enterprise_id": ""}) for e in ENTERPRISES), "of others only ids"
    assert ip in bodies[2]["advisory"]["text"] and bodies[2]["advisory"]["audience"] == "all"
    for incident, body in zip((first, second, third), bodies):
        grade = incident.wait_level("larger")
        assert grade["campaign"] == body["campaign"] and grade["needs_human"]
        assert "park.campaign" in {r["rule"] for r in grade["reasons"]}
    fourth = Incident(bus, 3).report(ip, at=40)
    body = fourth.wait_link()
    assert not body["opens"] and "advisory" not in body and len(body["linked_incident_ids"]) == 3
    assert body["campaign"] == {**bodies[0]["campaign"], "enterprises": 4, "incidents": 4}
    settle(bus)
    assert [len(i.records("incident.linked")) for i in (first, second, third, fourth)] == [1, 1, 1, 1]
    assert len(third.records("incident.reclassified")) == 1
    said = bus.database.value("SELECT count(*) FROM classifier.case_said WHERE incident_id = %s AND field = 'campaign'",
                              third.id)
    assert said == 0, "a link is nobody's word"


def test_drills_and_real_incidents_never_meet(bus):
    ip = address()
    drills = [Incident(bus, i).report(ip, drill=True) for i in range(2)]
    real = [Incident(bus, i + 2).report(ip) for i in range(2)]
    settle(bus)
    assert not any(i.records("incident.linked") for i in drills + real)
    third = Incident(bus, 4).report(ip, drill=True)
    settle(bus)
    assert all(i.wait_link()["drill"] for i in drills + [third])
    assert not any(i.records("incident.linked") for i in real)


def test_one_enterprise_is_no_campaign_and_private_addresses_link_nobody(bus):
    ip = address()
    alone = [Incident(bus, 0).report(ip, "8.8.8.8", "192.168.1.1") for _ in range(5)]
    others = [Incident(bus, i).report("8.8.8.8", "10.0.0.1", "127.0.0.1") for i in range(1, 6)]
    settle(bus)
    assert not any(i.records("incident.linked") for i in alone + others)


def test_a_wave_of_one_kind_of_attack(bus):
    wave = [Incident(bus, i).report(summary="服务器中了勒索病毒,文件被加密,索要赎金") for i in range(3)]
    bodies = [i.wait_link() for i in wave]
    assert {(b["rule"], b["sub"]) for b in bodies} == {("correlation.kind", "勒索软件")}
    assert sum(b["opens"] for b in bodies) == 1


def test_early_and_strange_supplements(bus):
    ip = address()
    early, stranger = Incident(bus, 0), Incident(bus, 1).report()
    early.supplement(ip)
    settle(bus)
    stranger.enterprise = ENTERPRISES[5]
    stranger.supplement(ip)  # another enterprise's word of this incident is refused
    settle(bus)
    others = [Incident(bus, i).report(ip) for i in (2, 3)]
    settle(bus)
    assert not any(i.records("incident.linked") for i in [early, stranger] + others)
    early.report()
    assert len({i.wait_link()["campaign"]["campaign_id"] for i in [early] + others}) == 1
    settle(bus)
    assert not stranger.records("incident.linked")
    late = Incident(bus, 4).report()
    settle(bus)
    late.supplement(ip, scope="park")
    assert late.wait_link()["campaign"]["enterprises"] == 4


def test_hard_case_12_two_at_once_one_sees_the_other(bus):
    """One incident waits; of each two that come at once, mostly to different instances, one must see three."""
    addresses = [address() for _ in range(16)]
    first = [Incident(bus, 0).report(ip) for ip in addresses]
    settle(bus)
    bus.stop()
    for service in bus.services:  # between looking and writing
        service.failpoints("classifier.traits.read=sleep:400@*")
    bus.start()
    settle(bus)
    both = [(Incident(bus, 1).report(ip), Incident(bus, 2).report(ip)) for ip in addresses]
    bus.producer.flush(10)
    for one, (two, three) in zip(first, both):
        bodies = [i.wait_link() for i in (one, two, three)]
        assert sum(b["opens"] for b in bodies) == 1 and not bodies[0]["opens"]
        assert len({b["campaign"]["campaign_id"] for b in bodies}) == 1


def test_hard_case_05_who_freezes_with_a_trait_holds_nobody_up(bus):
    ip = address()
    first = [Incident(bus, i).report(ip) for i in (0, 1)]
    settle(bus)
    frozen = bus.services[0]
    frozen.stop()
    frozen.failpoints("classifier.traits.read=stop")
    bus.start()
    settle(bus)
    others = [Incident(bus, 2 + i % 8).report(ip) for i in range(32)]
    bus.producer.flush(10)

    def is_frozen():
        return open(f"/proc/{frozen.pid}/stat").read().rpartition(") ")[2].startswith("T")
    wait_until(is_frozen, 30, "one holds the trait and stands still")
    wait_until(lambda: len([i for i in others if i.records("incident.linked")]) >= 8, 20, "the other goes on")
    assert is_frozen()
    os.kill(frozen.pid, signal.SIGCONT)
    bodies = [i.wait_link(60) for i in first + others]
    assert sum(b["opens"] for b in bodies) == 1


def test_postgresql_away(bus):
    ip = address()
    bus.database.postgres.stop()
    incidents = [Incident(bus, i).report(ip) for i in range(4)]
    bus.producer.flush(10)
    for incident in incidents:
        wait_until(lambda: incident.records("incident.classified"), 20, "the first grade")
    assert not any(i.records("incident.linked") for i in incidents)
    bus.database.postgres.start()
    for incident in incidents:
        incident.wait_link(60)
        incident.wait_level("larger")


def test_what_is_over_is_forgotten(bus):
    ip, other = address(), address()
    for i in range(3):
        Incident(bus, i).report(ip)
    Incident(bus, 0).report(other)
    settle(bus)

    def count(table, value):
        return bus.database.value(f"SELECT count(*) FROM classifier.{table} JOIN classifier.trait USING (trait_id)"
                                  " WHERE value = %s", value)
    assert (count("trait_member", ip), count("campaign", ip), count("trait_member", other)) == (3, 1, 1)
    bus.database.script(f"""UPDATE classifier.trait SET keep_until = now() - interval '1 s' WHERE value = '{ip}';
                            UPDATE classifier.trait_member SET keep_until = now() - interval '1 s'
                             WHERE trait_id = (SELECT trait_id FROM classifier.trait WHERE value = '{other}')""")
    bus.services[0].restart()  # the first look is at the start
    wait_until(lambda: (count("trait_member", ip), count("campaign", ip), count("trait_member", other)) == (0, 0, 0),
               20, "it is gone")
    assert bus.database.value("SELECT count(*) FROM classifier.trait WHERE value = %s", other) == 1


# --- a crowd --------------------------------------------------------------------------------------


def send_wave(bus, seed):
    """Reports of two values each, in any order; {value: [(incident, enterprise)]}, and values that only two enterprises share."""
    rng = random.Random(seed)
    shared, lonely = [address() for _ in range(VALUES)], [address() for _ in range(20)]
    members = collections.defaultdict(list)
    bag = shared * (2 * WAVE // VALUES)
    rng.shuffle(bag)
    for n in range(WAVE):
        enterprise = rng.randrange(len(ENTERPRISES))
        values = [bag[2 * n], bag[2 * n + 1]]
        if enterprise < 2:
            values.append(rng.choice(lonely))
        incident = Incident(bus, enterprise).report(*values, at=rng.randrange(3600))
        for value in set(values):
            members[value].append((incident.id, incident.enterprise))
        if n % 500 == 0:
            bus.producer.poll(0)
    bus.producer.flush(60)
    return {v: members[v] for v in shared}, {v: members[v] for v in lonely if members[v]}


def check_wave(bus, shared, lonely):
    links = collections.defaultdict(list)
    for body in bus.links():
        if "indicator" in body:
            links[body["indicator"]["value"]].append(body)
    assert not any(links[value] for value in lonely), "two enterprises are too few"
    for value, members in shared.items():
        assert len({e for _, e in members}) >= 3
        got = links[value]
        assert sorted(b["incident_id"] for b in got) == sorted(i for i, _ in members), "each once, none left out"
        assert len({b["campaign"]["campaign_id"] for b in got}) == 1
        assert [b["opens"] for b in got].count(True) == 1
        assert max(b["campaign"]["enterprises"] for b in got) == len({e for _, e in members})
        assert max(b["campaign"]["incidents"] for b in got) == len(members)
    ours = {i for members in shared.values() for i, _ in members}
    assert not [r for r in bus.dead() if r.key in ours]
    assert bus.database.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


def test_a_wave_over_two_instances(bus):
    bus.stop()
    shared, lonely = send_wave(bus, 1)
    bus.start()
    settle(bus)
    check_wave(bus, shared, lonely)
    # each is raised, once
    raised = collections.Counter(r.key for records in bus.read().values()
                                 for r in {x.id: x for x in records if x.type == "incident.reclassified"}.values())
    assert all(raised[i] == 1 for members in shared.values() for i, _ in members)


@pytest.mark.parametrize("step", STEPS)
def test_a_wave_and_kill(bus, step):
    bus.stop()
    shared, lonely = send_wave(bus, 2 + STEPS.index(step))
    killed = bus.services[0]
    killed.failpoints(step)
    for service in bus.services:
        service.start(ready=False)
    assert killed.died(60) == -signal.SIGKILL
    killed.failpoints(None)
    killed.start()
    settle(bus)
    check_wave(bus, shared, lonely)
