"""The crash story: reports flow while each service in turn is killed with SIGKILL; afterwards everything is there once.

Used by test_crash.py (once) and test_crash_long.py (again and again).
"""
import collections
import concurrent.futures
import itertools
import threading
import time
import uuid

import requests

from servers import Hopeless, wait_until
from stack import SERVICES

CLIENTS = 8
SUMMARIES = ("一台办公电脑中毒,已断网", "前台电脑感染病毒", "single workstation infected, unplugged", "一名员工的电脑中木马")


class Reporters:
    """Clients that post until they have a 202 for each report, under the same Idempotency-Key, as a person would."""

    def __init__(self, stack, total):
        self.stack, self.total = stack, total
        self.accepted = {}  # Idempotency-Key: incident id
        self.numbers = itertools.count()
        self.lock = threading.Lock()
        self.trouble = []

    def post(self, session, number):
        key = f"crash-{uuid.uuid4()}"
        code = ("ACME", "BETA", "GRID", "SHOP")[number % 4]
        body = {"summary": f"{SUMMARIES[number % len(SUMMARIES)]} #{number}", "discovered_at": self.stack.time(minutes=-1)}
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                answer = self.stack.call("POST", "/v1/reports", self.stack.key(code), body,
                                         headers={"Idempotency-Key": key}, session=session, timeout=5)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if answer.status_code == 202:
                with self.lock:
                    self.accepted[key] = answer.json()["incident_id"]
                return
            if answer.status_code != 503:
                self.trouble.append(f"{answer.status_code}: {answer.text}")
                return
            time.sleep(0.05)
        self.trouble.append(f"no 202 within a minute for {key}")

    def client(self):
        with requests.Session() as session:
            while (number := next(self.numbers)) < self.total:
                self.post(session, number)


def flow_and_kill(stack, total):
    """Posts `total` reports; kills and restarts each service in turn, twice round, while they flow."""
    reporters = Reporters(stack, total)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(reporters.client) for _ in range(CLIENTS)]
        victims = itertools.cycle(SERVICES)
        for victim, kills in zip(victims, range(2 * len(SERVICES))):
            goal = total * (kills + 1) // (2 * len(SERVICES) + 2)
            wait_until(lambda: len(reporters.accepted) >= goal or reporters.trouble, 120, f"{goal} reports accepted")
            stack.services[victim].kill()
            stack.services[victim].start(ready=False)
        for client in clients:
            client.result()
    assert not reporters.trouble, reporters.trouble[:5]
    for service in stack.services.values():
        service.wait_ready()
    return reporters.accepted


def count(stack, sql, ids):
    return stack.database.rows(sql, list(ids))


LEFT = """
SELECT count(*) FILTER (WHERE NOT EXISTS (SELECT FROM analytics.incident i WHERE i.incident_id = a.id)) AS unarchived,
       count(*) FILTER (WHERE NOT EXISTS (SELECT FROM analytics.escalation e WHERE e.incident_id = a.id
                                          AND why = 'first_grade' AND step = 1)) AS unescalated,
       count(*) FILTER (WHERE EXISTS (SELECT FROM analytics.escalation e WHERE e.incident_id = a.id AND NOT EXISTS (
           SELECT FROM analytics.notification n WHERE n.escalation_id = e.escalation_id AND n.state = 'sent'))) AS untold
FROM unnest(%s::uuid[]) AS a(id)"""


def settle(stack, ids, stalled_s=60):
    """Waits until every report has gone all the way; gives up when nothing has moved for a minute."""
    seen, since = None, time.monotonic()

    def done():
        nonlocal seen, since
        left = stack.database.rows(LEFT, ids)[0]
        if left != seen:
            seen, since = left, time.monotonic()
        if time.monotonic() - since > stalled_s:
            raise Hopeless(f"nothing moved for {stalled_s} s: {left}")
        return not any(left.values())
    wait_until(done, 600, "every report is archived, escalated and told", pause_s=0.5)


def check_archive(stack):
    """Each record of the bus is archived, once, under its own place."""
    for topic in ("report", "incident", "escalation", "notification"):
        name = f"tongbao.{topic}.v1"

        def same(name=name):
            rows = stack.database.rows('SELECT partition, "offset", event_id::text AS id FROM archive.event'
                                       " WHERE topic = %s", name)
            archived = {(r["partition"], r["offset"]): r["id"] for r in rows}
            assert len(archived) == len(rows)
            return archived == {(r.partition, r.offset): r.id for r in stack.kafka.records(name, deadline_s=60)}
        wait_until(same, 60, f"{name} and its archive are the same", pause_s=0.5)


def check(stack, accepted):
    ids = set(accepted.values())
    assert len(ids) == len(accepted), "each report is its own incident"

    settle(stack, list(ids))
    for name, sql in {
        "one report.submitted": "SELECT incident_id::text AS id, count(*) AS n FROM analytics.timeline"
                                " WHERE type = 'report.submitted' AND incident_id = ANY(%s::uuid[]) GROUP BY 1",
        "one classification": "SELECT incident_id::text AS id, count(*) AS n FROM analytics.classification"
                              " WHERE incident_id = ANY(%s::uuid[]) GROUP BY 1",
        "one first escalation": "SELECT incident_id::text AS id, count(*) AS n FROM analytics.escalation"
                                " WHERE why = 'first_grade' AND step = 1 AND incident_id = ANY(%s::uuid[]) GROUP BY 1",
    }.items():
        rows = count(stack, sql, ids)
        assert {r["id"] for r in rows} == ids, name
        assert {r["n"] for r in rows} == {1}, name

    on_the_bus = collections.defaultdict(set)
    for record in stack.kafka.records("tongbao.escalation.v1", deadline_s=60):
        if record.type == "escalation.raised" and record.key in ids and record.json["why"] == "first_grade":
            on_the_bus[record.key].add(record.id)
    assert set(on_the_bus) == ids and {len(v) for v in on_the_bus.values()} == {1}, "one id per first escalation"
    assert not stack.kafka.records("tongbao.dead.v1"), "nothing is poison"
    check_archive(stack)
    check_messages(stack, ids)


TWICE = """
SELECT n.incident_id::text, n.person_id::text, n.channel, e.chain, e.step, array_agg(n.notification_id::text) AS ids
FROM analytics.notification n JOIN analytics.escalation e USING (incident_id, escalation_id)
WHERE n.incident_id = ANY(%s::uuid[]) GROUP BY 1, 2, 3, 4, 5, e.generation HAVING count(*) > 1"""


def check_messages(stack, ids):
    """One message per person, step and way. A second delivery only of what was in flight at a kill, under the same id, and
    marked."""
    assert count(stack, TWICE, ids) == [], "one message per person, step and way"
    rows = stack.database.rows("SELECT notification_id::text AS id, may_be_duplicate FROM analytics.notification"
                               " WHERE state = 'sent' AND channel = 'email' AND incident_id = ANY(%s::uuid[])", list(ids))
    marked = {r["id"] for r in rows if r["may_be_duplicate"]}
    arrived = collections.Counter(m.headers["message-id"].strip("<>").split("@")[0] for m in stack.smtp.messages)
    subjects = collections.defaultdict(set)  # which name the incident and its grade
    for mail in stack.smtp.messages:
        subjects[mail.recipients[0], mail.subject].add(mail.headers["message-id"])
    assert {len(mails) for mails in subjects.values()} == {1}, "nobody is told the same under two ids"
    for row in rows:
        got = arrived[row["id"]]
        assert got >= 1, f"{row['id']} says sent and did not arrive"
        assert got == 1 or row["id"] in marked, f"{row['id']} arrived {got} times and was not in flight at a kill"
