"""One report's way through the whole house, and what a reporter, a duty officer and an analyst see of it."""
import json
import uuid

from servers import wait_until

GRADED = ("state", "category", "level", "reasons", "clocks", "escalations", "notifications", "timeline")


def told(body):
    return body["notifications"] and all(n["state"] == "sent" for n in body["notifications"])


def test_a_report_goes_all_the_way(stack):
    receipt = stack.report("ACME", summary="客户数据库被拖库,约 12 万名客户的姓名和手机号外泄",
                           impact={"personal_records_persons": 120000, "user_data_touched": True})
    assert receipt["reference"].startswith("TB-") and len(receipt["reference"]) == 16
    assert set(receipt) >= {"incident_id", "reference", "received_at", "links"}
    shown = stack.incident(receipt["incident_id"], stack.key("ACME"), until=told)
    assert set(shown) >= set(GRADED)
    assert (shown["category"], shown["level"]) == ("data_leak", "major")
    assert shown["reasons"] and all(r["zh"] and r["en"] and r["rule"] for r in shown["reasons"])
    assert any(c["due_at"] for c in shown["clocks"])
    types = [t["type"] for t in shown["timeline"]]
    assert types[0] == "report.submitted" and types.index("incident.classified") < types.index("escalation.raised")
    # By the reference too, as it is read over a phone.
    spoken = receipt["reference"].lower()
    assert stack.call("GET", f"/v1/incidents/{spoken}", stack.key("PARK")).json()["incident_id"] == shown["incident_id"]
    mails = [m for m in stack.smtp.messages if receipt["reference"] in m.subject + m.text]
    assert {m.recipients[0] for m in mails} >= {"security_lead1@acme.test", "duty_officer1@park.test"}
    sent = stack.database.rows("SELECT person_id, escalation_id FROM analytics.notification WHERE incident_id = %s",
                               receipt["incident_id"])
    assert len({(r["person_id"], r["escalation_id"]) for r in sent}) == len(sent), "one message per person and step"


def test_the_first_escalation_is_on_the_topic_for_any_client(stack):
    receipt = stack.report("BETA", summary="核心数据库异常,查询超时,原因不明")
    def raised():
        return [r for r in stack.kafka.records("tongbao.escalation.v1")
                if r.key == receipt["incident_id"] and r.type == "escalation.raised"]
    first = wait_until(raised, 20, "escalation.raised")[0]
    assert first.headers["ce_specversion"] == "1.0" and first.headers["ce_source"] == "/tongbao/escalator"
    body = first.json
    assert body["level"] == "larger" and body["why"] == "first_grade" and body["person_id"]
    assert "@" not in first.value.decode(), "a role and a person's id, never an address"


def test_a_webhook_gets_it_when_mail_is_refused_for_good(stack):
    stack.smtp.answer = lambda mail: "550 5.1.1 no such user" if "grid" in mail.recipients[0] else None
    try:
        receipt = stack.report("GRID", summary="调度系统客户数据泄露")
        def posted():
            return [r for r in stack.hooks.requests if receipt["reference"].encode() in r.body and "GRID" in r.path]
        request = wait_until(posted, 30, "the webhook")[0]
        assert request.headers["webhook-id"] and request.headers["webhook-signature"].startswith("v1,")
    finally:
        stack.smtp.answer = None


def test_an_enterprise_never_sees_anothers_incident(stack):
    receipt = stack.report("ACME")
    stack.incident(receipt["incident_id"], stack.key("ACME"))
    theirs = stack.call("GET", f"/v1/incidents/{receipt['incident_id']}", stack.key("BETA"))
    nobody = stack.call("GET", f"/v1/incidents/{uuid.uuid4()}", stack.key("BETA"))
    assert theirs.status_code == nobody.status_code == 404
    assert {**theirs.json(), "instance": None} == {**nobody.json(), "instance": None}
    for path in ("actions", "supplements"):
        body = {"type": "closed", "note": "BETA was here"} if path == "actions" else {"summary": "BETA was here"}
        for incident in (receipt["incident_id"], str(uuid.uuid4())):  # neither answer says whether there is one
            answer = stack.call("POST", f"/v1/incidents/{incident}/{path}", stack.key("BETA"), body)
            assert answer.status_code == 202 and "links" in answer.json()
    wait_until(lambda: sum(r.key == receipt["incident_id"] for r in stack.kafka.records("tongbao.dead.v1")) >= 2, 20,
               "the escalator and the classifier refuse them")
    shown = stack.incident(receipt["incident_id"], stack.key("ACME"))
    assert shown["state"] != "closed" and "BETA was here" not in json.dumps(shown)


def test_a_drill_is_labelled_and_owes_nothing_to_authorities(stack):
    receipt = stack.report("ACME", summary="演练:客户数据泄露,影响 200 万人", drill=True,
                           impact={"personal_records_persons": 2000000, "user_data_touched": True})
    shown = stack.incident(receipt["incident_id"], until=told)
    assert shown["drill"] is True
    mails = [m for m in stack.smtp.messages if receipt["reference"] in m.subject + m.text]
    assert mails and all("[演练]" in m.subject for m in mails)
    regimes = {r["regime"] for r in stack.database.rows(
        "SELECT regime FROM analytics.obligation WHERE incident_id = %s", receipt["incident_id"])}
    assert regimes <= {"park-lingang"}


def test_a_supplement_raises_the_grade(stack):
    receipt = stack.report("ACME", summary="一台办公电脑中毒")
    stack.incident(receipt["incident_id"], until=lambda b: b["level"] == "general")
    answer = stack.call("POST", f"/v1/incidents/{receipt['incident_id']}/supplements", stack.key("ACME"),
                        {"summary": "发现客户数据已外泄", "impact": {"data_leaked": True, "user_data_touched": True}})
    assert answer.status_code == 202
    shown = stack.incident(receipt["incident_id"], until=lambda b: b["level"] == "major")
    revisions = [r["revision"] for r in stack.database.rows(
        "SELECT revision FROM analytics.classification WHERE incident_id = %s ORDER BY revision",
        receipt["incident_id"])]
    assert revisions == [0, 1] and shown["grade"]["revision"] == 1


def test_news_after_a_persons_decision_calls_who_decided(stack):
    incident = stack.report("ACME", summary="系统中断,无法登录")["incident_id"]
    stack.incident(incident, until=lambda b: b["level"] == "larger")
    stack.act(incident, "reclassified", level="general", reason="已核实,影响很小")
    stack.incident(incident, until=lambda b: b["level"] == "general")
    answer = stack.call("POST", f"/v1/incidents/{incident}/supplements", stack.key("ACME"), {"summary": "客户资料泄露"})
    assert answer.status_code == 202
    shown = stack.incident(incident, until=lambda b: any(
        e["chain"] == "challenged.park" and e["acknowledgement_wanted"] for e in b["escalations"]))
    assert shown["level"] == "general", "what a person decided stays in force"
    assert "incident.challenged" in [t["type"] for t in shown["timeline"]]
    wait_until(lambda: [m for m in stack.smtp.messages if m.recipients == ["duty_officer1@park.test"]
                        and shown["reference"] in m.subject and "人工定级后出现新情况" in m.text], 20, "the mail that says so")


def test_hard_case_03_numbers_that_go_up_and_down_again(stack):
    """100, 200, 100 persons, said without a key: three supplements, and the last one counts."""
    receipt = stack.report("ACME", summary="会员资料泄露,人数核实中")
    events = []
    for persons in (100, 200, 100):
        answer = stack.call("POST", f"/v1/incidents/{receipt['incident_id']}/supplements", stack.key("ACME"),
                            {"impact": {"people_affected": persons}})
        assert answer.status_code == 202
        events.append(answer.json()["event_id"])
        stack.incident(receipt["incident_id"], until=lambda b: events[-1] in {t["event_id"] for t in b["timeline"]})
    assert len(set(events)) == 3


def test_the_analyst_reads_and_cannot_write(stack):
    receipt = stack.report("SHOP")
    stack.incident(receipt["incident_id"], until=told)
    for view in ("incident", "timeline", "classification", "obligation", "escalation", "notification"):
        rows = stack.database.rows(f"SELECT incident_id, enterprise_id FROM analytics.{view} WHERE incident_id = %s",
                                   receipt["incident_id"], role="tongbao_analyst")
        assert rows and all(str(r["enterprise_id"]) == stack.park.ids["SHOP"] for r in rows), view
    for sql in ("SELECT 1 FROM archive.event", "SELECT 1 FROM registry.credential",
                "DELETE FROM analytics.incident", "CREATE TABLE x (y int)"):
        try:
            stack.database.rows(sql, role="tongbao_analyst")
        except Exception as refused:
            assert "denied" in str(refused) or "read-only" in str(refused) or "cannot" in str(refused)
        else:
            raise AssertionError(f"allowed: {sql}")
    uncommented = stack.database.rows(
        "SELECT c.table_name, c.column_name FROM information_schema.columns c WHERE c.table_schema = 'analytics'"
        " AND col_description((quote_ident(c.table_schema) || '.' || quote_ident(c.table_name))::regclass,"
        " c.ordinal_position) IS NULL")
    assert not uncommented


def test_the_parks_own_rule_works_from_the_words(stack):
    general = stack.report("SHOP", summary="一台办公电脑中毒", system={"workstations_hit": 1})
    larger = stack.report("BETA", summary="核心数据库异常", system={"is_core_database": True})
    assert stack.incident(general["incident_id"], until=told)["level"] == "general"
    assert stack.incident(larger["incident_id"], until=told)["level"] == "larger"


def test_the_timeline_holds_every_event_of_the_topics(stack):
    receipt = stack.report("ACME", summary="客户数据泄露:会员资料在境外论坛出售")
    topics = [f"tongbao.{t}.v1" for t in ("report", "incident", "escalation", "notification")]
    stack.incident(receipt["incident_id"], until=told)

    def same():
        on_the_bus = {r.id for t in topics for r in stack.kafka.records(t) if r.key == receipt["incident_id"]}
        return on_the_bus == {t["event_id"] for t in stack.incident(receipt["incident_id"])["timeline"]}
    assert wait_until(same, 20, "topics and timeline hold the same events")


def test_the_same_report_under_the_same_key_is_one_incident(stack):
    body = {"summary": "网站打不开", "discovered_at": stack.time(minutes=-1)}
    first = stack.report("BETA", idempotency_key="once", **body)
    again = stack.report("BETA", idempotency_key="once", **body)
    assert again["incident_id"] == first["incident_id"]
