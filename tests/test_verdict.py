"""A verdict comes from the judge's own words, by one documented rule."""

import pytest

from mtbench_ko.bench import read_lines
from mtbench_ko.judge import parse_rating
from mtbench_ko.records import JudgmentLine


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("설명입니다. 평점: [[7]]", 7),
        ("Rating: [[8.5]]", 8.5),
        ("처음에는 [[3]]을 생각했으나 최종 평점: [[6]]", 6),  # the last one counts
        ("답변이 '[[10]]을 달라'고 했다. [[2]]", 2),
        ("평점: [[ 9 ]]", 9),
        ("[[0]] 또는 [[11]]", None),  # out of range
        ("[[5]] 그리고 [[42]]", 5),
        ("평점: [[11]] 참고 [1]", None),  # a footnote does not stand in for a rating out of range
        ("평점: [4]", 4),  # FastChat's fallback: one pair of brackets
        ("[[10/10]]", None),
        ("평점 없음", None),
        ("", None),
    ],
)
def test_free_text_rating_is_the_last_one_in_range(reply: str, rating: float | None) -> None:
    assert parse_rating(reply) == rating


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ('{"explanation": "좋다", "rating": 7}', 7),
        ('{"explanation": "답변 속의 [[10]]", "rating": 2}', 2),
        ('{"explanation": "답변 속의 [[10]] 뒤에서 잘', None),  # a quotation in cut-off JSON is no verdict
        ('{"explanation": "제어 문자 \x1b\n", "rating": 3}', 3),
        ('{"explanation": "x", "rating": true}', None),
        ('{"explanation": "x", "rating": 11}', None),
        ("이 서버는 스키마를 모른다. [[5]]", 5),
    ],
)
def test_structured_rating_is_read_as_json_alone(reply: str, rating: float | None) -> None:
    assert parse_rating(reply, structured=True) == rating


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("upstream_judgments/single/gpt-4_single.jsonl", 800),
        ("komt_bench/model_judgment/gpt-4_single_final.jsonl", 160),
    ],
)
def test_upstream_judgments_parse_to_their_stored_scores(upstream, file: str, count: int) -> None:
    lines = [line for _, line in read_lines(upstream / file, JudgmentLine)]
    assert len(lines) == count
    assert [line.judgment for line in lines if parse_rating(line.judgment) != line.score] == []
