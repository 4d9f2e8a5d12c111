"""Whatever stands in a file, a reply or an answer: it is read, or refused in words, and never does anything else."""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hostile import DEEP, HOSTILE, JSON, LINES, LONG, RECORDS, in_file
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mtbench_ko.bench import load_bench, read_lines
from mtbench_ko.config import load_config
from mtbench_ko.engine import Completion, Failure
from mtbench_ko.engine.replies import read_reply
from mtbench_ko.errors import MtBenchError
from mtbench_ko.judge import load_prompts
from mtbench_ko.judge.verdict import FORMATS, HIGHEST, LOWEST
from mtbench_ko.lines import Answer, JudgmentLine, PairLine, Question
from mtbench_ko.records import TurnRecord
from mtbench_ko.report.markup import explanation, render
from mtbench_ko.stats.language.checks import check_answer
from mtbench_ko.store.journal import Journal, read_journal
from mtbench_ko.store.objects import ObjectError, Objects
from mtbench_ko.store.reading import pull
from mtbench_ko.store.remote import FINALS, GENERATIONS, MANIFESTS, PARTS, RemoteRun

TURN = (
    TurnRecord(
        bench="b", question_id=1, turn=1, key="k", model_id="m", messages_sha256="0", text="답", finish_reason="stop"
    )
    .model_dump_json()
    .encode()
)


@pytest.mark.parametrize("shape", [Question, Answer, JudgmentLine, PairLine])
@given(content=LINES)
@example(content=DEEP.encode())
@example(content=f'{{"question_id": {LONG}}}'.encode())
def test_line_is_read_or_refused_with_its_place(shape: Any, content: bytes) -> None:
    file = in_file(content)
    try:
        list(read_lines(file, shape))
    except MtBenchError as error:
        assert str(error).startswith(str(file))
    finally:
        file.unlink()


@given(content=LINES)
def test_question_set_is_loaded_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "question.jsonl").write_bytes(content)
        try:
            bench = load_bench(f"{folder}/")
        except MtBenchError as error:
            assert folder in str(error)
        else:
            assert bench.questions


@given(content=st.one_of(LINES, JSON.map(lambda value: json.dumps(value).encode())))
@example(content=b"1: foo")
@example(content=b"on: x")
@example(content=b"output: 2024-13-45")
@example(content=b'output: !!int ""')
@example(content=b"output: " + b"1:" * 999 + b"1.0")
@example(content=b"[" * 1000)
def test_settings_are_read_or_refused(content: bytes) -> None:
    file = in_file(content)
    try:
        load_config({}, str(file))
    except MtBenchError:
        pass
    finally:
        file.unlink()


@given(content=LINES)
def test_prompt_file_is_read_or_refused(content: bytes) -> None:
    file = in_file(content)
    try:
        load_prompts(str(file), pairwise=False)
    except MtBenchError:
        pass
    finally:
        file.unlink()


@given(body=st.one_of(HOSTILE, JSON.map(json.dumps), RECORDS))
@example(body=DEEP)
@example(body=f'{{"choices": [{{"message": {{"content": "8"}}}}], "usage": {{"prompt_tokens": {LONG}}}}}')
@example(body='{"choices": [{"message": {"content": "8"}}], "usage": {"prompt_tokens": 1e999}}')
def test_reply_of_an_endpoint_is_a_completion_or_a_failure(body: str) -> None:
    assert isinstance(read_reply(body, "m", {}), Completion | Failure)


@pytest.mark.parametrize("format", FORMATS)
@given(reply=HOSTILE, structured=st.booleans())
@example(reply='{"explanation": "", "rating": ' + LONG, structured=True)
@example(reply=f'{{"explanation": "", "rating": {LONG}}}', structured=True)
@example(reply='{"explanation":' + DEEP, structured=True)
def test_verdict_is_in_range_or_none(format: str, reply: str, structured: bool) -> None:
    verdict = FORMATS[format].parse(reply, structured)
    assert verdict in (None, "A", "B", "tie") or LOWEST <= float(verdict) <= HIGHEST


@given(reply=HOSTILE)
def test_quotation_before_the_verdict_changes_nothing(reply: str) -> None:
    """Unless it begins like the JSON that the judge was not asked for."""
    if not reply.lstrip("\ufeff \n\r\t").startswith(("{", "```")):
        assert FORMATS["[[rating]]"].parse(f"{reply}\n이상을 종합하면 평점: [[3]]") == 3


@given(answer=HOSTILE)
def test_answer_reaches_the_judge_as_it_is(answer: str) -> None:
    prompt = load_prompts(None, "ko", pairwise=False).single(1, guided=False)
    asked = prompt.messages({"question": "{answer} {}", "answer": answer})[1]["content"]
    before, after = prompt.prompt_template.split("{answer}")
    assert asked == before.replace("{question}", "{answer} {}") + answer + after


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, attrs))


@given(text=HOSTILE)
@example(text="[a](JaVaScRiPt:alert(1)) <javascript:alert(1)>")
@example(text="&#xE000;99&#xE001;")
def test_text_of_a_model_becomes_harmless_html(text: str) -> None:
    tags = _Tags()
    tags.feed(render(explanation(text).encode("utf-8", "replace").decode()))
    for tag, attributes in tags.seen:
        assert tag not in ("script", "img", "iframe", "object", "style", "link", "form", "input", "svg", "base")
        for name, value in attributes:
            assert not name.startswith("on")
            assert name != "href" or re.match("(https?|mailto):", value or "", re.IGNORECASE)


@given(turns=st.lists(HOSTILE, min_size=1, max_size=2))
@settings(deadline=None)
def test_language_of_any_text_can_be_looked_at(turns: list[str]) -> None:
    check_answer(turns)


@given(text=HOSTILE, garbage=st.binary(max_size=200).filter(lambda tail: b"\n" not in tail))
def test_what_follows_the_last_whole_record_is_cut_off_and_nothing_else(text: str, garbage: bytes) -> None:
    text = text.encode("utf-8", "replace").decode()
    record = TurnRecord(
        bench="b", question_id=1, turn=1, key="k", model_id="m", messages_sha256="0", text=text, finish_reason="stop"
    )
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        journal.append(record)
        journal.close()
        with journal.path.open("ab") as stream:
            stream.write(garbage)
        again = Journal(Path(folder))
        again.append(record)
        again.close()
        assert [line for _, line in read_journal(journal.path)] == [record, record]


@given(content=LINES)
def test_journal_that_is_none_is_refused_and_left_as_it_is(content: bytes) -> None:
    content += b"\n"
    file = in_file(content)
    try:
        list(read_journal(file))
    except MtBenchError as error:
        assert "Nothing was changed" in str(error)
    finally:
        assert file.read_bytes() == content
        file.unlink()


class _Bucket(Objects):
    """A bucket as a dictionary, in which somebody else has written."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def keys(self, prefix: str, after: str = "") -> Iterator[str]:
        return iter(sorted(key for key in self._objects if key.startswith(prefix) and key > after))

    def read(self, key: str) -> bytes:
        if key not in self._objects:
            raise ObjectError(f"{self.url(key)}: not there")
        return self._objects[key]

    def url(self, key: str) -> str:
        return f"s3://bucket/{key}"


def committed(name: str) -> bytes:
    entry = {"name": name, "sha256": "0", "size": 4}
    return json.dumps({"generation": 1, "files": [entry], "parts": []}).encode()


@given(part=LINES, manifest=st.one_of(LINES, HOSTILE.map(committed)), writer=LINES)
@example(part=b"", manifest=committed("../outside"), writer=b"")
@example(part=b"", manifest=committed("/tmp/outside"), writer=b"")
@example(part=TURN.replace(b'"b"', b'"../../outside"') + b"\n", manifest=b"", writer=b"")
@settings(deadline=None)
def test_bucket_is_read_or_refused_and_writes_nowhere_else(part: bytes, manifest: bytes, writer: bytes) -> None:
    bucket = {f"{PARTS}000001-000000.jsonl": part, f"{GENERATIONS}000002.json": writer, f"{GENERATIONS}x.json": b""}
    bucket |= {f"{MANIFESTS}000001.json": manifest, f"{FINALS}0": b"evil"} if manifest else {}
    remote = RemoteRun(_Bucket(bucket))
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "deep" / "run"
        with suppress(MtBenchError):
            pull(remote, inside)
        assert [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_relative_to(inside)] == []
        assert not Path("/tmp/outside").exists()
    with suppress(MtBenchError):
        remote.check()
    assert remote.newest() == 2
