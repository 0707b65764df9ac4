"""Every service is killed in turn while 2 000 reports flow: nothing is lost, nothing happens twice."""
from crash import check, flow_and_kill


def test_each_service_is_killed_while_reports_flow(stack):
    accepted = flow_and_kill(stack, 2000)
    assert len(accepted) == 2000
    check(stack, accepted)
