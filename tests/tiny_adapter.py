"""A random LoRA adapter for a model of tiny_model.py: `python tiny_adapter.py MODEL FOLDER`.

Prints what transformers answers, greedily, with the adapter merged into the weights: the reference for vLLM.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

RANK, ALPHA, TOKENS = 4, 8, 16
QUESTIONS = ["서울은 어떤 곳인가요?", "바다는 왜 푸른가요?", "짧은 시를 써 주세요."]


def build(model: Path, folder: Path) -> dict[str, torch.Tensor]:
    """Write the adapter of the query and value projections; returns the change of each weight."""
    weights = load_file(model / "model.safetensors")
    torch.manual_seed(7)
    tensors, changes = {}, {}
    for name, weight in weights.items():
        if name.endswith(("q_proj.weight", "v_proj.weight")):
            down, up = 0.3 * torch.randn(RANK, weight.shape[1]), 0.3 * torch.randn(weight.shape[0], RANK)
            stem = f"base_model.model.{name.removesuffix('.weight')}"
            tensors |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}
            changes[name] = ALPHA / RANK * up @ down
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    settings = {"r": RANK, "lora_alpha": ALPHA, "target_modules": ["q_proj", "v_proj"], "bias": "none"}
    about = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": str(model)}
    (folder / "adapter_config.json").write_text(json.dumps(about | settings))
    return changes


def answers(model: Path, changes: dict[str, torch.Tensor]) -> dict[str, str]:
    """Greedy answers by question, with the changes merged in."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    merged = AutoModelForCausalLM.from_pretrained(model).eval()
    for name, change in changes.items():
        merged.state_dict()[name].add_(change)
    said = {}
    for question in QUESTIONS:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        output = merged.generate(**ids, max_new_tokens=TOKENS, do_sample=False)[0, ids["input_ids"].shape[1] :]
        said[question] = tokenizer.decode(output, skip_special_tokens=True)
    return said


if __name__ == "__main__":
    model, folder = Path(sys.argv[1]), Path(sys.argv[2])
    print(json.dumps(answers(model, build(model, folder))))
