"""The report: one HTML file that holds everything, the charts and the scores beside it."""

import base64
import gzip
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mtbench_ko import __version__
from mtbench_ko.report.charts import Series, write_charts
from mtbench_ko.report.evidence import Evidence
from mtbench_ko.report.judgments import Scoreboard
from mtbench_ko.report.rows import frame
from mtbench_ko.report.scores_csv import scores_csv
from mtbench_ko.report.summary import fact_tables, further_tables, made, pair_tables, single_tables, when
from mtbench_ko.report.words import words
from mtbench_ko.stats import compare_models, panel
from mtbench_ko.store import write_atomically

_FORMS = {"score": "{:.2f}", "signed": "{:+.2f}", "percent": "{:.1%}", "whole": "{:.0f}"}
_SCRIPTS = ("dom", "state", "items", "detail", "radar", "page")


@dataclass(frozen=True)
class Report:
    """What is shown: the scores in each mode that was judged, of pairs each judge's, and what they were made of."""

    evidence: Evidence
    single: Scoreboard | None = None
    pairs: Sequence[Scoreboard] = ()
    manifests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def boards(self) -> list[Scoreboard]:
        return [*([self.single] if self.single else []), *self.pairs]

    @property
    def models(self) -> list[str]:
        """Best first, then those without a score by name."""
        ranked = [model for board in self.boards for model in board.models]
        return list(dict.fromkeys([*ranked, *sorted(self.evidence.models())]))

    @property
    def categories(self) -> list[str]:
        return list(dict.fromkeys(question.category for question in self.evidence.bench.questions.values()))


def write_report(report: Report, folder: Path) -> Path:
    """Write index.html, the charts and scores.csv into `folder`, and return the path of the page."""
    page = folder / "index.html"
    write_atomically(page, _html(report))
    for boards, name in (([report.single], "scores.csv"), (report.pairs, "scores_pairwise.csv")):
        if shown := [board for board in boards if board is not None]:
            write_atomically(folder / name, scores_csv(shown).encode("utf-8-sig"))
    if report.single is not None and report.single.models:
        series = [
            Series(model, *zip(*(_mean(scores, name) for name in report.categories), strict=True))
            for model, scores in report.single.models.items()
        ]
        title = f"MT-Bench · {report.evidence.bench.name} · 심사 모델 {report.single.judge}"
        write_charts(folder, title, [words(name, "ko") for name in report.categories], series)
    return page


def _mean(scores: Any, category: str) -> tuple[float | None, tuple[float, float] | None]:
    found = scores.categories.get(category)
    return (found.average, found.ci["average"]) if found else (None, None)


def _html(report: Report) -> str:
    style = _text("page.css")
    script = '"use strict";\n' + "".join(_text(f"js/{name}.js") for name in _SCRIPTS)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    for name, form in _FORMS.items():
        environment.filters[name] = partial(_number, form)
    return environment.from_string(_text("index.html.j2")).render(
        strings=_strings(report.categories),
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        data=Markup(_packed(_data(report))),
        page=_tables(report),
    )


def _tables(report: Report) -> dict[str, Any]:
    bench = report.evidence.bench
    return {
        "bench": bench.name,
        "about": _about(report),
        "single": single_tables(report.single, report.categories) if report.single else None,
        "pairs": [pair_tables(board) for board in report.pairs],
        "further": further_tables(report.boards),
        "facts": fact_tables(list(report.manifests.values())),
        "manifests": [
            (name, json.dumps(manifest, ensure_ascii=False, indent=2)) for name, manifest in report.manifests.items()
        ],
    }


def _about(report: Report) -> list[tuple[str, str, bool]]:
    """What stands below the title: the key of its name, its value, and whether that is a key too."""
    about: list[tuple[str, str, bool]] = []
    board = next(iter(report.boards), None)
    if board:
        judges = list(board.judges) or [board.judge]
        reported = {
            name for manifest in report.manifests.values() for judge in judges for name in _reported(manifest, judge)
        }
        judge, *others = made(board)
        about += [judge, *([("reported_as", ", ".join(sorted(reported)), False)] if reported else []), *others]
    about.append(("questions_count", str(len(report.evidence.bench.questions)), False))
    return [*about, ("made", f"{when(time.time())} UTC · mtbench-ko {__version__}", False)]


def _reported(manifest: Mapping[str, Any], judge: str) -> Sequence[str]:
    names: Sequence[str] = manifest.get("judges", {}).get(judge, {}).get("reported", [])
    return names


def _data(report: Report) -> dict[str, Any]:
    """What the page's script reads."""
    models = report.models
    radar: dict[int, list[float | None]] = {}
    if report.single:
        for model, scores in report.single.models.items():
            if scores.counts["scored"]:
                radar[models.index(model)] = [_mean(scores, name)[0] for name in report.categories]
    source = report.evidence.bench.reference_source
    return report.evidence.describe(models) | {
        "radar": radar,
        "source": source if source != "none" else None,
        "apart": _apart(report, models),
    }


def _apart(report: Report, models: Sequence[str]) -> list[dict[str, Any]]:
    """The difference of every two models, from the better one's side."""
    if not report.evidence.judgments:
        return []
    place = {model: number for number, model in enumerate(models)}
    judgments = frame(report.evidence.judgments, single=True)
    judges = list(report.single.judges) if report.single else []
    differences = compare_models(panel(judgments, judges) if judges else judgments)
    return [
        {"a": place[model], "b": place[baseline]} | asdict(difference)
        for baseline, of_models in differences.items()
        for model, difference in of_models.items()
        if place[model] < place[baseline] and difference.difference is not None
    ]


def _packed(data: Any) -> str:
    """`data` as JSON, gzipped, in base64."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode("utf-8"), 9, mtime=0)).decode("ascii")


def _policy(style: str, script: str) -> str:
    """The Content-Security-Policy: our own script and style, by their hashes, and nothing from anywhere."""

    def sha256(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")

    return (
        f"default-src 'none'; script-src 'sha256-{sha256(script)}'; style-src 'sha256-{sha256(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _strings(categories: Sequence[str]) -> dict[str, dict[str, str]]:
    """The words of the page; those of tables come from `words`, with the names of categories."""
    strings: dict[str, dict[str, str]] = json.loads(_text("strings.json"))
    return strings | {f"category_{name}": {"ko": words(name, "ko"), "en": name} for name in categories}


def _text(name: str) -> str:
    return (files("mtbench_ko.report") / "html" / name).read_text(encoding="utf-8")


def _number(form: str, value: float | None) -> str:
    return "–" if value is None else form.format(value).replace("-", "−")
