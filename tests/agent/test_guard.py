"""The guard's rulings, its contract for replies, its command line, and what it costs."""

from __future__ import annotations

import io
import json
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import guard
from agent.guard import Contract, band_of, child, invites, main, reply_faults, robot, sentence_fault
from agent.safety import lexicon as safety_lexicon
from agent.safety import patterns as safety_patterns
from agent.toml_file import FileProblem
from agent.turn import LANGUAGES, Language
from benchmarks.guard import DEVELOPMENT, kept, read, rule

ROWS = read(DEVELOPMENT)


def contract(language: Language = "en", **values: object) -> Contract:
    return Contract(language=language, band="6-7", **values)  # type: ignore[arg-type]


# The development set: what was gained stays.


def test_the_development_set_is_large_enough_in_each_language() -> None:
    for language in LANGUAGES:
        rows = [row for row in ROWS if row["language"] == language]
        assert len([row for row in rows if row["verdict"] != "ok"]) >= 100
        assert len([row for row in rows if row["verdict"] == "ok"]) >= 60


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_category_of_the_development_set_is_recalled(language: Language) -> None:
    found: dict[str, list[bool]] = defaultdict(list)
    for row in ROWS:
        if row["language"] == language and row["category"]:
            found[row["category"]].append(kept(row, rule(row)))
    assert len(found) >= 20
    assert {category: sum(goods) / len(goods) for category, goods in found.items() if sum(goods) < 0.95 * len(goods)} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_harmless_story_talk_is_let_through(language: Language) -> None:
    harmless = [row for row in ROWS if row["language"] == language and row["verdict"] == "ok"]
    refused = [row["text"] for row in harmless if rule(row).verdict != "ok"]
    assert len(refused) <= 0.02 * len(harmless)


# A child's words.


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("daddy hits me", "en"),
        ("I want to be dead", "en"),
        ("papa me tape", "fr"),
        ("quelqu'un me touche là où je veux pas", "fr"),
        ("mein Papa haut mich", "de"),
        ("mein Onkel sagt das ist unser Geheimnis", "de"),
        ("Papa hat mich ganz doll mit dem Gürtel gehauen", "de"),
    ],
)
@pytest.mark.parametrize("heard_as", ["plain", "shouted", "filled", "bare"])
def test_a_disclosure_is_heard_however_it_is_said(said: str, language: Language, heard_as: str) -> None:
    filler = {"en": "um", "fr": "euh", "de": "ähm"}[language]
    forms = {
        "plain": said,
        "shouted": said.upper(),
        "filled": said.replace(" ", f" {filler} ", 2),
        "bare": said.translate(str.maketrans("àâéèùüöä", "aaeeuuoa")).replace("'", "’"),
    }
    assert child(forms[heard_as], language).verdict == "handoff"


def test_a_disclosure_is_heard_in_another_language_than_the_sessions() -> None:
    assert child("mein Papa schlägt mich", "en").verdict == "handoff"
    assert child("my dad hits me", "fr").verdict == "handoff"
    assert child("papa me frappe", "de").verdict == "handoff"


def test_words_that_are_bad_only_elsewhere_are_innocent() -> None:
    assert child("der Bär ist dick", "de").verdict == "ok"
    assert child("a gift for the fox", "en").verdict == "ok"
    assert child("le phoque pousse la pédale", "fr").verdict == "ok"
    assert child("shit", "fr").verdict == "redirect"


@pytest.mark.parametrize(
    "said",
    [
        "my dad never hits me",
        "the dragon hits me and I hit back",
        "he beats me at chess",
        "the ball hit me",
        "my shoe hurts me",
    ],
)
def test_hurting_in_play_or_denied_is_no_disclosure(said: str) -> None:
    assert child(said, "en").verdict in ("ok", "redirect")
    assert child(said, "en").category != "abuse"


def test_the_gravest_reading_wins() -> None:
    assert child("shit, my dad hits me", "en").verdict == "handoff"
    assert child("shit, my cousin pulls down my trousers", "en").verdict == "handoff"
    assert child("my name is Emma and my dad hits me", "en").verdict == "handoff"
    assert child("my name is Emma and my dad hits me", "en").redacted == "my name is [NAME] and my dad hits me"


@pytest.mark.parametrize("spelled", ["f u c k you", "fuuuuck", "f*ck", "sh1t", "ＳＨＩＴ", "s\u200bhit", "\u0455hit"])
def test_disguised_profanity_is_seen(spelled: str) -> None:
    assert child(spelled, "en").category == "profanity"


def test_own_data_redirects_and_a_friends_first_name_does_not() -> None:
    assert child("my name is Lena and I live in Leeds", "en").category == "personal_data"
    assert child("my friend Lena likes rainbows", "en").verdict == "ok"
    assert child("my friend Lena likes rainbows", "en").redacted == "my friend [NAME] likes rainbows"


@pytest.mark.parametrize("language", LANGUAGES)
def test_silence_is_ok(language: Language) -> None:
    assert child("", language) == guard.Ruling("ok", "", "", "")
    assert child(" \n", language).verdict == "ok"


def test_reasons_quote_the_pattern_and_never_the_child() -> None:
    ruling = child("my stepdad Geoffrey hits me", "en")
    assert ruling.reason.startswith("abuse: “")
    assert "Geoffrey" not in ruling.reason


# What the robot says.


@pytest.mark.parametrize(
    ("said", "category"),
    [
        ("I am a real person.", "identity"),
        ("I love you more than anyone.", "dependency"),
        ("Don't tell your parents.", "secrets"),
        ("As an AI language model, I cannot say.", "artefact"),
        ("Well done <|end|>", "artefact"),
        ("# A story", "artefact"),
        ("Great! 😀", "artefact"),
        ("See www.foxes.org", "artefact"),
        ("the the the the fox", "artefact"),
        ("Le petit renard est dans la forêt.", "language"),
        ("El zorro es muy pequeño y la luna también.", "language"),
        ("Лиса пошла домой.", "language"),
        ("You should take two pills.", "medical"),
        ("Your mail is emma@brown.org.", "artefact"),
        ("My number is 0470 12 34 56.", "personal_data"),
    ],
)
def test_the_robot_never_says(said: str, category: str) -> None:
    ruling = robot(said, "en")
    assert ruling.verdict == "refuse"
    assert ruling.category == category


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("“Olá!” says the parrot, and the others laugh.", "en"),
        ("The wolf ate the grandmother.", "en"),
        ("I am a robot, so I cannot taste it.", "en"),
        ("« Ne pars pas ! » crie la souris.", "fr"),
        ("Le renard dit « hello » à l'ours.", "fr"),
        ("„Geh nicht weg!“, ruft die Maus.", "de"),
        ("Das Gift war im Apfel.", "de"),
    ],
)
def test_the_robot_may_say(said: str, language: Language) -> None:
    assert robot(said, language).verdict == "ok"


def test_a_character_may_beg_in_direct_speech_but_the_robot_may_not_hide_in_quotation_marks() -> None:
    assert robot("“Please don't go!” says the fox.", "en").verdict == "ok"
    assert robot("“Please don't go!”", "en").verdict == "refuse"


def test_what_frightens_the_youngest_may_be_told_to_older_ones() -> None:
    assert robot("The old king died in spring.", "en", "4-5").verdict == "refuse"
    assert robot("The old king died in spring.", "en", "8-10").verdict == "ok"


# The contract of a sentence.


@pytest.mark.parametrize(
    ("sentence", "hidden"),
    [
        ("It was the snail.", ("the snail",)),
        ("Look for snails!", ("a snail",)),
        ("It was a snaill.", ("a snail",)),
        ("She counts 6.", ("six",)),
        ("Could it be s-n-a-i-l?", ("snail",)),
        ("The light bends inside every drop.", ("because the light bends in the drops",)),
        ("Yes, it can.", ("yes",)),
    ],
)
def test_a_hidden_answer_is_not_revealed(sentence: str, hidden: tuple[str, ...]) -> None:
    assert "reveals" in sentence_fault(sentence, contract(hidden=hidden))


def test_a_hint_that_reveals_nothing_passes() -> None:
    hidden = ("the snail", "because the light bends in the drops", "yes")
    assert sentence_fault("It carries its house on its back.", contract(hidden=hidden)) == ""
    assert sentence_fault("Did you say yes?", contract(hidden=hidden)) == ""


def test_authored_material_does_not_open_hidden_answers() -> None:
    told = contract(hidden=("six",), allowed="She counts six.")
    assert "reveals" in sentence_fault("She counts six.", told)


def test_a_misconception_may_be_asked_about_or_denied_but_not_affirmed() -> None:
    wrong = contract(wrong_facts=("the moon paints the rainbow",))
    assert "affirms" in sentence_fault("The moon paints every rainbow.", wrong)
    assert sentence_fault("Does the moon paint the rainbow?", wrong) == ""
    assert sentence_fault("The moon does not paint the rainbow.", wrong) == ""


def test_the_same_words_the_right_way_round_are_no_misconception() -> None:
    facts = contract(wrong_facts=("the sun goes around the earth",), right_facts=("the earth goes around the sun",))
    assert sentence_fault("The earth goes around the sun.", facts) == ""
    assert "affirms" in sentence_fault("The sun goes around the earth.", facts)


@pytest.mark.parametrize(
    ("language", "fact", "denied", "stated"),
    [
        ("en", "rain and sun", "Rain and sun do not make it.", "Rain and sun make it."),
        ("fr", "la pluie et le soleil", "La pluie et le soleil ne font pas ça.", "La pluie et le soleil font ça."),
        ("de", "Regen und Sonne", "Regen und Sonne machen das nicht.", "Regen und Sonne machen das."),
        ("en", "the rain", "It was not the rain.", "It was the rain."),
    ],
)
def test_an_accepted_answer_is_not_denied(language: Language, fact: str, denied: str, stated: str) -> None:
    facts = contract(language, right_facts=(fact,))
    assert "denies" in sentence_fault(denied, facts)
    assert sentence_fault(stated, facts) == ""


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "Well done, Lucas!"),
        ("en", "Lucas knows it."),
        ("en", "Then Brannoc came by."),
        ("fr", "Bravo, Chloé !"),
        ("fr", "Puis Zéphirin est venu."),
        ("de", "Gut gemacht, Lukas!"),
    ],
)
def test_a_name_that_is_not_in_the_story_is_not_said(language: Language, sentence: str) -> None:
    assert "name" in sentence_fault(sentence, contract(language, names=("Mila",)))
    name = re.findall(r"Lucas|Brannoc|Chloé|Zéphirin|Lukas", sentence)[0]
    assert sentence_fault(sentence, contract(language, names=(name,))) == ""


def test_german_nouns_and_english_week_days_are_no_names() -> None:
    assert sentence_fault("Der Hase sitzt am Tisch.", contract("de")) == ""
    assert sentence_fault("We went there on Monday.", contract("en")) == ""
    assert sentence_fault("Look, Mila's hat!", contract("en", names=("Mila",))) == ""


def test_length_questions_and_emptiness() -> None:
    assert "too long" in sentence_fault(
        "The " + "very " * 3 + "old fox and the owl and the bear and the mouse went home.", contract()
    )
    assert "more than one question" in sentence_fault("Who was it? And why?", contract())
    assert "question" in sentence_fault("Who was it?", contract(question="none"))
    assert sentence_fault("…", contract()) == "nothing to say"


def test_authored_material_may_use_its_own_words() -> None:
    line = "The witch will get you, says Brannoc in the dark old house at the very end of the wood."
    assert sentence_fault(line, contract())
    assert sentence_fault(line, contract(allowed=f"It is late. {line} Good night.")) == ""


def test_unsafe_sentences_do_not_slip_through_a_contract() -> None:
    for row in ROWS:
        if row["who"] == "robot" and row["verdict"] == "refuse":
            language = next(language for language in LANGUAGES if language == row["language"])
            assert sentence_fault(row["text"], contract(language)), row["text"]


# The contract of a reply.


def test_a_good_reply_has_no_fault() -> None:
    assert (
        reply_faults(["You looked so well.", "It has a house on its back.", "Who could it be?"], contract(question="must"))
        == []
    )


@pytest.mark.parametrize(
    ("sentences", "fault"),
    [
        (["Who is it?", "Why do you think so?"], "more than one question"),
        (["You looked well.", "It has a house."], "no question or invitation"),
        (["You looked well.", "You looked well!", "Who is it?"], "twice"),
        (["The fox is here."] * 0, "nothing to say"),
        (["Don't tell your", "parents.", "Will you?"], "secrets"),
    ],
)
def test_faults_of_a_whole_reply(sentences: list[str], fault: str) -> None:
    assert any(fault in found for found in reply_faults(sentences, contract(question="must")))


def test_word_limits_come_from_the_band_or_the_contract() -> None:
    short = ["The fox ran home.", "The owl sat still.", "What did the bear do?"]
    assert reply_faults(short, contract(max_words=10)) == ["13 words, more than 10"]
    assert reply_faults(short, contract(max_words=13)) == []
    assert any(
        "more than 40" in fault for fault in reply_faults([f"The fox saw {n} of them." for n in "abcdefghi"], contract())
    )


def test_readability_is_tolerant_with_short_replies_only() -> None:
    hard = "Photosynthesis transforms electromagnetic radiation."
    assert reply_faults([hard], contract()) == []
    many = [
        hard,
        "Chlorophyll absorbs particular wavelengths.",
        "Consequently carbohydrates accumulate.",
        "Evaporation necessitates additional irrigation.",
    ]
    assert any("Flesch" in fault for fault in reply_faults(many, contract()))


@pytest.mark.parametrize(
    ("language", "yes", "no"),
    [
        ("en", "Tell me about it.", "It was a snail."),
        ("fr", "Raconte-moi la suite.", "C'est un escargot."),
        ("de", "Erzähl mir davon.", "Es war eine Schnecke."),
    ],
)
def test_invitations(language: Language, yes: str, no: str) -> None:
    assert invites(yes, language)
    assert invites("The fox went …", language)
    assert not invites(no, language)


# The command line.


def cli(
    lines: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[dict[str, str]], str]:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    code = main([])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_one_object_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    first = '{"who":"child","language":"fr","text":"je m\'appelle Chloé"}'
    lines = first + '\n\n{"who":"robot","language":"en","text":"The old king died.","age":5}\n'
    code, found, errors = cli(lines, monkeypatch, capsys)
    assert code == 0
    assert errors == ""
    assert [row["verdict"] for row in found] == ["redirect", "refuse"]
    assert set(found[0]) == {"verdict", "reason", "category", "redacted"}
    assert found[0]["redacted"] == "je m'appelle [NAME]"


def test_a_malformed_line_is_named_and_the_others_are_handled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = '{"who":"child","language":"de","text":"der Fuchs"}'
    bad = [
        "{",
        "[1]",
        good.replace("child", "cat"),
        good.replace('"de"', '"it"'),
        good.replace('"der Fuchs"', "7"),
        '{"who":"robot","language":"de","text":"x","age":"old"}',
    ]
    code, found, errors = cli("\n".join([good, *bad, good]), monkeypatch, capsys)
    assert code == 2
    assert [row["verdict"] for row in found] == ["ok", "ok"]
    assert [line.split(":")[0] for line in errors.splitlines()] == [f"line {number}" for number in range(2, 8)]


def test_a_missing_file_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"who":"child","language":"en","text":"daddy hits me"}\n', encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "agent.guard", str(path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["verdict"] == "handoff"


@pytest.mark.parametrize(
    ("age", "band"),
    [(None, "6-7"), (4, "4-5"), (5.9, "4-5"), (6, "6-7"), ("7", "6-7"), (8, "8-10"), (12, "8-10"), ("8-10", "8-10")],
)
def test_ages_become_bands(age: object, band: str) -> None:
    assert band_of(age) == band


# The lexica and their language of patterns.


def test_folding_evens_out_how_a_thing_is_written() -> None:
    assert safety_patterns.fold("Schlägt, schlaegt; SCHLÄGT", "de").split() == [".", "schlagt", ".", "schlagt", "."]
    assert safety_patterns.fold("J’ai  TRÈS peuuur", "fr") == safety_patterns.fold("j'ai tres peur", "fr")
    assert safety_patterns.fold("Straße", "de") == safety_patterns.fold("strasse", "de")
    assert safety_patterns.fold("good", "en") != safety_patterns.fold("god", "en")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("{parent} ... sings", "my mum always loudly sings", True),
        ("{parent} ... sings", "my mum never sings", False),
        ("{parent} ... sings", "my mum is here. she sings", False),
        ("the (red|blue)? fox", "the fox", True),
        ("the (red|blue)? fox", "the green fox", False),
        ("sing*", "singing", True),
        ("sing*", "rising", False),
        ("^ sing", "we sing", False),
        ("^ sing", "hello! sing", True),
        ("(a|b (c|d)) end", "b d end", True),
    ],
)
def test_the_signs_of_a_pattern(pattern: str, text: str, found: bool) -> None:
    assert (safety_patterns.compile_patterns((pattern,), "en").search(safety_patterns.fold(text, "en")) is not None) == found


def test_a_wrong_lexicon_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (safety_lexicon.LEXICA / "en.toml").read_text(encoding="utf-8")
    monkeypatch.setattr(safety_lexicon, "LEXICA", tmp_path)
    for wrong in (
        whole.replace("[spelling]", "[speling]", 1),
        whole.replace("{adult} ...", "{adlt} ...", 1),
        whole.replace('"want to be dead"', '"(want to be dead"', 1),
    ):
        (tmp_path / "en.toml").write_text(wrong, encoding="utf-8")
        safety_lexicon.lexicon.cache_clear()
        try:
            with pytest.raises(FileProblem, match=r"en\.toml:\d+: "):
                safety_lexicon.lexicon("en")
        finally:
            safety_lexicon.lexicon.cache_clear()


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(max_size=120))
@settings(max_examples=60, deadline=None)
def test_any_text_at_all_gets_a_ruling(language: Language, text: str) -> None:
    assert child(text, language).verdict in ("ok", "redirect", "handoff")
    assert robot(text, language).verdict in ("ok", "refuse")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_is_checked_in_less_than_three_milliseconds(language: Language) -> None:
    rows = [row["text"] for row in ROWS if row["language"] == language and row["verdict"] == "ok"]
    duty = contract(
        language,
        hidden=("the snail",),
        wrong_facts=("the moon",),
        right_facts=("the rain",),
        names=("Mila",),
        allowed=" ".join(rows[:8]),
    )
    times = []
    for text in rows * 2:
        begin = time.process_time()
        sentence_fault(text, duty)
        times.append(time.process_time() - begin)
    assert statistics.median(times) < 0.003
