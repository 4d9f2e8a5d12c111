"""A run as a whole: what is planned, placed, started, watched and written when it ends."""

from mtbench_ko.job.job import Job

__all__ = ["Job"]
