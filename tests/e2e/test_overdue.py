"""Clocks that run out, chains that are climbed, and what stops them. Time is driven, never waited for."""

import pytest

from servers import wait_until
from stack import Stack


@pytest.fixture(scope="module")
def stack(workspace, _servers):
    broker, cluster = _servers
    system = Stack(workspace, broker, cluster.database("overdue")).start()
    yield system
    trouble = system.close()
    assert not trouble, "\n".join(trouble)


def raised(stack, incident):
    return stack.database.rows(
        "SELECT step, role, scope, why, escalation_id::text, acknowledged_at FROM analytics.escalation"
        " WHERE incident_id = %s ORDER BY raised_at, step, role", incident)


def steps(stack, incident):
    return {r["step"] for r in raised(stack, incident)}


def test_an_unacknowledged_escalation_climbs_and_an_acknowledgement_stops_it(stack):
    receipt = stack.report("ACME", summary="核心数据库异常")
    incident = receipt["incident_id"]
    wait_until(lambda: steps(stack, incident) == {1}, 20, "the first step")
    stack.clock.shift(hours=3)
    wait_until(lambda: 2 in steps(stack, incident), 20, "the second step")
    climbed = [r for r in raised(stack, incident) if r["step"] == 2]
    assert climbed and all(r["why"] == "unacknowledged" for r in climbed)
    stack.act(incident, "acknowledged", "ACME")
    stack.act(incident, "acknowledged", "PARK")
    stack.incident(incident, until=lambda b: b["state"] == "triaged")
    before = len(raised(stack, incident))
    stack.clock.shift(hours=24)
    # Another incident climbs in the same time: so the clocks did move, and this one stood still.
    other = stack.report("BETA", summary="核心数据库异常")["incident_id"]
    wait_until(lambda: steps(stack, other) == {1}, 20, "the other's first step")
    stack.clock.shift(hours=3)
    wait_until(lambda: 2 in steps(stack, other), 20, "the other climbs")
    assert len(raised(stack, incident)) == before


def test_an_obligation_warns_then_is_overdue_once_then_satisfied_late(stack):
    receipt = stack.report("ACME", summary="客户数据泄露", impact={"user_data_touched": True, "data_leaked": True})
    incident = receipt["incident_id"]

    def types():
        return [r["type"] for r in stack.database.rows(
            "SELECT type FROM analytics.timeline WHERE incident_id = %s AND type LIKE 'obligation.%%'", incident)]
    wait_until(lambda: "obligation.created" in types(), 20, "obligations")
    clocks = stack.incident(incident)["clocks"]
    long_one = max((c for c in clocks if c["due_at"]), key=lambda c: c["due_at"])
    stack.clock.shift(hours=23, minutes=30)
    wait_until(lambda: "obligation.warning" in types(), 20, "a warning")
    stack.clock.shift(hours=2)
    wait_until(lambda: "obligation.overdue" in types(), 20, "overdue")
    assert types().count("obligation.overdue") == len(
        {c["obligation_id"] for c in stack.incident(incident)["clocks"] if c["state"] == "overdue"})
    stack.act(incident, "filed", "ACME", obligation_id=long_one["obligation_id"], filed_reference="沪网信〔2026〕17 号")
    shown = stack.incident(incident, until=lambda b: any(
        c["obligation_id"] == long_one["obligation_id"] and c["state"].startswith("satisfied") for c in b["clocks"]))
    assert shown["level"] == "major"


def test_a_refuted_report_stops_its_clocks_and_stays(stack):
    incident = stack.report("ACME", summary="客户数据泄露")["incident_id"]
    wait_until(lambda: steps(stack, incident), 20, "escalated")
    stack.act(incident, "refuted", "PARK", reason="误报:测试数据")
    shown = stack.incident(incident, until=lambda b: b["state"] == "refuted")
    assert shown["timeline"]
    before = len(raised(stack, incident))
    stack.clock.shift(hours=48)
    other = stack.report("BETA", summary="核心数据库异常")["incident_id"]
    wait_until(lambda: steps(stack, other) == {1}, 20, "another goes on")
    stack.clock.shift(hours=3)
    wait_until(lambda: 2 in steps(stack, other), 20, "the clocks moved")
    assert len(raised(stack, incident)) == before
    assert not [c for c in stack.incident(incident)["clocks"] if c["state"] in ("running", "warned", "overdue")]


def test_illegal_steps_are_refused_and_said(stack):
    incident = stack.report("SHOP", summary="一台电脑中毒")["incident_id"]
    stack.incident(incident, until=lambda b: b["state"] == "reported")
    stack.act(incident, "reviewed", "PARK")
    def refusal():
        rows = stack.database.rows("SELECT body FROM analytics.timeline WHERE incident_id = %s"
                                   " AND type = 'escalation.state' AND (body->>'applied') = 'false'", incident)
        return rows and rows[0]["body"]["refused_why"]
    assert wait_until(refusal, 20, "the refusal")
    assert stack.incident(incident)["state"] == "reported"
