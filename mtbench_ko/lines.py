"""The lines of FastChat's `llm_judge` files: question.jsonl, model_answer/*.jsonl and model_judgment/*.jsonl.

Our own fields stand beside theirs and have defaults, so that FastChat's own files are read as they are.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Winner = Literal["model_1", "model_2", "tie", "error"]
TIE_DELTA = 0.1
"""Two ratings of a pair that differ by no more are a tie."""


class Question(BaseModel):
    """One line of question.jsonl. Unknown fields are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    question_id: int
    category: str = Field(min_length=1)
    turns: list[str] = Field(min_length=1, max_length=2)
    reference: list[str] | str | None = None
    required_temperature: float | None = Field(default=None, ge=0)


class Choice(BaseModel):
    """One sampled conversation: `turns[i]` answers the question's turn i.

    `finish_reason`, `usage` and `reasoning` are ours and run parallel to `turns`; FastChat's files lack them.
    """

    model_config = ConfigDict(extra="allow")

    index: int
    turns: list[str]
    finish_reason: list[str | None] = []
    usage: list[dict[str, int]] = []
    reasoning: list[str | None] = []


class Answer(BaseModel):
    """One line of model_answer/<model_id>.jsonl. `key` is ours: absent from files that FastChat wrote."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    question_id: int
    answer_id: str
    model_id: str
    choices: list[Choice] = Field(min_length=1)
    tstamp: float
    key: list[str] | None = None


class References(BaseModel):
    """The source of references that the run chose ("none" for no references), and the hash of what was shown.

    `sha256` is None where the judge was shown none: most categories are judged without.
    """

    source: str
    sha256: str | None


class _JudgedLine(BaseModel):
    """What scores are made of; the texts of the same line are left out."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    question_id: int
    judge: list[str] = Field(min_length=2, max_length=2)
    tstamp: float = 0
    choice: int = 0
    repeat: int = 0
    prompt_set: str | None = None
    references: References | None = None
    judge_reported: str | list[str | None] | None = None

    @property
    def reported(self) -> set[str]:
        """The judge's model as its API called it: in a pair of each game."""
        names = self.judge_reported if isinstance(self.judge_reported, list) else [self.judge_reported]
        return {name for name in names if name}

    @property
    def source(self) -> str | None:
        """The source of references, None in FastChat's files."""
        return self.references.source if self.references else None


class JudgmentLine(_JudgedLine):
    """One line of model_judgment/<judge>_single.jsonl, FastChat's or ours."""

    model: str
    score: float
    turn: int


class PairLine(_JudgedLine):
    """One line of model_judgment/<judge>_pair.jsonl, FastChat's or ours: both games of a pair.

    FastChat leaves out `turn` where prompts of the single type were used; `m1_score` is there only then.
    """

    model_1: str
    model_2: str
    g1_winner: Winner
    g2_winner: Winner
    turn: int = 1
    m1_score: float | None = None


class JudgmentText(JudgmentLine):
    """A judgment with what the judge said; `reason` says why it is unscored."""

    judgment: str | None = None
    reason: str | None = None


class PairText(PairLine):
    """A pair with what the judge said in both games: game 1 shows model_1 first, game 2 model_2."""

    g1_judgment: str | None = None
    g2_judgment: str | None = None


def winner(score_1: float, score_2: float) -> Winner:
    """Which of two ratings is higher, a tie within FastChat's 0.1."""
    if abs(score_1 - score_2) <= TIE_DELTA + 1e-9:  # 1.1 and 1.0 differ by 0.1, whatever floats say
        return "tie"
    return "model_1" if score_1 > score_2 else "model_2"


def well_formed(text: str) -> str:
    """`text` with each lone surrogate replaced by U+FFFD, since such text cannot be written as UTF-8."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def describe(error: ValidationError) -> str:
    """One line that names each faulty field and what is wrong with it."""
    return "; ".join(
        f"field '{'.'.join(map(str, e['loc'])) or '(the whole line)'}': {e['msg']}" for e in error.errors()
    )


def well_formed_json(value: Any) -> Any:
    """A parsed JSON value with every string in it `well_formed`."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [well_formed_json(item) for item in value]
    if isinstance(value, dict):
        return {well_formed_json(key): well_formed_json(item) for key, item in value.items()}
    return value
