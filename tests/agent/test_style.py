"""Style realisation: what may change, what never does, and that a level can be heard."""

from __future__ import annotations

import difflib
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.story import load, slugs, split_mark
from agent.style.measure import FEATURES, LISTS, index, markers
from agent.style.styling import Role, Stylist
from agent.style.text import count_words, split, tokens, typography
from agent.style.words import lexicon
from agent.toml_file import FileProblem
from agent.turn import LANGUAGES, Language

SENTENCES = Path(__file__).parent / "style_sentences"
LEVELS = range(1, 10)
NARROW = "\u202f"


@cache
def sentences(language: Language) -> list[tuple[Role, str]]:
    """200 neutral sentences, each with what it does."""
    found: list[tuple[Role, str]] = []
    for line in (SENTENCES / f"{language}.txt").read_text(encoding="utf-8").splitlines():
        role, _, text = line.partition("|")
        found.append((next(known for known in get_args(Role) if known == role), text))
    return found


@cache
def session(language: Language, level: int, seed: int = 0) -> list[str]:
    stylist = Stylist(seed)
    return [stylist.realise(text, language, level, role=role) for role, text in sentences(language)]


def rank_correlation(values: list[float]) -> float:
    ranks = np.argsort(np.argsort(values))
    return float(np.corrcoef(np.arange(len(values)), ranks)[0, 1])


anything = st.sampled_from([(language, role, text) for language in LANGUAGES for role, text in sentences(language)])


# What never changes


@given(anything, st.sampled_from(LEVELS), st.integers(0, 50), st.sampled_from(get_args(Role)))
@settings(max_examples=400, deadline=None)
def test_facts_stay_in_their_order(given_: tuple[Language, Role, str], level: int, seed: int, role: Role) -> None:
    """Only words of the closed lists come or go; everything else stays, in order: content, names, numbers, negations."""
    language, _, text = given_
    said = Stylist(seed).realise(text, language, level, role=role)
    closed = lexicon(language).closed
    before, after = tokens(text), tokens(said)
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            assert {*before[i:j], *after[k:m]} <= closed, (text, said)
    assert [word for word in before if word not in closed] == [word for word in after if word not in closed]
    assert re.findall(r"\d+", text) == re.findall(r"\d+", said)
    assert markers(text, language)["negations"] * count_words(text) == pytest.approx(
        markers(said, language)["negations"] * count_words(said)
    )
    assert text.count("?") == said.count("?")
    assert said.rstrip().endswith("…") == text.endswith("…")


def test_the_closed_lists_hold_no_negation() -> None:
    for language in LANGUAGES:
        words = lexicon(language)
        assert not words.closed & {word for word in words.markers.negations if word.isalpha()}


@given(anything, st.sampled_from(LEVELS), st.integers(0, 50))
@settings(max_examples=300, deadline=None)
def test_twice_is_once(given_: tuple[Language, Role, str], level: int, seed: int) -> None:
    language, role, text = given_
    stylist = Stylist(seed)
    once = stylist.realise(text, language, level, role=role)
    assert stylist.realise(once, language, level, role=role) == once
    assert Stylist(seed).realise(text, language, level, role=role) == once


@given(anything, st.sampled_from(LEVELS), st.integers(1, 16), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_addition_exceeds_the_limit(given_: tuple[Language, Role, str], level: int, limit: int, tags: bool) -> None:
    language, role, text = given_
    said = Stylist(3).realise(text, language, level, role=role, limit=limit, tags=tags)
    longest = max(limit, max(count_words(sentence) for sentence in split(text)))
    assert all(count_words(sentence) <= longest for sentence in split(said))


@given(anything, st.integers(0, 50))
@settings(max_examples=100, deadline=None)
def test_the_middle_changes_typography_only(given_: tuple[Language, Role, str], seed: int) -> None:
    language, role, text = given_
    assert Stylist(seed).realise(text, language, 5, role=role) == typography(text, language)


@given(st.text(max_size=60), st.sampled_from(LANGUAGES), st.sampled_from(LEVELS))
@settings(max_examples=200, deadline=None)
def test_any_text_at_all_is_survived(text: str, language: Language, level: int) -> None:
    said = Stylist().realise(text, language, level)
    assert bool(tokens(said)) == bool(tokens(text))


@pytest.mark.parametrize("level", [0, 10, -3])
def test_there_is_no_other_level(level: int) -> None:
    with pytest.raises(ValueError, match="from 1"):
        Stylist().realise("Yes.", "en", level)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_true_statement_is_never_hedged(language: Language) -> None:
    """No maybe in a telling, none on a fact: neither at level 1 nor anywhere else."""
    words = lexicon(language)
    for level in LEVELS:
        for (role, text), said in zip(sentences(language), session(language, level), strict=True):
            statement = role == "tell" or not (text.endswith("?") or re.match(_start(words.grammar.invitations), text.lower()))
            if statement:
                assert markers(said, language)["tentatives"] == markers(text, language)["tentatives"], said
                assert markers(said, language)["choices"] == 0, said


def _start(phrases: tuple[str, ...]) -> str:
    return "(?:" + "|".join(map(re.escape, phrases)) + r")\b"


SOBER = [
    ("en", "Please tell a grown-up you trust."),
    ("en", "I am sorry that you are sad."),
    ("fr", "Parle à un adulte de confiance."),
    ("fr", "Je suis désolé que tu sois triste."),
    ("de", "Sprich mit einem Erwachsenen."),
    ("de", "Es tut mir leid, dass du traurig bist."),
]


@pytest.mark.parametrize(("language", "text"), SOBER)
def test_sober_sentences_are_left_alone(language: Language, text: str) -> None:
    assert {Stylist(seed).realise(text, language, level) for seed in range(20) for level in LEVELS} == {text}


QUOTED = [
    ("en", "“Wow! Look, it is big and he runs!” said the fox."),
    ("fr", "« Waouh ! C'est très grand et il court ! » dit le renard."),
    ("de", "„Wow! Das ist groß und er rennt!“, sagt der Fuchs."),
]


@pytest.mark.parametrize(("language", "text"), QUOTED)
def test_quotations_are_left_alone(language: Language, text: str) -> None:
    inside = re.search(r"[“„«].*[”“»]", text)
    assert inside
    for role in get_args(Role):
        for level in LEVELS:
            assert all(inside[0] in Stylist(seed).realise(text, language, level, role=role) for seed in range(5))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_stories_keep_their_facts_too(language: Language) -> None:
    closed, stylist, told = lexicon(language).closed, Stylist(7), 0
    for slug in slugs():
        try:
            story = load(slug, language)
        except FileProblem:  # a story that is being written; its own tests say so
            continue
        for text in [line for beat in story.beats for line in beat.words.tell["6-7"]][::3]:
            _, bare = split_mark(text)
            for level in (1, 9):
                said = stylist.realise(bare, language, level, role="tell")
                staying = [[word for word in tokens(one) if word not in closed] for one in (bare, said)]
                assert staying[0] == staying[1]
                assert stylist.realise(said, language, level, role="tell") == said
                told += 1
    assert told or not slugs()


def test_lines_of_dialogue_are_left_alone() -> None:
    for text in ("— Suivez-moi\u202f! cria Plim, et elle court.", "— Je suis si petite et je cours\u202f!"):
        assert {Stylist(seed).realise(text, "fr", level, role="tell") for seed in range(9) for level in LEVELS} <= {text}


def test_no_exclamation_after_a_report() -> None:
    for seed in range(30):
        assert Stylist(seed).realise("“It rains,” says Mila.", "en", 9, role="tell").endswith("Mila.")


# What changes


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_level_can_be_measured(language: Language, seed: int) -> None:
    values = [index(" ".join(session(language, level, seed)), language) for level in LEVELS]
    assert rank_correlation(values) >= 0.95
    assert values[8] - values[0] > 8
    assert abs(values[4]) < 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_level_can_be_heard_within_ten_sentences(language: Language) -> None:
    """A window of ten sentences at level 8 sounds more extravert than the same ten at level 2, nearly always."""
    calm, lively = session(language, 2), session(language, 8)
    places = range(0, len(calm), 10)
    wins = [index(" ".join(lively[i : i + 10]), language) > index(" ".join(calm[i : i + 10]), language) for i in places]
    assert sum(wins) >= 19


@pytest.mark.parametrize("language", LANGUAGES)
def test_exclamations_are_as_many_as_they_should_be(language: Language) -> None:
    share = [markers(" ".join(session(language, level)), language)["exclamations"] for level in LEVELS]
    assert share[0] <= 0.02
    assert share == sorted(share)
    # Each sentence draws for itself, so that 200 of them scatter by three points around the share that is meant.
    seeds = [markers(" ".join(session(language, 9, seed)), language)["exclamations"] for seed in range(8)]
    assert 0.25 <= np.mean(seeds) <= 0.35
    assert 0.20 <= min(seeds) <= max(seeds) <= 0.40


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_marker_moves_in_its_direction(language: Language) -> None:
    calm, lively = (markers(" ".join(session(language, level)), language) for level in (1, 9))
    for name in ("emphasisers", "acknowledgements_high", "we", "calls", "positive_high", "short_sentences", "exclamations"):
        assert lively[name] > calm[name], name
    for name in ("softeners", "tentatives", "acknowledgements_low", "choices", "ellipses", "commas", "sentence_length"):
        assert calm[name] > lively[name], name


@pytest.mark.parametrize("language", LANGUAGES)
def test_markers_are_not_stacked(language: Language) -> None:
    """No word twice in a row, and not more than one emphasiser for each sentence of the original."""
    for level in LEVELS:
        for (_, text), said in zip(sentences(language), session(language, level), strict=True):
            words = tokens(said.replace("Oh là là", ""))
            doubled = [word for word, after in pairwise(words) if word == after]
            assert not doubled or doubled == [word for word, after in pairwise(tokens(text)) if word == after], said
            if level > 5:
                assert markers(said, language)["emphasisers"] * count_words(said) / 100 <= 2.01 + (language == "en"), said


def test_an_author_s_exclamation_marks() -> None:
    stylist = Stylist()
    nouns = ("seed", "leaf", "root", "stem", "bud", "bee", "ant", "owl", "fox", "hen")
    texts = [f"You found the {noun} in the garden!" for noun in nouns]
    assert all(stylist.realise(text, "en", 1).endswith(".") for text in texts)
    assert all(stylist.realise(text, "en", 9, role="tell").endswith("!") for text in texts)
    kept = sum(stylist.realise(text, "en", 9).endswith("!") for text in texts)
    assert 1 <= kept <= 9
    assert stylist.realise("Plip, plop!", "en", 9).endswith("!")


EXAMPLES = [
    # One sentence for each move: (language, role, level, sentence, what must be heard for some seed)
    ("en", "talk", 9, "That is a good idea.", r"a (really |super )?(great|fantastic|brilliant|terrific) idea"),
    ("en", "talk", 1, "That is a fantastic idea.", r"a (nice|lovely) idea"),
    ("en", "talk", 1, "That is a really tiny, really important coin.", r"[Tt]hat is a tiny, important coin"),
    ("en", "talk", 1, "It has a really important task.", r"an important task"),
    ("en", "talk", 9, "Look at the moon.", r"^Let's look at the moon"),
    ("en", "talk", 1, "Wow, the owl sleeps.", r"^(?!Wow).*[Tt]he owl sleeps\.$"),
    ("en", "talk", 9, "Hm, I see, the owl sleeps.", r"^(?!Hm).*[Tt]he owl sleeps"),
    ("en", "tell", 9, "The rain stops and the sun shines.", r"^The rain stops[.!] The sun shines[.!]$"),
    ("en", "tell", 1, "The rain stops, and the sun shines.", r"^The rain stops… and the sun shines\.$"),
    ("en", "ask", 1, "Can you see the owl?", r"[Cc]an you (perhaps|maybe) see the owl\?$"),
    ("fr", "talk", 9, "C'est une bonne idée.", r"une (vraiment |très |super )?(super|chouette) idée"),
    ("fr", "talk", 9, "Regarde la lune.", r"^On regarde (ensemble )?la lune"),
    ("fr", "tell", 9, "La pluie tombe et elle chante.", r"^La pluie tombe(\.|\u202f!) Elle chante"),
    ("fr", "ask", 1, "Sais-tu où dort la chouette ?", r"[Ss]ais-tu peut-être où dort la chouette\u202f\?$"),
    ("fr", "talk", 9, "J'aime ton idée.", r"[Jj]'aime (vraiment|tellement) ton idée"),
    ("de", "talk", 9, "Das ist eine gute Idee.", r"eine (\w+ )?(tolle|super|großartige|fantastische) Idee"),
    ("de", "talk", 9, "Lass uns den Mond suchen.", r"^Lass uns zusammen den Mond suchen"),
    ("de", "talk", 9, "Schau den Mond an.", r"^Schauen wir (zusammen )?den Mond an"),
    ("de", "tell", 9, "Der Regen fällt und dann lacht er.", r"^Der Regen fällt[.!] Dann lacht er[.!]$"),
    ("de", "ask", 1, "Hast du den Mond gesehen?", r"[Hh]ast du vielleicht den Mond gesehen\?$"),
    ("de", "talk", 1, "Denk an eine Farbe.", r"Denk an eine Farbe, \w+"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "role", "level", "text", "heard"), EXAMPLES)
def test_each_move(language: Language, role: Role, level: int, text: str, heard: str) -> None:
    said = [Stylist(seed).realise(text, language, level, role=role) for seed in range(60)]
    assert any(re.search(heard, one) for one in said), sorted(set(said))
    assert not re.search(heard, typography(text, language))


UNSPLIT = [
    ("en", "When the rain stops and he runs, we laugh."),
    ("en", "The fox likes the hen and the owl."),
    ("en", "He hears the fox and the hen run."),
    ("en", "The fox and the hen dance in the rain."),
    ("fr", "Quand la pluie tombe et il court, on rit."),
    ("fr", "Le renard aime la poule et la chouette."),
    ("fr", "Le renard joue avec la poule et elle."),
    ("de", "Weil der Regen fällt und er rennt, lachen wir."),
    ("de", "Der Fuchs mag das Huhn und die Eule."),
    ("de", "Er hört die Henne und die Küken singen."),
]


@pytest.mark.parametrize(("language", "text"), UNSPLIT)
def test_what_is_not_two_main_clauses_is_not_split(language: Language, text: str) -> None:
    for seed in range(20):
        assert len(split(Stylist(seed).realise(text, language, 9, role="tell"))) == 1


KEPT = [
    ("en", "The stone is too heavy.", "is too heavy"),
    ("en", "It is so big that he laughs.", "so big that"),
    ("en", "It is not very big.", "is not very big"),
    ("en", "The owl is as big as a cat.", "is as big as"),
    ("fr", "La pierre est trop lourde.", "est trop lourde"),
    ("fr", "Elle n'est pas très grande.", "n'est pas très grande"),
    ("fr", "Elle est si grande que tout le monde la voit.", "si grande que"),
    ("de", "Der Stein ist zu schwer.", "ist zu schwer"),
    ("de", "Er ist nicht sehr groß.", "ist nicht sehr groß"),
    ("de", "Er ist so groß wie ein Haus.", "so groß wie ein"),
]


@pytest.mark.parametrize(("language", "text", "kept"), KEPT)
def test_degrees_that_are_facts_stay(language: Language, text: str, kept: str) -> None:
    for role in ("tell", "talk"):
        for level in LEVELS:
            assert all(kept in Stylist(seed).realise(text, language, level, role=role) for seed in range(10))


def test_names_keep_their_capital_and_german_colons_theirs() -> None:
    for seed in range(30):
        for level in LEVELS:
            assert "Mila" in Stylist(seed).realise("Mila likes the snail.", "en", level)
            said = Stylist(seed).realise("Die Sonne gibt Licht.", "de", level)
            assert not re.search(r": d|[,…] D", said), said


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I did not hear you."),
        ("fr", "Je ne t'ai pas entendu."),
        ("de", "Ich habe dich nicht gehört."),
        # These open with a style word of their own.
        ("en", "Bravo to the crew of the boat."),
        ("en", "Maybe it rains."),
        ("fr", "On dirait un bateau."),
        ("de", "Vielleicht kommt der Mond."),
    ],
)
def test_no_opener_where_none_fits(language: Language, text: str) -> None:
    for seed in range(40):
        for level in LEVELS:
            assert tokens(Stylist(seed).realise(text, language, level))[:2] == tokens(text)[:2]


def test_tags_only_where_they_are_allowed() -> None:
    text = "The moon shines at night."
    tagged = [Stylist(seed).realise(text, "en", 9, tags=True) for seed in range(40)]
    assert 5 <= sum("?" in said for said in tagged) <= 28
    assert all(said.count("?") <= 1 for said in tagged)
    for seed in range(40):
        assert "?" not in Stylist(seed).realise(text, "en", 9)
        assert "?" not in Stylist(seed).realise(text, "en", 9, role="tell", tags=True)
        assert "?" not in Stylist(seed).realise(text, "en", 1, tags=True)
        assert Stylist(seed).realise("Where is it?", "en", 9, tags=True).count("?") == 1


def test_french_marks_and_apostrophes() -> None:
    assert typography("Quoi ? Non! Oui ; si", "fr") == f"Quoi{NARROW}? Non{NARROW}! Oui{NARROW}; si"
    assert typography("Wait...  what?!", "en") == "Wait… what?!"
    for seed in range(20):
        for level in LEVELS:
            said = Stylist(seed).realise("L’eau est chaude et elle brille.", "fr", level)
            assert "'" not in said
            assert not re.search(rf"(?<!{NARROW})[!?;]", said)


def test_a_pause_does_not_end_a_sentence() -> None:
    assert split("Hm… the snail sleeps. “Who? Me!” he says. Then… it rains!") == [
        "Hm… the snail sleeps.",
        "“Who? Me!” he says.",
        "Then… it rains!",
    ]


# The measure


def test_the_features_are_the_same_in_three_languages() -> None:
    assert len(FEATURES) == len(set(FEATURES)) >= 16
    for language in LANGUAGES:
        assert tuple(markers("Ja, oui, yes.", language)) == FEATURES
        lists = lexicon(language).markers
        assert all(len(getattr(lists, name)) >= 15 for name in LISTS if name not in ("you", "i"))
    assert set(markers("", "en").values()) == {0.0}
    assert index("… !", "en") == 0.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_marker_is_found_where_it_stands(language: Language) -> None:
    for name in LISTS:
        for phrase in getattr(lexicon(language).markers, name):
            assert markers(f"xx {phrase} xx", language)[name] > 0, (name, phrase)


def test_counts_by_hand() -> None:
    found = markers("Wow, we are really happy! Maybe you see it, if you like. Is it so?", "en")
    words = 15
    assert found["acknowledgements_high"] == pytest.approx(100 / words)
    assert found["we"] == pytest.approx(100 / words)
    assert found["emphasisers"] == pytest.approx(200 / words)
    assert found["tentatives"] == pytest.approx(100 / words)
    assert found["you"] == pytest.approx(200 / words)
    assert found["choices"] == pytest.approx(100 / words)
    assert found["commas"] == pytest.approx(200 / words)
    assert found["exclamations"] == pytest.approx(1 / 3)
    assert found["questions"] == pytest.approx(1 / 3)
    assert found["sentence_length"] == pytest.approx(5)
    assert markers("Somewhere wesley towered.", "en")["we"] == 0


def test_added_openers_are_counted() -> None:
    """What the stylist adds, the measure sees: nearly every phrase carries a marker of its own direction."""
    lively = ("acknowledgements_high", "calls", "we", "positive_high", "emphasisers")
    calm = ("acknowledgements_low", "softeners", "tentatives", "choices")
    for language in LANGUAGES:
        words = lexicon(language)
        for manner, names in ((words.high, lively), (words.low, calm)):
            phrases = [*manner.statement, *manner.praise, *manner.invitation, *manner.question]
            seen = [any(markers(phrase, language)[name] for name in names) for phrase in phrases]
            assert sum(seen) / len(seen) >= 0.75, [phrase for phrase, ok in zip(phrases, seen, strict=True) if not ok]
