"""What calls cost: tokens counted before they are sent, prices, and what a run has spent."""

from mtbench_ko.costs.prices import Prices, load_prices
from mtbench_ko.costs.spending import Apis, Named, Spending, apis_of, dollars
from mtbench_ko.costs.tokens import TokenCounter, counter_for

__all__ = [
    "Apis",
    "Named",
    "Prices",
    "Spending",
    "TokenCounter",
    "apis_of",
    "counter_for",
    "dollars",
    "load_prices",
]
