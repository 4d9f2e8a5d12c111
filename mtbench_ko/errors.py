"""The errors that end the program, each with its exit code; parts of the program derive kinds of their own.

Exit codes: 0 complete; 1 the run failed; 2 bad usage or input, found before GPU work; 3 finished with more
failed or unscored items than allowed; 4 stopped with everything saved, and would stop again unchanged;
75 stopped early with everything saved, run again to go on (EX_TEMPFAIL of sysexits.h).
"""

INCOMPLETE = 3


class MtBenchError(Exception):
    """The run failed. The message says what happened and what to do."""

    exit_code = 1


class UsageError(MtBenchError):
    """Bad usage, configuration or input file; raised before any GPU work."""

    exit_code = 2


class ModelFailed(MtBenchError):
    """One model cannot be served, whatever is tried; the run's other models can."""


class Stopped(MtBenchError):
    """Everything is saved, but the same run would stop here again (wrong key, quota, full disk)."""

    exit_code = 4


class Preempted(MtBenchError):
    """A signal asked to stop; everything is saved, the same command goes on from here."""

    exit_code = 75


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended a group of tasks: ours before others."""
    ours, others = group.split(MtBenchError)
    error: BaseException = ours or others or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
