"""Chat templates of our own, for families of models that bring none."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from mtbench_ko.engine.base import Messages
from mtbench_ko.errors import UsageError

NAMES = ("vicuna", "alpaca", "llama-2", "eeve")
_LLAMA_2_VOCABULARY = 32_000  # Llama 1 and 2, and what was tuned from them without new tokens


def load_template(name: str) -> str:
    """The Jinja text of one of ours, or of the file `name`.

    Raises:
        UsageError: neither.
    """
    if name in NAMES:
        return (files(__name__) / f"{name}.jinja").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(
            f"--chat-template {name}: cannot be read: {why}; name a Jinja file, or one of {', '.join(NAMES)}"
        ) from error


def likely_templates(path: str, config: dict[str, Any]) -> list[str]:
    """Which of ours the model at `path` was probably trained with, going by its names and by its config.json."""
    names = f"{path} {config.get('_name_or_path', '')}".lower()
    if "koalpaca" in names:  # another format than Alpaca's
        return []
    known = {"vicuna": "vicuna", "alpaca": "alpaca", "eeve": "eeve", "llama-2": "llama-2", "llama2": "llama-2"}
    named = [template for mark, template in known.items() if mark in names]
    if named:
        return named[:1]
    is_llama = config.get("architectures") == ["LlamaForCausalLM"]
    return ["llama-2", "vicuna", "alpaca"] if is_llama and config.get("vocab_size") == _LLAMA_2_VOCABULARY else []


def render_template(template: str, messages: Messages, variables: dict[str, Any]) -> str:
    """The prompt that transformers makes of `messages`, with placeholders for the tokenizer's special tokens."""
    from transformers.utils.chat_template_utils import render_jinja_template

    prompts, _ = render_jinja_template(
        conversations=[messages],
        chat_template=template,
        add_generation_prompt=True,
        **{"bos_token": "<s>", "eos_token": "</s>"} | variables,
    )
    return str(prompts[0])
