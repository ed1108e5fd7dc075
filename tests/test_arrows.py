"""Who may import whom: the arrows of the house, read from the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = ("agent", "hardware", "adapters", "stories", "personalities", "benchmarks", "tests")
HEAVY = {
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "sounddevice",
    "reachy_mini",
    "faster_whisper",
    "piper",
    "pocketsphinx",
    "vllm",
    "llama_cpp",
}


# What a training loop is made of; the command that needs them imports them when it runs.
TORCH_ITSELF = {"adapters/pretrain_loop.py", "adapters/pretrain_model.py"}


def files(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]


def imports(path: Path, everywhere: bool = True) -> Iterator[tuple[str, int]]:
    """The modules a file imports, with their lines: also inside functions (``everywhere``), or at import time only.

    What stands under ``if TYPE_CHECKING`` is not imported at all.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _within(tree.body, everywhere)


def _within(body: list[ast.stmt], everywhere: bool) -> Iterator[tuple[str, int]]:
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from ((alias.name, statement.lineno) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, "imports are absolute"
            yield from ((f"{statement.module}.{alias.name}", statement.lineno) for alias in statement.names)
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            yield from _within(statement.orelse, everywhere)
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and not everywhere:
            continue
        else:
            inner = [part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.stmt)]
            inner += [part for handler in getattr(statement, "handlers", []) for part in handler.body]
            inner += [part for case in getattr(statement, "cases", []) for part in case.body]
            yield from _within(inner, everywhere)


def ours(path: Path, everywhere: bool = True) -> set[str]:
    """What a file imports of the house, as ``room.module``."""
    found = set()
    for name, _ in imports(path, everywhere):
        parts = name.split(".")
        if parts[0] in ROOMS:
            deeper = ROOT.joinpath(*parts[:2])
            found.add(".".join(parts[:2]) if deeper.is_dir() or deeper.with_suffix(".py").exists() else parts[0])
    return found


def test_the_reader_of_imports_sees_them_all(tmp_path: Path) -> None:
    source = "import a.b\nif TYPE_CHECKING:\n    import no\nelse:\n    import c\ndef f():\n    from d import e\ntry:\n    import g\nexcept ImportError:\n    import h\n"
    (tmp_path / "x.py").write_text(source, encoding="utf-8")
    assert [name for name, _ in imports(tmp_path / "x.py")] == ["a.b", "c", "d.e", "g", "h"]
    assert [name for name, _ in imports(tmp_path / "x.py", everywhere=False)] == ["a.b", "c", "g", "h"]


def test_the_words_of_the_domain_import_nothing_of_ours() -> None:
    assert ours(ROOT / "agent" / "turn.py") == set()


def test_the_ports_know_only_the_words() -> None:
    assert ours(ROOT / "agent" / "ports.py") == {"agent.turn"}


@pytest.mark.parametrize(
    "name",
    [
        "graph",
        "session",
        "speaking",
        "storyteller",
        "strategist",
        "replies",
        "judging",
        "context",
        "checkpoint",
        "record",
        "asking",
        "asides",
    ],
)
def test_the_conversation_knows_no_body_and_no_model(name: str) -> None:
    found = ours(ROOT / "agent" / f"{name}.py")
    allowed = {"agent.models"} if name == "strategist" else set()  # the policy that replaces a model's nonsense
    assert not {module for module in found if module.split(".")[0] in ("hardware", "adapters", "benchmarks")}
    assert found & {"agent.models", "agent.run"} <= allowed


def test_only_the_strategists_policy_is_taken_from_the_models() -> None:
    names = {name for name, _ in imports(ROOT / "agent" / "strategist.py") if name.startswith("agent.models")}
    assert names == {"agent.models.authored.Authored"}


def test_the_arrows_point_one_way() -> None:
    """turn ← ports ← graph ← session ← run: nobody imports what stands to its right."""
    order = ["turn", "ports", "graph", "session", "run"]
    for place, name in enumerate(order):
        for module in (f"agent.{later}" for later in order[place + 1 :]):
            assert module not in ours(ROOT / "agent" / f"{name}.py"), f"{name} imports {module}"


def test_only_the_wiring_looks_outward() -> None:
    outward = {
        path.relative_to(ROOT).as_posix()
        for path in files("agent")
        if any(module.startswith("hardware") for module in ours(path))
    }
    # The names of bodies are checked, and the robot is drawn, where people look.
    assert outward <= {"agent/run.py", "agent/arguments.py", "agent/terminal/stage_picture.py"}


def test_nobody_imports_the_wiring() -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in files("agent", "hardware", "adapters", "stories")
        if "agent.run" in ours(path)
    }
    assert importers == set()


def test_the_body_knows_only_ports_words_and_files() -> None:
    found = {module for path in files("hardware") for module in ours(path) if not module.startswith("hardware")}
    assert found <= {"agent.ports", "agent.turn", "agent.toml_file"}


def test_a_study_reads_logs_and_nothing_of_the_live_loop() -> None:
    study = files("agent/study") if (ROOT / "agent" / "study").exists() else []
    live = {
        "agent.graph",
        "agent.session",
        "agent.speaking",
        "agent.storyteller",
        "agent.strategist",
        "agent.context",
        "agent.run",
    }
    assert not {path for path in study if ours(path) & live}


def test_the_product_imports_no_tests_and_no_benchmarks() -> None:
    for path in files("agent", "hardware", "adapters", "stories"):
        assert not {module for module in ours(path) if module.split(".")[0] in ("tests", "benchmarks")}, path
    for path in files("benchmarks"):
        assert not {module for module in ours(path) if module.startswith("tests")}, path


@pytest.mark.parametrize(
    "path",
    files("agent", "hardware", "adapters", "stories", "benchmarks", "tests"),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() in TORCH_ITSELF:
        return
    heavy = [(name, line) for name, line in imports(path, everywhere=False) if name.split(".")[0] in HEAVY]
    assert heavy == []


def test_every_room_with_code_is_a_package_of_its_own() -> None:
    for room in ("agent", "hardware", "adapters", "stories", "benchmarks"):
        assert (ROOT / room / "__init__.py").is_file(), "a foreign package of the same name would win"
    names = {path.stem for path in files(*ROOMS)}
    assert names.isdisjoint({"utils", "helpers", "manager", "common", "misc"})
