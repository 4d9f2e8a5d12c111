"""Votes, prices, templates, models, batches, references from elsewhere: read, or refused in words."""

import json
import random
import tempfile
import unicodedata
from collections.abc import Iterable
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest
from hostile import DEEP, JSON, LINES, LONG, RECORDS, in_file
from hypothesis import example, given
from hypothesis import strategies as st

from mtbench_ko.bench import DataCache, load_bench
from mtbench_ko.costs import load_prices
from mtbench_ko.engine.base import Failure
from mtbench_ko.engine.batch_lines import Said, read_lines
from mtbench_ko.engine.chat_templates import load_template, render_template
from mtbench_ko.engine.weights import resolve_weights
from mtbench_ko.errors import MtBenchError, UsageError
from mtbench_ko.judge import load_prompts
from mtbench_ko.report import gather, open_questions, read_scoreboard, render, write_report
from mtbench_ko.report.vote_files import read_vote_file
from mtbench_ko.store import answer_path, judgment_path

BYTES = st.one_of(LINES, JSON.map(lambda value: json.dumps(value).encode()))
PARQUET = (Path(__file__).parent / "votes" / "human.parquet").read_bytes()
QUESTION = {"question_id": 1, "category": "math", "turns": ["가", "나"]}


def asked(folder: str, name: str) -> Path:
    """A question set, and a place for another file in it."""
    path = Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (Path(folder) / "question.jsonl").write_text(json.dumps(QUESTION), encoding="utf-8")
    return path


@given(content=BYTES)
@example(content=f"[{DEEP}".encode())
@example(content=f"[{LONG}]".encode())
@example(content=b'[{"question_id": 1}')
def test_vote_file_is_read_or_refused_with_its_place(content: bytes) -> None:
    file = in_file(content)
    try:
        list(read_vote_file(file))
    except UsageError as error:
        assert str(error).startswith(str(file))
    finally:
        file.unlink()


@pytest.mark.parametrize("seed", [0, 1, 2, 44])  # the last crashes fastparquet 2026.9.0
def test_damaged_parquet_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    dice, file = random.Random(seed), tmp_path / "votes.parquet"
    at, length = dice.randrange(len(PARQUET)), dice.randrange(1, 20)
    file.write_bytes(PARQUET[:at] + dice.randbytes(length) + PARQUET[at + length :])
    try:
        list(read_vote_file(file))
    except UsageError as error:
        assert str(error).startswith(f"{file}: ")


@given(content=BYTES)
def test_reference_file_is_read_or_refused_with_its_place(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asked(folder, "reference_answer/gpt-4.jsonl").write_bytes(content)
        try:
            load_bench(f"{folder}/")
        except MtBenchError as error:
            assert folder in str(error)


@given(content=BYTES)
@example(content=b"gpt-4: {input: .inf, output: 1}")
@example(content=b"gpt-4: &a [*a]")
def test_price_file_is_read_or_refused(content: bytes) -> None:
    file = in_file(content)
    try:
        load_prices(str(file))
    except UsageError as error:
        assert str(error).startswith(f"--prices {file}")
    finally:
        file.unlink()


@given(content=LINES)
def test_prompts_for_pairs_are_read_or_refused(content: bytes) -> None:
    file = in_file(content)
    try:
        load_prompts(str(file), pairwise=True)
    except MtBenchError:
        pass
    finally:
        file.unlink()


@given(content=st.one_of(BYTES, st.lists(RECORDS, max_size=3).map("\n".join).map(str.encode)))
@example(content=b'{"custom_id": "a-1", "response": {"status_code": ' + LONG.encode() + b"}}")
@example(content=b'{"custom_id": "a-1", "response": ' + DEEP.encode())
def test_lines_of_a_batch_are_outcomes_or_left_out(content: bytes) -> None:
    for custom_id, outcome in read_lines(content):
        assert isinstance(custom_id, str)
        assert isinstance(outcome, Said | Failure)


@given(content=LINES)
def test_template_file_is_read_or_refused(content: bytes) -> None:
    file = in_file(content)
    try:
        load_template(str(file))
    except UsageError as error:
        assert str(file) in str(error)
    finally:
        file.unlink()


@pytest.mark.skipif(find_spec("transformers") is None, reason="needs transformers: make install")
@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('touch /tmp/outside') }}",
        "{{ messages.__class__.__base__ }}",
        "{% set x = messages.append(1) %}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_template_reaches_nothing_but_the_messages(template: str) -> None:
    """Models bring templates, which are programs: transformers runs them in Jinja's sandbox."""
    with pytest.raises(Exception) as refused:
        print(render_template(template, [{"role": "user", "content": "가"}], {}))
    assert type(refused.value).__module__.startswith("jinja2") or isinstance(refused.value, OverflowError | TypeError)


MODEL_FILES = ("config.json", "tokenizer_config.json", "chat_template.json", "chat_template.jinja", "m.index.json")


@given(files=st.dictionaries(st.sampled_from(MODEL_FILES), BYTES, min_size=1))
@example(files={"chat_template.jinja": b"\xff"})
@example(files={"config.json": b'{"text_config": 1}', "chat_template.jinja": b"x"})
@example(files={"config.json": b'{"architectures": null, "vocab_size": 32000}'})
@example(files={"m.index.json": b'{"weight_map": [1]}', "chat_template.jinja": b"x"})
@example(files={"m.index.json": b'{"weight_map": {"a": {}}}', "chat_template.jinja": b"x"})
@example(files={"m.index.json": b'{"weight_map": {"a": "\\u0000"}}', "chat_template.jinja": b"x"})
@example(files={"tokenizer_config.json": b'{"chat_template": [{"name": "default"}]}'})
@example(files={"tokenizer_config.json": b'{"chat_template": [1]}'})
def test_model_folder_is_taken_or_refused(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text("{}")
        (Path(folder) / "model.bin").write_bytes(b"x")
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        try:
            weights = resolve_weights(folder)
            assert isinstance(weights.config, dict)
            weights.missing_files()
        except UsageError as error:
            assert folder in str(error)


class _Page(HTMLParser):
    """Scripts and handlers that are not the page's own."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.handlers = 0, []

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def page_of(text: str) -> _Page:
    """The report of an output in which `text` stands wherever a model, a judge or a question set writes."""
    with tempfile.TemporaryDirectory() as folder:
        output, question = Path(folder) / "out", QUESTION | {"turns": [text or "가", "나"]}
        asked(f"{folder}/b", "question.jsonl").write_text(json.dumps(question), encoding="utf-8")
        answer = {"question_id": 1, "answer_id": text, "model_id": "m", "tstamp": 1}
        answer |= {"choices": [{"index": 0, "turns": [text, text], "reasoning": [text, text]}]}
        judgment = {"question_id": 1, "model": text or "m", "judge": [text, text], "score": 7, "turn": 1, "tstamp": 1}
        judgment |= {"judgment": text, "prompt_set": text, "judge_reported": text}
        for path, line in (
            (answer_path(output, "b", "m"), answer),
            (judgment_path(output, "b", "j", "judgment"), judgment),
        ):
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(line), encoding="utf-8")
        report = gather({"out": output}, open_questions(f"{folder}/b", DataCache(Path(folder))))
        page = _Page()
        page.feed(write_report(report, Path(folder) / "report").read_text(encoding="utf-8"))
        return page


@pytest.mark.parametrize("format", ["table", "markdown", "fastchat"])
def test_name_of_a_model_steers_no_terminal(tmp_path: Path, format: str) -> None:
    name = "a\x1b]0;title\x07\x1b[2J\u202eb\x9b31m\r"
    line = {"question_id": 1, "model": name, "judge": ["j", "single-v1"], "score": 7, "turn": 1, "tstamp": 1}
    file = tmp_path / "j_single.jsonl"
    file.write_text(json.dumps(line), encoding="utf-8")
    text = render(read_scoreboard([file], mode="single"), format)
    assert "\ufffd[2J" in text
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in text.replace("\n", ""))


def test_report_has_no_script_but_its_own() -> None:
    """One page is enough for every mark: what stands for itself is escaped in one place (test_hostile_input.py)."""
    plain = page_of("평범")
    marks = "</script><script>x</script>\"><img src=x onerror=x>' onclick=x <!-- ]]> {{7*7}} \u2028 \ud83d \x00"
    hostile = page_of(marks)
    assert (hostile.scripts, hostile.handlers) == (plain.scripts, plain.handlers)
