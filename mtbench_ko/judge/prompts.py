"""Judge prompts in FastChat's file format (judge_prompts.jsonl), filled without ever formatting an answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mtbench_ko.bench import data_root, read_lines
from mtbench_ko.engine import Messages
from mtbench_ko.errors import UsageError
from mtbench_ko.hashing import sha256_text

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
    """A prompt file. `name` is its stem and the start of its hash, so that edited prompts are another set."""

    name: str
    prompts: Mapping[str, JudgePrompt]

    def single(self, turn: int, guided: bool) -> JudgePrompt:
        """FastChat's choice of prompt for single-answer grading."""
        return self.prompts[f"single{'-math' if guided else ''}-v1{'-multi-turn' if turn > 1 else ''}"]


SINGLE_SLOTS = {
    "single-v1": {"question", "answer"},
    "single-math-v1": {"question", "answer", "ref_answer_1"},
    "single-v1-multi-turn": {"question_1", "answer_1", "question_2", "answer_2"},
    "single-math-v1-multi-turn": {
        "question_1", "answer_1", "question_2", "answer_2", "ref_answer_1", "ref_answer_2",
    },
}  # fmt: skip


def load_prompts(judge_file: str | None = None) -> PromptSet:
    """Read `judge_file`, by default this project's own prompts.

    Raises:
        UsageError: a malformed line, or a prompt that is missing or lacks a slot.
    """
    path = Path(judge_file) if judge_file else data_root() / "judge_prompts.jsonl"
    prompts = {prompt.name: prompt for _, prompt in read_lines(path, JudgePrompt)}
    for name, slots in SINGLE_SLOTS.items():
        if name not in prompts:
            raise UsageError(f"{path}: no prompt named '{name}'")
        found = set(_SLOT.findall(prompts[name].prompt_template))
        if found != slots:
            raise UsageError(
                f"{path}: prompt '{name}', field 'prompt_template': slots {sorted(found)} instead of {sorted(slots)}"
            )
    digest = sha256_text(path.read_text(encoding="utf-8"))[:12]
    return PromptSet(f"{'mtbench_ko' if judge_file is None else path.stem}@{digest}", prompts)
