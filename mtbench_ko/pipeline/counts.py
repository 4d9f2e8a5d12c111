"""What became of a run's items."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Counts:
    """Items by outcome. A turn that was answered and graded counts in both; `failed` is either without a result.

    `judged_while_answering` are judgments that were made while some model was at work.
    """

    answered: int = 0
    scored: int = 0
    unscored: int = 0
    failed: int = 0
    judged_while_answering: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def miss(self, kind: str, reason: str) -> None:
        """Count an item that ended "unscored" or "failed"."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def describe(self) -> dict[str, Any]:
        return asdict(self)
