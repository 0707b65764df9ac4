"""The crash story ten times in a row on one system."""
import pytest

from crash import check, flow_and_kill


@pytest.mark.parametrize("round_number", range(10))
def test_the_crash_story_again_and_again(stack, round_number):
    check(stack, flow_and_kill(stack, 1000))
