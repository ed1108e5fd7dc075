"""What stays on the screen: the session as the text of a play, with who speaks in a column of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from agent.terminal.words import child_line, friendly_sign, known_language, printable, screen_words
from agent.turn import Language

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

WIDEST = 92  # columns; longer lines are hard to read
_NAME = 7  # columns for who speaks
_ROLES = {"tell": "", "talk": "cyan", "ask": "bold cyan", "fixed": "bold"}
_VERDICTS = {"correct": "green", "partial": "yellow", "wrong": "magenta", "dont_know": "magenta"}


class Transcript:
    """Prints one part after the other. ``typed`` says that the person at the screen is the child."""

    def __init__(self, console: Console, typed: bool) -> None:
        self._console, self._typed = console, typed
        self._part = ""  # what was printed last: tell, talk or child

    def title(self, title: str) -> None:
        from rich.rule import Rule
        from rich.text import Text

        self._print("")
        self._print(Rule(Text(printable(title), "bold"), style="cyan"))

    def robot(self, event: Mapping[str, object], language: Language, explain: bool) -> None:
        """A sentence the robot has said (an event of kind ``said``)."""
        from rich.text import Text

        role = str(event["role"])
        text = Text(printable(event["text"]), _ROLES.get(role, ""))
        if event.get("broken_off"):
            text.append(" –")
        if explain:
            text.append("  ‹" + " · ".join(filter(None, (str(event["source"]), str(event["gesture"])))) + "›", "not bold dim")
        self._row(screen_words(language).robot, "bold cyan", text, "tell" if role == "tell" else "talk")

    def child(self, heard: Mapping[str, object], judged: Mapping[str, object], language: Language) -> None:
        """What the child said, with a small sign of what became of it (events ``heard`` and, if there is one, ``judged``)."""
        from rich.text import Text

        words = screen_words(known_language(judged.get("language"), language))
        text = Text(child_line(heard, judged, words), "green" if heard.get("text") else "dim italic")
        if sign := friendly_sign(judged, words):
            text.append("   " + sign, "not italic " + _VERDICTS.get(str(judged["verdict"]), "dim"))
        self._row(words.you if self._typed else words.child, "bold green", text, "child")

    def reasons(self, lines: Iterable[str], verdict: object = None) -> None:
        """Lines of ``--explain``, under the words they belong to; the first in the colour of its ``verdict``."""
        style = _VERDICTS.get(str(verdict), "dim")
        for line in lines:
            self._aside(f"┊ {line}", style)
            style = "dim"

    def notice(self, line: str) -> None:
        """A line for the people beside the child."""
        self._aside(line, "yellow")

    def alert(self, line: str) -> None:
        """A line that must not be missed."""
        from rich.text import Text

        self._print("")
        self._print(Text(printable(f" ! ALERT: {line} "), "bold white on red"))
        self._part = ""

    def figures(self, table: Sequence[tuple[str, str]]) -> None:
        """The figures at the end, as names and values."""
        from rich.rule import Rule
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(justify="right", style="cyan", max_width=12 if self._console.width < 60 else None)
        grid.add_column()
        for name, value in table:
            grid.add_row(Text(name), Text(value))
        self._print("")
        self._print(Rule(style="cyan"))
        self._print(grid)

    def _row(self, name: str, style: str, text: Text, part: str) -> None:
        """A blank line before a new part, the name where the speaker changes."""
        from rich.text import Text

        if part != self._part:
            self._print("")
        changes = not self._part or (part == "child") != (self._part == "child")
        self._columns(Text(name if changes else "", style), text)
        self._part = part

    def _aside(self, line: str, style: str) -> None:
        from rich.text import Text

        self._columns(Text(), Text(printable(line), style))

    def _columns(self, name: Text, text: Text) -> None:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=_NAME, justify="right")
        grid.add_column()
        grid.add_row(name, text)
        self._print(grid)

    def _print(self, thing: RenderableType) -> None:
        self._console.print(thing, width=WIDEST)  # or the whole window, if it is narrower
