"""What the table of the benchmarks says is what was measured."""

import bench as benchmarks
import pytest
from report import assess


def test_table_is_made_of_the_results() -> None:
    assert benchmarks.present()
    text = benchmarks.README.read_text(encoding="utf-8")
    assert benchmarks.page(text) == text, "run: make bench"


@pytest.mark.parametrize(
    ("value", "noise", "verdict", "ok"),
    [(0.99, 0.005, "passed", True), (0.95, 0.005, "MISSED", False), (0.969, 0.005, "not resolvable here", False)],
)
def test_margin_smaller_than_the_noise_is_no_pass(value: float, noise: float, verdict: str, ok: bool) -> None:
    report = assess({"x": value}, {"x": ">=0.97"}, {}, {"x": noise})
    assert (report["verdicts"], report["ok"]) == ({"x": verdict}, ok)
