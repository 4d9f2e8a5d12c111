"""What the program never does with what comes from outside, and where it talks to the network."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mtbench_ko
from mtbench_ko.config import RunConfig
from mtbench_ko.engine.vllm_arguments import VllmSpec

PACKAGE = Path(mtbench_ko.__file__).parent
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")
}
RUNS_CODE = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.load_all", "yaml.full_load",
    "yaml.unsafe_load", "torch.load", "numpy.load", "np.load", "pandas.read_pickle", "pd.read_pickle", "joblib.load",
    "tempfile.mktemp",
}  # fmt: skip
UNPICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "jsonpickle"}
NETWORK = {
    "openai", "httpx", "httpx2", "requests", "urllib3", "urllib.request", "http.client", "aiohttp", "websockets",
    "boto3", "botocore", "huggingface_hub", "tiktoken", "socket", "ftplib", "smtplib", "grpc", "paramiko",
}  # fmt: skip
TALKS = {
    "engine/endpoint.py": {"openai", "httpx2"},  # the endpoint of a model or a judge
    "engine/batch_api.py": {"openai"},
    "engine/batch_courier.py": {"openai"},  # types alone
    "engine/api_errors.py": {"openai", "httpx2"},  # errors alone
    "engine/weights.py": {"huggingface_hub"},
    "engine/download.py": {"huggingface_hub"},
    "bench/download.py": {"httpx2"},
    "store/objects.py": {"boto3", "botocore"},
    "store/remote.py": {"socket"},  # this machine's name
    "signals.py": {"socket"},  # a pair within the process
    "costs/tokens.py": {"tiktoken"},
}
"""Besides Ray and vLLM, which talk inside the cluster."""
STARTS = {
    "engine/survey.py": "nvidia-smi",
    "report/vote_files.py": "the reader of parquet",
    "cli/secrets.py": "itself, without the key in its command line",
}
"""Who starts a process."""


def name_of(node: ast.expr) -> str:
    """`a.b.c` as it is written, "" for what is no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return ""


def calls() -> Iterator[tuple[str, ast.Call]]:
    for place, tree in TREES.items():
        yield from ((place, node) for node in ast.walk(tree) if isinstance(node, ast.Call))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return names


def under(names: set[str], tops: set[str]) -> set[str]:
    """Those of `tops` that `names` are, or are a part of."""
    return {top for top in tops for name in names if name == top or name.startswith(f"{top}.")}


def test_nothing_from_outside_is_run_or_unpickled() -> None:
    assert [(place, name_of(call.func)) for place, call in calls() if name_of(call.func) in RUNS_CODE] == []
    assert {place for place, tree in TREES.items() if under(imported(tree), UNPICKLES)} == set()


def test_processes_are_started_by_few_and_without_a_shell() -> None:
    shells = [place for place, call in calls() if any(word.arg == "shell" for word in call.keywords)]
    starting = ("subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "asyncio.create_subprocess")
    started = {place for place, call in calls() if name_of(call.func).startswith(starting)}
    assert (shells, started) == ([], set(STARTS))


def test_code_of_a_model_repository_is_run_only_when_told() -> None:
    assert not RunConfig().trust_remote_code
    assert not VllmSpec("m", None, "").trust_remote_code
    given = [
        (place, ast.unparse(word.value)) for place, call in calls() for word in call.keywords
        if word.arg == "trust_remote_code"
    ]  # fmt: skip
    assert given == [("job/pools.py", "entry.trust_remote_code")]
    # Tokenizers: `tokenizers` alone, which has no code to run; transformers' own only inside vLLM.
    assert [place for place, call in calls() if name_of(call.func).endswith(".from_pretrained")] == []


def test_jinja_renders_the_reports_own_template_alone() -> None:
    """The templates of models are transformers' to render, in a sandbox (test_hostile_files.py)."""
    users = {place for place, tree in TREES.items() if under(imported(tree), {"jinja2"})}
    made = [call for _, call in calls() if name_of(call.func).rpartition(".")[2] == "Environment"]
    rendered = [ast.unparse(call) for _, call in calls() if name_of(call.func).endswith(".from_string")]
    assert users == {"report/page.py"}
    assert [[w.arg for w in call.keywords if ast.unparse(w) == "autoescape=True"] for call in made] == [["autoescape"]]
    assert rendered == ["environment.from_string(_text('index.html.j2'))"]


def test_network_is_used_by_the_listed_modules_alone() -> None:
    found = {place: under(imported(tree), NETWORK) for place, tree in TREES.items()}
    assert {place: names for place, names in found.items() if names} == TALKS


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [touch outside]", "!!python/name:os.system", "a: !!python/tuple [1]"]
)
def test_yaml_makes_no_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    from mtbench_ko.config import load_config
    from mtbench_ko.costs import load_prices
    from mtbench_ko.errors import UsageError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(text)
    for load in (lambda: load_config({}, "a.yaml"), lambda: load_prices("a.yaml")):
        with pytest.raises(UsageError, match=r"a.yaml:1:\d+: not YAML: could not determine a constructor"):
            load()
    assert [file.name for file in tmp_path.iterdir()] == ["a.yaml"]


def test_scan_sees_what_it_looks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = "import pickle\nimport subprocess\nsubprocess.run('x', shell=True)\neval('1')\nimport requests"
    monkeypatch.setitem(sys.modules[__name__].TREES, "bad.py", ast.parse(bad))
    for test in (
        test_nothing_from_outside_is_run_or_unpickled,
        test_processes_are_started_by_few_and_without_a_shell,
        test_network_is_used_by_the_listed_modules_alone,
    ):
        with pytest.raises(AssertionError):
            test()
