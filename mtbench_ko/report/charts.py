"""Radar and bars by category as PNG and SVG, in Korean. matplotlib is imported when a chart is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODELS = 6
"""How many models a chart can hold and still be read: the best."""
_COLOURS = ("#1f5f8b", "#b3541e", "#2f7d4f", "#8a4f9e", "#8b6d00", "#a23b5b")
_STYLES = ("-", (0, (5, 2)), (0, (1.5, 2)), (0, (6, 2, 1.5, 2)), (0, (3, 3)), (0, (8, 3)))
_INK, _SOFT, _LINE = "#22252a", "#5c6370", "#d9d6cf"
_NAME_LENGTH = 36


@dataclass(frozen=True)
class Series:
    """One model's mean in each category and the interval of each mean; None where nothing was scored."""

    model: str
    means: Sequence[float | None]
    intervals: Sequence[tuple[float, float] | None]


def write_charts(folder: Path, title: str, categories: Sequence[str], series: Sequence[Series]) -> list[Path]:
    """Draw radar.png, radar.svg, bars.png and bars.svg of the first `MODELS` of `series` into `folder`."""
    shown = series[:MODELS]
    if len(series) > MODELS:
        title += f" · 상위 {MODELS}개 모델"
    written = []
    with _settings():
        for name, draw in (("radar", _radar), ("bars", _bars)):
            figure = draw(title, categories, shown)
            for suffix in ("png", "svg"):
                path = folder / f"{name}.{suffix}"
                metadata = {"Date": None} if suffix == "svg" else None
                figure.savefig(path, dpi=200, metadata=metadata, bbox_inches="tight", pad_inches=0.25)
                written.append(path)
    return written


def font_file() -> Path:
    """NanumGothic as koreanize-matplotlib ships it; that package itself, which changes settings, is not imported."""
    spec = find_spec("koreanize_matplotlib")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "fonts" / "NanumGothic.ttf"


def _settings() -> AbstractContextManager[Any]:
    import matplotlib
    from matplotlib import font_manager

    file = font_file()
    font_manager.fontManager.addfont(str(file))
    return matplotlib.rc_context(
        {
            "font.family": [font_manager.FontProperties(fname=str(file)).get_name(), "DejaVu Sans"],
            "axes.unicode_minus": False,
            "svg.fonttype": "path",  # letters as outlines: the same everywhere, with no font needed
            "svg.hashsalt": "mtbench-ko",
            "text.parse_math": False,  # a model's name may hold a $
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _SOFT,
        }
    )


def _radar(title: str, categories: Sequence[str], series: Sequence[Series]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7), facecolor="white")
    axes: Any = figure.add_subplot(polar=True)
    angles = [2 * math.pi * index / len(categories) for index in range(len(categories))]
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_ylim(0, 10)
    axes.set_yticks([2, 4, 6, 8, 10])
    axes.set_rlabel_position(180 / max(1, len(categories)))
    axes.tick_params(axis="y", labelsize=9)
    axes.set_xticks(angles, categories, fontsize=13)
    axes.tick_params(axis="x", pad=12)
    axes.grid(color=_LINE, linewidth=0.8)
    axes.spines["polar"].set_color(_LINE)
    lines = []
    for number, row in enumerate(series):
        means = [math.nan if mean is None else mean for mean in row.means]
        (line,) = axes.plot(
            [*angles, *angles[:1]], [*means, *means[:1]], color=_COLOURS[number], linestyle=_STYLES[number], linewidth=2
        )
        lines.append(line)
    _frame(figure, axes, title, lines, series, below=-0.1)
    return figure


def _bars(title: str, categories: Sequence[str], series: Sequence[Series]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(8.0, 1.5 * len(categories)), 5), facecolor="white")
    axes: Any = figure.add_subplot()
    width = 0.8 / len(series)
    handles = []
    for number, row in enumerate(series):
        places = [index - 0.4 + width * (number + 0.5) for index in range(len(categories))]
        heights = [mean or 0 for mean in row.means]
        bars = axes.bar(places, heights, width * 0.92, color=_COLOURS[number])
        known = [
            (place, mean, interval)
            for place, mean, interval in zip(places, row.means, row.intervals, strict=True)
            if mean is not None and interval is not None
        ]
        if known:
            x, y, ends = zip(*known, strict=True)
            spread = [
                [m - low for m, (low, _) in zip(y, ends, strict=True)],
                [h - m for m, (_, h) in zip(y, ends, strict=True)],
            ]
            axes.errorbar(x, y, yerr=spread, fmt="none", ecolor=_INK, elinewidth=0.9, capsize=2)
        handles.append(bars[0])
    axes.set_ylim(0, 10)
    axes.set_yticks([0, 2, 4, 6, 8, 10])
    axes.set_xticks(range(len(categories)), categories, fontsize=12)
    axes.tick_params(length=0)
    axes.grid(axis="y", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    _frame(figure, axes, title, handles, series, below=-0.1)
    return figure


def _frame(figure: Figure, axes: Any, title: str, handles: list[Any], series: Sequence[Series], below: float) -> None:
    axes.set_title(title, fontsize=13, pad=24, loc="center")
    names = [_label(row.model) for row in series]
    axes.legend(
        handles, names, loc="upper center", bbox_to_anchor=(0.5, below), ncols=min(3, len(names)), frameon=False,
        fontsize=11, handlelength=2.4,
    )  # fmt: skip


def _label(model: str) -> str:
    """A model's name as a legend shows it: one short line. A leading _ would hide it from matplotlib's legend."""
    name = "".join(letter if letter.isprintable() else "�" for letter in model)
    name = name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"
    return f" {name}" if name.startswith("_") else name
