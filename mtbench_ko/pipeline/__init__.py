"""Questions -> answers -> judgments as one stream."""

from mtbench_ko.pipeline.counts import Counts
from mtbench_ko.pipeline.pipeline import Pipeline

__all__ = ["Counts", "Pipeline"]
