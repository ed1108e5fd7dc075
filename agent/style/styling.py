"""Says anybody's sentence in an introvert or extravert manner, at a level from 1 to 9. Facts stay as they are.

What moves: final marks, openers, emphasisers, inclusive words, softeners, pauses, and short bursts against long
breaths. What stays, in its order: every content word, name, number and negation. A hedge never touches a statement of
fact: softeners go to questions, invitations and acknowledgements, and a telling changes in rhythm, final marks and
the emphasis on adjectives only.

Every choice is drawn from a hash of seed, language and the words that stay. So the same sentence is always said in
the same way, a stronger level keeps what a weaker one added, and a sentence that is realised twice gets nothing more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.style import clauses, moves
from agent.style.text import NARROW, count_words, cut_end, put_back, set_aside, split_bare, tokens, typography
from agent.style.words import Lexicon, lexicon
from agent.turn import Language

Role = Literal["tell", "talk", "ask"]

# How often a move is made at level 1 or 9, where the sentence allows it; in between it grows linearly from 0 at 5.
SHARE = {
    "exclaim": 0.44,  # statements, praise, invitations; with questions and sober sentences between them 25-35 % of all
    "exclaim_tell": 0.32,  # less, because a story has exclamations of its own
    "keep_exclamation": 0.5,  # of the "!" that an author wrote outside a telling
    "open_statement": 0.3,
    "open_praise": 0.8,
    "open_invitation": 0.6,
    "open_question": 0.6,
    "emphasis": 0.9,
    "swap": 0.95,
    "shared": 0.6,
    "together": 0.6,
    "burst": 0.9,
    "tag": 0.4,
    "tail": 0.55,
    "tentative": 0.5,
    "pause": 0.7,
    "comma": 1.0,
    "calm": 1.0,
}


@dataclass(frozen=True)
class Draws:
    """Chance that depends on nothing but the seed, the language and the words that stay."""

    seed: int
    key: str

    def share(self, name: str) -> float:
        """A number in [0, 1) for the move ``name``."""
        digest = hashlib.blake2b(f"{self.seed}|{self.key}|{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def picker(self, name: str) -> Callable[[Sequence[str]], str]:
        return lambda options: options[int(self.share(f"{name}:which") * len(options))]


class Stylist:
    """Realises sentences at a level. Stateless but for its seed; safe to share between threads."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def realise(
        self,
        sentence: str,
        language: Language,
        level: int,
        *,
        role: Role = "talk",
        limit: int | None = None,
        tags: bool = False,
    ) -> str:
        """The sentence in the manner of ``level`` (1 introvert … 5 neutral … 9 extravert).

        ``role`` is what the sentence does: ``tell`` a story, ``talk`` with the child, ``ask``. ``limit`` is the most
        words one sentence may have: an addition that would exceed it is not made. ``tags`` allows a tag question
        on a statement of ``talk``; without it the number of questions never changes. Raises ValueError for a level
        outside 1-9. Level 5 changes nothing but typography.
        """
        if not 1 <= level <= 9:
            raise ValueError(f"the level is {level}, but it goes from 1 (introvert) to 9 (extravert)")
        tidy = typography(sentence, language)
        if level == 5 or not tokens(tidy):
            return tidy
        bare, quotations = set_aside(tidy)
        words = lexicon(language)
        pieces = [piece for part in split_bare(bare) for piece in self._bursts(part, words, level, role)]
        said = []
        for place, piece in enumerate(pieces):
            one = _One(piece, words, level, role, self._draws(piece, words), limit, quotations, tags)
            said.append(one.realised(first=place == 0))
        result = put_back(" ".join(said), quotations)
        if "’" in tidy and "'" not in tidy:
            result = result.replace("'", "’")
        return typography(result, language)

    def _draws(self, sentence: str, words: Lexicon) -> Draws:
        staying = [token for token in tokens(sentence) if token not in words.closed]
        return Draws(self.seed, f"{words.language}|{' '.join(staying)}")

    def _bursts(self, sentence: str, words: Lexicon, level: int, role: Role) -> list[str]:
        """At high levels, two joined main clauses become two sentences."""
        body, end = cut_end(sentence)
        if level < 5 or end not in (".", "!") or moves.kind_of(body, end, role == "tell", words) in ("fixed", "invitation"):
            return [sentence]
        draws, two = self._draws(sentence, words), clauses.burst(body, words)
        if two is None or draws.share("burst") >= SHARE["burst"] * (level - 5) / 4:
            return [sentence]
        return [f"{two[0]}{end}", *self._bursts(f"{two[1]}{end}", words, level, role)]


class _One:
    """One sentence on its way: tries moves in a fixed order and keeps those that fit."""

    def __init__(
        self,
        sentence: str,
        words: Lexicon,
        level: int,
        role: Role,
        draws: Draws,
        limit: int | None,
        quotations: list[str],
        tags: bool,
    ) -> None:
        self.body, self.end = cut_end(sentence)
        self.words, self.role, self.draws = words, role, draws
        self.lively, self.strength = level > 5, abs(level - 5) / 4
        self.quotations = quotations
        self.most = max(limit, self._count(self.body)) if limit is not None else None
        self.tags = tags and role == "talk"

    def realised(self, *, first: bool) -> str:
        """The sentence as it is said; only the first of a call gets an opener."""
        kind = moves.kind_of(self.body, self.end, self.role == "tell", self.words)
        if kind not in ("fixed", "story") and self.strength >= 0.5:
            other = self.words.low if self.lively else self.words.high
            self._take(moves.without_interjection(self.body, other.interjections))
            kind = moves.kind_of(self.body, self.end, False, self.words)
        if kind != "fixed":
            (self._enliven if self.lively else self._calm)(kind)
            if kind != "story" and first:
                self._open(kind)
        self._tag(kind)
        return self.body + self._final_mark(kind)

    def _enliven(self, kind: moves.Kind) -> None:
        pick, talking = self.draws.picker, kind != "story"
        if kind == "praise" and not moves.negated(self.body, self.words):
            self._swap()
        if kind == "invitation":
            self._try("shared", moves.shared(self.body, self.words))
            self._try("together", moves.together(self.body, self.words))
        if kind != "question":
            self._try("emphasis", moves.emphasised(self.body, self.words, talking, pick("emphasis")))
        if talking:
            self._try("emphasis", moves.emphasised_liking(self.body, self.words, pick("liking")))

    def _calm(self, kind: moves.Kind) -> None:
        if kind == "praise" and not moves.negated(self.body, self.words):
            self._swap()
        self._try("calm", moves.calmed(self.body, self.words))
        if kind == "question":
            self._try("tentative", moves.with_tentative(self.body, self.words, self.draws.picker("tentative")))
        else:
            if not self._try("pause", clauses.paused(self.body, self.words)) and "…" not in self.body:
                self._try("comma", clauses.with_comma(self.body, self.words))
        if kind == "invitation":
            tail = self.draws.picker("tail")(self.words.low.invitation_tail)
            self._try("tail", moves.with_tail(self.body, tail, self.words))

    def _swap(self) -> None:
        for row in self.words.swaps:
            self._try("swap", moves.swapped(self.body, row, self.lively, self.words, self.draws.picker("swap")))

    def _open(self, kind: moves.Kind) -> None:
        """One opener, if there is none yet; none before a negation, and one tentative word is enough."""
        if moves.opened(self.body, self.words) or moves.tailed(self.body, self.words):
            return
        if kind in ("statement", "praise") and moves.negated(self.body, self.words):
            return
        if kind == "question" and not self.lively and moves.has(self.body, self.words.markers.tentatives):
            return
        manner = self.words.high if self.lively else self.words.low
        openers: tuple[str, ...] = getattr(manner, kind)
        phrase = self.draws.picker("open")(openers)
        if "…" in self.body and phrase.endswith("…"):
            phrase = phrase.rstrip("…") + ","  # one pause is enough
        self._try(f"open_{kind}", moves.with_opener(self.body, phrase, self.words))

    def _tag(self, kind: moves.Kind) -> None:
        fits = kind == "statement" and self.end in (".", "!") and not moves.negated(self.body, self.words)
        if self.tags and self.lively and fits:
            tag = self.draws.picker("tag")(self.words.high.tags)
            if self._try("tag", f"{self.body}, {tag.rstrip(' ?')}"):
                self.end = "?"

    def _final_mark(self, kind: moves.Kind) -> str:
        bare = self.end.strip(f" {NARROW}")
        if moves.spoken(self.body):
            return self.end
        drawn = self.draws.share("exclaim")
        if "!" in bare and "?" not in bare:
            if not self.lively:
                return self.end if drawn < 1 - self.strength else "."
            short = len(tokens(self.body)) <= 2
            kept = 1 - (1 - SHARE["keep_exclamation"]) * self.strength
            return self.end if short or self.role == "tell" or drawn < kept else "."
        if bare != "." or not self.lively or kind in ("fixed", "question") or moves.negated(self.body, self.words):
            return self.end
        share = SHARE["exclaim_tell" if self.role == "tell" else "exclaim"] * self.strength
        return "!" if drawn < share else self.end

    def _try(self, move: str, changed: str | None) -> bool:
        """Make a move if chance and the word limit allow it."""
        if changed is None or self.draws.share(move) >= SHARE[move] * self.strength:
            return False
        return self._take(changed)

    def _take(self, changed: str | None) -> bool:
        if changed is None or (self.most is not None and self._count(changed) > self.most):
            return False
        self.body = changed
        return True

    def _count(self, body: str) -> int:
        return count_words(put_back(body, self.quotations))
