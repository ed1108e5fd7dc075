"""Every story keeps its language's typography: quotation marks, the narrow blank of French, the gap of a completion."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

from agent.story import STORIES, slugs
from agent.turn import LANGUAGES, Language

THIN = "\u202f"  # narrow no-break space, before ? ! ; : and inside « »

# What must not stand in a text, by language, and what it is called.
EVERYWHERE = {
    r'["\u00a0\t]': "a straight quotation mark or a wide no-break space",
    r"[–—]": "a dash",
    r"’": "a curly apostrophe where the stories have a straight one",
    r"\.\.": "dots in place of …",
    r"  |^\s|\s$": "a blank too many",
    r"[^\W\d_]…$": "no blank before the gap at the end of a completion",
    r"[ ][,.!?;:]": "a plain blank before a mark",
}
FAULTS: dict[Language, dict[str, str]] = {
    "en": {rf"[„«»{THIN}]": "another language's mark", r"“\s|\s”|”\w|\w“": "a quotation mark the wrong way round"},
    "fr": {
        r"[„“”]": "another language's quotation mark",
        rf"(?<![{THIN}?!…])[?!;:]|…[?!;:]": "no narrow blank before a mark",
        rf"«(?!{THIN}\S)|(?<!\S{THIN})»": "no narrow blank inside « »",
        rf"(?<!«){THIN}(?![?!;:»])": "a stray narrow blank",
        r"«[^»]*, (?:dit|dis|fit|fait|crie|cria|souffla|demande|demanda|répond|répondit)(?:-elle|-il)?\b[^»]*»": (
            "“says she” inside the guillemets"
        ),
    },
    "de": {rf"[«»”{THIN}]": "another language's mark", r"„\s|\s“|\w„": "a quotation mark the wrong way round"},
}
PAIRS = {"en": "“”", "fr": "«»", "de": "„“"}


def faults(text: str, language: Language) -> list[str]:
    """What is wrong with one text, in words."""
    return [name for pattern, name in (EVERYWHERE | FAULTS[language]).items() if re.search(pattern, text)]


def open_speech(text: str, language: Language) -> bool:
    """Whether speech is opened twice, closed without being open, or left open at the end."""
    opening, closing = PAIRS[language][0], PAIRS[language][1]
    marks = re.sub(f"[^{opening}{closing}]", "", text)
    return marks != (opening + closing) * (len(marks) // 2)


def texts(value: object, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Every text of a file with its place, as a list of sentences, for speech may go over several of them."""
    if isinstance(value, str):
        yield path, [value]
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        yield path, value
    elif isinstance(value, (dict, list)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts(part, f"{path}.{key}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("slug", slugs())
def test_a_story_keeps_the_typography_of_its_language(slug: str, language: Language) -> None:
    count, found = 0, []
    for path, lines in texts(tomllib.loads((STORIES / slug / f"{language}.toml").read_text(encoding="utf-8"))):
        count += len(lines)
        found += [f"{path}: {fault}: {line}" for line in lines for fault in faults(line, language)]
        if open_speech(" ".join(lines), language):
            found.append(f"{path}: speech that is not opened and closed in turn: {' '.join(lines)}")
    assert count > 500
    assert found == []


@pytest.mark.parametrize(
    ("language", "good"),
    [
        ("en", "“Hop on!” says Olga. “It’s late,” she adds.".replace("’", "'")),
        ("en", "The sun is behind Mila, and in front of her falls the …"),
        ("fr", f"«{THIN}Par ici{THIN}!{THIN}» dit Kip. «{THIN}Une porte{THIN}: la voilà{THIN}»"),
        ("fr", f"Quoi{THIN}?! Il s'appelle …"),
        ("de", "„Oh!“, sagt Bo. „Ich fahre.“"),
    ],
)
def test_good_typography_is_let_be(language: Language, good: str) -> None:
    assert faults(good, language) == []
    assert not open_speech(good, language)


@pytest.mark.parametrize(
    ("language", "bad"),
    [
        ("en", '"Hop on!" says Olga.'),
        ("en", "”Hop on!“ says Olga."),
        ("en", "In front of her falls the…"),
        ("en", "Wait..."),
        ("fr", "Par ici!"),
        ("fr", "Par ici !"),
        ("fr", "Une porte\u00a0: la voilà."),
        ("fr", "« Par ici. »"),
        ("fr", f"«{THIN}Par ici, dit Kip, et vite.{THIN}»"),
        ("fr", f"— Par ici{THIN}! dit Kip."),
        ("fr", f"Un{THIN}chat."),
        ("de", "“Oh!”, sagt Bo."),
        ("de", "»Oh!«, sagt Bo."),
        ("de", "Ist das so ?"),
    ],
)
def test_bad_typography_is_found(language: Language, bad: str) -> None:
    assert faults(bad, language)


@pytest.mark.parametrize(
    ("language", "bad"), [("en", "“Hop on! says Olga."), ("fr", f"Oh{THIN}»"), ("de", "„Oh „ja“, sagt Bo.“")]
)
def test_open_speech_is_found(language: Language, bad: str) -> None:
    assert open_speech(bad, language)
