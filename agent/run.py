"""``python -m agent.run``: runs a session. The only place where things are wired together, and the only one that looks outward.

Exit codes: 0 the session ended in a goodbye, 2 an argument is wrong, 3 something must be installed or mended first, 130 Ctrl-C.
"""

from __future__ import annotations

import locale
import random
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.arguments import check_names, parser, settings_from
from agent.config import Settings
from agent.record import (
    CHECKPOINT,
    EVENTS,
    HEADER,
    FolderProblem,
    NoRecord,
    Record,
    find_folder,
    last_row,
    new_folder,
    write_json,
)
from agent.story import Story, load
from agent.toml_file import FileProblem
from agent.turn import LANGUAGES, Language, Progress

if TYPE_CHECKING:
    from agent.personality import Profile
    from agent.ports import LLM, Clock, Ears, Screen, Sink, Voice
    from agent.session import Session

GOODBYE, WRONG_ARGUMENT, MISSING, INTERRUPTED = 0, 2, 3, 130


class SetupProblem(Exception):
    """Something must be installed or mended first; ``str()`` says what."""


class HungUp(KeyboardInterrupt):
    """The terminal went away, or somebody asked the process to end."""


class Manner:
    """The personality as it is now: an operator may swap it between two sentences."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.changed: Callable[[Profile], None] = lambda profile: None

    def swap(self, name: str) -> str:
        """Take on another profile; returns what is wrong, or "" (every screen hears of the change by itself)."""
        from agent.personality import load as load_profile

        try:
            self.profile = load_profile(name)
        except (ValueError, FileProblem) as problem:
            return str(problem)
        self.changed(self.profile)
        return ""


class GraphImport:
    """Imports LangGraph while the robot greets: the import alone takes longer than a child should wait for the first word."""

    def __init__(self, path: Path | None, durable: bool) -> None:
        self.path, self.durable = path, durable
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._import, name="import", daemon=True)

    def start(self) -> None:
        """Begin, once the first words are on their way: both at once would only share one interpreter."""
        if self._thread.ident is None:
            self._thread.start()

    def _import(self) -> None:
        try:
            import agent.checkpoint
            import agent.graph  # noqa: F401
        except BaseException as failure:  # raised again in the thread that asks for the graph
            self._failure = failure

    def graph(self) -> Any:
        """The compiled graph, with a checkpointer when the session is kept."""
        self.start()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        from agent.checkpoint import Checkpoints
        from agent.graph import build

        return build(Checkpoints(self.path, durable=self.durable) if self.path else None)


def start_language(settings: Settings) -> Language:
    """The language to begin in; ``auto`` takes the system's, English if that is none of the three."""
    if settings.language != "auto":
        return settings.language
    system = (locale.getlocale()[0] or "en")[:2].lower()
    return next((language for language in LANGUAGES if language == system), "en")


def open_voice(settings: Settings) -> tuple[Voice | None, str]:
    """The voice, and a line for the operator when there is none though one was wanted."""
    if settings.voice == "none" or (settings.voice == "auto" and settings.speed == "fast" and not settings.save_audio):
        return None, ""
    from agent.models.espeak import Espeak, VoiceMissing

    try:
        return Espeak(), ""
    except VoiceMissing as missing:
        if settings.voice == "espeak":
            raise SetupProblem(str(missing)) from None
        return None, f"{missing} Captions only."


def open_sink(settings: Settings, clock: Clock, voice: Voice | None, folder: Path | None) -> tuple[Sink, str]:
    """Where the voice goes, and a line for the operator when it cannot be heard."""
    from hardware.audio import BothSinks, SilentSink, WavSink, speaker

    if voice is None:
        return SilentSink(clock), ""
    sink, reason = speaker(clock, voice.rate)
    if settings.save_audio and folder is not None:
        return BothSinks(sink, WavSink(folder / "robot.wav", clock)), reason
    return sink, reason


def run_session(settings: Settings, *, resume: str = "", explain: bool = False) -> int:
    """Wire one session together and run it to its goodbye. Returns the exit code."""
    folder = find_folder(settings.data, resume) if resume else None
    start = 0.0
    if folder is not None:
        from agent.header import settings_of

        settings = settings_of(folder)
        start = last_row(folder / EVENTS)[1]
    if not settings.child:
        at_terminal = sys.stdin.isatty() and sys.stdout.isatty() and settings.speed == "real"
        settings = settings.model_copy(update={"child": "typed" if at_terminal else "simulated"})
    check_names(settings)
    from agent.clock import RealClock, VirtualClock

    clock: Clock = VirtualClock(start) if settings.speed == "fast" else RealClock(start)
    language = start_language(settings)
    if folder is None and settings.log:
        from agent.header import header

        folder = new_folder(settings.data, clock, settings.participant)
        write_json(folder / HEADER, header(settings, language, folder.name, clock))
    return Wiring(settings, language, clock, folder, explain).run(resume=bool(resume))


class Wiring:
    """Every tenant of one session, and the session itself. ``screen``, ``llm`` and ``ears`` may be given;
    otherwise the settings choose."""

    def __init__(
        self,
        settings: Settings,
        language: Language,
        clock: Clock,
        folder: Path | None,
        explain: bool = False,
        screen: Screen | None = None,
        llm: LLM | None = None,
        ears: Callable[[Wiring], Ears] | None = None,
    ) -> None:
        from agent.asides import about_the_robot
        from agent.models.authored import Authored
        from agent.personality import load as load_profile
        from agent.terminal.screen import open_screen
        from hardware.connect import Missing, connect

        self.settings, self.language, self.clock, self.folder = settings, language, clock, folder
        durable = settings.speed == "real"
        self.graph = GraphImport(folder / CHECKPOINT if folder else None, durable=durable)
        self.story = lru_cache(maxsize=len(LANGUAGES))(self._story)
        first = self.story(language)
        about_the_robot(language)  # a broken file is told now, not when a child asks
        self.manner = Manner(load_profile(settings.personality))
        self.voice, silent = open_voice(settings)
        try:
            self.robot = connect(settings.robot, clock)
        except Missing as missing:
            raise SetupProblem(str(missing)) from None
        self.screen: Screen = screen or open_screen(
            explain=explain,
            robot=self.robot,
            title=first.wording.title,
            beats=len(first.beats),
            interactive=settings.child == "typed",
            live=not clock.virtual,
        )
        self.sink, unheard = open_sink(settings, clock, self.voice, folder)
        self.record: Record | NoRecord = Record(folder, clock, self.notice, durable=durable) if folder else NoRecord()
        self.ears = ears(self) if ears else self._ears()
        self.session = self._session(llm or Authored())
        self.manner.changed = lambda profile: self.session.event("manner", personality=profile.name, level=profile.level)
        for line in filter(None, (silent, unheard)):
            self.notice(line)

    def _story(self, language: Language) -> Story:
        return load(self.settings.story, language)

    def notice(self, line: str) -> None:
        """One line for the operator."""
        self.screen.show({"kind": "notice", "line": line})

    def _ears(self) -> Ears:
        kind, _, persona = self.settings.child.partition(":")
        if kind == "typed":
            from agent.terminal.keyboard import Keyboard

            return Keyboard(self.clock, self.screen, self._command)
        from agent.children.child import SimulatedChild

        settings = self.settings
        return SimulatedChild(
            persona or "typical",
            story=self.story,
            clock=self.clock,
            seed=settings.seed,
            language=self.language,
            band=settings.age,
        )

    def _command(self, name: str, argument: str) -> str | None:
        """An operator's command, typed with a slash; None when it is not known."""
        return self.manner.swap(argument) if name == "personality" else None

    def _session(self, llm: LLM) -> Session:
        from agent.context import Ports
        from agent.guard import discloses
        from agent.judging import Judge
        from agent.lines import Lines
        from agent.session import Session
        from agent.speaking import Speaker
        from agent.storyteller import Storyteller
        from agent.strategist import Setting, Strategist

        settings = self.settings
        setting = Setting(settings.age, settings.second_language)
        speaker = Speaker(
            clock=self.clock,
            robot=self.robot,
            screen=self.screen,
            ears=self.ears,
            voice=self.voice,
            sink=self.sink,
            profile=lambda: self.manner.profile,
            record=self._event,
        )
        ports = Ports(
            ears=self.ears,
            robot=self.robot,
            speaker=speaker,
            judge=Judge(settings.follow_language, discloses),
            strategist=Strategist(llm, setting),
            storyteller=Storyteller(llm, setting, self.clock, settings.seed, settings.adult, self._refused),
            story=self.story,
            profile=lambda: self.manner.profile,
            over=self._over,
            lines=lambda turn: Lines(random.Random(f"{settings.seed}/{turn}")),
            slowness=settings.slowness,
        )
        return Session(ports, self.graph, self.record, self.screen, self.clock, noted=settings.log)

    def _event(self, kind: str, values: Mapping[str, object]) -> None:
        turn = self.session.progress.turns if self.session.state else 0
        self.session.event(kind, turn=turn, **values)

    def _refused(self, text: str, why: str) -> None:
        self.session.event("guard_refused", text=text, reason=why)

    def _over(self) -> str:
        settings = self.settings
        if settings.turns and self.session.progress.turns >= settings.turns:
            return "turns"
        return "time" if self.clock.now() >= settings.limit else ""

    def run(self, *, resume: bool) -> int:
        """The session to its goodbye, and everything closed after it."""
        fresh, code = Progress(language=self.language), GOODBYE
        handlers = {number: signal.signal(number, _hang_up) for number in (signal.SIGHUP, signal.SIGTERM)}
        try:
            if resume:
                self.session.resume(fresh)
            else:
                self.session.run(fresh)
        except KeyboardInterrupt as interrupt:
            code = GOODBYE if isinstance(interrupt, HungUp) else INTERRUPTED
            for number in (signal.SIGINT, *handlers):
                signal.signal(number, signal.SIG_IGN)  # the goodbye is short, and nothing breaks into it
            self.session.farewell()
        finally:
            self._close()
            for number, handler in {**handlers, signal.SIGINT: signal.default_int_handler}.items():
                signal.signal(number, handler)
        return code

    def _close(self) -> None:
        """Everything is let go of, whatever the state; one that fails does not keep the others open."""
        progress = self.session.state.get("progress") or Progress(language=self.language)
        ending = progress.ending or "left"
        self.session.event(
            "closed",
            ending=ending,
            seconds=round(self.clock.now(), 3),
            turns=progress.turns,
            questions=progress.questions,
            implicit=progress.implicit,
            types=progress.types,
            new_words=list(progress.words),
            folder=str(self.folder or ""),
        )
        if ending == "declined" and self.folder:
            self.session.forget()
        for part in (self.ears, self.robot, self.sink, self.voice, self.session, self.record, self.screen):
            try:
                if part is not None:
                    part.close()
            except Exception as error:  # one part that will not close must not keep the log from closing
                print(f"while closing: {error}", file=sys.stderr)


def _hang_up(number: int, frame: object) -> None:
    raise HungUp


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one session. Returns the exit code."""
    parsed = parser().parse_args(arguments)
    try:
        if parsed.list:
            from agent.terminal.listing import show

            show()
            return GOODBYE
        return run_session(settings_from(parsed), resume=parsed.resume or "", explain=parsed.explain)
    except (FileProblem, FolderProblem, SetupProblem) as problem:
        print(problem, file=sys.stderr)
        return MISSING
    except ValueError as wrong:
        print(f"python -m agent.run: {wrong}", file=sys.stderr)
        return WRONG_ARGUMENT


if __name__ == "__main__":
    sys.exit(main())
