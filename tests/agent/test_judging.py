"""A child's words against what a question expects."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.asking import YES, expectation
from agent.judging import CONFIDENT, Expectation, Judge
from agent.story import load, slugs
from agent.turn import LANGUAGES, VERDICTS, Judgement, Language, Pending, Utterance
from agent.understanding.lexicon import Concepts, concepts, manner
from agent.understanding.likeness import SURE, like
from agent.understanding.normalise import fold
from agent.understanding.phonetics import sound
from agent.understanding.vocabulary import read
from agent.understanding.yes_no import side_of

ROOT = Path(__file__).resolve().parents[2]
JUDGE = Judge()

WHO: dict[Language, Expectation] = {
    "en": Expectation(
        "en", "Who sits by the puddle?", ("a snail", "the snail", "Otto"), ("snail",), (("a frog", "frog"),), names=("Otto",)
    ),
    "fr": Expectation(
        "fr",
        "Qui est assis près de la flaque ?",
        ("un escargot", "Otto"),
        ("escargot",),
        (("une grenouille",),),
        names=("Otto",),
    ),
    "de": Expectation(
        "de", "Wer sitzt an der Pfütze?", ("eine Schnecke", "Otto"), ("Schnecke",), (("ein Frosch",),), names=("Otto",)
    ),
}
NEED: dict[Language, Expectation] = {
    "en": Expectation("en", "What makes a rainbow?", ("sun and rain",), ("sun", "rain"), (("paint",), ("magic",))),
    "fr": Expectation(
        "fr",
        "Que faut-il pour un arc-en-ciel ?",
        ("le soleil et la pluie",),
        ("soleil", "pluie"),
        (("la peinture",), ("la magie",)),
    ),
    "de": Expectation(
        "de", "Was braucht ein Regenbogen?", ("Sonne und Regen",), ("Sonne", "Regen"), (("Farbe",), ("Zauberei",))
    ),
}
TWELVE: dict[Language, Expectation] = {
    "en": Expectation("en", "How many cakes are there?", ("12",), ("12",)),
    "fr": Expectation("fr", "Combien y a-t-il de gâteaux ?", ("12", "douze"), ("12",)),
    "de": Expectation("de", "Wie viele Kuchen sind es?", ("zwölf",), ("zwölf",)),
}


def judged(text: str, expectation: Expectation, confidence: float = 1.0) -> Judgement:
    return JUDGE.judge(Utterance(text, confidence), expectation)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "snail"),
        ("en", "um I think it's the the snail"),
        ("en", "a snayl"),
        ("en", "it wasn't a frog it was a snail"),
        ("en", "not a frog, a snail"),
        ("en", "a frog no wait a snail"),
        ("en", "the snail?"),
        ("en", "is it the snail"),
        ("en", "I don't know maybe the snail"),
        ("en", "it was an escargot"),
        ("en", "oto"),
        ("fr", "c'est l'escargot"),
        ("fr", "c'est peut-être un eskargo"),
        ("fr", "pas la grenouille, l'escargot"),
        ("fr", "l'escargot il est assis là"),
        ("fr", "the snail"),
        ("de", "schneke"),
        ("de", "nicht der Frosch sondern die Schnecke"),
        ("de", "eine Weinbergschnecke"),
        ("de", "die Schnecke war das glaub ich"),
        ("de", "ein snail"),
    ],
)
def test_right_answers_are_right(language: Language, text: str) -> None:
    assert judged(text, WHO[language]).verdict == "correct"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "not the snail"),
        ("en", "a dog"),
        ("en", "a snake"),
        ("fr", "pas l'escargot"),
        ("fr", "un chien"),
        ("de", "die Schnecke war es nicht"),
        ("de", "keine Schnecke"),
        ("de", "ein Hund"),
    ],
)
def test_other_answers_are_wrong(language: Language, text: str) -> None:
    found = judged(text, WHO[language])
    assert (found.verdict, found.misconception) == ("wrong", None)


def test_a_misconception_is_recognised_by_its_index() -> None:
    assert judged("it was the frog", WHO["en"]).misconception == 0
    assert judged("with magic", NEED["en"]).misconception == 1
    assert judged("de la pinture", NEED["fr"]).misconception == 0
    assert judged("not magic, sun and rain", NEED["en"]).verdict == "correct"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "the rain"),
        ("en", "just the sunshine"),
        ("fr", "il pleut"),
        ("de", "Sonnenschein"),
        ("en", "something with the sun"),
    ],
)
def test_one_idea_of_two_is_a_piece(language: Language, text: str) -> None:
    assert judged(text, NEED[language]).verdict == "partial"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "when it's raining and the sun is shining"),
        ("fr", "y faut du solei é de la plui"),
        ("de", "wenn die Sonne scheint und es regnet"),
    ],
)
def test_both_ideas_in_other_words_are_right(language: Language, text: str) -> None:
    assert judged(text, NEED[language]).verdict == "correct"


@pytest.mark.parametrize(("text", "language"), [("an animal", "en"), ("un animal", "fr"), ("ein Tier", "de")])
def test_the_kind_of_thing_is_a_piece(text: str, language: Language) -> None:
    assert judged(text, WHO[language]).verdict == "partial"


def test_a_wider_word_is_a_piece_unless_the_question_said_it() -> None:
    owl = Expectation("en", "Who lives in the tree?", ("an owl",), ("owl",))
    assert judged("a bird", owl).verdict == "partial"
    asked = Expectation("en", "Which bird lives in the tree?", ("an owl",), ("owl",))
    assert judged("a bird", asked).verdict != "correct"


def test_what_the_question_has_said_counts_for_little() -> None:
    where = Expectation("en", "Where did the fox run?", ("the fox ran to the den",), ())
    assert judged("the den", where).verdict == "correct"
    assert judged("the fox ran", where).verdict == "partial"


def test_opposites() -> None:
    where = Expectation("en", "Where is the snail?", ("under the leaf",), ("under", "leaf"))
    assert judged("below that leaf", where).verdict == "correct"
    assert judged("on top of the leaf", where).verdict == "wrong"
    feels = Expectation("en", "How did Mia feel?", ("sad",), ("sad",), (("happy",),))
    assert judged("not happy", feels).verdict == "correct"
    assert judged("happy", feels).verdict == "wrong"
    ended = Expectation("de", "Warum war der Regenbogen weg?", ("der Regen hat aufgehört",), ("Regen",))
    assert judged("kein Regen mehr", ended).verdict == "correct"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "12"),
        ("en", "twelve"),
        ("en", "it's twelve cakes"),
        ("en", "ten eleven twelve"),
        ("fr", "douze"),
        ("fr", "y en a 12"),
        ("de", "zwoelf"),
        ("de", "es sind zwölf"),
    ],
)
def test_the_number_in_any_spelling(language: Language, text: str) -> None:
    assert judged(text, TWELVE[language]).verdict == "correct"


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "11"), ("en", "twenty"), ("fr", "onze"), ("fr", "deux"), ("de", "elf"), ("de", "zwei"), ("en", "not twelve")],
)
def test_a_close_number_is_wrong(language: Language, text: str) -> None:
    assert judged(text, TWELVE[language]).verdict == "wrong"


@given(st.integers(2, 99), st.integers(2, 99), st.sampled_from(LANGUAGES))
@settings(max_examples=60, deadline=None)
def test_a_number_is_right_exactly_if_it_is_the_number(said: int, wanted: int, language: Language) -> None:
    expectation = Expectation(language, "?", (str(wanted),), (str(wanted),))
    assert (judged(str(said), expectation).verdict == "correct") == (said == wanted)


def test_thirteen_is_not_thirty() -> None:
    thirty = Expectation("en", "How many?", ("thirty",), ("30",))
    assert judged("thirteen", thirty).verdict == "wrong"
    assert judged("thirdy", thirty).verdict == "correct"
    assert judged("vin", Expectation("fr", "Combien ?", ("vingt",), ("20",))).verdict == "correct"


@pytest.mark.parametrize(
    ("language", "text", "verdict"),
    [
        ("en", "dunno", "dont_know"),
        ("en", "um I really don't know", "dont_know"),
        ("en", "no idea", "dont_know"),
        ("fr", "chais pas", "dont_know"),
        ("fr", "euh j'en sais rien", "dont_know"),
        ("fr", "je donne ma langue au chat", "dont_know"),
        ("de", "weiß nicht", "dont_know"),
        ("de", "keine Ahnung du", "dont_know"),
        ("de", "weis ich doch nich", "dont_know"),
        ("en", "why is the sky blue", "question"),
        ("en", "what's a prism", "question"),
        ("en", "are you a real robot", "question"),
        ("fr", "c'est quoi un prisme", "question"),
        ("fr", "pourquoi le ciel est bleu ?", "question"),
        ("fr", "les escargots ils dorment la nuit ?", "question"),
        ("de", "warum ist der Himmel blau", "question"),
        ("de", "haben Schnecken Zähne", "question"),
        ("en", "I got new shoes", "off_topic"),
        ("en", "my brother has a bike", "off_topic"),
        ("en", "dinosaurs are big", "off_topic"),
        ("fr", "moi j'ai un nouveau vélo", "off_topic"),
        ("fr", "hier on est allé à la piscine", "off_topic"),
        ("de", "ich hab neue Schuhe", "off_topic"),
        ("de", "mein Bruder hat ein Fahrrad", "off_topic"),
        ("en", "", "silence"),
        ("en", "um uhhh ...", "silence"),
        ("fr", "euh euhhh", "silence"),
        ("de", "ähm öh", "silence"),
        ("en", "[noise]", "not_understood"),
        ("en", "asdkj", "not_understood"),
        ("en", "the uh and it the", "not_understood"),
        ("fr", "grblmf", "not_understood"),
        ("de", "[lachen]", "not_understood"),
        ("de", "bla bla bla", "not_understood"),
        ("en", "Thanks for watching!", "not_understood"),
        ("en", "stop", "stop"),
        ("en", "please stop it now", "stop"),
        ("en", "I want to stop", "stop"),
        ("en", "can we finish", "stop"),
        ("en", "I don't want to play anymore", "stop"),
        ("fr", "arrête", "stop"),
        ("fr", "j'en ai marre", "stop"),
        ("fr", "je veux plus jouer", "stop"),
        ("de", "aufhören", "stop"),
        ("de", "ich mag nicht mehr", "stop"),
        ("de", "keine Lust mehr", "stop"),
        ("en", "je veux arrêter", "stop"),
        ("fr", "stopp hör auf", "stop"),
    ],
)
def test_what_is_no_answer(language: Language, text: str, verdict: str) -> None:
    assert judged(text, WHO[language]).verdict == verdict


def test_stop_as_an_answer_does_not_end_the_session() -> None:
    bus = Expectation("en", "What does the bus do at the red light?", ("stop", "it stops"), ("stop",), (("go",),))
    assert judged("stop", bus).verdict == "correct"
    assert judged("the bus has to stop", bus).verdict == "correct"
    assert judged("the bus has to stop", WHO["en"]).verdict != "stop"
    assert judged("I want to stop now", bus).verdict == "stop"


def test_low_confidence_asks_again_but_a_stop_is_heard() -> None:
    assert judged("the snail", WHO["en"], CONFIDENT - 0.01).verdict == "not_understood"
    assert judged("the snail", WHO["en"], CONFIDENT).verdict == "correct"
    assert judged("stop", WHO["en"], 0.1).verdict == "stop"


def test_disclosure_comes_before_everything() -> None:
    judge = Judge(disclosed=lambda text, language: "hits me" in text)
    assert judge.judge(Utterance("he hits me stop", 0.1), WHO["en"]).verdict == "disclosure"
    assert judge.judge(Utterance("stop"), WHO["en"]).verdict == "stop"


@pytest.mark.parametrize(
    ("language", "text", "verdict"),
    [
        ("en", "yeah", "correct"),
        ("en", "mhm", "correct"),
        ("en", "uh huh", "correct"),
        ("en", "yesss", "correct"),
        ("en", "nope", "wrong"),
        ("en", "no it isn't", "wrong"),
        ("en", "of course not", "wrong"),
        ("en", "maybe", "partial"),
        ("en", "it is", "correct"),
        ("fr", "ouais", "correct"),
        ("fr", "ben non", "wrong"),
        ("fr", "pas du tout", "wrong"),
        ("de", "jep", "correct"),
        ("de", "nö", "wrong"),
        ("de", "überhaupt nicht", "wrong"),
        ("de", "weiß nicht", "dont_know"),
        ("de", "nass ist der schon", "correct"),
    ],
)
def test_yes_and_no(language: Language, text: str, verdict: str) -> None:
    asks = {"en": ("Is rain wet?", "yes"), "fr": ("Est-ce que la pluie est mouillée ?", "oui"), "de": ("Ist Regen nass?", "ja")}
    expectation = Expectation(language, asks[language][0], (asks[language][1],), (), answer="yes_no")
    assert judged(text, expectation).verdict == verdict


def test_the_same_words_flip_when_no_is_expected() -> None:
    expectation = Expectation("en", "Is the moon a cheese?", ("no",), (), answer="yes_no")
    assert judged("nah", expectation).verdict == "correct"
    assert judged("yes", expectation).verdict == "wrong"
    assert [side_of(text, "fr") for text in ("oui", "non", "un peu", "le chat")] == ["yes", "no", "unsure", ""]


def test_open_questions_welcome_any_contentful_answer() -> None:
    rainy = Expectation("en", "What do you do on rainy days?", ("puddle", "umbrella"), (), answer="open")
    assert judged("my grandma bakes cake", rainy).verdict == "correct"
    assert judged("I play with my brother", rainy).verdict == "correct"
    assert judged("no idea", rainy).verdict == "dont_know"
    assert judged("", rainy).verdict == "silence"
    assert judged("can I watch youtube", rainy).verdict in {"off_topic", "question"}


def test_choices() -> None:
    steer = Expectation(
        "en", "The boat or the bridge?", (), (), choices={"boat": ("boat", "on the water"), "bridge": ("bridge",)}
    )
    assert judged("um the boat please", steer).choice == "boat"
    assert judged("not the boat, the bridge", steer).choice == "bridge"
    assert judged("brige", steer).choice == "bridge"
    assert judged("the boat", steer).verdict == "correct"
    assert judged("a horse", steer).choice == ""
    assert judged("stop", steer).verdict == "stop"


def test_the_childs_word_is_one_a_reply_may_use() -> None:
    assert judged("um the snail i think", WHO["en"]).child_word == "snail"
    assert judged("die schneke", WHO["de"]).child_word == "Schnecke"
    assert judged("a dog", WHO["en"]).child_word == "dog"
    assert judged("a poop", WHO["en"]).child_word == ""
    assert judged("Kevin Miller", WHO["en"]).child_word == ""
    assert judged("not the snail", WHO["en"]).child_word == ""


def test_two_possibilities_are_half_an_answer() -> None:
    assert judged("a snail or a frog", WHO["en"]).verdict == "partial"
    assert judged("eleven or twelve", TWELVE["en"]).verdict == "partial"


def test_another_language_is_followed_only_if_wanted() -> None:
    assert judged("ich glaube das ist die Schnecke", WHO["en"]).language == "de"
    assert judged("ich glaube das ist die Schnecke", WHO["en"]).verdict == "correct"
    assert Judge(follow=False).judge(Utterance("ich glaube das ist die Schnecke"), WHO["en"]).language == "en"
    fourth = judged("el perro se fue a su casa", WHO["en"])
    assert (fourth.verdict, fourth.foreign, fourth.language) == ("not_understood", True, "en")


@given(st.text(max_size=60), st.sampled_from(LANGUAGES), st.sampled_from(["closed", "open", "yes_no"]), st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_nothing_a_child_says_raises(text: str, language: Language, answer: str, confidence: float) -> None:
    base = WHO[language]
    expectation = Expectation(language, base.question, base.accepted, base.key_ideas, base.misconceptions, answer)  # type: ignore[arg-type,]
    found = judged(text, expectation, confidence)
    assert found.verdict in VERDICTS
    assert 0.0 <= found.score <= 1.0


FILLERS = {"en": ["um", "like", "hmm"], "fr": ["euh", "ben", "bah"], "de": ["ähm", "also", "naja"]}


@given(st.data(), st.sampled_from(LANGUAGES))
@settings(max_examples=40, deadline=None)
def test_fillers_and_capitals_never_change_a_verdict(data: st.DataObject, language: Language) -> None:
    text = data.draw(st.sampled_from([*WHO[language].accepted, *WHO[language].misconceptions[0]]))
    mangled = " ".join([data.draw(st.sampled_from(FILLERS[language])), text.upper() if data.draw(st.booleans()) else text])
    assert judged(mangled, WHO[language]).verdict == judged(text, WHO[language]).verdict


def test_words_that_sound_alike_and_words_that_do_not() -> None:
    for language, one, other in [
        ("en", "rainbow", "rinbo"),
        ("en", "because", "bekos"),
        ("fr", "escargot", "eskargo"),
        ("de", "fuchs", "fuks"),
    ]:
        assert sound(one, language) == sound(other, language)
    assert sound("snail", "en") != sound("snake", "en")


@pytest.mark.parametrize(
    ("language", "said", "wanted", "same"),
    [
        ("en", "horse", "house", False),
        ("en", "mouse", "house", False),
        ("en", "foxes", "fox", True),
        ("en", "friend", "kind", False),
        ("en", "friendly", "kind", True),
        ("en", "foks", "fox", True),
        ("fr", "chevaux", "cheval", True),
        ("fr", "boisson", "poisson", False),
        ("de", "Maus", "Haus", False),
        ("de", "Kirche", "Kirsche", False),
        ("en", "son", "sun", True),
        ("fr", "ver", "verre", True),
        ("de", "Füchse", "Fuchs", True),
        ("de", "fuechse", "Fuchs", True),
        ("de", "gegangen", "gehen", True),
    ],
)
def test_likeness(language: Language, said: str, wanted: str, same: bool) -> None:
    assert (like(read(said, language)[0], read(wanted, language)[0], language) >= SURE) is same


def test_folding() -> None:
    assert fold("Füße", "de") == fold("Fuesse", "de") == "fusse"
    assert fold("Bauer", "de") == "bauer"
    assert fold("Œuf à l'été", "fr") == "oeuf a l'ete"


def test_the_lexica_are_whole() -> None:
    for language in LANGUAGES:
        assert manner(language).yes.isdisjoint(manner(language).no)
        assert len(concepts().terms(language)) > 400
    with pytest.raises(ValueError, match="expected “English"):
        Concepts.model_validate({"animal": {"snail": "snail | escargot"}})
    with pytest.raises(ValueError, match="no concept"):
        Concepts.model_validate({"animal": {"owl": "owl | hibou | Eule"}, "broader": {"bird": "owl"}})


def run_benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.judging", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_benchmark_prints_one_object_per_line(tmp_path: Path) -> None:
    lines = [
        {
            "language": "en",
            "question": "Who?",
            "accepted": ["a snail"],
            "key_ideas": ["snail"],
            "misconceptions": ["a frog"],
            "utterance": "snail",
        },
        {
            "language": "de",
            "question": "Ist es kalt?",
            "accepted": ["ja"],
            "key_ideas": [],
            "misconceptions": [["nein", "nö"]],
            "utterance": "nö",
        },
    ]
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    done = run_benchmark(str(file), "--json")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["judgement"], row["language"]) for row in found] == [("correct", "en"), ("wrong", "de")]
    assert all(set(row) == {"judgement", "language", "score"} for row in found)


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(
        '{"language": "en", "question": "?", "accepted": ["x"], "utterance": "x"}\n{"language": "xx"}\n', encoding="utf-8"
    )
    done = run_benchmark(str(file), "--json")
    assert done.returncode == 2
    assert f"{file}:2" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_development_set_keeps_its_level() -> None:
    from collections import Counter

    from benchmarks.judging import OWN, cases, macro_f1

    for language in LANGUAGES:
        pairs: Counter[tuple[str, str]] = Counter()
        for case in cases(OWN):
            if case.language == language and case.label and case.label != "disclosure":
                pairs[case.label, judged(case.utterance, case.expectation()).verdict] += 1
        assert pairs.total() >= 120
        assert macro_f1(pairs) >= 0.97  # type: ignore[arg-type]
        assert pairs["correct", "wrong"] == 0


NIGHT: dict[Language, Expectation] = {
    "en": Expectation("en", "When does the owl hunt?", ("at night",), ("night",), (("in the morning",),)),
    "fr": Expectation("fr", "Quand la chouette chasse-t-elle ?", ("la nuit",), ("nuit",), (("le matin",),)),
    "de": Expectation("de", "Wann jagt die Eule?", ("in der Nacht",), ("Nacht",), (("am Morgen",),)),
}


@pytest.mark.parametrize(
    ("language", "text", "verdict"),
    [
        ("en", "when you see the moon", "partial"),
        ("fr", "quand il y a des étoiles", "partial"),
        ("de", "wenn der Mond da ist", "partial"),
        ("en", "when the sun goes down", "correct"),
        ("fr", "quand le soleil est couché", "correct"),
        ("de", "wenn die Sonne weg ist", "correct"),
        ("en", "at lunchtime", "wrong"),
        ("fr", "le matin", "wrong"),
        ("de", "mittags", "wrong"),
    ],
)
def test_what_goes_with_the_answer_is_not_wrong(language: Language, text: str, verdict: str) -> None:
    assert judged(text, NIGHT[language]).verdict == verdict


@pytest.mark.parametrize(
    ("language", "text", "verdict"),
    [
        ("en", "it was a snail wasn't it", "correct"),
        ("de", "die Schnecke oder", "correct"),
        ("fr", "c'est l'escargot quoi", "correct"),
        ("en", "can frogs breathe under water", "question"),
        ("de", "frisst die auch Salat", "question"),
        ("fr", "ça mange quoi un escargot", "question"),
        ("en", "we haven't learned that", "dont_know"),
        ("fr", "j'y connais rien", "dont_know"),
        ("de", "das hatten wir noch nicht", "dont_know"),
        ("en", "bye i go play now", "stop"),
        ("fr", "c'est fini je veux jouer dehors", "stop"),
        ("de", "ich will zu Mama", "stop"),
        ("en", "wabba ki", "not_understood"),
        ("de", "mmf ti lu", "not_understood"),
    ],
)
def test_childrens_ways_of_not_answering(language: Language, text: str, verdict: str) -> None:
    assert judged(text, WHO[language]).verdict == verdict


def test_a_negated_aim_is_no_denial() -> None:
    why = Expectation("en", "Why does the rabbit hide?", ("the fox wants to eat him", "he is scared"), ("scared",))
    assert judged("so he doesn't get eaten", why).verdict in {"correct", "partial"}
    assert judged("he is not scared", why).verdict == "wrong"


def test_two_questions_want_two_answers() -> None:
    both = Expectation(
        "en", "Who comes out of the egg, and what does it become?", ("a tadpole, then a frog",), ("tadpole", "frog")
    )
    assert judged("a tadpole and later a frog", both).verdict == "correct"
    assert judged("a tadpole", both).verdict == "partial"


def test_one_more_is_counted() -> None:
    eight = Expectation("en", "How many socks?", ("eight", "8"), ("eight",))
    assert judged("seven and then one more", eight).verdict == "correct"
    assert judged("six and then one more", eight).verdict == "wrong"


def test_separable_verbs_are_known_by_their_verb() -> None:
    assert "fly_up" in read("weggeflogen", "de")[0].meaning.concepts
    assert not read("wegfabula", "de")[0].known


def test_unknown_words_are_not_called_wrong() -> None:
    assert judged("zorbelig", WHO["de"]).verdict == "not_understood"


def test_what_the_stories_say_is_judged_as_they_say_it() -> None:
    """Every accepted answer is right and every misconception wrong, even "stop", "merci" or "too hard" (a sample of them)."""
    judge = Judge()
    seen = 0
    for number, slug in enumerate(slugs()):
        language = LANGUAGES[number % len(LANGUAGES)]
        told = load(slug, language)
        for beat in told.beats:
            for prompt in beat.prompts:
                asked = expectation(told, Pending("prompt", prompt.words.ask["6-7"], beat.id, prompt.shape.id))
                answers = sorted(prompt.words.accepted, key=len)
                for answer in (answers[0], answers[-1]):
                    found = judge.judge(Utterance(answer), asked)
                    assert (found.verdict, found.language) == ("correct", language), answer
                    seen += 1
                if prompt.shape.answer != "open":
                    for index, wrong in enumerate(prompt.words.misconceptions):
                        found = judge.judge(Utterance(wrong.says[0]), asked)
                        assert (found.verdict, found.misconception) == ("wrong", index), wrong.says[0]
    assert seen > 150


@pytest.mark.parametrize(
    ("language", "accepted", "text"),
    [
        ("en", "stop", "Stop!"),
        ("en", "turn off the light", "turn off the light"),
        ("fr", "merci", "merci"),
        ("fr", "à demain", "À demain !"),
        ("de", "zu schwer", "zu schwer"),
        ("de", "huuu", "Huuu"),
        ("de", "obrigada", "obrigada"),
    ],
)
def test_an_accepted_answer_is_right_before_any_other_reading(language: Language, accepted: str, text: str) -> None:
    asked = Expectation(language, "?", (accepted,), ())
    assert Judge().judge(Utterance(text), asked).verdict == "correct"
    assert Judge().judge(Utterance(text, confidence=CONFIDENT / 2), asked).verdict != "correct"


@pytest.mark.parametrize(
    ("language", "accepted", "text"),
    [
        ("en", "a watering can", "a bucket"),
        ("de", "die Gießkanne", "der Eimer"),
        ("de", "ein Spaten", "eine Harke"),
        ("de", "Luft", "Sauerstoff"),
        ("fr", "une pelle", "un râteau"),
        ("fr", "une cloche", "un sifflet"),
    ],
)
def test_things_of_one_kind_are_not_the_same_thing(language: Language, accepted: str, text: str) -> None:
    assert Judge().judge(Utterance(text), Expectation(language, "?", (accepted,), ())).verdict != "correct"


def test_a_long_answer_without_evidence_against_it_is_not_wrong() -> None:
    asked = Expectation("en", "Why does Dora brush her teeth?", ("so they stay healthy", "because of the germs"), ("germs",))
    judge = Judge()
    assert judge.judge(Utterance("otherwise they all go brown and fall out"), asked).verdict == "partial"
    assert judge.judge(Utterance("because of the moon"), asked).verdict == "wrong"
    assert judge.judge(Utterance("grandpa tells her to do it every day"), asked).verdict == "partial"
    who = Expectation("en", "Who took the cheese?", ("the mouse",), ("mouse",))
    assert judge.judge(Utterance("I think the cat she always eats the cheese"), who).verdict == "wrong"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        *(("en", text) for text in ("yay, yes", "yeh", "yep", "mhm", "sure", "okay then", "let's go", "I want to")),
        *(("fr", text) for text in ("ouais grave", "d'accord", "oui oui", "vas-y", "mouais", "bien sûr", "je veux bien")),
        *(("de", text) for text in ("na gut", "jaa", "juhu, ja", "jo", "klar", "au ja", "meinetwegen", "ja bitte")),
    ],
)
def test_yes_in_many_forms(language: Language, text: str) -> None:
    yes = YES[language]
    asked = Expectation(language, "?", yes, yes[:1], answer="yes_no")
    assert Judge().judge(Utterance(text), asked).verdict == "correct"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        *(("en", text) for text in ("no thank you", "nope", "nah", "not really", "I don't want to")),
        *(("fr", text) for text in ("non merci", "nan", "pas trop", "pas envie", "j'ai pas envie")),
        *(("de", text) for text in ("nein danke", "nö", "nee", "lieber nicht", "nicht so")),
    ],
)
def test_no_in_many_forms(language: Language, text: str) -> None:
    yes = YES[language]
    asked = Expectation(language, "?", yes, yes[:1], answer="yes_no")
    assert Judge().judge(Utterance(text), asked).verdict in {"wrong", "stop"}


LAUGH: dict[Language, Expectation] = {
    "en": Expectation("en", "What makes you laugh?", (), ()),
    "fr": Expectation("fr", "Qu'est-ce qui te fait rire ?", (), ()),
    "de": Expectation("de", "Was bringt dich zum Lachen?", (), ()),
}


@pytest.mark.parametrize(
    ("language", "text", "verdict"),
    [
        ("en", "being tickled", "correct"),
        ("en", "daddy", "correct"),
        ("en", "no never", "correct"),
        ("en", "when my brother falls off the bed", "correct"),
        ("fr", "quand papa il fait le clown", "correct"),
        ("fr", "oui", "correct"),
        ("de", "mein kleiner Bruder der tanzt immer so komisch", "correct"),
        ("de", "weiß nicht vielleicht Clowns und Grimassen", "correct"),
        ("en", "I don't know really", "dont_know"),
        ("fr", "et toi qu'est-ce qui te fait rire ?", "question"),
        ("en", "look I've got a plaster on my knee", "off_topic"),
        ("fr", "il pleut dehors", "off_topic"),
        ("de", "schau mal ich hab ein Pflaster am Knie", "off_topic"),
        ("de", "ich mag nimmer reden", "stop"),
        ("en", "ha of lap the mi ne tick own it bo", "not_understood"),
    ],
)
def test_what_accepts_nothing_in_particular_accepts_everything_sensible(language: Language, text: str, verdict: str) -> None:
    assert judged(text, LAUGH[language]).verdict == verdict


def test_the_childs_day_is_no_guess_at_how_the_story_goes_on() -> None:
    door = Expectation("en", "What do you think is behind the door?", (), ())
    assert judged("I think it's a grandpa with a cake", door).verdict == "correct"
    assert judged("we're having fish fingers tonight", door).verdict == "off_topic"
    assert judged("is it gonna be scary", door).verdict == "question"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "sna a of the who own it puddle fi seven"),
        ("fr", "la esca un de sur go li que mardi ba"),
        ("de", "an der pfü ein um sit dem schne wo fünf gla"),
    ],
)
def test_words_that_no_grammar_holds_together_are_not_understood(language: Language, text: str) -> None:
    assert judged(text, WHO[language]).verdict == "not_understood"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "he had a really hard shell on his back and he was all slimy"),
        ("fr", "y a un truc tout mou avec une coquille qui avance tout doucement"),
        ("de", "das is so ein schleimiges mit nem Haus aufm Rücken hinten drauf"),
    ],
)
def test_mangled_child_speech_is_no_word_salad(language: Language, text: str) -> None:
    assert judged(text, WHO[language]).verdict != "not_understood"


@pytest.mark.parametrize(
    ("language", "text", "verdict"),
    [
        ("en", "can you help me with this one", "dont_know"),
        ("en", "I forgetted that bit", "dont_know"),
        ("fr", "aide-moi un peu", "dont_know"),
        ("de", "des hamma no ned glernt", "dont_know"),
        ("en", "can we stop now I need a wee", "stop"),
        ("fr", "on fait plus, à demain", "stop"),
        ("de", "Pause bitte, ich will nichts mehr sagen", "stop"),
        ("en", "is the puddle also deep in winter", "question"),
        ("de", "haben Schnecken Angst vor Wasser", "question"),
        ("fr", "et les poissons ils ont des poumons", "question"),
        ("en", "were going on holiday to the caravan", "off_topic"),
        ("de", "wusstest du dass ich in den Ferien nach Italien fahre", "off_topic"),
        ("fr", "y a une araignée sur le mur", "off_topic"),
    ],
)
def test_help_pauses_questions_and_news_in_childrens_words(language: Language, text: str, verdict: str) -> None:
    assert judged(text, WHO[language]).verdict == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("not the stone", "correct"),
        ("first one", "correct"),
        ("the second one", "wrong"),
        ("not the cork", "wrong"),
        ("the stone", "wrong"),
    ],
)
def test_pointing_at_one_of_those_the_question_named(text: str, verdict: str) -> None:
    floats = Expectation("en", "Which one floats on water, the cork or the stone?", ("the cork",), ("cork",), (("the stone",),))
    assert judged(text, floats).verdict == verdict


def test_the_one_that_is_left_of_three() -> None:
    magnet = Expectation("fr", "Le clou, la gomme ou le bouchon : lequel l'aimant attire-t-il ?", ("le clou",), ("clou",))
    assert judged("ni la gomme ni le bouchon", magnet).verdict == "correct"
    assert judged("le premier", magnet).verdict == "correct"
    assert judged("le dernier", magnet).verdict == "wrong"
    assert judged("pas la gomme", magnet).verdict != "correct"  # two are left


def test_the_contrary_of_the_contrary() -> None:
    tiny = Expectation("fr", "Que veut dire « minuscule » ?", ("très petit",), ("petit",), (("très grand",),))
    assert judged("c'est le contraire de grand", tiny).verdict == "correct"
    assert judged("ça veut dire grand", tiny).verdict == "wrong"


def test_who_does_it_matters() -> None:
    saved = Expectation("en", "Why did the mouse save the lion?", ("because the lion let her go",), ())
    assert judged("because the lion let the mouse go", saved).verdict == "correct"
    assert judged("because the mouse let the lion go", saved).verdict == "wrong"
    assert judged("he didn't let her go", saved).verdict != "correct"
    promised = Expectation("de", "Was hat die Bärin dem Dachs versprochen?", ("Honig", "sie bringt ihm Honig"), ("Honig",))
    assert judged("die Bärin hat dem Dachs Honig versprochen", promised).verdict == "correct"
    assert judged("dem Dachs hat sie Honig versprochen", promised).verdict == "correct"
    assert judged("der Dachs hat ihr Honig versprochen", promised).verdict == "wrong"


def test_a_denied_answer_can_be_a_misconception_where_the_question_denies_too() -> None:
    penguin = Expectation(
        "de", "Warum kann ein Pinguin nicht fliegen?", ("seine Flügel sind zu klein",), (), (("er hat keine Flügel",),)
    )
    assert judged("er hat ja keine Flügel", penguin).verdict == "wrong"
    assert judged("die Flügel sind zu klein", penguin).verdict == "correct"


@pytest.mark.parametrize(
    ("language", "said", "wanted"),
    [
        ("en", "toof", "tooth"),
        ("en", "norf", "north"),
        ("en", "fevver", "feather"),
        ("en", "chriangle", "triangle"),
        ("fr", "taite", "tête"),
        ("fr", "oraje", "orage"),
        ("de", "häfe", "Hefe"),
    ],
)
def test_sounds_that_young_children_make_for_others(language: Language, said: str, wanted: str) -> None:
    assert like(read(said, language)[0], read(wanted, language)[0], language) >= SURE


def test_the_right_answer_in_other_words() -> None:
    boat = Expectation("en", "Why did the boat sink?", ("the paper got wet", "it soaked up water", "it was full of water"), ())
    assert judged("it wasn't heavy at first but then the water went in and it was soggy", boat).verdict == "correct"
    assert judged("the water did it", boat).verdict == "partial"
    assert judged("I spilled water on my new dress yesterday at my grandma's", boat).verdict == "off_topic"
    melts = Expectation("en", "Why does ice melt in the sun?", ("because of the heat",), ())
    assert judged("it gets warm", melts).verdict == "correct"


def test_each_of_several_reasons_is_enough_unless_they_belong_together() -> None:
    hands = Expectation("en", "Why do we wash our hands?", ("because of germs", "so we stay healthy"), ("germs", "healthy"))
    assert judged("there are germs", hands).verdict == "correct"
    assert judged("the rain", NEED["en"]).verdict == "partial"


def test_a_sum_told_at_length_still_asks_for_its_number() -> None:
    stickers = Expectation("en", "How many are left of 12?", ("seven", "7", "12 take away 5 is 7"), ("12 - 5 = 7",))
    assert [judged(text, stickers).verdict for text in ("sevven", "7", "5")] == ["correct", "correct", "wrong"]


def test_too_heavy_is_an_answer_where_it_could_be_an_excuse() -> None:
    sinks = Expectation("de", "Warum sinkt der Stein?", ("er ist zu schwer",), ("schwer",))
    assert judged("na zu schwer ist der doch", sinks).verdict == "correct"
    assert judged("das ist mir zu schwer", WHO["de"]).verdict == "dont_know"


CLOCK = Expectation("en", "What time is it when the big hand is on six?", ("half past three", "3:30", "three thirty"), ())
EURO = Expectation("fr", "Combien coûtent deux croissants ?", ("2 euros 40", "2,40 €", "240 centimes"), ())
UHR = Expectation("de", "Wie viel Uhr ist es?", ("3 Uhr 30", "15:30", "halb vier"), ())


@pytest.mark.parametrize(
    ("expected", "text", "verdict"),
    [
        (CLOCK, "its half past 3", "correct"),
        (CLOCK, "quarter past 3", "wrong"),
        (CLOCK, "three o'clock", "partial"),
        (EURO, "euh deux euros et euh quarante centimes", "correct"),
        (EURO, "un euro quarante", "wrong"),
        (EURO, "2e40", "correct"),
        (UHR, "halb 4", "correct"),
        (UHR, "viertel nach drei", "wrong"),
        (UHR, "drei uhr dreisig", "correct"),
    ],
)
def test_times_and_sums_count_as_a_whole(expected: Expectation, text: str, verdict: str) -> None:
    assert judged(text, expected).verdict == verdict


@pytest.mark.parametrize(
    ("language", "number", "text"),
    [
        ("fr", "56", "sinquante sis"),
        ("fr", "70", "soissante dis"),
        ("de", "24", "firunzwanzich"),
        ("de", "45", "fünfunvirzich"),
        ("de", "24", "twenty four"),
    ],
)
def test_numerals_in_pieces_survive_bad_spelling(language: Language, number: str, text: str) -> None:
    expected = Expectation(language, "?", (number,), ())
    assert judged(text, expected).verdict == "correct"
    assert judged(text, Expectation(language, "?", (str(int(number) + 1),), ())).verdict == "wrong"


def test_words_in_no_order_are_not_understood() -> None:
    donkey = Expectation("de", "Warum läuft der Esel weg?", ("weil er alt ist", "weil er geschlachtet werden soll"), ())
    assert judged("die rau bett schirm du wie sind gelegen ampel ja", donkey).verdict == "not_understood"
    assert judged("die haben ihn nicht mehr lieb gehabt und dann ist er gegangen", donkey).verdict != "not_understood"


def test_coherence_tells_a_sentence_from_its_words_shuffled() -> None:
    from agent.understanding.word_order import coherence

    for language, text in (
        ("en", "he wanted to go home because it was dark outside"),
        ("fr", "il voulait rentrer à la maison parce qu'il avait peur"),
        ("de", "er wollte nach hause gehen weil es so dunkel war"),
    ):
        shuffled = " ".join(reversed(text.split()))
        assert coherence(text, language) > 0.4 > coherence(shuffled, language)
    assert coherence("", "en") == 0.0


def test_word_order_is_counted_as_it_is_shipped() -> None:
    from agent.understanding.count_word_order import table
    from agent.understanding.word_order import order

    assert '"the" = "<thing> 2"' in table(["the dog", "the dog", "a dog"], "en")
    for language in LANGUAGES:
        assert order(language).total > 20_000
        assert len(order(language).small) == 120


def test_naming_the_other_of_two_is_wrong() -> None:
    magnet = Expectation("en", "Which one sticks to a magnet: a spoon, a nail or a cup?", ("the nail", "nail"), ())
    assert judged("spoon", magnet).verdict == "wrong"
    assert judged("the nail", magnet).verdict == "correct"


def test_a_part_beside_not_knowing_the_rest_is_a_part() -> None:
    bee = Expectation("de", "Was holt sich eine Biene? Zwei Dinge.", ("Nektar und Pollen",), ("Nektar", "Pollen"))
    assert judged("pollen und noch was das hab ich vergessen", bee).verdict == "partial"
    assert judged("das hab ich vergessen", bee).verdict == "dont_know"


def test_another_one_did_it() -> None:
    race = Expectation(
        "en",
        "The hare was faster. Why did the tortoise win?",
        ("the hare fell asleep", "the hare took a nap"),
        ("the hare slept",),
    )
    assert judged("the tortoise had a nap and then he won", race).verdict != "correct"
    assert judged("the hare had a nap and then he lost", race).verdict == "correct"


def test_articles_grown_into_french_words() -> None:
    season = Expectation("fr", "Quelle saison vient après l'automne ?", ("l'hiver", "hiver"), ())
    assert judged("liver", season).verdict == "correct"


def test_doubting_is_not_denying() -> None:
    lava = Expectation("en", "What flows out of a volcano?", ("lava", "hot lava"), ())
    assert judged("isn't it lava", lava).verdict == "correct"
    nail = Expectation("fr", "Qu'est-ce qui colle à l'aimant ?", ("le clou",), ())
    assert judged("tout sauf le clou", nail).verdict != "correct"
