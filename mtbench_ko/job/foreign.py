"""Files in the output that our journal does not know, FastChat's for example: taken over or written over, never lost
unasked."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from mtbench_ko.config import RunConfig
from mtbench_ko.errors import UsageError
from mtbench_ko.generate import Conversation
from mtbench_ko.hashing import sha256_json
from mtbench_ko.lines import Answer
from mtbench_ko.records import TurnRecord
from mtbench_ko.store import RunStore, View, answer_path, foreign_answers, judgment_path


def settle_answers(config: RunConfig, store: RunStore, conversations: Sequence[Conversation]) -> Path:
    """Look at the answer file that the `conversations` of one model will replace, and return its path.

    Raises:
        UsageError: it holds answers that are not ours, and neither --adopt nor --overwrite was said.
    """
    bench, model = conversations[0].bench, conversations[0].subject.model_id
    path = answer_path(store.output, bench, model)
    foreign = foreign_answers(path, model, store.knows)
    if foreign and not config.adopt and not config.overwrite:
        raise UsageError(
            f"{path} holds {len(foreign)} answers that another program left, or whose journal is gone. "
            f"--adopt takes them as this model's answers, --overwrite writes over them"
        )
    if config.adopt and not config.dry_run:
        for record in _adopted(foreign, conversations, str(path)):
            store.append(record)
    return path


def settle_judgments(config: RunConfig, store: RunStore, bench: str, judge: str) -> Path:
    """Look at the judgment file that this run will replace, and return its path.

    Raises:
        UsageError: it holds judgments that are not ours, and --overwrite was not said.
    """
    path = judgment_path(store.output, bench, judge, config.judgment_kind)
    if not config.overwrite and View(path, ()).is_foreign(store.knows):
        raise UsageError(
            f"{path} holds judgments that another program left, or whose journal is gone. "
            f"--overwrite writes over them; or move the file away"
        )
    return path


def _adopted(answers: Iterable[Answer], conversations: Iterable[Conversation], path: str) -> Iterable[TurnRecord]:
    wanted = {(talk.question.question_id, talk.choice): talk for talk in conversations}
    for answer in answers:
        for choice in answer.choices:
            talk = wanted.get((answer.question_id, choice.index))
            if talk is None:
                raise UsageError(
                    f"{path}: question {answer.question_id}, choice {choice.index} is not part of this run, and "
                    f"adopting the rest would drop it; run the whole question set with its --num-choices"
                )
            if len(choice.turns) > len(talk.question.turns):
                raise UsageError(
                    f"{path}: question {answer.question_id} has {len(choice.turns)} answers for "
                    f"{len(talk.question.turns)} turns: of another question set? --overwrite writes over them"
                )
            for number, text in enumerate(choice.turns, start=1):
                yield TurnRecord(
                    bench=talk.bench,
                    question_id=answer.question_id,
                    choice=choice.index,
                    turn=number,
                    key=talk.key,
                    tstamp=answer.tstamp,
                    model_id=talk.subject.model_id,
                    messages_sha256=sha256_json(talk.messages(choice.turns[: number - 1])),
                    text=text,
                    finish_reason=None,
                    adopted=True,
                )
