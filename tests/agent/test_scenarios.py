from pathlib import Path

import pytest

from tests.conversation import play, read, scenarios

FOLDER = Path(__file__).parent.parent / "scenarios"


@pytest.mark.parametrize("path", scenarios(FOLDER), ids=lambda path: path.stem)
def test_conversation(path):
    _, wrong = play(read(path))
    assert wrong == []


def test_a_wrong_expectation_is_noticed():
    _, wrong = play({"steps": [{"child": "yes", "robot": {"strategy": "CLOSE"}}]})
    assert len(wrong) == 1
    assert "strategy is 'ELICIT_PRIOR'" in wrong[0]
