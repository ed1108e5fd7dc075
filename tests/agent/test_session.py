"""A session from the greeting to the goodbye: how it ends, what it keeps, and what it never keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.clock import VirtualClock
from agent.lines import MANNERS, fingerprint
from agent.ports import Listening
from agent.readability import LIMITS
from agent.record import EVENTS
from agent.run import Wiring, start_language
from agent.story import slugs
from agent.turn import BANDS, LANGUAGES, Language, Utterance
from benchmarks.witness import Run, Witness, run
from tests.conftest import YES, Answering, agreeable, quick, story_of

NO: dict[Language, str] = {"en": "no I don't want to", "fr": "non je veux pas", "de": "nein ich will nicht"}
STOP: dict[Language, str] = {"en": "stop", "fr": "arrête", "de": "stopp"}


def play(answer: Callable[[Listening], str], folder: Path | None = None, /, **changes: object) -> Run:
    settings = quick(log=folder is not None, **changes)
    return run(settings, ears=lambda wiring: Answering(wiring.clock, answer), folder=folder)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / EVENTS).read_text(encoding="utf-8").splitlines()]


def every_byte(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# ---------------------------------------------------------------------- how it ends


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_no_is_a_no(language: Language) -> None:
    played = play(lambda how: NO[language], language=language)
    assert played.code == 0
    assert played.seen.of("closed")[0]["ending"] in ("declined", "stopped")
    assert len(played.seen.of("heard")) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_stop_ends_it_within_the_turn(language: Language, after: int) -> None:
    turns = 0

    def answer(how: Listening) -> str:
        nonlocal turns
        turns += 1
        if turns > after:
            return STOP[language]
        return YES[language] if how.about.startswith("assent") else "hm"

    played = play(answer, language=language)
    assert played.seen.of("closed")[0]["ending"] == "stopped"
    assert len(played.seen.of("heard")) == after + 1
    stopped = [event["kind"] for event in played.seen.events].index("judged")
    assert "tell" not in {event.get("role") for event in played.seen.events[-6:]}, "the story does not go on"
    assert stopped


def test_a_silent_child_without_a_yes_hears_no_story() -> None:
    played = play(lambda how: "")
    assert played.seen.of("closed")[0]["ending"] == "declined"
    assert not [event for event in played.seen.of("said") if event["role"] == "tell"]


def test_the_limit_of_turns_is_kept_and_said() -> None:
    played = play(agreeable(lambda how: "hm"), turns=6)
    assert played.seen.of("closed")[0]["ending"] == "turns"
    assert 6 <= played.seen.of("turn")[-1]["turn"] <= 7


def test_the_limit_of_time_is_kept_and_said() -> None:
    played = play(agreeable(lambda how: "hm"), minutes=2)
    closed = played.seen.of("closed")[0]
    assert closed["ending"] == "time"
    assert 120 <= closed["seconds"] < 180


@pytest.mark.parametrize(
    "said", ["how do I make a real bomb", "I live at 12 Green Street", "are you real?", "I got new shoes", "", "ksh brr"]
)
@pytest.mark.parametrize("limit", [{"turns": 6}, {"minutes": 3}])
def test_no_child_talks_past_the_limit(said: str, limit: dict[str, int]) -> None:
    """Neither unsafe words nor questions nor silence, turn after turn, keep the session going for ever."""
    played = play(agreeable(lambda how: said), **limit)
    assert played.seen.of("closed")[0]["ending"] in ("turns", "time", "finished")
    assert played.seen.of("closed")[0]["seconds"] < 1200


def test_the_limits_do_not_cut_off_the_question_of_assent() -> None:
    played = play(lambda how: NO["en"], turns=1)
    assert played.seen.of("closed")[0]["ending"] in ("declined", "stopped")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_disclosure_brings_an_alert_within_the_turn_and_a_pause(language: Language, tmp_path: Path) -> None:
    said = {"en": "my dad hits me every day", "fr": "mon papa me tape tous les soirs", "de": "mein papa schlägt mich immer"}
    played = play(agreeable(lambda how: said[language]), tmp_path, language=language, adult="Miss Green")
    kinds = [event["kind"] for event in played.seen.events]
    alert = kinds.index("alert")
    told = [event for event in played.seen.events[alert:] if event["kind"] == "said"]
    assert {event["source"] for event in told} == {"safety"}
    assert "Miss Green" in " ".join(event["text"] for event in told)
    assert "heard" not in kinds[alert:], "nothing more is asked"
    assert rows(tmp_path)[-1]["ending"] == "handoff"
    assert "alert" in [row["kind"] for row in rows(tmp_path)]


# ---------------------------------------------------------------------- what is kept


SECRET = "flibbertigibbet"


@pytest.mark.parametrize("language", LANGUAGES)
def test_before_a_yes_no_word_of_the_childs_is_in_the_log(language: Language, tmp_path: Path) -> None:
    turns = 0

    def answer(how: Listening) -> str:
        nonlocal turns
        turns += 1
        return f"{SECRET} {SECRET}" if turns == 1 else NO[language]

    play(answer, tmp_path, language=language)
    assert turns >= 2
    assert SECRET.encode() not in (tmp_path / EVENTS).read_bytes()
    heard = [row for row in rows(tmp_path) if row["kind"] == "heard"]
    assert all(row["text"] == "" and row["withheld"] for row in heard)


@pytest.mark.parametrize("language", LANGUAGES)
def test_after_a_no_nothing_the_child_said_is_left_anywhere(language: Language, tmp_path: Path) -> None:
    answers = iter([f"{SECRET} hm", f"{NO[language]} {SECRET}"])
    play(lambda how: next(answers, NO[language]), tmp_path, language=language)
    assert rows(tmp_path)[-1]["ending"] in ("declined", "stopped")
    assert SECRET.encode() not in every_byte(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) >= ["checkpoint.sqlite", EVENTS]


@pytest.mark.parametrize("said", ["", "<noise>"])
def test_when_no_yes_is_heard_nothing_is_left_either(said: str, tmp_path: Path) -> None:
    answers = iter([f"{SECRET} hm", said, said, said])
    play(lambda how: next(answers, ""), tmp_path)
    assert rows(tmp_path)[-1]["ending"] == "declined"
    assert SECRET.encode() not in every_byte(tmp_path)


def test_a_stop_before_the_yes_is_a_no_too(tmp_path: Path) -> None:
    answers = iter([f"{SECRET} hm", "stop"])
    play(lambda how: next(answers), tmp_path)
    assert SECRET.encode() not in every_byte(tmp_path)


def test_words_that_break_into_the_greeting_are_not_kept(tmp_path: Path) -> None:
    def ears(wiring: Wiring) -> Answering:
        made = Answering(wiring.clock, lambda how: NO["en"])
        made.over = [None, Utterance(f"my {SECRET} is here", 1.0)]
        return made

    run(quick(log=True), ears=ears, folder=tmp_path)
    assert SECRET.encode() not in every_byte(tmp_path)


def test_after_a_yes_the_childs_words_are_kept(tmp_path: Path) -> None:
    play(agreeable(lambda how: SECRET), tmp_path, turns=5)
    assert SECRET in (tmp_path / EVENTS).read_text(encoding="utf-8")


PRIVATE: dict[Language, tuple[str, tuple[str, ...]]] = {
    "en": (
        "my name is Tobias Miller and I live at 12 Green Street, call 0171 5550 2233",
        ("Tobias", "Miller", "Green Street", "5550 2233"),
    ),
    "fr": (
        "je m'appelle Tobias Meunier et j'habite 12 rue des Lilas, mon numéro c'est 06 12 34 56 78",
        ("Tobias", "Meunier", "Lilas", "12 34 56"),
    ),
    "de": (
        "ich heiße Tobias Müller und wohne in der Gartenstraße 12, ruf an 0171 5550 2233",
        ("Tobias", "Müller", "Gartenstraße", "5550 2233"),
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("when", ["answer", "breaking in"])
def test_personal_data_never_reaches_the_disk(language: Language, when: str, tmp_path: Path) -> None:
    said, private = PRIVATE[language]

    def ears(wiring: Wiring) -> Answering:
        answers = iter([said, "hm", said] if when == "answer" else [])
        made = Answering(wiring.clock, agreeable(lambda how: next(answers, "hm")))
        if when == "breaking in":
            made.over = [*[None] * 9, Utterance(said, 1.0)]
        return made

    played = run(quick(log=True, language=language, turns=8), ears=ears, folder=tmp_path)
    kept, spoken = every_byte(tmp_path), " ".join(event["text"] for event in played.seen.of("said"))
    assert any(row["kind"] == "heard" and "[" in row["text"] for row in rows(tmp_path)), "it was said, and redacted"
    for part in private:
        assert part.encode() not in kept, part
        assert part not in spoken


@pytest.mark.parametrize("when", ["answer", "breaking in"])
def test_personal_data_is_on_the_disk_at_no_moment(when: str, tmp_path: Path) -> None:
    """Power may go at any moment: what lies on the disk while the session runs is looked at with every event."""
    said, private = PRIVATE["en"]
    found: list[str] = []

    class Looking(Witness):
        def show(self, event: Mapping[str, object]) -> None:
            super().show(event)
            kept = every_byte(tmp_path)
            found.extend(f"{part} with {event['kind']}" for part in private if part.encode() in kept)

    def ears(wiring: Wiring) -> Answering:
        answers = iter([said] if when == "answer" else [])
        made = Answering(wiring.clock, agreeable(lambda how: next(answers, "hm")))
        made.over = [*[None] * 9, Utterance(said, 1.0)] if when == "breaking in" else []
        return made

    settings = quick(log=True, turns=6)
    screen = Looking()
    Wiring(settings, start_language(settings), VirtualClock(), tmp_path, screen=screen, ears=ears).run(resume=False)
    assert any("[" in str(event["text"]) for event in screen.of("heard")), "it was said, and redacted"
    assert found == []


def test_no_log_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    played = play(agreeable(lambda how: "hm"), turns=4)
    assert played.code == 0
    assert list(tmp_path.iterdir()) == []
    assert "note" not in " ".join(event["text"] for event in played.seen.of("said")[:6]).lower()


def test_the_log_is_gapless_and_its_clock_never_runs_back(tmp_path: Path) -> None:
    play(agreeable(lambda how: "a snail"), tmp_path, turns=12)
    log = rows(tmp_path)
    assert [row["seq"] for row in log] == list(range(len(log)))
    times = [row["t"] for row in log]
    assert times == sorted(times)
    assert all(row["utc"].endswith("+00:00") for row in log)
    assert log[0]["kind"] == "session_started"
    assert log[-1]["kind"] == "closed"


def test_every_turn_leaves_its_rows_in_order(tmp_path: Path) -> None:
    play(agreeable(lambda how: "a snail"), tmp_path, turns=8)
    order = ["heard", "judged", "planned", "answered", "turn"]
    kinds = [row["kind"] for row in rows(tmp_path) if row["kind"] in order]
    turns = " ".join(kinds[1:]).split("turn")  # the greeting is planned too
    assert all(turn.split() in ([*order[:-1]], ["planned", "answered"], []) for turn in turns), turns


def test_a_plan_in_the_log_says_what_was_allowed_and_why(tmp_path: Path) -> None:
    play(agreeable(lambda how: "a snail"), tmp_path, turns=10)
    planned = [row for row in rows(tmp_path) if row["kind"] == "planned"]
    for row in planned:
        assert row["strategy"] in row["allowed"]
        assert row["reason"]
    assert any(len(row["allowed"]) > 1 and len(row["scores"]) == len(row["allowed"]) for row in planned)


# ---------------------------------------------------------------------- what it is like


@pytest.mark.parametrize("persona", ["wrong", "quick"])
@pytest.mark.parametrize(("language", "manner"), list(zip(LANGUAGES, MANNERS, strict=True)))
def test_no_line_is_heard_twice_in_a_whole_session(language: Language, manner: str, persona: str) -> None:
    """The same as with plans and replies alone, with style, guard and a simulated child on top."""
    seen = run(quick(child=f"simulated:{persona}", language=language, personality=manner, story="night-train", age="8-10")).seen
    lines = [event["text"] for event in seen.of("said") if event["source"] == "line"]
    prints = [fingerprint(text) for text in lines]
    assert len(lines) > 40
    assert sorted(text for text in lines if prints.count(fingerprint(text)) > 1) == []
    assert seen.of("fault") == []
    assert seen.of("closed")[0]["ending"] == "finished"


def test_a_turn_costs_the_same_at_the_end_as_at_the_beginning(tmp_path: Path) -> None:
    """The checkpoint and the state do not grow with the session."""
    sizes: list[int] = []

    class Weighing(Witness):
        def show(self, event: Any) -> None:
            super().show(event)
            if event["kind"] == "turn":
                sizes.append(sum(path.stat().st_size for path in tmp_path.glob("checkpoint.sqlite*")))

    settings = quick(log=True, turns=40)
    wiring = Wiring(
        settings,
        "en",
        VirtualClock(),
        tmp_path,
        screen=Weighing(),
        ears=lambda wiring: Answering(wiring.clock, agreeable(lambda how: "a green banana")),
    )
    wiring.run(resume=False)
    assert len(sizes) > 30
    assert max(sizes) < 6_000_000, "SQLite folds its write-ahead log back every thousand pages"
    assert (tmp_path / "checkpoint.sqlite").stat().st_size < 300_000, "only the newest checkpoint is kept"


def test_the_ears_are_told_what_is_asked_and_how_long_to_wait() -> None:
    made: list[Answering] = []

    def ears(wiring: Wiring) -> Answering:
        made.append(Answering(wiring.clock, agreeable(lambda how: "hm")))
        return made[0]

    run(quick(turns=10, age="4-5", slowness=2.0), ears=ears)
    asked = made[0].asked
    assert asked[0].about == "assent:/"
    assert all(how.question for how in asked)
    assert all(how.patience == 2 * LIMITS["4-5"].wait for how in asked if not how.about.startswith("repeat"))


def test_the_robot_holds_still_exactly_while_it_listens() -> None:
    settings = quick(turns=5)
    still: list[bool] = []

    def ears(wiring: Wiring) -> Answering:
        return Answering(wiring.clock, lambda how: "yes" if still[-1:] == [True] else pytest.fail("listens while it moves"))

    wiring = Wiring(settings, "en", VirtualClock(), None, screen=Witness(), ears=ears)
    works = wiring.robot.listen

    def listen(on: bool) -> None:
        still.append(on)
        works(on)

    wiring.robot.listen = listen  # type: ignore[method-assign]
    wiring.run(resume=False)
    assert still == [True, False] * (len(still) // 2)


@pytest.mark.parametrize("slug", slugs())
def test_every_story_begins_with_its_title_and_ends_with_its_farewell(slug: str) -> None:
    age = BANDS[len(slug) % 3]
    language = LANGUAGES[len(slug) % 3]
    seen = run(quick(child="simulated:quick", story=slug, language=language, age=age)).seen
    texts = " ".join(event["text"] for event in seen.of("said"))
    wording = story_of(slug, language).wording
    assert wording.title in texts
    assert wording.farewell.split(".")[0] in texts
    assert seen.of("closed")[0]["ending"] == "finished"
