"""The money of a run directory: what its tokens have cost so far, and the cap that ends a run."""

from collections import Counter
from collections.abc import Mapping
from math import fsum
from typing import Any

from mtbench_ko.costs.prices import EXAMPLE, Prices, cost_of
from mtbench_ko.errors import UsageError
from mtbench_ko.store import Role, Tally, Who

Named = tuple[Role, str]
Apis = dict[Named, str | None]
"""By which name an API knows a model or judge; None for weights of our own."""
_DIGITS = 6  # of a dollar that are written down
_NOTHING = 1e-9  # dollars that sums of floats may lack


class Spending:
    """What `tally` costs at `prices`: always all of the run directory, whichever run spent it.

    Weights of our own cost no API money; who is not among `apis` is known by its own name. Costs are made of sums of
    tokens, so that they do not depend on the order in which calls ended.
    """

    def __init__(self, tally: Tally, prices: Prices, apis: Apis, cap: float | None = None) -> None:
        self._tally = tally
        self._before = tally.copy()
        self._prices = prices
        self._apis = apis
        self._cap = cap

    def require_prices(self, names: Apis) -> None:
        """See that a cap means something: the price of each API among `names` is known.

        Raises:
            UsageError: it is not.
        """
        unknown = [name for name in names.values() if name is not None and self._prices.of(name) is None]
        if self._cap is not None and unknown:
            raise UsageError(
                f"--max-cost: the price of {' and of '.join(unknown)} is unknown; give it with --prices FILE, in which "
                f"a line such as '{EXAMPLE}' says US dollars per million tokens"
            )

    @property
    def money(self) -> float:
        """Dollars that are known to be spent."""
        return fsum(cost for who, spent in self._tally.items() if (cost := self._cost(who, spent)) is not None)

    @property
    def reached(self) -> bool:
        """Whether the cap is reached: no further call may be begun."""
        return self._cap is not None and self.money >= self._cap - _NOTHING

    def of(self, named: Named, usage: Mapping[str, int], batch: bool = False) -> float | None:
        """Dollars for calls to come; None if their price is unknown."""
        return self._cost(Who("", *named, batch), usage)

    def api(self, named: Named) -> str | None:
        """The name by which an API knows it; None for weights of our own, which cost GPU hours and no API money."""
        return self._apis.get(named, named[1])

    def beside(self, due: float) -> str:
        """Words about what is spent already, and about the cap if `due` dollars more reach it."""
        before = f" beside {dollars(self.money)} already spent in this output" if self.money else ""
        if self._cap is None:
            return before
        stops = self.money + due >= self._cap
        return f"{before}; --max-cost {self._cap:g} {'would stop the run before its end' if stops else 'is enough'}"

    @property
    def why_stopped(self) -> str:
        return (
            f"--max-cost {self._cap:g}: {dollars(self.money)} of {dollars(self._cap or 0)} are spent in this output, "
            f"earlier runs included. Everything finished is saved; the same command with a higher --max-cost goes on "
            f"from here, unchanged it would stop again"
        )

    def describe(self) -> str:
        """What was paid for, in words; "" where no API was called."""
        paid = [(who, spent) for who, spent in self._tally.items() if self._api(who) is not None]
        parts = []
        for named in dict.fromkeys((who.role, who.name) for who, _ in paid):
            mine = [(who, spent) for who, spent in paid if (who.role, who.name) == named]
            sums = _sum(spent for _, spent in mine)
            cost = _total(self._cost(who, spent) for who, spent in mine)
            told = "cost unknown (no price; see --prices)" if cost is None else dollars(cost)
            cached = f" ({sums['cached_tokens']:,} cached)" if sums["cached_tokens"] else ""
            parts.append(
                f"{named[0]} {named[1]}: {told}, {sums['calls']:,} calls, {sums['prompt_tokens']:,} tokens in{cached}, "
                f"{sums['completion_tokens']:,} out"
            )
        return "; ".join(parts)

    def so_far(self) -> str:
        """The known money for a line of progress; "" where no API with a known price was called."""
        priced = any(self._prices.of(api) for who, _ in self._tally.items() if (api := self._api(who)))
        return dollars(self.money) if priced else ""

    def facts(self, bench: str) -> dict[str, dict[str, Any]]:
        """For the manifest of `bench`: "models" and "judges" by name, and "spent" by all, each with usage and cost."""
        mine = [(who, spent) for who, spent in self._tally.items() if who.bench == bench]
        facts: dict[str, dict[str, Any]] = {"models": {}, "judges": {}, "spent": self._facts(mine)}
        for named in dict.fromkeys((who.role, who.name) for who, _ in mine):
            same = [(who, spent) for who, spent in mine if (who.role, who.name) == named]
            facts[f"{named[0]}s"][named[1]] = self._facts(same)
        return facts

    def of_this_run(self) -> dict[str, float] | None:
        """For the manifest: what was spent since this object was made; None if a price is unknown."""
        spent = self._tally.since(self._before).items()
        cost = _total(self._cost(who, counts) for who, counts in spent)
        return _money(cost)

    def _facts(self, spent: list[tuple[Who, Counter[str]]]) -> dict[str, Any]:
        sums = _sum(counts for _, counts in spent)
        cost = _total(self._cost(who, counts) for who, counts in spent)
        return {"usage": dict(sorted(sums.items())), "cost": _money(cost)}

    def _api(self, who: Who) -> str | None:
        return self.api((who.role, who.name))

    def _cost(self, who: Who, spent: Mapping[str, int]) -> float | None:
        api = self._api(who)
        return 0.0 if api is None else cost_of(spent, self._prices.of(api), who.batch)


def apis_of(identities: Mapping[Named, str]) -> Apis:
    """From what models and judges were in earlier runs."""
    return {
        named: identity.removeprefix("endpoint:") if identity.startswith("endpoint:") else None
        for named, identity in identities.items()
    }


def dollars(amount: float) -> str:
    """Such as $12.34; small amounts with four digits behind the point."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.4f}"


def _money(cost: float | None) -> dict[str, float] | None:
    """As the manifest has it."""
    return None if cost is None else {"usd": round(cost, _DIGITS)}


def _sum(counters: Any) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _total(costs: Any) -> float | None:
    """The sum, None if any part is unknown."""
    parts = list(costs)
    return None if None in parts else fsum(parts)
