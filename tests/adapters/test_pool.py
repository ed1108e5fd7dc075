"""Adapters in memory: order, budget, threads, hot swap; and the three-line API that rests on it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import api, verify
from adapters.api import Answers, Tutor
from adapters.catalog import Catalog, CatalogProblem, add, rollback
from adapters.compose import Part
from adapters.pool import Pool
from agent.ports import Message, Prompt
from tests.adapters.test_catalog import quiet, stocked, trained
from tests.adapters.test_verify import small_adapter, small_base

SIZES = dict(zip("abcdefgh", (10, 20, 30, 40, 50, 60, 70, 101), strict=True))


class Shop:
    """Loads and closes letters, and remembers it."""

    def __init__(self, budget: int = 100, patience: float = 5.0) -> None:
        self.loads: list[str] = []
        self.closed: list[str] = []
        self.slow, self.failing = 0.0, ""
        self.pool: Pool[str, str] = Pool(budget, SIZES.__getitem__, self.load, self.closed.append, patience)

    def load(self, key: str) -> str:
        time.sleep(self.slow)
        if key == self.failing:
            raise OSError("broken")
        self.loads.append(key)
        return key.upper()


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdefg"), max_size=40))
def test_the_least_recently_used_leaves_and_the_budget_holds(asked: list[str]) -> None:
    """Beside a plain model of the rule: same contents, in the same order, after every step."""
    shop, model, loads = Shop(), OrderedDict[str, int](), 0
    for key in asked:
        with shop.pool.use(key) as value:
            assert value == key.upper()
        if key in model:
            model.move_to_end(key)
        else:
            while sum(model.values()) + SIZES[key] > 100:
                model.popitem(last=False)
            model[key] = SIZES[key]
            loads += 1
        assert shop.pool.held() == list(model)
        assert shop.pool.bytes() == sum(model.values()) <= 100
    assert len(shop.loads) == loads
    gone = sorted(key.upper() for key in shop.loads)
    for key in model:
        gone.remove(key.upper())
    assert sorted(shop.closed) == gone
    assert len(shop.closed) == loads - len(model)


def test_what_is_in_use_stays_however_old_it_is() -> None:
    shop = Shop()
    with shop.pool.use("a"):
        for key in "bcdefb":
            with shop.pool.use(key):
                assert "a" in shop.pool.held()
    assert "A" not in shop.closed


def test_what_is_too_large_or_finds_no_room() -> None:
    shop = Shop(patience=0.05)
    with pytest.raises(ValueError, match="h takes 101 bytes; the budget is 100"), shop.pool.use("h"):
        pass
    with shop.pool.use("f"):
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="everything in memory is in use"), shop.pool.use("e"):
            pass
        assert time.monotonic() - began < 2
    with shop.pool.use("e") as value:
        assert value == "E"
    with pytest.raises(ValueError, match="must be more than nothing"):
        Shop(budget=0)


def test_waiting_for_room_ends_as_soon_as_there_is_some() -> None:
    shop, inside, out = Shop(), threading.Event(), threading.Event()

    def holder() -> None:
        with shop.pool.use("f"):
            inside.set()
            out.wait(5)

    thread = threading.Thread(target=holder)
    thread.start()
    inside.wait(5)
    threading.Timer(0.05, out.set).start()
    with shop.pool.use("e") as value:
        assert value == "E"
    thread.join()
    assert shop.closed == ["F"]


def test_a_load_that_fails_leaves_no_trace() -> None:
    shop = Shop()
    shop.failing = "a"
    with pytest.raises(OSError, match="broken"), shop.pool.use("a"):
        pass
    assert (shop.pool.held(), shop.pool.bytes()) == ([], 0)
    shop.failing = ""
    with shop.pool.use("a") as value:
        assert value == "A"


def test_many_threads_load_each_thing_once_and_never_exceed_the_budget() -> None:
    shop = Shop(budget=100)
    shop.slow = 0.002
    over: list[int] = []
    wrong: list[str] = []

    def work(seed: int) -> None:
        import random

        chooser = random.Random(seed)
        for _ in range(40):
            key = chooser.choice("abcd")
            with shop.pool.use(key) as value:
                if value != key.upper():
                    wrong.append(value)
                if shop.pool.bytes() > 100:
                    over.append(shop.pool.bytes())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert (over, wrong) == ([], [])
    assert sorted(shop.loads) == ["a", "b", "c", "d"], "all four fit: each is loaded once"


def test_threads_under_pressure_come_through() -> None:
    shop = Shop(budget=100)
    shop.slow = 0.001
    done: list[int] = []

    def work(seed: int) -> None:
        import random

        chooser = random.Random(seed)
        for _ in range(25):
            with shop.pool.use(chooser.choice("abcdefg")) as value:
                assert value not in ("", None)
                assert shop.pool.bytes() <= 100
        done.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == list(range(6))
    shop.pool.close()
    assert sorted(key.upper() for key in shop.loads) == sorted(shop.closed)


def test_hot_swap_while_somebody_uses_the_old_one() -> None:
    shop = Shop()
    with shop.pool.use("a") as old:
        shop.pool.swap("a", "b")
        assert old == "A"
        assert shop.closed == []
        with shop.pool.use("a") as new:
            assert new == "B"
        assert shop.pool.bytes() == 30
    assert shop.closed == ["A"]
    assert shop.pool.bytes() == 20
    shop.pool.swap("a", "c")
    with shop.pool.use("b") as value:
        assert value == "C", "who had the middle version gets the newest too"
    shop.pool.swap("a", "a")
    with shop.pool.use("a") as value:
        assert value == "A"
    with shop.pool.use("c") as value:
        assert value == "A"


def test_a_swap_that_fails_changes_nothing() -> None:
    shop = Shop()
    for old, new in (("a", "b"), ("f", "e")):  # with room for both, and without
        with shop.pool.use(old):
            pass
        shop.failing = new
        with pytest.raises(OSError, match="broken"):
            shop.pool.swap(old, new)
        shop.failing = ""
        with shop.pool.use(old) as value:
            assert value == old.upper()
    shop.pool.swap("f", "e")
    with shop.pool.use("f") as value:
        assert value == "E"


def test_a_closed_pool_lets_go_of_everything() -> None:
    shop = Shop()
    with shop.pool.use("a"), shop.pool.use("b"):
        shop.pool.close()
        assert shop.closed == []
    assert sorted(shop.closed) == ["A", "B"]
    with pytest.raises(RuntimeError, match="closed"), shop.pool.use("a"):
        pass


# --- remembered answers and the three-line API ----------------------------------------------------------------------------


def test_answers_are_remembered_by_everything_that_decides_them() -> None:
    messages = (Message("user", "hello"),)
    keys = {
        Answers.key(model, lora, told)
        for model in ("m1", "m2")
        for lora in ("", "l1", "l2")
        for told in (
            messages,
            (Message("system", "hello"),),
            (*messages, *messages),
            (Message("user", "hell"), Message("user", "o")),
        )
    }
    assert len(keys) == 24
    kept = Answers(2)
    kept.put("a", "1")
    kept.put("b", "2")
    assert kept.get("a") == "1"
    kept.put("c", "3")
    assert (kept.get("b"), kept.get("a"), kept.get("c")) == (None, "1", "3")
    assert (kept.hits, kept.misses) == (3, 1)


class Telling:
    """A tenant that answers with what it was asked and through which adapters, from their files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, dict[str, tuple[Path, ...]]()
        self.asked, self.switches, self.closed = 0, list[str](), False

    def add(self, name: str, folders: Sequence[str | Path]) -> None:
        assert name not in self.names
        self.names[name] = tuple(map(Path, folders))

    def remove(self, name: str) -> None:
        del self.names[name]

    def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
        self.asked += 1
        self.switches.append(adapter)
        yield prompt.messages[-1].content
        yield f" by {','.join(verify.file_digest(each / 'adapter_model.safetensors')[:8] for each in self.names.get(adapter, ()))}"

    def close(self) -> None:
        self.closed = True


def tutor(catalog: Catalog, **how: Any) -> tuple[Tutor, Telling]:
    made = Tutor("nano", catalog=catalog, open_model=Telling, **how)
    assert isinstance(made.tenant, Telling)
    return made, made.tenant


def mark(folder: Path) -> str:
    return verify.file_digest(folder / "adapter_model.safetensors")[:8]


def test_three_lines(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    made, tenant = tutor(catalog)
    with made:
        assert made.generate("hello") == "hello by "
        made.load_lora("strategy")
        assert made.generate("hello") == f"hello by {mark(tmp_path / 'made' / 'one')}"
        assert made.generate("hello") == f"hello by {mark(tmp_path / 'made' / 'one')}"
        assert tenant.asked == 2
        assert made.answers.hits == 1
        made.load_lora()
        assert made.generate("hello") == "hello by "
        assert tenant.asked == 2
    assert tenant.closed
    assert tenant.names == {}


def test_a_new_version_never_answers_with_the_old_ones_words(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    folder = trained(tmp_path / "made" / "two", tmp_path / "made" / "nano", seed=2)
    catalog, _ = add(catalog, folder, {}, quiet)
    made, _ = tutor(catalog)
    made.load_lora("strategy")
    new = made.generate("x")
    made.load_lora("strategy@1")
    old = made.generate("x")
    assert (new, old) == (f"x by {mark(folder)}", f"x by {mark(tmp_path / 'made' / 'one')}")
    made.catalog, _ = rollback(catalog, "strategy")
    made.load_lora("strategy")
    assert made.generate("x") == old
    made.close()


def test_a_path_is_taken_with_a_card_that_names_this_base(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    base = tmp_path / "made" / "nano"
    made, _ = tutor(catalog)
    good = trained(tmp_path / "good", base, seed=5)
    made.load_lora(good)
    assert made.generate("x") == f"x by {mark(good)}"
    for folder, what in (
        (small_adapter(tmp_path / "bare"), "has no card.json that names its base; list it first"),
        (trained(tmp_path / "other", small_base(tmp_path / "otherbase", seed=3)), "was trained on another base"),
        (tmp_path / "nowhere", "has no card.json"),
    ):
        with pytest.raises(CatalogProblem, match=what):
            made.load_lora(str(folder))
    (good / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(CatalogProblem, match="run code"):
        made.load_lora(good)
    assert made.generate("x") == f"x by {mark(good)}", "what was loaded before goes on"
    made.close()


def test_several_at_once_are_their_weighted_sum(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    other = trained(tmp_path / "other", tmp_path / "made" / "nano", seed=4)
    made, tenant = tutor(catalog)
    made.load_lora("strategy", other)
    assert made.generate("x") == f"x by {mark(tmp_path / 'made' / 'one')},{mark(other)}"
    made.load_lora("strategy", other, weights=[1, 0.5])
    (sum_of,) = tenant.names[made.lora.name]
    first, second, both = (Part.read(each) for each in (tmp_path / "made" / "one", other, sum_of))
    for module in both.pairs:
        assert both.delta(module) == pytest.approx(first.delta(module) + 0.5 * second.delta(module), rel=1e-5, abs=1e-5)
    with pytest.raises(ValueError, match="2 adapters and 1 weights"):
        made.load_lora("strategy", other, weights=[1])
    made.close()
    assert not sum_of.exists()


def test_the_memory_for_adapters_is_bounded(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    base = tmp_path / "made" / "nano"
    folders = [trained(tmp_path / f"v{seed}", base, seed=seed) for seed in range(5)]
    size = sum((folders[0] / name).stat().st_size for name in ("adapter_config.json", "adapter_model.safetensors"))
    made, tenant = tutor(catalog, memory=2 * size + 10)
    for folder in folders:
        made.load_lora(folder)
        assert made.generate("x") == f"x by {mark(folder)}"
        assert len(tenant.names) <= 2
    made.close()
    small, _ = tutor(catalog, memory=10)
    with small, pytest.raises(ValueError, match="the budget is"):
        small.load_lora("strategy")


def test_a_broken_off_answer_is_not_remembered(tmp_path: Path) -> None:
    made, tenant = tutor(stocked(tmp_path))
    stream = made.stream("x")
    assert next(stream) == "x"
    stream.close()  # type: ignore[attr-defined]
    assert made.generate("x") == "x by "
    assert tenant.asked == 2
    made.close()


def test_mixed_requests_come_back_in_order_with_one_switch_each(tmp_path: Path) -> None:
    catalog = stocked(tmp_path)
    made, tenant = tutor(catalog)
    requests = [(f"q{at}", "strategy" if at % 2 else "") for at in range(6)]
    one = mark(tmp_path / "made" / "one")
    assert made.generate_all(requests) == [f"q{at} by {one if at % 2 else ''}" for at in range(6)]
    assert sum(before != after for before, after in zip(tenant.switches, tenant.switches[1:], strict=False)) == 1
    assert made.lora.name == ""
    made.close()


def test_what_cannot_be_opened_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = stocked(tmp_path)
    with pytest.raises(CatalogProblem, match="strategy@1 for nano is an adapter; name its model"):
        Tutor("strategy", catalog=catalog, open_model=Telling)
    with pytest.raises(CatalogProblem, match="there is no nano gguf; listed here"):
        Tutor("nano", catalog=catalog, format="gguf")
    (catalog.weights / "nano" / "model.safetensors").write_bytes(b"")
    with pytest.raises(CatalogProblem, match="digest differs"):
        Tutor("nano", catalog=catalog, open_model=Telling)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT asks transformers by a name that is to go
@pytest.mark.filterwarnings("ignore:The PEFT config")  # the base was trained on in another folder than it lies in now
def test_the_real_tenant_answers_otherwise_with_an_adapter_and_again_without(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra gpu is not installed (make install EXTRAS=train)")
    pytest.importorskip("agent.models.phi", reason="the tenant phi is not there")
    import peft
    import transformers

    from adapters import template
    from tests.adapters.test_catalog import empty
    from tests.adapters.tiny_base import make

    make(tmp_path / "nano")
    catalog, base = add(empty(tmp_path / "adapters"), tmp_path / "nano", {}, quiet)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "nano")
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=64, target_modules="all-linear", init_lora_weights=False)
    folder = tmp_path / "response"
    peft.get_peft_model(model, config).save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    catalog, entry = add(catalog, folder, {"base": "nano", "template_digest": template.digest()}, quiet)
    assert entry.base_digest == base.base_digest
    with Tutor("nano", catalog=catalog, format="safetensors") as made:
        plain = made.generate("the fox said")
        made.load_lora("response")
        changed = made.generate("the fox said")
        assert changed != plain
        asked = made.answers.misses
        made.load_lora()
        assert made.generate("the fox said") == plain
        assert made.answers.misses == asked
        made.answers = api.Answers()
        # Written again by the bare model. A random one soon comes to ties, which the last bit of a sum decides.
        again = made.generate("the fox said")
        assert again[:60] == plain[:60]
        assert again[:60] != changed[:60]


def test_a_tutor_through_llama_cpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which file answers; llama.cpp itself is tested with its tenant."""
    from tests.adapters.test_verify import small_gguf, small_gguf_lora

    catalog = stocked(tmp_path)
    catalog, _ = add(catalog, small_gguf(tmp_path / "nano-q8_0.gguf"), {"name": "nano", "variant": "q8_0"}, quiet)
    catalog, _ = add(catalog, small_gguf_lora(tmp_path / "nano-strategy.gguf"), {"name": "strategy", "base": "nano"}, quiet)
    module = pytest.importorskip("agent.models.gguf", reason="the tenant gguf is not there")

    class Named:
        def __init__(self, path: Path, adapters: dict[str, Path | None], *, check: bool) -> None:
            self.path, self.adapters = path, adapters

        def stream(self, prompt: Prompt, *, adapter: str) -> Iterator[str]:
            file = self.adapters[adapter]
            yield f"{self.path.name} with {file.name if file else 'nothing'}"

        def close(self) -> None:
            """Nothing to close."""

    monkeypatch.setattr(module, "Gguf", Named)
    with Tutor("nano", catalog=catalog, format="gguf") as made:
        assert made.generate("x") == "nano-q8_0.gguf with nothing"
        made.load_lora("strategy")
        assert made.generate("x") == "nano-q8_0.gguf with nano-strategy.gguf"
        with pytest.raises(CatalogProblem, match="weights other than 1"):
            made.load_lora("strategy", weights=[0.5])
        with pytest.raises(CatalogProblem, match="several adapters at once"):
            made.load_lora("strategy", "strategy")
        with pytest.raises(CatalogProblem, match="must be listed"):
            made.load_lora(tmp_path / "nano-strategy.gguf")
