"""Questions that are nearly the same as others."""

import unicodedata
from collections.abc import Mapping, Sequence

from rapidfuzz import fuzz, process

ALIKE = 60.0
"""From this similarity on, two first turns are reported.

Measured on the first turns of mt_bench_ko, mt_bench, komt_bench and our own set: no two questions of one set reach 56
(of 9,600 pairs), and no two different ones of the two Korean translations reach 49 (of 6,320). Copies with a tenth of
their words and all of their numbers changed are at 70 or more (of 256); of the 80 pairs of translations of one
question, made independently, 9 in 10 are above 60.
"""


def similar(
    texts: Mapping[int, Sequence[str]], others: Mapping[int, Sequence[str]] | None = None
) -> list[tuple[int, int, float]]:
    """(id, id, similarity up to 100) of each two questions whose first turns are alike, the most alike first.

    Similarity is rapidfuzz's `ratio` of the texts without regard to case and white space. Within `texts` each pair
    comes once; with `others` the pairs are of one from each.
    """
    rows, columns = list(texts), list(texts if others is None else others)
    scores = process.cdist(
        [_plain(texts[number][0]) for number in rows],
        [_plain((others or texts)[number][0]) for number in columns],
        scorer=fuzz.ratio,
        score_cutoff=ALIKE,
    )
    found = [
        (rows[i], columns[j], float(scores[i, j]))
        for i, j in zip(*scores.nonzero(), strict=True)
        if others is not None or i < j
    ]
    return sorted(found, key=lambda pair: -pair[2])


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
