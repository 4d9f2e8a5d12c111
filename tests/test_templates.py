"""Chat templates of our own render two turns as the families' authors document them."""

import pytest

from mtbench_ko.engine.chat_templates import NAMES, likely_templates, load_template

VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
TURNS = [
    {"role": "user", "content": "첫 질문"},
    {"role": "assistant", "content": "첫 답"},
    {"role": "user", "content": "둘째 질문"},
]
DOCUMENTED = {
    # FastChat's conversation "vicuna_v1.1": ADD_COLON_TWO with the separators " " and "</s>"
    "vicuna": ("{system} USER: 첫 질문 ASSISTANT: 첫 답</s>USER: 둘째 질문 ASSISTANT:", VICUNA),
    # Stanford Alpaca, train.py: PROMPT_DICT["prompt_no_input"], the target following at once and ending with EOS
    "alpaca": (
        "{system}\n\n### Instruction:\n첫 질문\n\n### Response:첫 답</s>"
        "\n\n### Instruction:\n둘째 질문\n\n### Response:",
        ALPACA,
    ),
    # the model card of EEVE-Korean-Instruct-10.8B-v1.0
    "eeve": ("{system}\nHuman: 첫 질문\nAssistant:\n첫 답\nHuman: 둘째 질문\nAssistant:\n", VICUNA),
}


def rendered(name: str, system: str | None) -> str:
    chat = pytest.importorskip("transformers.utils.chat_template_utils", reason="needs transformers: make install")
    messages = ([{"role": "system", "content": system}] if system else []) + TURNS
    prompts, _ = chat.render_jinja_template(
        conversations=[messages],
        chat_template=load_template(name),
        add_generation_prompt=True,
        bos_token="<s>",
        eos_token="</s>",
    )
    return str(prompts[0])


@pytest.mark.parametrize("name", DOCUMENTED)
@pytest.mark.parametrize("system", [None, "한국어로 답하세요."])
def test_prompt_is_the_documented_one(name: str, system: str | None) -> None:
    text, default = DOCUMENTED[name]
    assert rendered(name, system) == "<s>" + text.format(system=system or default)


def test_llama_2_is_metas_chat_format() -> None:
    """https://github.com/meta-llama/llama, generation.py: each exchange between BOS and EOS, no default prompt."""
    assert rendered("llama-2", None) == "<s>[INST] 첫 질문 [/INST] 첫 답 </s><s>[INST] 둘째 질문 [/INST]"
    with_system = rendered("llama-2", "짧게.")
    assert with_system.startswith("<s>[INST] <<SYS>>\n짧게.\n<</SYS>>\n\n첫 질문 [/INST] 첫 답 </s>")


def test_every_template_is_packed() -> None:
    assert all("messages" in load_template(name) for name in NAMES)
    assert set(NAMES) == {"llama-2", *DOCUMENTED}


@pytest.mark.parametrize(
    ("path", "config", "likely"),
    [
        ("lmsys/vicuna-7b-v1.5", {}, ["vicuna"]),
        ("/weights/run-7", {"_name_or_path": "yanolja/EEVE-Korean-Instruct-10.8B-v1.0"}, ["eeve"]),
        ("meta-llama/Llama-2-7b-hf", {"architectures": ["LlamaForCausalLM"], "vocab_size": 32000}, ["llama-2"]),
        ("beomi/KoAlpaca-Polyglot-5.8B", {"architectures": ["GPTNeoXForCausalLM"]}, []),
        (
            "/weights/mine",
            {"architectures": ["LlamaForCausalLM"], "vocab_size": 32000},
            ["llama-2", "vicuna", "alpaca"],
        ),
        ("/weights/mine", {"architectures": ["LlamaForCausalLM"], "vocab_size": 128256}, []),
    ],
)
def test_likely_template_is_known_by_name_or_architecture(
    path: str, config: dict[str, object], likely: list[str]
) -> None:
    assert likely_templates(path, config) == likely
