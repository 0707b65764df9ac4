"""The escalator under what takes more than its share of time."""
from test_escalator import alone, bus, race  # noqa: F401 (fixtures)


def test_hard_case_12_with_ten_thousand_incidents(alone):  # noqa: F811
    race(alone, 10000)
