"""Judge prompts in FastChat's file format (judge_prompts.jsonl), filled without ever formatting an answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mtbench_ko.bench import PROMPTS, DataCache, data_root, read_lines, registry
from mtbench_ko.engine import Messages
from mtbench_ko.errors import UsageError
from mtbench_ko.hashing import sha256_text

OWN_SETS = {"ko": "mtbench_ko", "en": "mtbench_en"}
"""This project's own sets by language, and their names in records."""
_SLOT = re.compile(r"\{(\w+)\}")


class JudgePrompt(BaseModel):
    """One line of a prompt file. `prompt_template` has slots such as {question}, {answer}, {ref_answer_1}."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    type: Literal["single", "pairwise"]
    system_prompt: str
    prompt_template: str
    output_format: str = Field(min_length=1)

    def messages(self, slots: Mapping[str, str]) -> Messages:
        """System and user message with `slots` put in: one pass, so that braces in an answer stay text."""
        user = _SLOT.sub(lambda match: slots.get(match[1], match[0]), self.prompt_template)
        return [{"role": "system", "content": self.system_prompt}, {"role": "user", "content": user}]


@dataclass(frozen=True)
class PromptSet:
    """A prompt file. `name` ends with the start of its hash, so that edited prompts are another set."""

    name: str
    prompts: Mapping[str, JudgePrompt]

    def single(self, turn: int, guided: bool) -> JudgePrompt:
        """FastChat's choice of prompt for single-answer grading."""
        return self.prompts[prompt_name("single-v1", turn, guided)]

    def pairwise(self, turn: int, guided: bool) -> JudgePrompt:
        """FastChat's choice of prompt for comparing two answers."""
        return self.prompts[prompt_name("pair-v2", turn, guided)]


def prompt_name(base: str, turn: int, guided: bool) -> str:
    """FastChat's names: single-v1, single-math-v1, pair-v2, pair-math-v1 and their -multi-turn."""
    kind = base.partition("-")[0]
    return f"{f'{kind}-math-v1' if guided else base}{'-multi-turn' if turn > 1 else ''}"


def _slots(type: str, turn: int, guided: bool) -> set[str]:
    """The slots that a prompt must have."""
    sides = ("",) if type == "single" else ("_a", "_b")
    numbers = ("",) if turn == 1 else ("_1", "_2")
    slots = {f"question{number}" for number in numbers} | {f"answer{a}{number}" for a in sides for number in numbers}
    return slots | {f"ref_answer_{number}" for number in range(1, turn + 1) if guided}


def load_prompts(
    judge_file: str | None = None,
    prompt_set: str | None = None,
    *,
    pairwise: bool = False,
    cache: DataCache | None = None,
) -> PromptSet:
    """Read `judge_file`, or the set of that name; those for single grading must be there, or `pairwise`.

    A prompt under a pairwise name may be of the type "single": each answer is then rated alone.

    Raises:
        UsageError: no such set, a malformed line, or a prompt that is missing, lacks a slot or has an unknown format.
        MtBenchError: the set could not be fetched.
    """
    name, path = _find(judge_file, prompt_set or "ko", cache or DataCache())
    prompts = {prompt.name: prompt for _, prompt in read_lines(path, JudgePrompt)}
    for guided, turn in product((False, True), (1, 2)):
        wanted = prompt_name("pair-v2" if pairwise else "single-v1", turn, guided)
        if wanted not in prompts:
            raise UsageError(f"{path}: no prompt named '{wanted}'")
        _check(path, prompts[wanted], pairwise, _slots(prompts[wanted].type, turn, guided))
    digest = sha256_text(path.read_text(encoding="utf-8"))[:12]
    return PromptSet(f"{name}@{digest}", prompts)


def _find(judge_file: str | None, prompt_set: str, cache: DataCache) -> tuple[str, Path]:
    """The name that records give the prompts, and their file."""
    if judge_file:
        return Path(judge_file).stem, Path(judge_file)
    if prompt_set in OWN_SETS:
        return OWN_SETS[prompt_set], data_root() / "judge_prompts" / f"{prompt_set}.jsonl"
    sets = {name: each for name, each in registry().items() if each.has_prompts}
    if prompt_set not in sets:
        raise UsageError(
            f"--prompt-set {prompt_set}: known are {', '.join([*OWN_SETS, *sets])}; a file is named with --judge-file"
        )
    return prompt_set, cache.ensure(sets[prompt_set]) / PROMPTS


def _check(path: Path, prompt: JudgePrompt, pairwise: bool, slots: set[str]) -> None:
    where = f"{path}: prompt '{prompt.name}', field"
    if prompt.type == "pairwise" and not pairwise:
        raise UsageError(f"{where} 'type': pairwise, and grading single answers needs a single one")
    formats = ("[[rating]]",) if prompt.type == "single" else ("[[A]]", "[[rating_a,rating_b]]")
    if prompt.output_format not in formats:
        raise UsageError(f"{where} 'output_format': '{prompt.output_format}' instead of {' or '.join(formats)}")
    found = set(_SLOT.findall(prompt.prompt_template))
    if found != slots:
        raise UsageError(f"{where} 'prompt_template': slots {sorted(found)} instead of {sorted(slots)}")
