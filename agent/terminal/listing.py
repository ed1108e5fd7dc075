"""``python -m agent.run --list``: what there is to choose from."""

from __future__ import annotations

from agent.children.child import PERSONAS
from agent.personality import load as load_profile
from agent.personality import names
from agent.story import load, slugs
from agent.turn import BANDS, LANGUAGES

_LANGUAGE_NAMES = {"en": "English", "fr": "français", "de": "Deutsch"}


def show() -> None:
    """Print stories, personalities, languages, ages and personas."""
    from rich.console import Console
    from rich.table import Table

    console = Console()

    def table(title: str, rows: list[tuple[str, str]]) -> None:
        console.print(title, style="bold underline")
        made = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        made.add_column(no_wrap=True, style="bold")
        made.add_column()
        for row in rows:
            made.add_row(*row)
        console.print(made)
        console.print()

    stories = [load(slug, "en") for slug in slugs()]
    table("Stories  (--story)", [(story.slug, f"{story.wording.title} – {story.structure.topic}") for story in stories])
    profiles = [load_profile(name) for name in names()]
    table(
        "Personalities  (--personality)",
        [(profile.name, f"level {profile.level}") for profile in profiles] + [("1 … 9", "from introvert to extravert")],
    )
    table("Languages  (--language)", [(code, _LANGUAGE_NAMES[code]) for code in LANGUAGES])
    table("Ages  (--age)", [(band, "years") for band in BANDS])
    table("Simulated children  (--child simulated:PERSONA)", [(name, persona.about) for name, persona in PERSONAS.items()])
