"""What calls of an API cost: data/prices.yaml and the prices that a user puts over it."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import RootModel, ValidationError

from mtbench_ko.bench import data_root
from mtbench_ko.config import Price, read_yaml
from mtbench_ko.errors import UsageError
from mtbench_ko.lines import describe

EXAMPLE = "gpt-4o: {input: 2.5, output: 10}"
"""A line of a price table."""
_SNAPSHOT = re.compile(r"-\d{4}-?\d\d-?\d\d$")


class _Table(RootModel[dict[str, Price]]):
    pass


class Prices:
    """Prices by the name of a model, or a pattern of names. What stands first wins; exact names before patterns."""

    def __init__(self, *tables: Mapping[str, Price]) -> None:
        """Each of the `tables` stands over those after it."""
        self._tables = tables
        self._found: dict[str, Price | None] = {}

    def of(self, model: str) -> Price | None:
        """The price of `model`, None where it is unknown."""
        if model not in self._found:
            self._found[model] = self._find(model)
        return self._found[model]

    def _find(self, model: str) -> Price | None:
        name = _SNAPSHOT.sub("", model)
        for table in self._tables:
            if price := table.get(model) or table.get(name):
                return price
            if price := next((table[each] for each in table if fnmatchcase(model, each)), None):
                return price
            if price := next((table[each] for each in table if fnmatchcase(name, each)), None):
                return price
        return None


def cost_of(usage: Mapping[str, int], price: Price | None, batch: bool = False) -> float | None:
    """Dollars for `usage`; None where the price is unknown, unless nothing was used."""
    if price is None:
        return None if any(usage.values()) else 0.0
    return price.cost(usage, batch)


def load_prices(file: str | None = None, own: Mapping[str, Price] | None = None) -> Prices:
    """The published prices, under those of `file`, under the user's `own` by model name.

    Raises:
        UsageError: unreadable YAML, or a field that is wrong; the message names it.
    """
    tables = [_read(Path(file), f"--prices {file}")] if file else []
    return Prices(own or {}, *tables, _read(data_root() / "prices.yaml", "prices.yaml"))


def _read(path: Path, name: str) -> Mapping[str, Price]:
    try:
        return _Table.model_validate(read_yaml(path, name) or {}).root
    except ValidationError as error:
        raise UsageError(f"{name}: {describe(error)}; a line looks like '{EXAMPLE}'") from error
