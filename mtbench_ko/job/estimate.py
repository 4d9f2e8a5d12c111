"""What a run will cost, before a call is made: the prompts that exist are built and counted, the rest is guessed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from statistics import fmean
from typing import cast

import regex

from mtbench_ko.costs import Named, Spending, TokenCounter, counter_for, dollars
from mtbench_ko.generate import Conversation, expected_length
from mtbench_ko.job.plan import Contestant, Panelist
from mtbench_ko.judge import Judge, Match, Matchmaker
from mtbench_ko.records import Judged, TurnRecord
from mtbench_ko.store import RunStore

PENDING = "\ue000"
"""Stands for an answer that does not exist yet: a private-use character."""
_SAMPLE = 400  # saved judgments or turns that tell what the next ones will be like
_ENOUGH = 8

# Mean tokens of a judgment of GPT-4: 800 single grades of MT-Bench and 150 games in English, 160 grades of KoMT-Bench
# in Korean, whose text takes more tokens in the older encoding.
_SINGLE, _PAIR = 168, 140
_KOREAN = {"o200k_base": 110, "cl100k_base": 185}
_TOKENS_PER_CHARACTER = 0.22  # of the English answers that `expected_length` was measured on, in either encoding
_HANGUL = regex.compile(r"\p{Hangul}")


@dataclass
class Estimate:
    """Calls that are due to one model or judge, with their tokens; `notes` say how those were found."""

    who: Named
    calls: int = 0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    pending: int = 0
    notes: tuple[str, ...] = ()

    @property
    def usage(self) -> dict[str, int]:
        return {"prompt_tokens": round(self.prompt_tokens), "completion_tokens": round(self.completion_tokens)}


class Estimator:
    """Estimates for one `store`; `counter` gives the token counter of a model or judge."""

    def __init__(self, store: RunStore, counter: Callable[[Named], TokenCounter]) -> None:
        self._store = store
        self._counter = counter

    def answers(self, owed: Sequence[Conversation]) -> Estimate:
        """The turns that one model owes. The questions are counted, its own answers before them guessed."""
        named: Named = ("model", owed[0].subject.model_id)
        counter = self._counter(named)
        guess, how = self._guess(named[1], lambda turn: turn.usage.get("completion_tokens", 0))
        estimate = Estimate(named, notes=(f"tokens in {counter.how}", f"answers: {how}"))
        for talk in owed:
            texts = [turn.text for turn in talk.saved_turns(self._store)]
            for _ in talk.question.turns[len(texts) :]:
                tokens = guess(talk)
                estimate.calls += 1
                estimate.prompt_tokens += _count(talk.messages(texts), counter, tokens)
                estimate.completion_tokens += tokens
                texts.append(PENDING)
        return estimate

    def judgments(
        self, waiting: Iterable[Match], owed: Sequence[Conversation], matchmakers: Sequence[Matchmaker]
    ) -> list[Estimate]:
        """The matches that are `waiting`, and those that the answers will make which are `owed`; by judge."""
        found: dict[str, Estimate] = {}
        judges: dict[str, Judge] = {}
        seen = set()
        shown: dict[Named, Callable[[Conversation], float]] = {}
        for match, talk in _due(waiting, owed, matchmakers, self._store):
            named: Named = ("judge", match.judge.name)
            counter = self._counter(named)
            if talk is None and match.key in seen:  # the same messages are asked once
                continue
            seen.add(match.key)
            judges[match.judge.name] = match.judge
            estimate = found.setdefault(match.judge.name, Estimate(named))
            tokens = 0.0
            if talk:
                model = talk.subject.model_id
                if ("model", model) not in shown:
                    shown["model", model] = self._shown(model, counter)
                tokens = shown["model", model](talk)
            estimate.calls += 1
            estimate.pending += talk is not None
            estimate.prompt_tokens += _count(match.messages, counter, tokens)
            estimate.completion_tokens += _typical(match, counter)
        for name, estimate in found.items():
            self._learn(estimate, judges[name])
        return list(found.values())

    def _learn(self, estimate: Estimate, judge: Judge) -> None:
        """Put what this judge's saved judgments have really taken over what was counted and guessed."""
        counter = self._counter(estimate.who)
        saved = [row for row in islice(self._saved(judge), _SAMPLE) if row.usage.get("prompt_tokens")]
        notes = [f"tokens in {counter.how}"]
        if len(saved) >= _ENOUGH:
            counted = sum(counter.of(_messages(row, judge)) for row in saved)
            factor = sum(row.usage["prompt_tokens"] for row in saved) / counted
            estimate.prompt_tokens *= factor
            mean = fmean(row.usage.get("completion_tokens", 0) for row in saved)
            estimate.completion_tokens = mean * estimate.calls
            notes.append(f"times {factor:.2f}, and {mean:.0f} tokens a judgment, as in {len(saved)} saved ones")
        else:
            mean = estimate.completion_tokens / estimate.calls
            notes.append(f"{mean:.0f} tokens a judgment, GPT-4's mean, without thinking: other judges may differ")
        if estimate.pending:
            notes.append(f"{estimate.pending:,} prompts with answers that do not exist yet, of typical length")
        estimate.notes = tuple(notes)

    def _saved(self, judge: Judge) -> Iterator[Judged]:
        """Judgments made with the same prompts, so that their messages can be built again."""
        for kind, bench, name in self._store.files:
            if kind != "turn" and name == judge.name:
                for row in self._store.judged(kind, bench, name):
                    if row.prompt_set == judge.prompts.name and row.judge[1] in judge.prompts.prompts:
                        yield row

    def _shown(self, model: str, counter: TokenCounter) -> Callable[[Conversation], float]:
        """Tokens of an answer to come as a judge is shown it."""
        return self._guess(model, lambda turn: counter.count(turn.text))[0]

    def _guess(self, model: str, measure: Callable[[TurnRecord], int]) -> tuple[Callable[[Conversation], float], str]:
        """Tokens of an answer to come: the mean of the model's saved ones, else what is typical of the category."""
        tokens = list(filter(None, map(measure, islice(self._store.turns(model=model), _SAMPLE))))
        if len(tokens) >= _ENOUGH:
            mean = fmean(tokens)
            return lambda talk: mean, f"{mean:.0f} tokens, as {len(tokens)} saved ones have"
        return _typical_answer, "of typical length for their category, without thinking"


def _typical_answer(talk: Conversation) -> float:
    of_both_turns = expected_length(talk) / len(talk.question.turns)
    return min(of_both_turns / 2 * _TOKENS_PER_CHARACTER, talk.sampling.max_tokens)


def _due(
    waiting: Iterable[Match], owed: Sequence[Conversation], matchmakers: Sequence[Matchmaker], store: RunStore
) -> Iterator[tuple[Match, Conversation | None]]:
    """Matches, and the conversation that will make them where it is still to be held."""
    for match in waiting:
        yield match, None
    for talk in owed:
        texts = [turn.text for turn in talk.saved_turns(store)]
        for _ in talk.question.turns[len(texts) :]:
            texts.append(PENDING)
            about = (talk.subject.model_id, talk.question.question_id, talk.choice, texts)
            for match in chain.from_iterable(matchmaker.matches(*about) for matchmaker in matchmakers):
                yield match, talk


def _count(messages: Sequence[Mapping[str, str]], counter: TokenCounter, pending: float) -> float:
    """Tokens of a prompt in which every answer to come has `pending` tokens."""
    known = [dict(message) | {"content": message["content"].replace(PENDING, "")} for message in messages]
    return counter.of(known) + pending * sum(message["content"].count(PENDING) for message in messages)


def _typical(match: Match, counter: TokenCounter) -> int:
    """Tokens of a judgment, in the language of its prompt."""
    if _HANGUL.search(match.prompt.prompt_template):
        return _KOREAN[counter.encoding]
    return _SINGLE if match.prompt.type == "single" else _PAIR


def _messages(row: Judged, judge: Judge) -> list[dict[str, str]]:
    """The messages that a judgment was made of."""
    system = judge.prompts.prompts[row.judge[1]].system_prompt
    return [{"role": "system", "content": system}, {"role": "user", "content": row.user_prompt}]


def foresee(
    store: RunStore,
    spending: Spending,
    owed: Mapping[Contestant, list[Conversation]],
    waiting: Iterable[Match],
    matchmakers: Sequence[Matchmaker],
    panel: Sequence[Panelist],
) -> Iterator[str]:
    """Lines that tell what is due: the turns that models owe, and the judgments that wait or will come of them."""
    folders: dict[Named, Path] = {("model", one.name): one.weights.folder for one in owed if one.weights}
    folders |= {("judge", one.name): one.weights.folder for one in panel if one.weights}

    @cache
    def counter(named: Named) -> TokenCounter:
        return counter_for(spending.api(named) or named[1], folders.get(named))

    estimator = Estimator(store, counter)
    estimates = [estimator.answers(talks) for talks in owed.values() if talks]
    estimates += estimator.judgments(waiting, list(chain(*owed.values())), matchmakers)
    return _in_words(estimates, spending, {one.name for one in panel if one.entry.judge_batch})


def _in_words(estimates: Sequence[Estimate], spending: Spending, batched: Collection[str]) -> Iterator[str]:
    """A line for each estimate, and one for their sum and the cap; judges that are `batched` have their own price."""
    costs = [
        spending.of(each.who, each.usage, batch=each.who[0] == "judge" and each.who[1] in batched) for each in estimates
    ]
    for each, cost in zip(estimates, costs, strict=True):
        role, name = each.who
        told = "of unknown price (see --prices)" if cost is None else f"about {dollars(cost)}"
        if spending.api(each.who) is None:
            told = "no API money"
        used = each.usage
        yield (
            f"{role} {name}: {each.calls:,} calls, about {used['prompt_tokens']:,} tokens in and "
            f"{used['completion_tokens']:,} out, {told} ({'; '.join(each.notes)})"
        )
    if estimates and None not in costs:
        due = sum(cast(list[float], costs))
        yield f"in all about {dollars(due)}{spending.beside(due)}, without repeated attempts and cached prompts"
