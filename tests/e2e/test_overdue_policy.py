"""Overdue without touching the clock: a policy whose limits are seconds, as a park may write its own."""
import json
import shutil

import pytest

from servers import ROOT


def in_seconds(node):
    """The policy with every time limit cut down to seconds."""
    if isinstance(node, list):
        return [in_seconds(n) for n in node]
    if not isinstance(node, dict):
        return node
    limits = {"acknowledge_within_s": 2, "within_s": 4, "warn_before_s": 2, "ungraded_after_s": 60,
              "undelivered_after_s": 60}
    return {k: limits.get(k, in_seconds(v)) for k, v in node.items()}


@pytest.fixture(scope="module")
def stack(make_stack, workspace):
    folder = workspace.dir / "policy"
    shutil.copytree(ROOT / "deploy/policy", folder)
    for path in [folder / "chains.json", *folder.glob("obligations/*.json")]:
        path.write_text(json.dumps(in_seconds(json.loads(path.read_text("utf-8"))), ensure_ascii=False), "utf-8")
    return make_stack(policy=folder)


def roles(incident):
    return [e["role"] for e in sorted(incident["escalations"], key=lambda e: (e["raised_at"], e["step"]))]


def test_silence_climbs_and_an_acknowledgement_stops_it(stack):
    answered = stack.report("SHOP", summary="一台办公电脑中毒", discovered_at=stack.time())["incident_id"]
    silent = stack.report("SHOP", summary="另一台办公电脑中毒", discovered_at=stack.time())["incident_id"]
    stack.incident(answered, until=lambda i: roles(i) == ["dept_head"])
    stack.act(answered, "acknowledged", code="SHOP")
    acknowledged = stack.incident(answered, until=lambda i: i["escalations"][0]["acknowledged_at"])
    # The silent one goes all the way: its head of department, its IT, then the park's duty officer.
    climbed = stack.incident(silent, until=lambda i: "duty_officer" in roles(i), deadline_s=30)
    assert roles(climbed)[:3] == ["dept_head", "it", "duty_officer"]
    assert [e["scope"] for e in climbed["escalations"][:2]] == ["enterprise", "enterprise"]
    # The other one was reported before it, and yet nobody else was called.
    assert roles(stack.incident(answered)) == ["dept_head"]
    assert acknowledged["escalations"][0]["acknowledged_by"]


def test_clock_warns_then_is_overdue_unless_it_is_met(stack):
    met = stack.report("BETA", summary="一台办公电脑中毒", discovered_at=stack.time())["incident_id"]
    late = stack.report("BETA", summary="又一台办公电脑中毒", discovered_at=stack.time())["incident_id"]
    stack.incident(met, until=lambda i: i["escalations"])
    stack.act(met, "acknowledged", code="BETA")

    def triage(incident):
        return next((c["state"] for c in incident["clocks"] if c["duty"] == "triage-1h"), None)
    shown = stack.incident(late, until=lambda i: triage(i) == "overdue", deadline_s=30)
    types = [t["type"] for t in shown["timeline"]]
    assert types.count("obligation.warning") >= 1
    assert types.count("obligation.overdue") >= 1
    assert triage(stack.incident(met)) == "satisfied"
