"""FastChat's files, rebuilt from the journal while the job goes on."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from mtbench_ko.store import RunStore, write_atomically

log = logging.getLogger(__name__)

_SHARE = 0.02  # of the time that may go into files which grow with the number of models


class Views:
    """The files of one job in `store`: those that it `replaces`, and a copy of the first one for --answer-file."""

    def __init__(self, store: RunStore, replaces: Sequence[Path], answer_file: str | None) -> None:
        self._store = store
        self._replaces = replaces
        self._answer_file = answer_file
        self._judgments_due = 0.0

    def write(self, model: str | None = None) -> None:
        """Rebuild all; for one `model`, its own, and those that have all models if that is due."""
        began = time.monotonic()
        due = began > self._judgments_due
        try:
            self._store.write_views(replace=self._replaces, model=model, judgments=model is None or due)
            if self._answer_file and self._replaces[0].exists():
                write_atomically(Path(self._answer_file), self._replaces[0].read_bytes())
        except OSError as error:  # a full disk; the journal is whole, and the next start tries again
            log.warning("FastChat's files could not be rebuilt from the journal: %s", error)
        if due:
            now = time.monotonic()
            self._judgments_due = now + (now - began) / _SHARE
