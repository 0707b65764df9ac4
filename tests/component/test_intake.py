"""intake against a real Kafka and PostgreSQL: what it accepts, what it refuses, what it does when a neighbour is away."""
import concurrent.futures
import contextlib
import datetime
import json
import os
import select
import signal
import socket
import stat
import threading
import time
import uuid

import jsonschema
import psycopg2
import pytest
import requests
import yaml
from servers import ROOT, free_port, wait_until
from stack import Park, Service, tongbao


class Intake:
    """One intake with its park; options of its own."""

    def __init__(self, workspace, kafka, database, park, instance="1", **options):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.park, self.kafka, self.database = park, kafka, database
        self.service = Service(workspace, "intake", {
            "listen": f"127.0.0.1:{self.port}", "kafka_brokers": kafka.brokers,
            "pg": database.dsn_as("tongbao_intake"), "registry_refresh_ms": 200, "request_timeout_ms": 1000,
            **options}, instance=instance)

    def call(self, method, path, key="ACME", body=None, headers=None, timeout=10):
        headers = dict(headers or {})
        key = self.park.keys.get(key, key)
        if key:
            headers.setdefault("Authorization", f"Bearer {key}")
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return requests.request(method, self.url + path, headers=headers, data=data, timeout=timeout)

    def report(self, body=None, **kwargs):
        return self.call("POST", "/v1/reports", body=report() if body is None else body, **kwargs)

    def raw(self, data, wait_s=5):
        """Bytes on a socket; the answer's bytes until the server closes or is silent for wait_s."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as s:
            s.sendall(data)
            answer = b""
            try:
                while piece := s.recv(65536):
                    answer += piece
            except socket.timeout:
                pass
            return answer


def now(**delta):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta)).isoformat(
        timespec="milliseconds")


def report(**fields):
    return {"summary": "二号厂房一台办公电脑中毒", "discovered_at": "2026-11-22T03:00:00+08:00", **fields}


@pytest.fixture(scope="module")
def park(migrated):
    return Park(migrated, "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def intake(workspace, kafka, migrated, park):
    tongbao("topics", "create", env={"TONGBAO_CTL_KAFKA_BROKERS": kafka.brokers})
    one = Intake(workspace, kafka, migrated, park)
    one.service.start()
    yield one
    one.service.stop()
    assert not one.service.check_health()


def project(intake, incident_id, code, drill=False, **columns):
    """Makes the incident visible, as the archiver would."""
    row = {"incident_id": incident_id, "enterprise_id": intake.park.ids[code], "enterprise_code": code,
           "enterprise_name": Park.ENTERPRISES[code][0], "drill": drill, "summary": "中毒", **columns}
    intake.database.rows(f"INSERT INTO archive.incident ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})"
                         " ON CONFLICT DO NOTHING", *row.values())


PROBLEM = yaml.safe_load((ROOT / "proto/openapi.yaml").read_text())["components"]["schemas"]["problem"]


def problem(answer, status, kind):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    doc = answer.json()
    jsonschema.validate(doc, PROBLEM)
    assert doc["type"].rsplit("/", 1)[-1] == kind and doc["status"] == status and doc["title"], doc
    return doc


# --- the main job --------------------------------------------------------------------------------

def test_a_report_is_in_kafka_when_it_is_accepted(intake):
    answer = intake.report(report(summary="核心数据库异常", impact={"outage_minutes": 30}, evidence=[
        {"name": "app.log", "excerpt": "ORA-00600"}]), headers={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
    assert answer.status_code == 202, answer.text
    receipt = answer.json()
    own = f"/v1/incidents/{receipt['incident_id']}"
    assert receipt["links"] == {"self": own, "supplements": f"{own}/supplements", "actions": f"{own}/actions"}
    assert answer.headers["Location"] == own
    assert receipt["reference"].startswith("TB-") and len(receipt["reference"]) == 16
    assert abs(datetime.datetime.fromisoformat(receipt["received_at"].replace("Z", "+00:00")).timestamp() - time.time()) < 60
    [record] = [r for r in intake.kafka.records("tongbao.report.v1") if r.key == receipt["incident_id"]]
    assert record.type == "report.submitted" and uuid.UUID(record.id)
    assert record.headers["ce_source"] == "/tongbao/intake" and record.headers["ce_specversion"] == "1.0"
    assert record.headers["content-type"] == "application/json" and record.headers["traceparent"].startswith("00-aaaa")
    body = record.json
    assert body["incident_id"] == receipt["incident_id"] and body["reference"] == receipt["reference"]
    assert body["occurred_at"] == body["discovered_at"] == "2026-11-21T19:00:00.000Z"
    assert body["enterprise_id"] == intake.park.ids["ACME"] and body["drill"] is False and body["via"] == "api"
    assert body["profile"] == {"code": "ACME", "name": "艾克米汽车制造有限公司", "sector": "manufacturing", "staff": 2600,
                               "is_cii": False, "is_listed": True, "data_kinds": ["customer", "trade_secret"]}
    assert body["actor"]["scope"] == "enterprise" and body["actor"]["id"] == intake.park.keys["ACME"].split("_")[1]
    assert body["impact"] == {"outage_minutes": 30} and len(body["evidence"][0]["sha256"]) == 64


def test_the_same_report_twice_is_one_incident(intake):
    for body, headers in ((report(summary="只有一次"), {}), (report(summary="有键"), {"Idempotency-Key": "twice-1"})):
        first, second = (intake.report(body, headers=headers).json() for _ in range(2))
        assert first["incident_id"] == second["incident_id"] and first["reference"] == second["reference"]
        ids = {(r.id, r.value) for r in intake.kafka.records("tongbao.report.v1") if r.key == first["incident_id"]}
        assert len(ids) == 1  # also the bytes


def test_another_spelling_of_the_same_report_is_the_same_incident(intake):
    one = intake.report({"summary": "写法", "discovered_at": "2026-11-22T03:00:00+08:00", "drill": None}).json()
    other = intake.report(b'{ "discovered_at":"2026-11-21T19:00:00.000Z","summary":"\\u5199\\u6cd5" }').json()
    assert one["incident_id"] == other["incident_id"]


def test_enterprises_with_the_same_key_and_body_have_two_incidents(intake):
    ids = {intake.report(key=code, headers={"Idempotency-Key": "shared"}).json()["incident_id"] for code in ("ACME", "BETA")}
    assert len(ids) == 2


def test_one_idempotency_key_with_another_body_is_refused(intake):
    headers = {"Idempotency-Key": "conflict"}
    assert intake.report(report(summary="一"), headers=headers).status_code == 202
    problem(intake.report(report(summary="二"), headers=headers), 422, "idempotency-key-reused")
    assert intake.report(report(summary="一"), headers=headers).status_code == 202


# --- bad input -----------------------------------------------------------------------------------

DEEP = b'{"summary":"x","discovered_at":"2026-11-22T03:00:00+08:00","system":' + b'{"a":' * 20 + b"1" + b"}" * 20 + b"}"
BAD_BODIES = [  # name, body, status, kind, pointer or None, a word of the detail
    ("empty", b"", 400, "unreadable-body", None, "empty"),
    ("not JSON", b"hello", 400, "unreadable-body", None, "JSON"),
    ("cut off", b'{"summary": "x"', 400, "unreadable-body", None, ""),
    ("an array", b"[]", 400, "unreadable-body", None, "object"),
    ("too deep", DEEP, 400, "unreadable-body", None, "deep"),
    ("invalid UTF-8", b'{"summary":"\xff\xfe","discovered_at":"2026-11-22T03:00:00Z"}', 400, "unreadable-body", None, "UTF-8"),
    ("NUL byte", b'{"summary":"a\x00b","discovered_at":"2026-11-22T03:00:00Z"}', 400, "unreadable-body", None, "NUL"),
    ("NUL character", b'{"summary":"a\\u0000b","discovered_at":"2026-11-22T03:00:00Z"}', 400, "unreadable-body", None, "NUL"),
    ("duplicate key", b'{"summary":"a","summary":"b","discovered_at":"2026-11-22T03:00:00Z"}', 400, "unreadable-body", None,
     "summary"),
    ("no summary", {"discovered_at": "2026-11-22T03:00:00Z"}, 422, "invalid-request", "/summary", "missing"),
    ("no time", {"summary": "x"}, 422, "invalid-request", "/discovered_at", "missing"),
    ("wrong type", report(summary=7), 422, "invalid-request", "/summary", "7"),
    ("wrong type inside", report(impact={"outage_minutes": "two hours"}), 422, "invalid-request", "/impact/outage_minutes",
     "two hours"),
    ("unknown field", report(sumary="x"), 422, "invalid-request", "/sumary", "summary"),
    ("field that is stamped", report(enterprise_id=str(uuid.uuid4())), 422, "invalid-request", "/enterprise_id", ""),
    ("too long", report(summary="长" * 4001), 422, "invalid-request", "/summary", "4000"),
    ("no such day", report(discovered_at="2026-02-30T00:00:00Z"), 422, "invalid-request", "/discovered_at", ""),
    ("without offset", report(discovered_at="2026-11-22T03:00:00"), 422, "invalid-request", "/discovered_at", ""),
    ("in the future", report(discovered_at="2999-01-01T00:00:00Z"), 422, "invalid-request", "/discovered_at", "future"),
    ("evidence with a wrong hash", report(evidence=[{"name": "a", "excerpt": "b", "sha256": "0" * 64}]), 422, "invalid-request",
     "/evidence/0/sha256", "SHA-256"),
]


@pytest.mark.parametrize("name, body, status, kind, pointer, word", BAD_BODIES, ids=[row[0] for row in BAD_BODIES])
def test_bad_body(intake, name, body, status, kind, pointer, word):
    doc = problem(intake.report(body), status, kind)
    assert doc.get("pointer") == pointer and word in doc["detail"] and doc["advice"], doc
    assert intake.report(report(summary=f"danach {name}")).status_code == 202  # it goes on


def test_ten_minutes_ahead_are_taken(intake):
    assert intake.report(report(discovered_at=now(minutes=9))).status_code == 202
    problem(intake.report(report(discovered_at=now(minutes=11))), 422, "invalid-request")


def test_too_large(intake):
    body = report(cause="因" * 4000, evidence=[{"name": "x", "excerpt": "字" * 20000}] * 10)
    problem(intake.report(body), 413, "body-too-large")
    assert intake.report(report(evidence=[{"name": "x", "excerpt": "a" * 20000}] * 10)).status_code == 202


def test_wrong_method_path_and_content_type(intake):
    answer = intake.call("PUT", "/v1/reports", body=report())
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "POST"
    problem(intake.call("GET", "/v2/reports"), 404, "not-found")
    problem(intake.report(headers={"Content-Type": "text/plain"}), 415, "unsupported-media-type")


@pytest.mark.parametrize("value", ["", "x" * 201, "ключ".encode().decode("latin-1")], ids=["empty", "long", "not ASCII"])
def test_bad_idempotency_key(intake, value):
    assert "200" in problem(intake.report(headers={"Idempotency-Key": value}), 400, "invalid-idempotency-key")["advice"]


HEAD = "POST /v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("extra", ["Content-Length: 2\r\nContent-Length: 3\r\n",
                                   "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"], ids=["two lengths", "length and chunked"])
def test_doubtful_framing_is_closed(intake, extra):
    answer = intake.raw((HEAD % intake.park.keys["ACME"] + extra + "\r\n{}").encode())
    assert answer.startswith(b"HTTP/1.1 400 ") and b"bad-framing" in answer
    assert intake.report().status_code == 202


def test_a_body_that_drips_is_closed(intake):
    with socket.create_connection(("127.0.0.1", intake.port), timeout=10) as s:
        s.sendall((HEAD % intake.park.keys["ACME"] + "Content-Length: 1000\r\n\r\n").encode())
        begun = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < begun + 10:
                s.sendall(b"{")
                if select.select([s], [], [], 0.05)[0] and s.recv(1) == b"":
                    raise OSError("closed")
        assert time.monotonic() - begun < 8
    assert intake.report().status_code == 202


# --- keys ----------------------------------------------------------------------------------------

def test_keys_that_are_not_accepted_all_get_the_same_answer(intake):
    good = intake.park.keys["ACME"]
    for key in (None, "x", "tbk_", good[:-1], good + "0", "tbk_aaaaaaaaaaaa_" + "0" * 40, good.upper()):
        answer = intake.report(key=key)
        doc = problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert doc == problem(intake.report(key="tbk_bbbbbbbbbbbb_1"), 401, "unauthorized")
    for scheme in ("Basic", "Token"):
        problem(intake.report(key=None, headers={"Authorization": f"{scheme} {good}"}), 401, "unauthorized")


def test_a_revoked_key_is_refused_within_two_seconds(intake):
    key = intake.park.add_key("ACME", ["report"])
    wait_until(lambda: intake.report(key=key).status_code == 202, 2, "the new key is known")
    intake.park.revoke_key(key)
    wait_until(lambda: intake.report(key=key).status_code == 401, 2, "the key is refused")
    assert intake.report().status_code == 202  # the others are not


def test_one_malformed_row_of_the_registry_is_left_out(intake):
    """The others are still known, and revoked."""
    key, bad, row = intake.park.add_key("ACME", ["report"]), str(uuid.uuid4()), "SELECT %s, %s, 'x', repeat('0', 64), '{report}'"
    wait_until(lambda: intake.report(key=key).status_code == 202, 2, "the new key is known")
    intake.database.rows("INSERT INTO registry.enterprise (enterprise_id, code, name, sector, staff, data_kinds)"
                         " VALUES (%s, 'GOSSIP', 'x', 'x', 1, '{gossip}')", bad)
    intake.database.rows(f"INSERT INTO registry.credential (key_id, enterprise_id, label, secret_sha256, scopes) {row}",
                         "badbadbadbad", bad)
    try:
        later = intake.park.add_key("ACME", ["report"])
        wait_until(lambda: intake.report(key=later).status_code == 202, 2, "a later key is known")
        intake.park.revoke_key(key)
        wait_until(lambda: intake.report(key=key).status_code == 401, 2, "the key is refused")
        assert intake.service.metrics()["intake_registry_left_out"] == 2
        log = intake.service.log_text()
        assert "badbadbadbad" in log and bad in log and "gossip" in log
    finally:
        intake.database.rows("DELETE FROM registry.credential WHERE key_id = 'badbadbadbad'")
        intake.database.rows("DELETE FROM registry.enterprise WHERE code = 'GOSSIP'")
    wait_until(lambda: intake.service.metrics()["intake_registry_left_out"] == 0, 5, "all is well again")


def test_a_key_may_do_what_its_scopes_say(intake):
    only_read, only_report = intake.park.add_key("ACME", ["read"]), intake.park.add_key("ACME", ["report"])
    wait_until(lambda: intake.report(key=only_report).status_code == 202, 2, "the new keys are known")
    incident = str(uuid.uuid4())
    assert "report" in problem(intake.report(key=only_read), 403, "scope-missing")["detail"]
    problem(intake.call("POST", f"/v1/incidents/{incident}/supplements", only_read, {}), 403, "scope-missing")
    problem(intake.call("POST", f"/v1/incidents/{incident}/actions", only_report, {"type": "confirmed"}), 403, "scope-missing")
    problem(intake.call("GET", f"/v1/incidents/{incident}", only_report), 403, "scope-missing")


# --- one incident --------------------------------------------------------------------------------

def actions_of(intake, incident):
    return [r for r in intake.kafka.records("tongbao.action.v1") if r.key == incident]


def test_an_incident_that_nobody_knows_is_not_visible_yet(intake):
    for name in (str(uuid.uuid4()), intake.report().json()["incident_id"]):
        answer = intake.call("GET", f"/v1/incidents/{name}")
        problem(answer, 404, "not-visible-yet")
        assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("name", ["1", "TB-0000000000000000", "TB-0123456789ABC", "..%2f", "%00"])
def test_a_name_that_is_none(intake, name):
    assert intake.call("GET", f"/v1/incidents/{name}").status_code == 400
    assert intake.call("POST", f"/v1/incidents/{name}/actions", body={"type": "confirmed"}).status_code == 400


def without_ids(answer, incident_id):
    """Status, headers and body of an answer; what must differ in two of a kind is blotted out."""
    varying = [incident_id] + [value for key, value in answer.json().items() if key in ("event_id", "received_at")]
    def blot(text):
        for value in varying:
            text = text.replace(value, "*" * len(value))
        return text
    headers = {k: blot(v) for k, v in answer.headers.items() if k != "Date"}
    return answer.status_code, headers, blot(answer.text)


def test_hard_case_10_anothers_incident_looks_like_none(intake):
    incident = intake.report(report(summary="A 的事"), key="ACME").json()
    project(intake, incident["incident_id"], "ACME", reference=incident["reference"])
    for name in (incident["incident_id"], incident["reference"]):
        shown = intake.call("GET", f"/v1/incidents/{name}", "BETA")
        unknown = intake.call("GET", f"/v1/incidents/{uuid.uuid4()}", "BETA")
        assert (shown.status_code, shown.content, shown.headers["Retry-After"]) == (
            unknown.status_code, unknown.content, unknown.headers["Retry-After"])
    own_ids = {name: str(uuid.uuid4()) for name in ("incident_id", "reference")}
    own_ids["reference"] = intake.report(report(summary="B 的事"), key="BETA").json()["reference"]  # not visible yet
    for name, stranger in own_ids.items():
        for path, body in (("actions", {"type": "refuted", "reason": "x"}), ("supplements", {"summary": "x"})):
            foreign, unknown = (intake.call("POST", f"/v1/incidents/{which}/{path}", "BETA", body)
                                for which in (incident[name], stranger))
            assert foreign.status_code == (202 if name == "incident_id" else 404)
            assert without_ids(foreign, incident["incident_id"]) == without_ids(unknown, stranger)
    [action] = actions_of(intake, incident["incident_id"])
    assert action.json["enterprise_id"] == intake.park.ids["BETA"]  # the sinks refuse it
    assert intake.call("GET", f"/v1/incidents/{incident['incident_id']}", "ACME").status_code == 200
    assert intake.call("GET", f"/v1/incidents/{incident['incident_id']}", "PARK").status_code == 200


def test_the_incident_shows_all_that_is_archived(intake):
    receipt = intake.report(report(summary="展示")).json()
    incident, enterprise = receipt["incident_id"], intake.park.ids["ACME"]
    project(intake, incident, "ACME", reference=receipt["reference"], state="reported", incident_seq=3, level="larger",
            category="malware", discovered_at="2026-11-22T03:00:00+08:00", received_at="2026-11-22T03:01:00.120+08:00")
    intake.database.rows(
        "INSERT INTO archive.classification VALUES (%s, %s, %s, 0, 'malware', 'larger', 'malicious_program', '恶意程序',"
        " '[{\"regime\": \"park\", \"level\": \"larger\"}]', '[{\"rule\": \"r1\"}]', NULL, true, 'system', NULL, %s, now())",
        str(uuid.uuid4()), incident, enterprise, "0" * 64)
    intake.database.rows(
        "INSERT INTO archive.obligation VALUES (%s, %s, %s, 3, 'park', 'triage', 0, '研判', 'triage', '园区', 'park', 'discovered',"
        " '2026-11-22T03:00:00+08:00', '2026-11-22T04:00:00+08:00', 'running', 'action.acknowledged', NULL, NULL, '{}')",
        str(uuid.uuid4()), incident, enterprise)
    for path in (incident, incident.upper(), receipt["reference"], receipt["reference"].lower().replace("-", "")):
        answer = intake.call("GET", f"/v1/incidents/{path}")
        assert answer.status_code == 200, answer.text
    doc = answer.json()
    assert (doc["state"], doc["level"], doc["category"], doc["reference"]) == ("reported", "larger", "malware",
                                                                              receipt["reference"])
    assert doc["enterprise"] == {"code": "ACME", "name": "艾克米汽车制造有限公司"} and doc["incident_seq"] == 3
    assert doc["discovered_at"] == "2026-11-21T19:00:00.000Z" and doc["received_at"] == "2026-11-21T19:01:00.120Z"
    assert doc["grade"]["revision"] == 0 and doc["grade"]["gbt20986"] == {"name": "malicious_program", "zh": "恶意程序"}
    assert doc["reasons"] == [{"rule": "r1"}] and doc["grade"]["missing"] == [] and doc["grade"]["needs_human"] is True
    assert doc["clocks"][0]["due_at"] == "2026-11-21T20:00:00.000Z" and doc["clocks"][0]["title_zh"] == "研判"
    assert doc["escalations"] == doc["notifications"] == doc["timeline"] == []


def test_hard_case_10_the_timeline_is_the_incidents_own(intake):
    """B wrote about A's incident while nobody could tell whose it is: neither A nor the park reads it there."""
    receipt = intake.report(report(summary="谁的")).json()
    incident = receipt["incident_id"]
    project(intake, incident, "ACME", reference=receipt["reference"])
    events = {(code, scope): str(uuid.uuid4()) for code, scope in (("ACME", "enterprise"), ("BETA", "enterprise"), ("PARK", "park"))}
    for offset, ((code, scope), event) in enumerate(events.items()):
        body = {"actor": {"scope": scope, "id": "k", "name": code}, "note": f"{code} 的话"}
        intake.database.rows(
            'INSERT INTO archive.event ("offset", appended_at, occurred_at, event_id, incident_id, enterprise_id, partition,'
            " incarnation, is_repeat, is_conflict, topic, type, headers, value) VALUES (%s, now(), now(), %s, %s, %s, 0, 1, false,"
            " false, 'tongbao.action.v1', 'action.confirmed', '{}', %s)", offset, event, incident, intake.park.ids[code],
            json.dumps(body).encode())
    for key in ("ACME", "PARK"):
        shown = intake.call("GET", f"/v1/incidents/{incident}", key).json()["timeline"]
        assert {moment["event_id"]: moment["note"] for moment in shown} == {
            events["ACME", "enterprise"]: "ACME 的话", events["PARK", "park"]: "PARK 的话"}


def test_the_timeline_has_the_order_of_the_log(intake):
    receipt = intake.report(report(summary="同一毫秒")).json()
    incident, ids = receipt["incident_id"], sorted(str(uuid.uuid4()) for _ in range(6))
    project(intake, incident, "ACME", reference=receipt["reference"])
    for offset, event in enumerate(reversed(ids)):
        intake.database.rows(
            'INSERT INTO archive.event ("offset", appended_at, occurred_at, event_id, incident_id, enterprise_id, partition,'
            " incarnation, is_repeat, is_conflict, topic, type, headers, value) VALUES (%s, '2026-11-22T03:00:00Z', now(), %s, %s, %s,"
            " 5, 1, false, false, 'tongbao.action.v1', 'action.confirmed', '{}', '{}')", 100 + offset, event, incident,
            intake.park.ids["ACME"])
    shown = intake.call("GET", f"/v1/incidents/{incident}", "ACME").json()["timeline"]
    assert [moment["event_id"] for moment in shown] == ids[::-1]


def test_a_supplement_and_actions_are_published(intake):
    receipt = intake.report(report(summary="跟进", drill=True)).json()
    incident = receipt["incident_id"]
    early = intake.call("POST", f"/v1/incidents/{incident}/supplements", body={"impact": {"outage_minutes": 90}})
    assert early.status_code == 202, early.text  # not visible yet: accepted
    project(intake, incident, "ACME", drill=True, reference=receipt["reference"])
    escalation, obligation = str(uuid.uuid4()), str(uuid.uuid4())
    sent = [({"type": "acknowledged", "escalation_id": escalation, "note": "收到", "incident_seq": 4}, "PARK"),
            ({"type": "confirmed"}, "ACME"), ({"type": "refuted", "reason": "误报"}, "ACME"),
            ({"type": "reclassified", "reason": "更严重", "level": "major", "category": "data_leak"}, "PARK"),
            ({"type": "assigned", "task": "隔离", "assignee": "王工"}, "ACME"), ({"type": "task_done", "task": "隔离"}, "ACME"),
            ({"type": "contained"}, "ACME"), ({"type": "recovered", "reason": "已恢复"}, "ACME"),
            ({"type": "filed", "obligation_id": obligation, "filed_reference": "网信〔2026〕7号",
              "filed_at": "2026-11-22T05:00:00+08:00"}, "ACME"),
            ({"type": "reviewed"}, "ACME"), ({"type": "closed"}, "PARK"), ({"type": "reopened", "reason": "又来了"}, "PARK")]
    answers = {}
    for body, key in sent:
        answer = intake.call("POST", f"/v1/incidents/{receipt['reference']}/actions", key, body)
        assert answer.status_code == 202, answer.text
        assert answer.json()["incident_id"] == incident and answer.headers["Location"] == f"/v1/incidents/{incident}"
        answers[answer.json()["event_id"]] = (body, key)
    records = {r.id: r for r in actions_of(intake, incident)}
    assert records.keys() == answers.keys()
    for event_id, (body, key) in answers.items():
        event, kept = records[event_id].json, dict(body)
        assert records[event_id].type == "action." + kept.pop("type")
        assert event["enterprise_id"] == intake.park.ids["ACME"] and event["drill"] is True
        assert event["actor"]["scope"] == ("park" if key == "PARK" else "enterprise")
        if "incident_seq" in kept:
            assert event["seen_seq"] == kept.pop("incident_seq")
        if "filed_at" in kept:
            assert event["filed_at"] == "2026-11-21T21:00:00.000Z" and kept.pop("filed_at")
        assert kept.items() <= event.items()
    [supplement] = [r for r in intake.kafka.records("tongbao.report.v1") if r.id == early.json()["event_id"]]
    assert supplement.type == "report.supplemented" and supplement.json["impact"] == {"outage_minutes": 90}



def test_hard_case_03_the_same_words_at_another_state_are_another_action(intake):
    """Without Idempotency-Key and incident_seq: what was done once is not swallowed when it is done again later."""
    receipt = intake.report(report(summary="两次确认")).json()
    incident = receipt["incident_id"]
    project(intake, incident, "ACME", reference=receipt["reference"], incident_seq=3)

    def post_twice():
        ids = {path: {intake.call("POST", f"/v1/incidents/{incident}/{path}", body=body).json()["event_id"] for _ in range(2)}
               for path, body in (("actions", {"type": "acknowledged"}), ("supplements", {"impact": {"outage_minutes": 5}}))}
        assert all(len(of) == 1 for of in ids.values()), ids  # a retry
        return {next(iter(of)) for of in ids.values()}

    first = post_twice()
    intake.database.rows("UPDATE archive.incident SET incident_seq = 5 WHERE incident_id = %s", incident)
    second = post_twice()
    assert not first & second
    kept = {r.id for topic in ("report", "action") for r in intake.kafka.records(f"tongbao.{topic}.v1") if r.key == incident}
    assert first | second <= kept


def test_reads_that_hang_do_not_delay_an_action(intake):
    receipt = intake.report(report(summary="读得慢")).json()
    incident = receipt["incident_id"]
    project(intake, incident, "ACME", reference=receipt["reference"])
    unchecked = intake.service.metrics()["intake_unchecked_total"]
    holder = psycopg2.connect(intake.database.dsn)
    with contextlib.closing(holder), concurrent.futures.ThreadPoolExecutor(8) as pool:
        holder.cursor().execute("LOCK TABLE archive.obligation")
        reads = [pool.submit(intake.call, "GET", f"/v1/incidents/{incident}") for _ in range(8)]
        wait_until(lambda: intake.database.value("SELECT count(*) FROM pg_locks WHERE NOT granted") >= 2, 5, "the reads hang")
        for _ in range(3):
            begun = time.monotonic()
            answer = intake.call("POST", f"/v1/incidents/{incident}/actions", body={"type": "acknowledged"})
            assert answer.status_code == 202 and time.monotonic() - begun < 0.9, answer.text
        assert intake.database.value("SELECT count(*) FROM pg_locks WHERE NOT granted") >= 2  # they still do
        assert intake.service.metrics()["intake_unchecked_total"] == unchecked  # it was looked up
        holder.rollback()
        assert [read.result().status_code for read in reads][-1] in (200, 503)


def test_a_query_that_nobody_waits_for_ends(intake):
    """intake gives up after seconds; PostgreSQL must not work on for minutes."""
    assert intake.database.value("SHOW statement_timeout", role="tongbao_intake") == "10s"


def test_one_key_with_two_actions_is_refused(intake):
    incident = intake.report(report(summary="两种操作")).json()["incident_id"]
    post = lambda body: intake.call("POST", f"/v1/incidents/{incident}/actions", body=body, headers={"Idempotency-Key": "k"})
    assert post({"type": "confirmed"}).status_code == 202
    assert post({"type": "confirmed"}).status_code == 202
    problem(post({"type": "contained"}), 422, "idempotency-key-reused")
    assert len({r.id for r in actions_of(intake, incident)}) == 1


BAD_ACTIONS = [({"type": "eaten"}, "/type", "acknowledged"), ({}, "/type", "missing"), ({"type": "refuted"}, "/reason", "reason"),
               ({"type": "reclassified", "reason": "x"}, "/level", "level"), ({"type": "filed"}, "/obligation_id", "clocks"),
               ({"type": "confirmed", "level": "major"}, "/level", "belong"), ({"type": "assigned", "task": "x"}, "/assignee", "who"),
               ({"type": "reclassified", "reason": "x", "level": "huge"}, "/level", "general"),
               ({"type": "filed", "obligation_id": str(uuid.uuid4()), "filed_reference": "1", "filed_at": "2999-01-01T00:00:00Z"},
                "/filed_at", "future"), ({"type": "closed", "who": "me"}, "/who", "")]


@pytest.mark.parametrize("body, pointer, word", BAD_ACTIONS, ids=[row[1] + " " + row[0].get("type", "-") for row in BAD_ACTIONS])
def test_bad_action(intake, body, pointer, word):
    doc = problem(intake.call("POST", f"/v1/incidents/{uuid.uuid4()}/actions", body=body), 422, "invalid-request")
    assert doc["pointer"] == pointer and word in doc["detail"], doc


def test_the_root_says_where_things_are(intake):
    answer = intake.call("GET", "/", key=None)
    assert answer.status_code == 200 and answer.json()["links"]["reports"] == "/v1/reports"


def test_check_config_names_the_option(workspace):
    for options, words in (({"ack_deadline_ms": "soon"}, ["ACK_DEADLINE_MS", "soon", "60000"]), ({"no_such": "1"}, ["NO_SUCH"]),
                           ({"listen": "127.0.0.1:99999"}, ["127.0.0.1:99999", "65535"]), ({"pg": "garbage"}, ["--pg"]),
                           ({"admin_listen": "foo"}, ["admin port", "foo", "HOST:PORT"])):
        service = Service(workspace, "intake", options, instance=uuid.uuid4().hex[:6])
        service.argv = [*service.argv, "--check-config"]
        service.start(ready=False)
        assert service.died() == 78
        assert all(word in service.log_text() for word in words), service.log_text()


# --- neighbours that are away --------------------------------------------------------------------

def test_without_postgresql_reports_are_accepted_also_after_a_restart(workspace, kafka, migrated, park, intake):
    snapshot = workspace.dir / "registry-snapshot.json"
    one = Intake(workspace, kafka, migrated, park, instance="pg", snapshot_path=snapshot)
    one.service.start()
    wait_until(snapshot.exists, 5, "the snapshot is written")
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o600
    visible = one.report(report(summary="看得见")).json()
    project(one, visible["incident_id"], "ACME", reference=visible["reference"])
    assert one.call("GET", f"/v1/incidents/{visible['incident_id']}").status_code == 200
    postgres = migrated.postgres
    postgres.stop()
    try:
        for _ in range(2):
            assert one.report(report(summary=str(uuid.uuid4()))).status_code == 202
            answer = one.call("GET", f"/v1/incidents/{visible['incident_id']}")
            assert "eporting still works" in problem(answer, 503, "database-unavailable")["advice"]
            answer = one.call("POST", f"/v1/incidents/{visible['incident_id']}/actions", body={"type": "confirmed"})
            assert answer.status_code == 202, answer.text  # the escalator judges it
            answer = one.call("POST", f"/v1/incidents/{visible['reference']}/actions", body={"type": "confirmed"})
            problem(answer, 503, "database-unavailable")
            problem(one.report(key="tbk_aaaaaaaaaaaa_1"), 401, "unauthorized")
            one.service.restart()  # now it starts without PostgreSQL
    finally:
        postgres.start()
    wait_until(lambda: one.call("GET", f"/v1/incidents/{visible['incident_id']}").status_code == 200, 15, "reads work again")
    one.service.stop()
    assert not one.service.check_health()


def test_without_registry_and_snapshot_no_key_is_judged(workspace, kafka, migrated, park, intake):
    one = Intake(workspace, kafka, migrated, park, instance="none", pg="host=127.0.0.1 port=1 dbname=x")
    one.service.start(ready=False)
    wait_until(lambda: one.call("GET", "/", key=None).ok, 10, "it listens")
    problem(one.report(), 503, "registry-not-loaded")
    assert not one.service.ready()
    one.service.stop()


def test_a_damaged_snapshot_is_no_reason_to_die(workspace, kafka, migrated, park, intake):
    snapshot = workspace.dir / "damaged.json"
    snapshot.write_text('{"version": 1, "enterprises": [')
    one = Intake(workspace, kafka, migrated, park, instance="damaged", snapshot_path=snapshot)
    one.service.start()
    assert one.report().status_code == 202
    assert json.loads(snapshot.read_text())["keys"]
    one.service.stop()


def test_hard_case_05_a_frozen_postgresql_holds_nobody(workspace, kafka, migrated, park, intake):
    """The connections are there, and nothing answers."""
    one = Intake(workspace, kafka, migrated, park, instance="frozen")
    one.service.start()
    incident = one.report().json()["incident_id"]
    assert one.call("GET", f"/v1/incidents/{incident}").status_code == 404
    pids = [migrated.postgres.pid] + [
        row["pid"] for row in migrated.rows("SELECT pid FROM pg_stat_activity WHERE usename = 'tongbao_intake'")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert one.report(report(summary="冻结")).status_code == 202
        assert time.monotonic() - begun < 1
        assert one.call("GET", f"/v1/incidents/{incident}").status_code == 503
        wait_until(lambda: one.call("POST", f"/v1/incidents/{incident}/actions", body={"type": "confirmed"}).status_code == 202,
                   10, "actions are accepted")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    one.service.stop()
    assert not one.service.check_health()


def test_a_frozen_kafka_is_answered_in_time(intake):
    assert intake.report().status_code == 202
    intake.kafka.freeze()
    try:
        for _ in range(2):
            begun = time.monotonic()
            answer = intake.report(report(summary=str(uuid.uuid4())))
            assert time.monotonic() - begun < 1.2
            problem(answer, 503, "not-confirmed-in-time")
            assert int(answer.headers["Retry-After"]) >= 1
        assert intake.service.running()
    finally:
        intake.kafka.thaw()
    wait_until(lambda: intake.report(report(summary="解冻")).status_code == 202, 30, "reports are accepted again")
    wait_until(intake.service.ready, 30, "it is ready again")


def test_a_busy_and_a_stopping_server_say_what_to_do(workspace, kafka, migrated, park, intake):
    one = Intake(workspace, kafka, migrated, park, instance="busy", waiting_max=1, ack_deadline_ms=20000)
    one.service.start()
    kafka.freeze()
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waits = pool.submit(one.report, report(summary="等"))
            wait_until(lambda: one.service.metrics()["http_deferred"] == 1, 5, "a report waits")
            assert "Retry-After" in problem(one.report(), 503, "too-busy")["detail"]
            one.service.stop()
            assert "Retry-After" in problem(waits.result(), 503, "shutting-down")["detail"]
    finally:
        kafka.thaw()
    wait_until(intake.service.ready, 30, "the other one is ready again")


def test_nothing_that_was_accepted_is_lost_at_a_stop(workspace, kafka, migrated, park, intake):
    one = Intake(workspace, kafka, migrated, park, instance="stop")
    one.service.start()
    accepted, lock, stop = [], threading.Lock(), threading.Event()

    def post():
        with requests.Session() as session:
            while not stop.is_set():
                try:
                    answer = session.post(one.url + "/v1/reports", json=report(summary=str(uuid.uuid4())), timeout=10,
                                          headers={"Authorization": f"Bearer {park.keys['ACME']}"})
                except requests.ConnectionError:
                    return
                assert answer.status_code in (202, 503), answer.text
                if answer.status_code == 202:
                    with lock:
                        accepted.append(answer.json()["incident_id"])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        posts = [pool.submit(post) for _ in range(16)]
        wait_until(lambda: len(accepted) > 300, 60, "reports flow")
        one.service.stop()
        stop.set()
        for one_post in posts:
            one_post.result()
    assert not one.service.check_health()
    assert set(accepted) <= {r.key for r in kafka.records("tongbao.report.v1")}
