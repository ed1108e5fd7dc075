"""The catalogue: nothing is loaded that is not listed, and what is listed is what was made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import catalog as module
from adapters import template, verify
from adapters.catalog import Catalog, CatalogProblem, Entry, add, difference, fetch, listing, load_catalog, main, rollback
from agent import prompts
from tests.adapters.test_verify import (
    change_json,
    q8_0,
    small_adapter,
    small_base,
    small_gguf,
    small_gguf_lora,
    write_json,
)

SOURCES = (
    '[[sources]]\nname = "phi-ed"\nkind = "adapter"\nbase = "nano"\nrepository = "someone/phi-ed"\narchitecture = "phi3"\n'
)


def quiet(line: str) -> None:
    """Says nothing."""


def empty(folder: Path) -> Catalog:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "catalog.toml").write_text(SOURCES, encoding="utf-8")
    return load_catalog(folder / "catalog.toml")


def trained(folder: Path, base: Path, seed: int = 1, **card: Any) -> Path:
    """An adapter with the card that training writes."""
    small_adapter(folder, seed)
    told: dict[str, Any] = {"name": "strategy", "base": "nano", "base_digest": verify.weights_digest(base), "skill": "strategy"}
    told |= {"tokenizer_digest": verify.tokenizer_digest(base), "template_digest": template.digest(), "language": ["en", "fr"]}
    told |= {
        "prompt_version": prompts.VERSION,
        "data_digest": "abc",
        "recipe": "strategy",
        "settings": {"rank": 2},
        "scores": {"f1": 0.9},
    }
    write_json(folder / "card.json", told | card)
    return folder


def stocked(folder: Path) -> Catalog:
    """A catalogue with a base and one adapter, both copied in from elsewhere."""
    catalog = empty(folder / "adapters")
    catalog, _ = add(catalog, small_base(folder / "made" / "nano"), {}, quiet)
    catalog, _ = add(catalog, trained(folder / "made" / "one", folder / "made" / "nano"), {}, quiet)
    return catalog


def refused(what: str, check: Any) -> str:
    with pytest.raises(CatalogProblem, match=what) as error:
        check()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_added_is_found_verified_and_read_back(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    again = load_catalog(catalog.path)
    assert again == catalog
    base, entry = again.find("nano"), again.find("strategy")
    assert (entry.version, entry.base, entry.base_digest, entry.skill) == ("1", "nano", base.base_digest, "strategy")
    assert (entry.language, entry.scores, entry.prompt_version) == (("en", "fr"), {"f1": 0.9}, prompts.VERSION)
    assert again.verified(entry) == catalog.weights / "nano" / "strategy"
    assert again.verified(base) == catalog.weights / "nano"
    assert base.template_digest == template.digest()
    assert entry.size == sum((catalog.verified(entry) / name).stat().st_size for name in entry.files)
    assert (catalog.weights / "nano" / "strategy" / "card.json").is_file()
    shutil.rmtree(tmp_path / "made")
    again.verified(entry)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_changed_byte_in_any_listed_file_is_refused_with_its_line(tmp_path: Path, data: st.DataObject) -> None:
    catalog = load_catalog(tmp_path / "adapters" / "catalog.toml") if (tmp_path / "adapters").exists() else stocked(tmp_path)
    entry = catalog.find(data.draw(st.sampled_from(["nano", "strategy"])))
    name = data.draw(st.sampled_from(sorted(entry.files)))
    path = catalog.weights / entry.folder / name
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    try:
        said = refused("its digest differs", lambda: catalog.verified(entry))
        number = int(said.removeprefix(f"{catalog.path}:").partition(":")[0])
        assert f'"{name}" = ' in catalog.text.splitlines()[number - 1]
    finally:
        path.write_bytes(whole)
    catalog.verified(entry)


def test_files_that_are_gone_or_links(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    entry = catalog.find("strategy")
    path = catalog.weights / "nano" / "strategy" / "adapter_model.safetensors"
    path.rename(tmp_path / "moved")
    refused("is missing; fetch or train it again", lambda: catalog.verified(entry))
    path.symlink_to(tmp_path / "moved")
    refused("is a link", lambda: catalog.verified(entry))
    path.unlink()
    (tmp_path / "moved").rename(path)
    (path.parent / "adapter_model.bin").write_bytes(b"")
    refused("run code", lambda: catalog.verified(entry))


def listed(catalog: Catalog, **changes: object) -> Catalog:
    """The same catalogue with the strategy's entry changed by hand."""
    entries = [each.model_copy(update=changes) if each.name == "strategy" else each for each in catalog.entries]
    return catalog.write(entries)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"base_digest": "0" * 64}, "was trained on another nano"),
        ({"base": "phi-3-mini"}, "its base phi-3-mini is not listed"),
        ({"tokenizer_digest": "0" * 64}, "another tokenizer"),
        ({"template_digest": "0" * 64}, "another chat template"),
        ({"prompt_version": prompts.VERSION + 1}, "was trained on prompts of version"),
        ({"architecture": "llama"}, "is for llama"),
        ({"size": 1}, "listed are 1"),
    ],
)
def test_what_an_adapter_was_made_for_must_be_what_is_there(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    catalog = listed(stocked(tmp_path), **changes)
    said = refused(what, lambda: catalog.verified(catalog.find("strategy")))
    line = catalog.text.splitlines()[int(said.removeprefix(f"{catalog.path}:").partition(":")[0]) - 1]
    assert line.startswith(next(iter(changes)))


def test_an_adapter_that_was_not_trained_on_our_prompts_may_have_another_template(tmp_path: Path) -> None:
    catalog = listed(stocked(tmp_path), prompt_version=0, template_digest="0" * 64)
    catalog.verified(catalog.find("strategy"))


def test_a_new_base_leaves_its_old_adapters_behind_until_one_goes_back(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    catalog, newer = add(catalog, small_base(tmp_path / "made" / "nano2", seed=9), {"name": "nano"}, quiet)
    assert newer.version == "2"
    refused("than nano@2", lambda: catalog.verified(catalog.find("strategy")))
    catalog, back = rollback(catalog, "nano")
    assert back.version == "1"
    catalog.verified(catalog.find("strategy"))
    assert catalog.verified(catalog.find("nano")) == catalog.weights / "nano/versions/1"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: change_json(folder / "card.json", base_digest="f" * 64), "was trained on another nano"),
        (lambda folder: change_json(folder / "card.json", prompt_version=prompts.VERSION + 1), "prompts of version"),
        (lambda folder: change_json(folder / "card.json", base="other"), "its base other is not listed"),
        (
            lambda folder: change_json(folder / "card.json", files={"adapter_model.safetensors": "0" * 64}),
            "card is of other files",
        ),
        (lambda folder: change_json(folder / "card.json", name="../evil"), "is no name"),
        (lambda folder: change_json(folder / "card.json", prompt_version="x"), "prompt_version"),
        (lambda folder: change_json(folder / "adapter_config.json", r=7), "not of the rank 7"),
        (lambda folder: (folder / "adapter_model.bin").write_bytes(b""), "run code"),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"\x80\x04."), "is a pickle"),
    ],
)
def test_a_bad_folder_is_not_added_and_nothing_changes(tmp_path: Path, change: Any, what: str) -> None:
    catalog = stocked(tmp_path)
    folder = trained(tmp_path / "made" / "two", tmp_path / "made" / "nano", seed=2)
    change(folder)
    before = {path: path.read_bytes() for path in catalog.path.parent.rglob("*") if path.is_file()}
    refused(what, lambda: add(catalog, folder, {}, quiet))
    assert {path: path.read_bytes() for path in catalog.path.parent.rglob("*") if path.is_file()} == before


def test_a_base_whose_card_and_files_disagree(tmp_path: Path) -> None:
    folder = small_base(tmp_path / "nano")
    write_json(folder / "card.json", {"template_digest": "a" * 64})
    refused("its card says template_digest", lambda: add(empty(tmp_path / "adapters"), folder, {}, quiet))


def test_versions_rollback_and_forward_again(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    digests = {"1": catalog.find("strategy").digest}
    for seed in (2, 3):
        folder = trained(tmp_path / "made" / f"v{seed}", tmp_path / "made" / "nano", seed=seed)
        catalog, entry = add(catalog, folder, {}, quiet)
        digests[entry.version] = entry.digest
    assert sorted(digests) == ["1", "2", "3"]
    assert len(set(digests.values())) == 3
    for version in digests:
        entry = catalog.find("strategy", version)
        catalog.verified(entry)
        assert entry.digest == digests[version]
    catalog, entry = rollback(catalog, "strategy")
    assert entry.version == catalog.find("strategy").version == "2"
    catalog, entry = rollback(load_catalog(catalog.path), "strategy")
    assert catalog.find("strategy").version == "1"
    refused("no version before it", lambda: rollback(catalog, "strategy"))
    catalog, _ = rollback(catalog, "strategy", "3")
    assert catalog.find("strategy").version == "3"
    catalog, _ = rollback(catalog, "strategy")
    assert catalog.find("strategy").version == "1", "2 is withdrawn still"
    folder = trained(tmp_path / "made" / "v4", tmp_path / "made" / "nano", seed=4)
    catalog, entry = add(catalog, folder, {}, quiet)
    assert entry.version == "4"


def test_going_back_to_a_version_that_is_broken_is_refused(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    catalog, _ = add(catalog, trained(tmp_path / "made" / "two", tmp_path / "made" / "nano", seed=2), {}, quiet)
    (catalog.weights / "nano/strategy/versions/1/adapter_model.safetensors").write_bytes(b"")
    before = catalog.path.read_bytes()
    refused("digest differs", lambda: rollback(catalog, "strategy"))
    assert catalog.path.read_bytes() == before


def test_training_into_the_weights_is_listed_in_place(tmp_path: Path) -> None:
    catalog = empty(tmp_path / "adapters")
    base = small_base(catalog.weights / "nano")
    catalog, _ = add(catalog, base, {}, quiet)
    trained(base / "strategy", base)
    catalog, first = add(catalog, base / "strategy", {}, quiet)
    assert (first.folder, first.version) == ("nano/strategy", "1")
    write_json(
        base / "strategy" / "card.json", json.loads((base / "strategy" / "card.json").read_text()) | {"scores": {"f1": 0.97}}
    )
    catalog, told = add(catalog, base / "strategy", {}, quiet)
    assert (told.version, told.scores, len(catalog.entries)) == ("1", {"f1": 0.97}, 2)
    shutil.rmtree(base / "strategy")
    trained(base / "strategy", base, seed=5)
    said: list[str] = []
    catalog, second = add(catalog, base / "strategy", {}, said.append)
    assert (second.version, len(catalog.entries)) == ("2", 2)
    assert "overwritten" in said[0]
    catalog.verified(catalog.find("strategy"))


def test_gguf_files_take_over_what_they_were_made_from(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    catalog, base = add(catalog, small_gguf(tmp_path / "nano-q8_0.gguf"), {"name": "nano", "variant": "q8_0"}, quiet)
    assert (base.format, base.base_digest) == ("gguf", catalog.find("nano").base_digest)
    catalog, lora = add(catalog, small_gguf_lora(tmp_path / "nano-strategy.gguf"), {"name": "strategy", "base": "nano"}, quiet)
    assert (lora.skill, lora.data_digest, lora.prompt_version) == ("strategy", "abc", prompts.VERSION)
    assert catalog.find("strategy").format == "safetensors"
    assert catalog.verified(catalog.find("strategy", format="gguf")) == catalog.weights / "nano" / "nano-strategy.gguf"
    assert catalog.verified(catalog.find("nano", variant="q8_0")) == catalog.weights / "nano" / "nano-q8_0.gguf"
    wide = small_gguf_lora(tmp_path / "wide.gguf", width=64)
    refused("another base", lambda: add(catalog, wide, {"name": "wide", "base": "nano"}, quiet))
    llama = small_gguf(tmp_path / "llama.gguf", "llama")
    refused("architecture 'llama', not 'phi3'", lambda: add(catalog, llama, {"name": "nano", "variant": "x"}, quiet))


def test_a_gguf_file_that_names_another_base_is_not_added(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    own = catalog.find("nano").base_digest
    good = small_gguf(tmp_path / "good.gguf", changes={"fabula.base.digest": (8, own)})
    catalog, entry = add(catalog, good, {"name": "nano", "variant": "a"}, quiet)
    catalog.verified(entry)
    bad = small_gguf(tmp_path / "bad.gguf", changes={"fabula.base.digest": (8, "0" * 64)})
    refused("was made for another nano", lambda: add(catalog, bad, {"name": "nano", "variant": "b"}, quiet))


def test_a_foreign_gguf_is_its_own_origin(tmp_path: Path) -> None:
    catalog, entry = add(empty(tmp_path / "adapters"), small_gguf(tmp_path / "foreign.gguf"), {}, quiet)
    assert (entry.name, entry.base_digest, entry.architecture) == (
        "foreign",
        verify.file_digest(tmp_path / "foreign.gguf"),
        "phi3",
    )
    catalog.verified(entry)


def test_an_archive_is_added_and_one_with_a_trap_is_not(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    trained(tmp_path / "pack" / "two", tmp_path / "made" / "nano", seed=2)
    archive = shutil.make_archive(str(tmp_path / "two"), "zip", tmp_path / "pack", "two")
    catalog, entry = add(catalog, Path(archive), {}, quiet)
    assert entry.version == "2"
    (tmp_path / "pack" / "two" / "run.py").write_text("")
    archive = shutil.make_archive(str(tmp_path / "bad"), "gztar", tmp_path / "pack", "two")
    refused("no file a model needs", lambda: add(catalog, Path(archive), {}, quiet))
    assert [path.name for path in catalog.weights.iterdir()] == ["nano"], "nothing is left lying about"


# --- the file itself ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('format = "safetensors"', 'fromat = "safetensors"', 'fromat = "safetensors"', "did you mean “format”"),
        ('kind = "base"', 'kind = "bass"', 'kind = "bass"', "kind"),
        ('folder = "nano/strategy"', 'folder = "../../etc"', 'folder = "../../etc"', "leads elsewhere"),
        ('"adapter_config.json" =', '"../x.json" =', "[entries.files]", "leads elsewhere"),
        ('"adapter_config.json" =', '"x.bin" =', "[entries.files]", "run code"),
        ('name = "strategy"', 'name = "a/b"', 'name = "a/b"', "is no name"),
        ('version = "1"\nkind = "adapter"', 'version = "new"\nkind = "adapter"', 'version = "new"', "version"),
    ],
)
def test_mistakes_in_the_file_are_told_with_their_line(tmp_path: Path, old: str, new: str, line: str, what: str) -> None:
    catalog = stocked(tmp_path)
    assert old in catalog.text
    head, _, tail = catalog.text.rpartition(old)
    catalog.path.write_text(head + new + tail, encoding="utf-8")
    said = refused(what, lambda: load_catalog(catalog.path))
    number = int(said.removeprefix(f"{catalog.path}:").partition(":")[0])
    assert line in (head + new + tail).splitlines()[number - 1]


def test_an_entry_that_stands_twice_and_a_file_that_is_no_toml(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    start = catalog.text.index("[[entries]]")
    catalog.path.write_text(catalog.text + catalog.text[start:], encoding="utf-8")
    refused("is listed twice", lambda: load_catalog(catalog.path))
    catalog.path.write_text("[[entries]\n", encoding="utf-8")
    refused(":1: is not valid TOML", lambda: load_catalog(catalog.path))
    refused("there is no such file", lambda: load_catalog(tmp_path / "none.toml"))


words = st.text(max_size=20).filter(lambda text: "\r" not in text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    recipe=words,
    audience=words,
    scores=st.dictionaries(words, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    language=st.lists(words, max_size=3),
)
def test_whatever_is_written_is_read_back(
    tmp_path: Path, recipe: str, audience: str, scores: dict[str, float], language: list[str]
) -> None:
    path = tmp_path / "catalog.toml"
    path.unlink(missing_ok=True)
    entry = Entry.model_validate(
        {
            **{
                "name": "n",
                "version": 3,
                "kind": "base",
                "format": "safetensors",
                "folder": "n",
                "base": "n",
                "base_digest": "0" * 64,
            },
            **{"architecture": "phi3", "size": 1, "files": {"é “x”.json": "1" * 64}, "recipe": recipe, "audience": audience},
            **{"scores": scores, "language": language},
        }
    )
    try:
        Catalog(path, ()).write([entry])
    except UnicodeEncodeError:  # half a surrogate pair is no text
        return
    assert load_catalog(path).entries == (entry,)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = stocked(tmp_path)
    before = catalog.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        listed(catalog, skill="other")
    assert catalog.path.read_bytes() == before
    assert sorted(path.name for path in catalog.path.parent.iterdir()) == ["catalog.toml", "weights"]


def test_two_people_at_once_lose_nothing(tmp_path: Path) -> None:
    mine = stocked(tmp_path)
    theirs = listed(load_catalog(mine.path), skill="theirs")
    refused("changed by somebody else", lambda: listed(mine, skill="mine"))
    assert load_catalog(mine.path) == theirs


# --- find, list, diff, fetch, the command line ----------------------------------------------------------------------------


def test_finding_says_what_is_there_instead(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    assert "strategy@1 for nano" in refused("there is no response", lambda: catalog.find("response"))
    refused("there is no strategy version 7", lambda: catalog.find("strategy", "7"))
    refused("not on this machine; get it with: python -m adapters.catalog fetch phi-ed", lambda: catalog.find("phi-ed"))
    other = catalog.find("strategy").model_copy(update={"base": "phi-3-mini"})
    both = catalog.write([*catalog.entries, other])
    refused("exists for nano and phi-3-mini", lambda: both.find("strategy"))
    assert both.find("strategy", base="nano").base == "nano"


def test_versions_are_numbers_not_words(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    entry = catalog.find("strategy")
    catalog = catalog.write(
        [*catalog.entries, *(entry.model_copy(update={"version": version}) for version in ("10", "9.2", "9.10"))]
    )
    assert catalog.find("strategy").version == "10"
    assert [each.version for each in sorted(catalog.entries[1:], key=lambda each: each.order)] == ["1", "9.2", "9.10", "10"]


def test_the_difference_of_two_versions(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    folder = trained(
        tmp_path / "made" / "two", tmp_path / "made" / "nano", seed=1, data_digest="def", scores={"f1": 0.95, "loss": 1.5}
    )
    tensors = verify.load(folder / "adapter_model.safetensors")
    name = "base_model.model.model.layers.0.mlp.down_proj.lora_B.weight"
    from adapters.compose import write_safetensors

    write_safetensors(folder / "adapter_model.safetensors", tensors | {name: 2 * tensors[name]})
    catalog, second = add(catalog, folder, {}, quiet)
    lines = difference(catalog, catalog.find("strategy", "1"), second)
    assert "data_digest: abc → def" in lines
    assert "score f1: 0.9 → 0.95 (+0.05)" in lines
    assert "score loss: – → 1.5" in lines
    assert any(line.startswith("file adapter_model.safetensors: ") for line in lines)
    sizes = {}
    for kind in verify.lora_pairs(tensors).items():
        sizes[kind[0]] = float(np.linalg.norm(2.0 * tensors[kind[1]["B"]] @ tensors[kind[1]["A"]]))
    share = sizes["model.layers.0.mlp.down_proj"] / sum(size**2 for size in sizes.values()) ** 0.5
    assert f"weights: ΔW differs by {share:.1%} of its size, most in model.layers.0.mlp.down_proj" in lines
    assert difference(catalog, second, second) == [
        "weights: ΔW differs by 0.0% of its size, most in model.layers.0.mlp.down_proj"
    ]


class Hub(ModuleType):
    """A hub as huggingface_hub is one: it copies a folder, or fails."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__("huggingface_hub")
        self.folder = folder
        self.asked: list[str] = []

    def snapshot_download(self, repository: str, *, revision: str, local_dir: str, allow_patterns: list[str]) -> None:
        self.asked.append(f"{repository}@{revision}")
        assert "*.bin" not in allow_patterns
        if self.folder is None:
            raise ConnectionError("no network\nat all")
        shutil.copytree(self.folder, local_dir, dirs_exist_ok=True)


def test_fetching_lists_what_came_and_refuses_what_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = stocked(tmp_path)
    hub = Hub(small_adapter(tmp_path / "hub", seed=7))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    catalog, entry = fetch(catalog, "phi-ed", quiet)
    assert hub.asked == ["someone/phi-ed@main"]
    assert (entry.name, entry.base, entry.source, entry.prompt_version) == ("phi-ed", "nano", "someone/phi-ed@main", 0)
    catalog.verified(catalog.find("phi-ed"))
    change_json(tmp_path / "hub" / "adapter_config.json", init_lora_weights="pissa")
    refused("changes the base", lambda: fetch(catalog, "phi-ed", quiet))
    hub.folder = None
    refused(
        r"could not be fetched \(no network\); download https://huggingface.co/someone/phi-ed",
        lambda: fetch(catalog, "phi-ed", quiet),
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused("fetching needs huggingface_hub", lambda: fetch(catalog, "phi-ed", quiet))
    refused("has no source to fetch it from", lambda: fetch(catalog, "strategy", quiet))
    assert [path.name for path in catalog.weights.iterdir()] == ["nano"]


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = stocked(tmp_path)
    at = ["--catalog", str(catalog.path)]
    assert main([*at, "list"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines() == listing(catalog)
    assert "phi-ed" in said
    assert "not here: fetch it" in said
    assert main([*at, "show", "strategy"]) == 0
    assert f"sound: {catalog.weights / 'nano/strategy'}" in capsys.readouterr().out
    two = trained(tmp_path / "made" / "two", tmp_path / "made" / "nano", seed=2)
    assert main([*at, "add", str(two), "--audience", "6-7", "--language", "de", "en"]) == 0
    assert load_catalog(catalog.path).find("strategy").language == ("de", "en")
    assert main([*at, "diff", "strategy@1", "strategy@2"]) == 0
    assert "audience: – → 6-7" in capsys.readouterr().out
    assert main([*at, "rollback", "strategy"]) == 0
    assert load_catalog(catalog.path).find("strategy").version == "1"
    capsys.readouterr()
    assert main([*at, "show", "response"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "there is no response" in error
    assert main([*at, "add", str(tmp_path / "nowhere")]) == 2


def test_the_shipped_catalogue_is_sound_and_costs_nothing_to_import() -> None:
    catalog = load_catalog()
    assert catalog.path == module.DEFAULT
    for entry in catalog.entries:
        if not entry.withdrawn:
            catalog.verified(entry)
    text = "import sys, adapters.catalog, adapters.router, adapters.pool, adapters.api; print([m for m in ('torch', 'transformers', 'peft', 'safetensors') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_digest_of_an_entry_depends_on_every_file_and_its_name() -> None:
    told = SimpleNamespace(files={"a.json": "1" * 64, "b.json": "2" * 64})
    digest = Entry.digest.fget  # type: ignore[attr-defined]
    seen = {
        digest(told),
        digest(SimpleNamespace(files={"a.json": "2" * 64, "b.json": "1" * 64})),
        digest(SimpleNamespace(files={"a.json": "1" * 64})),
    }
    assert len(seen) == 3
    assert digest(SimpleNamespace(files=dict(reversed(told.files.items())))) in seen


def test_a_gguf_with_a_broken_block_is_not_added(tmp_path: Path) -> None:
    path = small_gguf(tmp_path / "x.gguf")
    whole = path.read_bytes()
    at = whole.index(q8_0(1)[:2])
    path.write_bytes(whole[:at] + b"\x00\x7e" + whole[at + 2 :])
    refused("NaN", lambda: add(empty(tmp_path / "adapters"), path, {}, quiet))
