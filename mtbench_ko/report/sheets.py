"""A scoreboard as sheets of cells for people: what each table shows, whatever it is printed as."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mtbench_ko.report.judgments import Scoreboard
from mtbench_ko.report.rows import MadeWith
from mtbench_ko.report.words import CONSTANT, REPORTED, SMALLEST, Language, words
from mtbench_ko.stats import Agreement, ModelScores, PairScores, VerdictAgreement

Say = Callable[..., str]
COUNTS = ("scored", "unscored", "failed")
WINS = ("win", "loss", "tie", "win_rate", "loss_rate", "win_rate_adjusted")


@dataclass(frozen=True)
class Sheet:
    """One table: the first column names the row. `remarks` stand below it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    remarks: Sequence[str] = ()


def sheets(board: Scoreboard, language: Language) -> list[Sheet]:
    """The sheets that have something to show, the scores first."""
    say = partial(say_in, language)
    return [*_scores(board, say), *_categories(board, say), *further_sheets(board, language)]


def further_sheets(board: Scoreboard, language: Language) -> list[Sheet]:
    """Those beside the scores and the categories."""
    say = partial(say_in, language)
    makers = (_versus, _judges, _agreement, _positions, _references, _language)
    return [sheet for make in makers for sheet in make(board, say)]


def say_in(language: Language, text: str, *names: object) -> str:
    return words(text, language, *names)


def made_with(made: Scoreboard | MadeWith, say: Say) -> list[str]:
    """The judge, and its prompts and references where they are known."""
    facts = [say("judge {}", made.judge)]
    facts += [say("prompts {}", made.prompt_set)] if made.prompt_set else []
    return facts + ([say("references {}", made.references)] if made.references else [])


def _scores(board: Scoreboard, say: Say) -> Iterator[Sheet]:
    facts = made_with(board, say)
    facts += [say("language penalty {}", board.language_penalty)] if board.language_penalty else []
    facts += [say("without {} flawed questions", len(board.excluded))] if board.excluded else []
    single = board.mode == "single"
    title = f"{board.bench or say('single-answer grading' if single else 'pairwise comparison')}: {', '.join(facts)}"
    names = ["turn 1", "turn 2", "average", "95 % interval"] if single else _PAIR_COLUMNS
    header = [say(name) for name in ("rank", *names, *COUNTS) if single or name != "rank"]
    rows = [
        [model, *(_grades(scores) if isinstance(scores, ModelScores) else _wins(scores)), *_counted(scores.counts)]
        for model, scores in board.models.items()
    ]
    yield Sheet(title, [say("model"), *header], rows, _remarks(board, say))


def remarks(board: Scoreboard, language: Language) -> list[str]:
    """What stands below the scores."""
    return _remarks(board, partial(say_in, language))


def _remarks(board: Scoreboard, say: Say) -> list[str]:
    told = []
    if board.smallest_difference is not None:
        told.append(say(SMALLEST, f"{board.smallest_difference:.2f}"))
    if board.constant is not None:
        told.append(say(CONSTANT, board.judge, f"{board.constant:g}"))
    told += [say(REPORTED, judge, ", ".join(names)) for judge, names in board.reported.items()]
    return told


_PAIR_COLUMNS = ["win", "loss", "tie", "win rate", "loss rate", "adjusted", "95 % interval", "rating", "95 % interval"]


def _grades(scores: ModelScores) -> list[str]:
    means = [_number(mean) for mean in (scores.turn_1, scores.turn_2, scores.average)]
    return [_places(scores.places), *means, _interval(scores.ci["average"])]


def _wins(scores: PairScores) -> list[str]:
    rates = [_number(rate, 3) for rate in (scores.win_rate, scores.loss_rate, scores.win_rate_adjusted)]
    rating = [_number(scores.rating.rating, 0), _interval(scores.rating.ci, 0)] if scores.rating else ["-", "-"]
    counts = [str(number) for number in (scores.win, scores.loss, scores.tie)]
    return [*counts, *rates, _interval(scores.ci["win_rate_adjusted"], 3), *rating]


def _categories(board: Scoreboard, say: Say) -> Iterator[Sheet]:
    names = list(dict.fromkeys(name for scores in board.models.values() for name in scores.categories))
    if not names:
        return

    def cell(scores: ModelScores | PairScores, name: str) -> str:
        part = scores.categories[name]
        if isinstance(part, PairScores):
            told = with_interval(part.win_rate_adjusted, part.ci["win_rate_adjusted"], 3, 2)
        else:
            told = with_interval(part.average, part.ci["average"], 2, 1)
        missing = part.counts["unscored"] + part.counts["failed"]
        return told + (f", {say('{} missing', missing)}" if missing else "")

    rows = [[model, *(cell(scores, name) for name in names)] for model, scores in board.models.items()]
    yield Sheet(say("by category"), [say("model"), *map(say, names)], rows)


def _versus(board: Scoreboard, say: Say) -> Iterator[Sheet]:
    found = {model: getattr(scores, "versus", None) for model, scores in board.models.items()}
    rows = [
        [
            model,
            _number(versus.difference, sign=True),
            _interval(versus.ci, sign=True),
            say("yes" if versus.resolved else "no"),
            _number(versus.minimum_detectable),
            str(versus.questions),
        ]
        for model, versus in found.items()
        if versus is not None
    ]
    if rows:
        names = ("model", "difference", "95 % interval", "resolved", "smallest seen", "questions")
        yield Sheet(say("against {}", board.baseline), list(map(say, names)), rows)


def _judges(board: Scoreboard, say: Say) -> Iterator[Sheet]:
    if not board.judges:
        return
    rows = []
    for model in board.models:
        alone = [of_judge[model].average if model in of_judge else None for of_judge in board.judges.values()]
        known = [mean for mean in alone if mean is not None]
        spread = max(known) - min(known) if len(known) > 1 else None
        rows.append([model, *(_number(mean) for mean in alone), _number(spread)])
    yield Sheet(say("judges"), [say("model"), *board.judges, say("spread")], rows)


def _agreement(board: Scoreboard, say: Say) -> Iterator[Sheet]:
    if board.agreement:
        yield agreement_sheet(say("agreement"), board.agreement, say)


def agreement_sheet(title: str, found: Sequence[Agreement], say: Say, intervals: bool = False) -> Sheet:
    """How far judges agree on scores; `intervals` stand in the cells."""
    rows = [
        [
            judges_of(two, say),
            str(two.items),
            *(with_interval(getattr(two, name), two.ci[name] if intervals else None) for name in _AGREEMENT),
        ]
        for two in found
    ]
    return Sheet(title, ["", say("items"), *map(say, _AGREEMENT.values())], rows)


_AGREEMENT = {
    "exact": "equal",
    "within_one": "within 1",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "kappa": "kappa",
    "weighted_kappa": "weighted kappa",
    "alpha": "alpha",
    "mean_difference": "difference",
}


def judges_of(two: Agreement | VerdictAgreement, say: Say) -> str:
    one, other = two.judges
    return f"{one} - {say('itself') if one == other else other}"


def _positions(board: Scoreboard, say: Say) -> Iterator[Sheet]:
    bias = board.position_bias
    if bias is None or not bias.comparisons:
        return
    rows = [
        [
            say(name),
            str(part.comparisons),
            *(with_interval(getattr(part, rate), part.ci[rate], 3, 2) for rate in ("consistent", "first", "second")),
        ]
        for name, part in {"all": bias, **bias.categories}.items()
    ]
    names = ("category", "comparisons", "consistent", "first shown won", "second shown won")
    yield Sheet(say("order of answers"), list(map(say, names)), rows)


def _references(board: Scoreboard, say: Say) -> Iterator[Sheet]:
    effect = board.reference_effect
    if effect is None:
        return
    rows = []
    for model, parts in effect.models.items():
        changed, rest = parts["changed"], parts["unchanged"]
        means = [_number(value) for value in (changed.before, changed.after)]
        change = [_number(changed.difference, sign=True), _interval(changed.ci, sign=True)]
        rows.append([model, str(changed.items), *means, *change, _number(rest.difference, sign=True)])
    names = ("model", "changed turns", "before", "after", "change", "95 % interval", "other turns")
    yield Sheet(say("corrected references"), list(map(say, names)), rows)


_LANGUAGE_COUNTS = ("turns", "not_korean", "switched", "mixed_levels", "level_changed")


def _language(board: Scoreboard, say: Say) -> Iterator[Sheet]:
    rows = [
        [
            model,
            *(str(getattr(found, name)) for name in _LANGUAGE_COUNTS),
            _number(found.hangul),
            "/".join(str(number) for number in found.levels.values()),
        ]
        for model, found in board.language.items()
    ]
    if rows:
        names = ("model", "turns", "not Korean", "switched", "levels mixed", "level changed", "Hangul", "speech level")
        yield Sheet(say("language of answers"), list(map(say, names)), rows)


def _counted(counts: Mapping[str, int]) -> list[str]:
    return [str(counts[name]) for name in COUNTS]


def _number(value: float | None, digits: int = 2, sign: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def _interval(ci: tuple[float, float] | None, digits: int = 2, sign: bool = False) -> str:
    return f"[{_number(ci[0], digits, sign)}, {_number(ci[1], digits, sign)}]" if ci else "-"


def with_interval(value: float | None, ci: tuple[float, float] | None, digits: int = 2, of_ci: int = 2) -> str:
    return _number(value, digits) + (f" {_interval(ci, of_ci)}" if ci else "")


def _places(places: tuple[int, int] | None) -> str:
    if places is None:
        return "-"
    return str(places[0]) if places[0] == places[1] else f"{places[0]}-{places[1]}"
