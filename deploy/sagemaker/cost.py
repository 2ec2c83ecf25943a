"""make sagemaker-cost: what a training run and a month of the endpoint are expected to cost.

Computed from prices.csv, which is the operator's to edit, and the settings. A run's length is what one takes
with one GPU (2 minutes for 62 photos are the goal; 10 stands for starting the instance and larger sets).
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RUN_MINUTES = 10.0
HOURS_A_MONTH = 730.0
RUN_GB = 0.5
"""What 100 photos, checkpoints and a model take in the bucket, for 30 days."""


class PriceMissing(Exception):
    """prices.csv has no price for this."""


@dataclass(frozen=True)
class Price:
    """US dollars; `spot` is None where there is no such thing."""

    on_demand: float
    spot: float | None


@dataclass(frozen=True)
class Cost:
    """US dollars: of one run, of the endpoint's instances for a month at least and at most, of storage a
    month for every hundred runs."""

    run: float
    month_least: float
    month_most: float
    storage: float


def read_prices(path: Path) -> dict[tuple[str, str], Price]:
    """The prices by what and name. Raises ValueError with the line that cannot be read."""
    prices = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            what, name, on_demand, spot = next(csv.reader([line]))
            prices[what, name] = Price(float(on_demand), float(spot) if spot else None)
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: give what,name,on_demand,spot") from error
    return prices


def compute_cost(settings: Mapping[str, str], prices: Mapping[tuple[str, str], Price]) -> Cost:
    """The cost by the settings of `.env`. Raises PriceMissing."""

    def price(what: str, name: str) -> Price:
        found = prices.get((what, name))
        if found is None:
            raise PriceMissing(f"prices.csv has no line {what},{name}: add one")
        return found

    training = price(
        "instance_hour", settings.get("ASSAY_SAGEMAKER_TRAINING_INSTANCE_TYPE") or "ml.g5.xlarge"
    )
    spot = (settings.get("ASSAY_SAGEMAKER_SPOT") or "true").lower() in ("true", "1", "yes", "on")
    hourly = training.spot if spot and training.spot is not None else training.on_demand
    count = int(settings.get("ASSAY_SAGEMAKER_TRAINING_INSTANCE_COUNT") or 1)
    volume = int(settings.get("ASSAY_SAGEMAKER_TRAINING_VOLUME_GB") or 30)
    hours = RUN_MINUTES / 60
    disk = price("volume_gb_month", "training").on_demand * volume * hours / HOURS_A_MONTH
    serving = price("instance_hour", settings.get("ASSAY_SAGEMAKER_ENDPOINT_INSTANCE_TYPE") or "ml.g5.xlarge")
    least = int(settings.get("ASSAY_SAGEMAKER_ENDPOINT_INSTANCES") or 1)
    most = max(least, int(settings.get("ASSAY_SAGEMAKER_ENDPOINT_MAX_INSTANCES") or 1))
    month = serving.on_demand * HOURS_A_MONTH
    return Cost(
        run=count * (hourly * hours + disk),
        month_least=least * month,
        month_most=most * month,
        storage=100 * RUN_GB * price("storage_gb_month", "s3").on_demand,
    )


def main() -> int:
    """Prints the costs."""
    try:
        cost = compute_cost(os.environ, read_prices(Path(__file__).with_name("prices.csv")))
    except (PriceMissing, ValueError) as error:
        print(f"assay: {error}", file=sys.stderr)
        return 1
    print("Expected, by deploy/sagemaker/prices.csv, which you must make yours; US dollars, without taxes:")
    print(f"  a training run of {RUN_MINUTES:g} minutes: {cost.run:.2f}")
    between = "" if cost.month_least == cost.month_most else f" to {cost.month_most:.0f}"
    print(f"  a month of the endpoint: {cost.month_least:.0f}{between}, whether asked or not")
    print(f"  storage of 100 runs: {cost.storage:.2f} a month")
    return 0


if __name__ == "__main__":
    sys.exit(main())
