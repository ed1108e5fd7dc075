"""What is happening now, as a picture of a few lines: the robot, the sentence with its word, the progress, the typing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.ports import Robot, Word
from agent.terminal.words import printable, screen_words
from agent.turn import Language

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

BESIDE = 64  # columns from which the robot stands beside the words
ABOVE = 20  # rows from which it stands above them on a narrow terminal
_ROBOT = 24  # columns of the robot
_BAR = 24  # columns of the progress bar, at most


class StagePicture:
    """Holds what there is to see; :meth:`draw` makes a picture of it. ``beats`` is how many scenes the story has."""

    def __init__(self, robot: Robot, beats: int, interactive: bool, plain: bool) -> None:
        self._robot, self._beats, self._interactive, self._plain = robot, beats, interactive, plain
        self.language: Language = "en"
        self.text = ""  # the sentence being spoken
        self.word: Word | None = None
        self.typed, self.awaited = "", False
        self._beat, self._told, self._done = "", 0, False

    def planned(self, target: str) -> None:
        """The next question is ``beat/prompt``: a beat that is not the present one is told first."""
        beat = target.partition("/")[0]
        self._done = self._done or target == "story/recall"
        if beat and beat != self._beat and not self._done:
            self._beat, self._told = beat, self._told + 1

    def reached(self, beat: str, told: int, ending: str) -> None:
        """A turn is over: where the story is, and how many beats have been told."""
        self._beat, self._told = beat, told
        self._done = self._done or ending == "finished"

    def draw(self, width: int, height: int) -> RenderableType:
        """The picture for a terminal of that size, in columns and rows."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        words: list[RenderableType] = [Text(), self._spoken(), Text(), self._progress(width)]
        if self._interactive:
            words.append(self._typing())
        if width >= BESIDE:
            grid = Table.grid(padding=(0, 2))
            grid.add_row(self._body(), Group(*words))
            return Group(Text(), grid)
        return Group(Text(), self._body(), *words[1:]) if height >= ABOVE and width >= _ROBOT else Group(*words)

    def _body(self) -> Text:
        from rich.text import Text

        from hardware.drawing import draw

        lines = draw(self._robot.pose(), self._robot.gesture, plain=self._plain)
        return Text("\n".join(lines), style="cyan", no_wrap=True)

    def _spoken(self) -> Text:
        """The sentence: what was said, the word being said, and – paler – what is to come."""
        from rich.text import Text

        text, word = self.text, self.word
        if not text:
            return Text(screen_words(self.language).turn if self.awaited else "", style="bold green")
        shown = Text(printable(text))
        if word is not None:
            shown.stylize("bold underline cyan", word.begin, word.end)
        shown.stylize("dim", word.end if word is not None else 0)
        return shown

    def _progress(self, width: int) -> Text:
        from rich.text import Text

        here, whole = min(self._told, self._beats), max(1, self._beats)
        columns = min(_BAR, max(0, width - 20))
        full = columns if self._done else columns * here // whole
        done, left = ("=", "-") if self._plain else ("━", "─")
        label = screen_words(self.language).scene.format(here=here, all=self._beats) if here else ""
        return Text.assemble((done * full, "cyan"), (left * (columns - full), "dim"), ("  " + label, "dim"))

    def _typing(self) -> Text:
        from rich.text import Text

        words = screen_words(self.language)
        if self.typed:
            return Text.assemble(("› ", "bold green"), printable(self.typed), ("_", "blink"))
        hint = words.hint if self.awaited else words.break_in
        return Text.assemble(("› ", "bold green" if self.awaited else "dim"), (hint, "dim italic"))
