"""Hard case 14: the classifier is killed between ack and commit, and another policy is in force when it grades the same reports again."""
import json
import shutil
import signal
import uuid

from servers import ROOT, wait_until

REPORT, INCIDENT = "tongbao.report.v1", "tongbao.incident.v1"
SWAPS = 5
SUMMARIES = ("客户资料泄露,网上有人出售", "核心数据库异常,查询报错", "一台办公电脑感染病毒", "有人打电话询问")
LEVELS = ("general", "larger", "major", "extreme")


def swap(policy, turn):
    """Every rule of the park gives another level than before, and so does what none covers."""
    path = policy / "regimes/park-lingang.json"
    doc = json.loads(path.read_text())
    for number, rule in enumerate(doc["rules"] + [doc["otherwise"]]):
        rule["level"] = LEVELS[(number + turn) % len(LEVELS)]
    path.write_text(json.dumps(doc, ensure_ascii=False))


def crash_and_swap(stack, policy, turn):
    """Reports that are graded and acknowledged on the bus, but not committed; graded again by the next policy. Returns their incidents."""
    classifier = stack.services["classifier"]
    classifier.stop()
    swap(policy, 2 * turn)
    incidents = [stack.report(code, summary=f"{SUMMARIES[i % len(SUMMARIES)]} {turn}-{i}")["incident_id"]
                 for i, code in enumerate(("ACME", "BETA", "GRID", "SHOP") * 5)]
    classifier.failpoints("pipe.acked=kill")
    classifier.start(ready=False)
    assert classifier.died() == -signal.SIGKILL
    classifier.failpoints(None)
    swap(policy, 2 * turn + 1)
    classifier.start()
    return incidents


def wait_settled(stack):
    """Every report is graded and committed, and the cases have heard of it all and said what follows."""
    wait_until(lambda: sum(stack.kafka.committed("classifier.grade", REPORT).values()) == len(stack.kafka.records(REPORT)), 60, "all is graded",
               pause_s=0.2)
    heard = "SELECT sum(next_offset)::int FROM classifier.kafka_offset WHERE topic = %s"
    unsent = "SELECT count(*) FROM classifier.outbox WHERE acked_at IS NULL"
    wait_until(lambda: stack.database.value(heard, INCIDENT) == len(stack.kafka.records(INCIDENT)) and not stack.database.value(unsent), 60,
               "all is heard and said", pause_s=0.2)


def standing(records):
    """What a client of the topic holds: of records with one id the first counts, and of decisions the greatest revision."""
    first = {}
    for record in records:
        first.setdefault(record.id, record.json)
    body = max(first.values(), key=lambda b: b["revision"])
    return body["level"], body["category"], body["revision"]


def by_incident(rows):
    return {r["id"]: (r["level"], r["category"], r["revision"]) for r in rows}


def test_hard_case_14_killed_with_another_policy_in_force(make_stack, workspace):
    policy = workspace.dir / f"policy-{uuid.uuid4().hex[:6]}"
    shutil.copytree(ROOT / "deploy/policy", policy)
    stack = make_stack(policy=policy)
    turns = [crash_and_swap(stack, policy, turn) for turn in range(SWAPS)]
    incidents = [incident for turn in turns for incident in turn]

    wait_settled(stack)
    decisions = {incident: [] for incident in incidents}
    for record in stack.kafka.records(INCIDENT, 60):
        decisions.get(record.key, []).append(record)
    wanted = {incident: standing(found) for incident, found in decisions.items()}
    twice = {incident for incident, found in decisions.items() if len({r.value for r in found}) > len({r.id for r in found})}
    assert all(twice & set(turn) for turn in turns), "in each turn one id with two contents"
    escalator = "SELECT incident_id::text AS id, level, category, revision FROM escalator.incident WHERE incident_id = ANY(%s::uuid[])"
    archive = """SELECT DISTINCT ON (incident_id) incident_id::text AS id, level, category, revision::int FROM analytics.classification
                  WHERE incident_id = ANY(%s::uuid[]) ORDER BY incident_id, revision DESC"""
    case = "SELECT incident_id::text AS id, level, category, revision FROM classifier.incident_case WHERE incident_id = ANY(%s::uuid[])"
    for who, sql in (("the classifier's case", case), ("the escalator", escalator), ("the archive", archive)):
        wait_until(lambda: by_incident(stack.database.rows(sql, incidents)) == wanted, 60, f"{who} agrees with the client", pause_s=0.2)
    records = [r for found in decisions.values() for r in found]
    sql = """SELECT partition, "offset", is_repeat, is_conflict FROM archive.event WHERE topic = %s AND incident_id = ANY(%s::uuid[])"""
    rows = wait_until(lambda: len(found := stack.database.rows(sql, INCIDENT, incidents)) == len(records) and found, 60, "all is archived")
    flags = {(r["partition"], r["offset"]): (r["is_repeat"], r["is_conflict"]) for r in rows}
    first = {}
    for record in records:  # in order within each partition
        before = first.setdefault(record.id, record)
        assert flags[record.partition, record.offset] == (before is not record, before.value != record.value), record
