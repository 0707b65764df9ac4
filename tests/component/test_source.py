"""The source, killed between any two of its steps: send, ack, answer. The client repeats its POST under the same key."""
import pytest
import requests

from servers import wait_until


@pytest.fixture(scope="module")
def intake(stack):
    """The other services rest: this is about what is accepted."""
    for name in ("classifier", "escalator", "notifier", "archiver"):
        stack.services[name].stop()
    return stack.services["intake"]


def try_report(stack, key):
    """The incident id of a 202, or None when the service died on the way."""
    try:
        return stack.report("ACME", idempotency_key=key, discovered_at="2026-11-22T03:00:00+08:00")["incident_id"]
    except requests.RequestException:
        return None


@pytest.mark.parametrize("step", ["producer.sent", "producer.acked"])
def test_the_source_killed_after_each_step(stack, intake, step):
    intake.stop()
    intake.failpoints(f"{step}=kill")
    intake.start()
    key = f"killed at {step}"
    assert try_report(stack, key) is None, "the first POST has no answer"
    intake.died()
    intake.failpoints(None)
    intake.start()
    incident = wait_until(lambda: try_report(stack, key), 20, "a 202")
    assert try_report(stack, key) == incident, "the same answer again"
    records = [r for r in stack.kafka.records("tongbao.report.v1") if r.key == incident]
    assert records and len({r.id for r in records}) == 1, "one event, whatever the number of records"
    assert len({r.value for r in records}) == 1, "with the same bytes"
