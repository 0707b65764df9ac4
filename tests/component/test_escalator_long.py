"""The escalator under what takes more than its share of time."""
from test_escalator import SILENT_STEPS, alone, bus, race  # noqa: F401 (fixtures)


def test_hard_case_12_with_ten_thousand_incidents(alone):  # noqa: F811
    ended = race(alone, 10000)
    assert ended.refused == 0 and ended.late == [], "an acknowledgement counts, and nobody is called after it"
    assert ended.climbed == [SILENT_STEPS] * 5000, "who was silent: one step further, once"
    assert ended.waiting == 0, "no step waits that is acknowledged"
