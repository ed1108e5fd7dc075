"""Everything an author wants to know of a story before children hear it: ``python -m stories.check [SLUG …]``.

One line a finding, ``file:line: what was expected``; exit code 0 when there is none, 1 otherwise.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.readability import LIMITS, measure, too_hard, words
from agent.story import STORIES, Beat, Prompt, Story, load, slugs, split_mark
from agent.toml_file import FileProblem, line_of
from agent.turn import BANDS, CROWDS, LANGUAGES, Band

GESTURES = Path(__file__).resolve().parent.parent / "hardware" / "gestures.toml"
BEATS = range(8, 15)
IMPLICIT = (0.25, 0.50)


class Checker:
    """Collects findings about one story in one language, each with its line."""

    def __init__(self, story: Story, path: Path, gestures: set[str]) -> None:
        self.story, self.path, self.gestures = story, path, gestures
        self.text = path.read_text(encoding="utf-8")
        self.found: list[str] = []

    def say(self, place: Sequence[int | str], message: str) -> None:
        self.found.append(f"{self.path}:{line_of(self.text, place)}: {message}")

    def run(self) -> list[str]:
        wording = self.story.wording
        for band in BANDS:
            self._lines(["prior"], [wording.prior[band]], band, question=True)
            self._lines(["recap"], wording.recap[band], band)
            self._lines(["recall"], [wording.recall[band]], band, question=True)
            self._hard(["recap"], " ".join(wording.recap[band]), band)
        for beat in self.story.beats:
            self._beat(beat)
        for index, aside in enumerate(wording.questions):
            for band in BANDS:
                self._lines(["questions", index, "says"], aside.says[band], band)
        self._repeats()
        return self.found

    def _beat(self, beat: Beat) -> None:
        for band in BANDS:
            place = ["beats", beat.id, "tell", band]
            told = [split_mark(sentence)[1] for sentence in beat.words.tell[band]]
            self._lines(place, beat.words.tell[band], band)
            self._hard(place, " ".join(told), band)
            count, most = len(words(" ".join(told))), LIMITS[band].words_per_telling
            if not 15 <= count <= most:
                self.say(place, f"{count} words are told to ages {band}; expected 15 to {most}")
        tells = [beat.words.tell[band] for band in BANDS]
        shared = set(tells[0]) & set(tells[2])
        if len(shared) > 1:
            self.say(["beats", beat.id, "tell", "8-10"], "told in the same sentences as to ages 4-5; tell it differently")
        for prompt in beat.prompts:
            self._prompt(beat, prompt)

    def _prompt(self, beat: Beat, prompt: Prompt) -> None:
        place: list[int | str] = ["beats", beat.id, "prompts", prompt.shape.id]
        part = prompt.words
        for band in BANDS:
            self._lines([*place, "ask"], [part.ask[band]], band, question=True)
            self._lines([*place, "hints"], part.hints[band], band)
            self._lines([*place, "think_aloud"], part.think_aloud[band], band)
            self._lines([*place, "explain"], part.explain[band], band)
            self._lines([*place, "expand"], [part.expand.says[band]], band)
            talk = " ".join([part.ask[band], *part.hints[band], *part.think_aloud[band], *part.explain[band]])
            self._hard(place, talk + " " + part.expand.says[band], band, slack=1)
            if len(part.explain[band]) > 2:
                self.say([*place, "explain"], "an explanation is at most two sentences")
        for index, wrong in enumerate(part.misconceptions):
            self._lines([*place, "misconceptions", index], [wrong.reply], BANDS[0])
        if prompt.shape.answer == "closed":
            self._closed(place, prompt)
        if len(part.expand.words) != 2:
            self.say([*place, "expand"], "an expansion brings exactly two new words")
        for word in part.expand.words:
            if word.lower() not in part.expand.says[BANDS[0]].lower():
                self.say([*place, "expand"], f"the new word “{word}” is not in the expansion for ages 4-5")

    def _closed(self, place: list[int | str], prompt: Prompt) -> None:
        part = prompt.words
        if not part.misconceptions:
            self.say(place, "a closed question needs the common misconceptions")
        if len(part.accepted) < 2:
            self.say([*place, "accepted"], "give at least two ways a child may say the answer")
        for accepted in part.accepted:
            plain = _plain(accepted)
            for band in BANDS:
                for hint in part.hints[band]:
                    if f" {plain} " in f" {_plain(hint)} ":
                        self.say([*place, "hints"], f"the hint “{hint}” gives the answer away (“{accepted}”)")

    def _lines(self, place: Sequence[int | str], lines: Sequence[str], band: Band, question: bool = False) -> None:
        for line in lines:
            gesture, text = split_mark(line)
            if gesture and self.gestures and gesture not in self.gestures:
                self.say(place, f"unknown gesture “{gesture}”; they are in hardware/gestures.toml")
            if not re.search(r"[.!?…]\s?[»”\"“]?$", text):
                self.say(place, f"“{text}” does not end like a sentence")
            longest = measure(text, self.story.language).longest_sentence
            if longest > LIMITS[band].longest_sentence:
                self.say(
                    place, f"a sentence of {longest} words for ages {band}; at most {LIMITS[band].longest_sentence}: “{text}”"
                )
            if question and not re.search(r"[?…]\s?[»”\"“]?$", text):
                self.say(place, f"“{text}” does not end in a question")
            if text.count("?") > 1:
                self.say(place, f"“{text}” asks more than one question")

    def _hard(self, place: Sequence[int | str], text: str, band: Band, slack: float = 0) -> None:
        for reason in too_hard(text, self.story.language, band):
            if slack and reason.startswith("mean sentence"):
                continue
            self.say(place, f"too hard for ages {band}: {reason}")

    def _repeats(self) -> None:
        said: Counter[str] = Counter()
        for beat in self.story.beats:
            for prompt in beat.prompts:
                part = prompt.words
                said.update({part.ask[BANDS[0]], *part.hints[BANDS[0]], *part.think_aloud[BANDS[0]]})
                said.update({*part.explain[BANDS[0]], part.expand.says[BANDS[0]]})
                said.update({wrong.reply for wrong in part.misconceptions})
        for text, times in said.items():
            if times > 1:
                self.say(["beats"], f"the sentence “{text}” stands in {times} places; children notice")


def _plain(text: str) -> str:
    return " ".join(words(text.lower()))


def structure_findings(story: Story, path: Path) -> Iterator[str]:
    """What is wrong with story.toml as a lesson: number of beats, CROWD types, implicit share, difficulties."""
    if len(story.beats) not in BEATS:
        yield f"{path}:1: {len(story.beats)} beats; expected {BEATS.start} to {BEATS.stop - 1}"
    shapes = [prompt.shape for beat in story.beats for prompt in beat.prompts]
    missing = [crowd for crowd in CROWDS if sum(shape.crowd == crowd for shape in shapes) < 2]
    if missing:
        yield f"{path}:1: fewer than two prompts of type {', '.join(missing)}"
    share = sum(shape.implicit for shape in shapes) / max(1, len(shapes))
    if not IMPLICIT[0] <= share <= IMPLICIT[1]:
        yield f"{path}:1: {share:.0%} of the questions are implicit; expected 25 to 50 %"
    for beat in story.beats:
        if not beat.shape.choices and {prompt.shape.difficulty for prompt in beat.prompts} != {1, 2, 3}:
            yield f"{path}:1: beat “{beat.id}” needs prompts of difficulty 1, 2 and 3"


def check(slug: str, folder: Path = STORIES) -> list[str]:
    """All findings about one story, in all languages."""
    gestures = set(re.findall(r"^\[([a-z0-9_]+)\]", GESTURES.read_text(encoding="utf-8"), re.M)) if GESTURES.exists() else set()
    found: list[str] = []
    for language in LANGUAGES:
        try:
            story = load(slug, language, folder)
        except FileProblem as problem:
            found.append(str(problem))
            continue
        if language == "en" or not found:
            found += [line for line in structure_findings(story, folder / slug / "story.toml") if line not in found]
        found += Checker(story, folder / slug / f"{language}.toml", gestures).run()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m stories.check", description=__doc__)
    parser.add_argument("slug", nargs="*", help="stories to check (default: all)")
    chosen = parser.parse_args(arguments).slug or slugs()
    unknown = [slug for slug in chosen if slug not in slugs()]
    if unknown:
        print(f"There is no story “{unknown[0]}”; there are: {', '.join(slugs())}.", file=sys.stderr)
        return 2
    count = 0
    for slug in chosen:
        findings = check(slug)
        count += len(findings)
        print("\n".join(findings) if findings else f"{slug}: nothing to mend")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
