import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import learner

knowledge = st.dictionaries(st.sampled_from("abc"), st.floats(0.01, 0.99), max_size=3)


@given(knowledge, st.sampled_from([1, 2, 3]))
def test_a_right_answer_raises_and_a_wrong_one_lowers_compared_with_it(known, difficulty):
    before = learner.known(known, "a")
    right = learner.updated(known, "a", difficulty, right=True)["a"]
    wrong = learner.updated(known, "a", difficulty, right=False)["a"]
    assert right > wrong
    assert right >= before
    assert 0 < wrong < 1


@given(knowledge)
def test_harder_questions_are_predicted_harder(known):
    chances = [learner.predicted(known, "a", difficulty) for difficulty in (1, 2, 3)]
    assert chances == sorted(chances, reverse=True)
    assert all(0 < chance < 1 for chance in chances)


def test_bayes_by_hand():
    # p=.5, difficulty 2: .5*.88 / (.5*.88 + .5*.28), then .12 of the rest is learned.
    posterior = 0.5 * 0.88 / (0.5 * 0.88 + 0.5 * 0.28)
    assert learner.updated({"a": 0.5}, "a", 2, right=True)["a"] == pytest.approx(posterior + (1 - posterior) * 0.12)


def test_a_new_concept_starts_between_the_prior_and_the_others():
    assert learner.PRIOR < learner.known({"a": 0.9}, "b") < 0.9


def test_other_concepts_are_left_alone():
    assert learner.updated({"a": 0.3, "b": 0.4}, "a", 1, right=True)["b"] == 0.4
