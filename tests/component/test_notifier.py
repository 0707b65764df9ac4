"""The notifier on a real Kafka, PostgreSQL, mail server and webhook receiver: each person once, or known not to be."""
import base64
import collections
import hashlib
import hmac
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid

import confluent_kafka
import pytest

from receivers import HttpSink, SmtpSink
from servers import ROOT, free_port, wait_until
from stack import Park, Service, ShiftedClock, program

EXAMPLES = ROOT / "proto/examples"
ESCALATION, NOTIFICATION, DEAD = (f"tongbao.{t}.v1" for t in ("escalation", "notification", "dead"))
IN_HAND = 16  # inflight_max of the notifier under test; a quarter of it goes to one receiver


class Notifier:
    """The service, its two receivers and the registry that it reads."""

    def __init__(self, workspace, kafka, database):
        self.kafka, self.database = kafka, database
        self.smtp = SmtpSink("127.0.0.1", free_port()).start()
        self.hooks = HttpSink("127.0.0.1", free_port()).start()
        self.park = Park(database, f"http://127.0.0.1:{self.hooks.port}")
        self.service = Service(workspace, "notifier", {
            "kafka_brokers": kafka.brokers, "pg": database.dsn_as("tongbao_notifier"), "policy": ROOT / "deploy/policy",
            "smtp_url": f"smtp://127.0.0.1:{self.smtp.port}", "smtp_from": "tongbao@park.test", "retry_first_ms": 200,
            "send_timeout_ms": 1000, "attempts_max": 3, "inflight_max": IN_HAND})
        self.producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "partitioner": "murmur2_random",
                                                  "log_level": 0})

    def another(self, workspace, instance="2"):
        """A second instance with the same options."""
        own = ("TONGBAO_NOTIFIER_INSTANCE", "TONGBAO_NOTIFIER_ADMIN_LISTEN", "PATH", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS")
        service = Service(workspace, "notifier", {}, instance=instance,
                          env={k: v for k, v in self.service.env.items() if k not in own})
        return service.start()

    def reset(self):
        self.smtp.answer, self.hooks.answer = None, 200
        self.smtp.messages.clear()
        self.hooks.requests.clear()

    def send(self, *events):
        fates = []
        for kind, event_id, body in events:
            value = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False)
            self.producer.produce(ESCALATION, key=body["incident_id"] if isinstance(body, dict) else str(uuid.uuid4()),
                                  value=value, headers=[("ce_id", event_id), ("ce_type", kind)],
                                  on_delivery=lambda problem, message: fates.append(problem))
        assert self.producer.flush(20) == 0 and fates == [None] * len(events), fates

    def person(self, *contacts, language="zh", code="ACME", role="expert", rank=None):
        """A person of the enterprise with these (channel, address, secret); returns the id."""
        person = str(uuid.uuid4())
        self.database.rows("INSERT INTO registry.person VALUES (%s, %s, %s, %s)", person, self.park.ids[code], "某人",
                           language)
        for priority, (channel, address, *secret) in enumerate(contacts):
            self.park.add_contact(person, channel, address, priority, *secret)
        if rank is not None:
            self.database.rows("INSERT INTO registry.role_holder VALUES (%s, %s, %s, %s)", self.park.ids[code], role,
                               person, rank)
        return person

    def hook(self, secret=None):
        """A webhook contact of its own path."""
        return "webhook", f"http://127.0.0.1:{self.hooks.port}/{uuid.uuid4()}", secret

    def mailbox(self):
        return "email", f"{uuid.uuid4().hex[:10]}@acme.test"

    def raised(self, person, incident=None, code="ACME", role="reporter", event_id=None, **changes):
        """escalation.raised: somebody is called. By default a role that nobody else has."""
        body = json.loads((EXAMPLES / "escalation.raised.json").read_text())
        body.update(incident_id=incident or str(uuid.uuid4()), enterprise_id=self.park.ids[code], person_id=person,
                    role=role, escalation_id=str(uuid.uuid4()), **changes)
        return "escalation.raised", event_id or str(uuid.uuid4()), {k: v for k, v in body.items() if v is not None}

    def state(self, call, seq=9, state="triaged", acknowledged=(), **changes):
        """escalation.state of the same incident."""
        body = json.loads((EXAMPLES / "escalation.state.json").read_text())
        body.update(incident_id=call[2]["incident_id"], enterprise_id=call[2]["enterprise_id"], state=state,
                    incident_seq=seq, acknowledged_escalation_ids=list(acknowledged), **changes)
        return "escalation.state", str(uuid.uuid4()), body

    def messages(self, call):
        return self.database.rows("SELECT * FROM notifier.message WHERE escalation_id = %s ORDER BY planned_at",
                                  call[2]["escalation_id"])

    def states(self, call):
        return [m["state"] for m in self.messages(call)]

    def until(self, call, *states, deadline_s=20):
        """Waits until the call's messages, in order of planning, are in these states."""
        wait_until(lambda: self.states(call) == list(states) or (_ for _ in ()).throw(AssertionError(self.messages(call))),
                   deadline_s, f"messages are {states}")
        return self.messages(call)

    def events(self, call, *types):
        """The notification events of a call, once that many are there, in order; each id once, as every reader counts."""
        def look():
            found = list({r.id: r for r in reversed(self.kafka.records(NOTIFICATION))
                          if r.json["escalation_id"] == call[2]["escalation_id"]}.values())[::-1]
            return [r.type for r in found] == list(types) and found or (_ for _ in ()).throw(
                AssertionError([(r.type, r.json) for r in found]))
        return [r.json for r in wait_until(look, 20, f"events {types}")]

    def mails(self, call):
        ids = {m["notification_id"] for m in self.messages(call)}
        return [m for m in self.smtp.messages if m.headers["message-id"].strip("<>").split("@")[0] in ids]

    def requests(self, call):
        ids = {m["notification_id"] for m in self.messages(call)}
        return [r for r in self.hooks.requests if r.headers.get("webhook-id") in ids]


@pytest.fixture(scope="module")
def notifier(workspace, kafka, migrated):
    kafka.create_topics()
    wait_until(lambda: {ESCALATION, NOTIFICATION, DEAD} <= set(kafka.admin().list_topics(timeout=5).topics), 20, "topics")
    it = Notifier(workspace, kafka, migrated)
    it.service.start()
    yield it
    trouble = it.service.check_health()
    it.service.stop()
    it.smtp.stop()
    it.hooks.stop()
    assert not trouble + it.service.check_health()


@pytest.fixture(autouse=True)
def fresh(notifier):
    notifier.reset()
    notifier.service.failpoints(None)
    if not notifier.service.running():
        notifier.service.start()
    yield
    notifier.service.failpoints(None)
    if not notifier.service.running():
        notifier.service.start()


# --- what a person gets -------------------------------------------------------------------------------------------------


def test_a_mail_says_what_happened_and_is_delivered_once(notifier):
    person = notifier.person(notifier.mailbox())
    call = notifier.raised(person)
    notifier.send(call, call)  # the same event twice
    notifier.send(("escalation.raised", str(uuid.uuid4()), call[2]))  # the same call under another event id
    message, = notifier.until(call, "sent")
    sent, = notifier.events(call, "notification.sent")

    mail, = notifier.mails(call)
    assert mail.headers["message-id"] == f"<{message['notification_id']}@park.test>"
    assert mail.headers["auto-submitted"] == "auto-generated" and mail.headers["date"].endswith("+0000")
    assert mail.recipients == [message["address"]] and mail.sender == "tongbao@park.test"
    assert mail.subject == f"【通报】较大 恶意软件 {call[2]['reference']} {call[2]['enterprise_name']}"
    for part in (call[2]["summary"], "2026-11-22 11:20 (UTC+08:00)", f"/v1/incidents/{call[2]['incident_id']}"):
        assert part in mail.text
    assert "可能重复" not in mail.text and "演练" not in mail.text
    local = message["address"].split("@")[0]
    assert sent["address_hint"] == f"{local[0]}***@acme.test"
    assert (sent["attempt"], sent["receipt"], sent["may_be_duplicate"]) == (1, "SMTP 250", False)
    assert message["address"] not in notifier.service.log_text()


@pytest.mark.parametrize("why, zh, en", [
    ("challenged", "人工定级后出现新情况,按规则应定更高等级", "news has come since a person decided its level"),
    ("campaign", "多家企业报告的事件相互关联", "incidents at several enterprises share a trait"),
])
def test_it_says_what_people_are_called_for_beside_the_level(notifier, why, zh, en):
    more = dict(scope="park", why=why, chain=why)
    mailed = notifier.raised(notifier.person(notifier.mailbox()), **more)
    hooked = notifier.raised(notifier.person(notifier.hook(), language="en"), **more)
    notifier.send(mailed, hooked)
    notifier.until(mailed, "sent")
    notifier.until(hooked, "sent")
    mail, = notifier.mails(mailed)
    data = json.loads(notifier.requests(hooked)[0].body)["data"]
    assert zh in mail.text and mail.text.index(zh) < mail.text.index("请您作为") and "确认接手" in mail.text
    assert en in data["text"] and "Please acknowledge before" in data["text"] and data["why"] == why


def test_templates_are_read_again_at_sighup(notifier, tmp_path):
    shutil.copytree(ROOT / "deploy/policy/templates", tmp_path / "templates")
    zh = tmp_path / "templates/zh.json"
    good = json.loads(zh.read_text())
    notifier.service.stop()
    notifier.service.set(policy=tmp_path)
    notifier.service.start()

    def reload(text, word):
        n = notifier.service.log_text().count(word)
        zh.write_text(text)
        notifier.service.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: notifier.service.log_text().count(word) > n, 10, word)
        call = notifier.raised(notifier.person(notifier.mailbox()))
        notifier.send(call)
        notifier.until(call, "sent")
        return notifier.mails(call)[0].subject
    try:
        assert reload(json.dumps(good | {"subject": "新的 {reference}"}), "templates in force").startswith("新的 TB-")
        assert reload('{"subject": "{refrence}"}', "the new templates are refused").startswith("新的 TB-")
        said, = [c for c in notifier.service.admin("/readyz").json()["checks"] if c["name"] == "policy"]
        assert said["ready"] and "refused" in said["detail"] and "zh.json" in said["detail"], said
    finally:
        notifier.service.stop()
        notifier.service.set(policy=ROOT / "deploy/policy")
        notifier.service.start()


def test_a_rehearsal_in_english_that_may_be_acknowledged_already(notifier):
    call = notifier.raised(notifier.person(notifier.mailbox(), language="en"), drill=True, unconfirmed=True, level=None,
                           category=None, acknowledgement_wanted=False, acknowledge_by=None)
    notifier.send(call)
    notifier.until(call, "sent")
    mail, = notifier.mails(call)
    assert mail.subject.startswith("[演练 DRILL] [tongbao] not known yet") and mail.text.startswith("[演练 DRILL]")
    assert "somebody may have acknowledged it already" in mail.text and "no acknowledgement is needed" in mail.text
    assert notifier.events(call, "notification.sent")[0]["drill"] is True


def test_a_text_from_outside_stays_text(notifier):
    """Neither a header, nor a fact in braces, nor JSON can be smuggled in through what enterprises write."""
    name = 'A"\\ {url} {nothing}' + "长" * 80
    call = notifier.raised(notifier.person(notifier.mailbox()), enterprise_name=name, summary='"}],{\r\n.\r\nBcc: x@y.z')
    hooked = notifier.raised(notifier.person(notifier.hook()), enterprise_name=name, summary='"}],{\r\n.\r\nBcc: x@y.z')
    notifier.send(call, hooked)
    notifier.until(call, "sent")
    notifier.until(hooked, "sent")
    mail, = notifier.mails(call)
    assert "bcc" not in mail.headers and name in mail.subject and "\n.\nBcc: x@y.z" in mail.text.replace("\r\n", "\n")
    assert all(len(line) <= 78 for line in mail.raw.split(b"\r\n"))
    request, = notifier.requests(hooked)
    assert json.loads(request.body)["data"]["summary"] == '"}],{\r\n.\r\nBcc: x@y.z'


@pytest.mark.parametrize("secret, key", [("whsec_" + base64.b64encode(b"0123456789abcdef").decode(), b"0123456789abcdef"),
                                         ("whsec_" + base64.b64encode(b"0123456789abcde").decode(), b"0123456789abcde"),
                                         ("words, not base 64", b"words, not base 64")])
def test_a_webhook_is_signed(notifier, secret, key):
    call = notifier.raised(notifier.person(notifier.hook(secret)))
    notifier.send(call)
    message, = notifier.until(call, "sent")
    request, = notifier.requests(call)
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{wanted}"
    body = json.loads(request.body)
    assert body["type"] == "escalation.raised" and body["data"]["escalation_id"] == call[2]["escalation_id"]
    assert body["data"]["notification_id"] == message["notification_id"] and call[2]["summary"] in body["data"]["text"]
    assert notifier.events(call, "notification.sent")[0]["address_hint"] == f"http://127.0.0.1:{notifier.hooks.port}/…"


# --- when it does not work ----------------------------------------------------------------------------------------------


def test_refused_for_now_is_tried_again_under_the_same_id(notifier):
    answers = iter(["451 busy", None])
    notifier.smtp.answer = lambda mail: next(answers)
    call = notifier.raised(notifier.person(notifier.mailbox()))
    notifier.send(call)
    message, = notifier.until(call, "sent")
    failed, sent = notifier.events(call, "notification.failed", "notification.sent")
    assert failed["why"] == "SMTP 451" and failed["retry_at"] > failed["occurred_at"] and sent["attempt"] == 2
    assert failed["notification_id"] == sent["notification_id"] == message["notification_id"]
    assert not sent["may_be_duplicate"] and len(notifier.mails(call)) == 1


def test_a_webhook_may_ask_for_a_longer_pause(notifier):
    answers = iter([(429, "", {"Retry-After": "2"}), 200])
    notifier.hooks.answer = lambda request: next(answers)
    call = notifier.raised(notifier.person(notifier.hook()))
    notifier.send(call)
    notifier.until(call, "sent")
    first, second = notifier.requests(call)
    assert second.at - first.at >= 2


def test_refused_for_good_falls_over_to_the_next_way(notifier):
    notifier.hooks.answer = 404
    call = notifier.raised(notifier.person(notifier.hook(), notifier.mailbox()))
    notifier.send(call)
    notifier.until(call, "dead", "sent")
    assert len(notifier.requests(call)) == len(notifier.mails(call)) == 1
    dead, sent = notifier.events(call, "notification.dead", "notification.sent")
    assert (dead["why"], dead["channel"], sent["channel"]) == ("HTTP 404", "webhook", "email")


def test_all_ways_dead_the_deputy_is_told(notifier):
    notifier.smtp.answer = lambda mail: "550 no such person" if mail.recipients[0].startswith("gone") else None
    lead = notifier.person(("email", "gone1@acme.test"), ("email", "gone2@acme.test"), role="expert", rank=11)
    deputy = notifier.person(notifier.mailbox(), role="expert", rank=12)
    call = notifier.raised(lead, role="expert")
    notifier.send(call)
    messages = notifier.until(call, "dead", "dead", "sent")
    assert [m["person_id"] for m in messages] == [lead, lead, deputy]


def test_attempts_end_and_the_next_way_is_taken(notifier):
    notifier.hooks.answer = 503
    call = notifier.raised(notifier.person(notifier.hook(), notifier.mailbox()))
    notifier.send(call)
    notifier.until(call, "dead", "sent")
    assert len(notifier.requests(call)) == 3
    notifier.events(call, *["notification.failed"] * 2, "notification.dead", "notification.sent")


def test_an_answer_that_does_not_come_is_unknown_and_marked(notifier):
    notifier.hooks.answer = "hang"
    call = notifier.raised(notifier.person(notifier.hook()))
    notifier.send(call)
    notifier.until(call, "unknown")
    notifier.hooks.answer = 200
    notifier.until(call, "sent")
    requests = notifier.requests(call)
    assert len(requests) >= 2 and len({r.headers["webhook-id"] for r in requests}) == 1
    assert [json.loads(r.body)["data"]["may_be_duplicate"] for r in requests] == [False] + [True] * (len(requests) - 1)
    assert "可能重复" in json.loads(requests[-1].body)["data"]["text"]
    types = ["notification.failed"] * (len(requests) - 1) + ["notification.sent"]
    assert all(e["may_be_duplicate"] for e in notifier.events(call, *types))


def test_a_server_that_is_away_is_not_unknown(notifier):
    port = free_port()
    call = notifier.raised(notifier.person(("webhook", f"http://127.0.0.1:{port}/x"), notifier.mailbox()))
    notifier.send(call)
    notifier.until(call, "dead", "sent")
    assert not any(e["may_be_duplicate"] for e in notifier.events(call, *["notification.failed"] * 2, "notification.dead",
                                                                   "notification.sent"))


@pytest.mark.parametrize("contact", [("webhook", "file:///etc/passwd"), ("webhook", "smtp://x"), ("email", "a b@c"),
                                     ("email", "a@b>\r\nBcc: x"), ("email", "nobody"), ("webhook", "http://[")])
def test_an_address_that_cannot_be_used_is_dead_at_once(notifier, contact):
    call = notifier.raised(notifier.person(contact, notifier.mailbox()))
    notifier.send(call)
    notifier.until(call, "dead", "sent")
    assert notifier.messages(call)[0]["attempt"] == 1


def test_nobody_to_reach_is_an_event_and_a_counter(notifier):
    before = notifier.service.metrics()["notifier_unreachable_total"]
    silent, nobody = notifier.raised(notifier.person()), notifier.raised(None)
    notifier.send(silent, nobody)
    dead, = notifier.events(silent, "notification.dead")
    assert "no contact is registered" in dead["why"] and dead["person_id"] == silent[2]["person_id"]
    wait_until(lambda: notifier.service.metrics()["notifier_unreachable_total"] == before + 2, 10, "both are counted")


def test_a_person_registered_a_moment_ago_is_found(notifier):
    """The snapshot is older than the registry: it is read again before somebody counts as unreachable."""
    for _ in range(5):
        call = notifier.raised(notifier.person(notifier.mailbox()))
        notifier.send(call)
        notifier.until(call, "sent")
        assert len(notifier.mails(call)) == 1


def test_who_is_absent_is_not_written_to(notifier):
    """A call to a role whose only holder is away reaches nobody, and that is seen; the next holder is told."""
    away = notifier.person(notifier.mailbox(), role="centre_head", rank=1)
    notifier.database.rows("INSERT INTO registry.absence VALUES (%s, now() - interval '1 day', now() + interval '1 day')",
                           away)
    before = notifier.service.metrics()["notifier_unreachable_total"]
    newcomer = notifier.raised(notifier.person(notifier.mailbox()))
    notifier.send(newcomer)
    notifier.until(newcomer, "sent")  # who is found has been read from the registry after the absence
    vacant = notifier.raised(None, role="centre_head")
    notifier.send(vacant)
    wait_until(lambda: notifier.service.metrics()["notifier_unreachable_total"] == before + 1, 10, "it is counted")
    assert not notifier.messages(vacant)
    deputy = notifier.person(notifier.mailbox(), role="centre_head", rank=2)
    call = notifier.raised(None, role="centre_head")
    notifier.send(call)
    message, = notifier.until(call, "sent")
    assert message["person_id"] == deputy


def test_one_receiver_that_hangs_does_not_hold_the_others_up(notifier):
    notifier.service.set(send_timeout_ms=8000)
    notifier.service.restart()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # connections are made, and nobody answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        hanging = [notifier.raised(notifier.person(("webhook", address + uuid.uuid4().hex))) for _ in range(2 * IN_HAND)]
        healthy = [notifier.raised(notifier.person(notifier.hook(), notifier.mailbox())) for _ in range(8)]
        notifier.send(*hanging)
        wait_until(lambda: any(notifier.states(call) == ["sending"] for call in hanging), 10, "some hang")
        notifier.send(*healthy)
        began = time.monotonic()
        for call in healthy:
            notifier.until(call, "sent", deadline_s=5)
        assert time.monotonic() - began < 5
        held = sum(notifier.states(call) == ["sending"] for call in hanging)
        assert held == IN_HAND // 4
    for call in hanging:  # now it refuses
        notifier.until(call, "dead", deadline_s=60)
    notifier.service.set(send_timeout_ms=1000)
    notifier.service.restart()


def test_a_contact_that_was_taken_away_is_not_used_any_more(notifier):
    notifier.service.set(attempts_max=100)
    notifier.service.restart()
    notifier.hooks.answer = 503
    way = notifier.hook()
    person = notifier.person(way, notifier.mailbox())
    call = notifier.raised(person)
    notifier.send(call)
    notifier.until(call, "failed")
    notifier.database.rows("DELETE FROM registry.contact WHERE address = %s", way[1])
    notifier.until(call, "dead", "sent")
    assert "not registered any more" in notifier.messages(call)[0]["why"]
    notifier.service.set(attempts_max=3)
    notifier.service.restart()


def test_poison_between_calls_becomes_a_dead_letter(notifier):
    calls = [notifier.raised(notifier.person(notifier.mailbox())) for _ in range(3)]
    poison = ("escalation.raised", str(uuid.uuid4()), b"{broken")
    notifier.send(calls[0], poison, calls[1], ("escalation.state", str(uuid.uuid4()), b"[]"), calls[2])
    for call in calls:
        notifier.until(call, "sent")
    dead = wait_until(lambda: [r for r in notifier.kafka.records(DEAD) if r.id == poison[1]], 20, "the dead letter")
    assert dead[0].value == b"{broken" and dead[0].headers["group"] == "notifier" and len(dead) == 1


# --- who need not be told any more --------------------------------------------------------------------------------------


def test_hard_case_11_acknowledged_while_the_channel_answers_503(notifier):
    notifier.hooks.answer = 503
    call = notifier.raised(notifier.person(notifier.hook(), notifier.mailbox()))
    notifier.send(call)
    notifier.until(call, "failed")
    notifier.send(notifier.state(call, acknowledged=[call[2]["escalation_id"]]))
    notifier.until(call, "suppressed")
    count = len(notifier.requests(call))
    notifier.hooks.answer = 200
    other = notifier.raised(notifier.person(notifier.hook()), incident=call[2]["incident_id"], incident_seq=20)
    notifier.send(other)  # read after the acknowledgement, told in full
    notifier.until(other, "sent")
    assert len(notifier.requests(call)) == count and not notifier.mails(call)


def test_an_acknowledgement_that_was_refused_stops_nothing(notifier):
    notifier.hooks.answer = 503
    call = notifier.raised(notifier.person(notifier.hook()))
    notifier.send(call)
    notifier.until(call, "failed")
    notifier.send(notifier.state(call, acknowledged=[call[2]["escalation_id"]], applied=False, refused_why="no"))
    notifier.hooks.answer = 200
    notifier.until(call, "sent")
    assert len(notifier.requests(call)) >= 2


def test_acknowledged_before_the_call_is_read(notifier):
    """Two relays may publish in another order; the id counts, not the age."""
    call = notifier.raised(notifier.person(notifier.mailbox()))
    notifier.send(notifier.state(call, acknowledged=[call[2]["escalation_id"]]), call)
    notifier.until(call, "suppressed")
    assert not notifier.mails(call)


@pytest.mark.parametrize("end", ["refuted", "closed"])
def test_an_incident_that_ended_is_not_told_and_a_reopened_one_is(notifier, end):
    incident = str(uuid.uuid4())
    early = notifier.raised(notifier.person(notifier.mailbox()), incident, incident_seq=2)
    late = notifier.raised(notifier.person(notifier.mailbox()), incident, incident_seq=7)
    notifier.send(notifier.state(early, seq=5, state=end), early, late)
    notifier.until(early, "suppressed")
    notifier.until(late, "sent")
    assert not notifier.mails(early) and len(notifier.mails(late)) == 1


def test_hard_case_01_acknowledged_while_the_notifier_was_down(notifier):
    """A retry is due, the acknowledgement lies unread: it is read first."""
    notifier.hooks.answer = 503
    notifier.service.set(grace_ms=20000)
    notifier.service.restart()
    call = notifier.raised(notifier.person(notifier.hook()))
    notifier.send(call)
    notifier.until(call, "failed")
    notifier.service.kill()
    count = len(notifier.requests(call))
    notifier.hooks.answer = 200
    notifier.send(notifier.state(call, acknowledged=[call[2]["escalation_id"]]))
    notifier.kafka.freeze()
    notifier.service.start(ready=False)
    with pytest.raises(TimeoutError):  # the retry is long due, but nothing goes out
        wait_until(lambda: len(notifier.requests(call)) > count, 2)
    notifier.kafka.thaw()
    notifier.until(call, "suppressed", deadline_s=60)
    notifier.service.set(grace_ms=None)
    notifier.service.wait_ready()
    notifier.service.restart()
    assert len(notifier.requests(call)) == count


# --- crashes and outages ------------------------------------------------------------------------------------------------


def deliveries(notifier, calls):
    """How often each call's message arrived, by its id."""
    ids = {m["notification_id"] for call in calls for m in notifier.messages(call)}
    return collections.Counter(r.headers["webhook-id"] for r in notifier.hooks.requests if r.headers["webhook-id"] in ids)


@pytest.mark.parametrize("failpoint, nth", [("notifier.claimed", 3), ("notifier.sent", 1), ("notifier.sent", 6),
                                            ("notifier.recorded", 2), ("sink.applied", 2), ("sink.written", 3),
                                            ("sink.committed", 4), ("sink.relayed", 3)])
def test_killed_at_any_step_only_what_was_in_flight_comes_twice(notifier, failpoint, nth):
    calls = [notifier.raised(notifier.person(notifier.hook())) for _ in range(12)]
    notifier.service.stop()
    notifier.service.failpoints(f"{failpoint}=kill@{nth}")
    notifier.service.start(ready=False)
    notifier.send(*calls)
    notifier.service.died()
    in_flight = {m["notification_id"] for call in calls for m in notifier.messages(call) if m["state"] == "sending"}
    assert len(in_flight) <= IN_HAND // 4
    notifier.service.failpoints(None)
    notifier.service.start()
    for call in calls:
        notifier.until(call, "sent")
        sent, = notifier.events(call, "notification.sent")
        assert sent["may_be_duplicate"] == (sent["notification_id"] in in_flight)
    counts = deliveries(notifier, calls)
    assert len(counts) == len(calls)
    assert {i for i, n in counts.items() if n > 1} <= in_flight and max(counts.values()) <= 2


def test_an_orderly_stop_sends_nothing_twice(notifier):
    """What is under way is waited for and recorded."""
    calls = [notifier.raised(notifier.person(notifier.hook())) for _ in range(30)]
    notifier.send(*calls)
    for _ in range(3):
        wait_until(lambda: notifier.hooks.requests, 20, "it sends")
        notifier.service.restart()
    for call in calls:
        notifier.until(call, "sent")
    assert set(deliveries(notifier, calls).values()) == {1}
    assert not any(m["may_be_duplicate"] for call in calls for m in notifier.messages(call))


def test_postgresql_goes_and_comes_back(notifier):
    calls = [notifier.raised(notifier.person(notifier.hook())) for _ in range(20)]
    notifier.send(*calls[:10])
    wait_until(lambda: notifier.hooks.requests, 20, "it sends")
    notifier.database.postgres.stop()
    notifier.send(*calls[10:])
    wait_until(lambda: not notifier.service.ready(), 20, "readiness shows it")
    notifier.database.postgres.start()
    for call in calls:
        notifier.until(call, "sent")
    assert set(deliveries(notifier, calls).values()) == {1}


def test_two_instances_share_the_work(notifier, workspace):
    second = notifier.another(workspace)
    try:
        calls = [notifier.raised(notifier.person(notifier.hook())) for _ in range(60)]
        notifier.send(*calls[:30])
        notifier.send(*calls[30:])
        for call in calls:
            notifier.until(call, "sent", deadline_s=60)
        assert set(deliveries(notifier, calls).values()) == {1}
    finally:
        second.stop()


def test_two_instances_and_an_outage_longer_than_a_lease(notifier, workspace):
    """One comes back first and finds the other's claims run out: it waits, for the other one knows what became of them."""
    clock, gate = ShiftedClock(workspace), threading.Event()
    notifier.service.env.update(clock.env)
    notifier.service.set(send_timeout_ms=10000)
    notifier.service.restart()
    second = notifier.another(workspace)
    try:
        notifier.hooks.answer = lambda request: 200 if gate.wait(60) else 500
        calls = [notifier.raised(notifier.person(notifier.hook())) for _ in range(12)]
        notifier.send(*calls)
        wait_until(lambda: {m["claimed_by"] for c in calls for m in notifier.messages(c) if m["state"] == "sending"}
                   == {"1", "2"} and len(notifier.hooks.requests) == 2 * (IN_HAND // 4), 20, "both send")
        notifier.database.postgres.stop()
        gate.set()  # both have outcomes, and nowhere to write them
        wait_until(lambda: not notifier.service.ready() and not second.ready(), 20, "both see it")
        notifier.service.freeze()
        clock.shift(minutes=1)
        time.sleep(2)
        notifier.database.postgres.start()
        second.wait_ready()
        time.sleep(3)
        notifier.service.thaw()
        for call in calls:
            notifier.until(call, "sent", deadline_s=60)
            assert not notifier.events(call, "notification.sent")[0]["may_be_duplicate"]
        assert len(deliveries(notifier, calls)) == len(calls) and set(deliveries(notifier, calls).values()) == {1}
    finally:
        gate.set()
        notifier.service.thaw()
        second.stop()
        for name in clock.env:
            notifier.service.env.pop(name)
        notifier.service.set(send_timeout_ms=1000)
        notifier.service.restart()


def test_an_address_that_another_instance_read_a_moment_ago(notifier):
    """Who was registered since this instance last looked is reached all the same."""
    calls = []
    for _ in range(20):
        channel, address, _ = notifier.hook()
        call = notifier.raised(notifier.person((channel, address)))
        calls.append(call)
        escalation, incident, person = (call[2][k] for k in ("escalation_id", "incident_id", "person_id"))
        notifier.database.rows("INSERT INTO notifier.call VALUES (%s, %s, %s, %s)", escalation, call[1], incident,
                               json.dumps(call[2]))
        notifier.database.rows(
            "INSERT INTO notifier.message (notification_id, escalation_id, incident_id, incident_seq, partition, person_id,"
            " channel, address, state, due_at, planned_at, changed_at)"
            " VALUES (%s, %s, %s, 1, 0, %s, %s, %s, 'planned', now() - interval '1 min', now(), now())",
            str(uuid.uuid4()), escalation, incident, person, channel, address)
        time.sleep(0.1)
    wait_until(lambda: all(notifier.states(call) == ["sent"] for call in calls), 20, "all are sent")
    assert [len(notifier.requests(call)) for call in calls] == [1] * 20, "each reached, once"


def test_check_config_reads_the_templates(tmp_path):
    def check(policy, *more):
        return subprocess.run([program("tongbao-notifier"), "--check-config", "--policy", policy, *more], capture_output=True, text=True)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/zh.json").write_text((ROOT / "deploy/policy/templates/zh.json").read_text())
    (tmp_path / "templates/en.json").write_text('{"subject": "{refrence}"}')
    bad = check(tmp_path)
    assert bad.returncode == 78 and "en.json: subject" in bad.stderr and "refrence" in bad.stderr
    assert check(ROOT / "deploy/policy").returncode == 0
    for option, value, word in (("--smtp-url", "foo", "smtp://HOST"), ("--smtp-url", "smtp://", "smtp://HOST"),
                                ("--public-url", "foo", "https://HOST"), ("--pg", "garbage", "--pg"),
                                ("--admin-listen", "127.0.0.1", "HOST:PORT")):
        bad = check(ROOT / "deploy/policy", option, value)
        assert bad.returncode == 78 and word in bad.stderr, bad
    good = check(ROOT / "deploy/policy", "--smtp-url", "smtps://[::1]:465", "--public-url", "https://example.org/x")
    assert good.returncode == 0, good
    assert check(ROOT / "deploy/policy", "--instance", "a", "--help").returncode == 0
