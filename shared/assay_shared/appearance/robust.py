"""Small robust statistics: a Gaussian and a regression that a few odd photos do not spoil."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.patches import Doubles


@dataclass(frozen=True)
class Gaussian:
    """`mean` (d,) and `precision` (d, d), the inverse of a shrunk covariance."""

    mean: Doubles
    precision: Doubles

    def distance(self, rows: Doubles) -> Doubles:
        """Mahalanobis distances (…,) of rows (…, d)."""
        rest = rows - self.mean
        return np.asarray(np.sqrt(np.maximum(np.einsum("...i,ij,...j->...", rest, self.precision, rest), 0)))


@dataclass(frozen=True)
class Regression:
    """Values (t,) explained by covariates (c,), each kept within `low` and `high`, where it was learnt."""

    centre: Doubles
    spread: Doubles
    slopes: Doubles
    middle: Doubles
    low: Doubles
    high: Doubles

    def rest(self, covariates: Doubles, values: Doubles) -> Doubles:
        """What the covariates (n, c) leave unexplained of values (n, t)."""
        x = (np.clip(covariates, self.low, self.high) - self.centre) / self.spread
        return np.asarray(values - self.middle - x @ self.slopes)


def fit_gaussian(rows: Doubles, floor: float) -> Gaussian:
    """The Gaussian of rows (n, d). Rows further than three spreads weigh less; the covariance is shrunk
    towards its diagonal the more, the fewer rows there are; no variance is below `floor` squared."""
    middle = np.median(rows, 0)
    spread = 1.4826 * np.median(np.abs(rows - middle), 0) + 1e-9
    far = np.sqrt((((rows - middle) / spread) ** 2).mean(1))
    weights = np.where(far > 3, (3 / np.maximum(far, 3)) ** 2, 1.0)
    mean = np.average(rows, 0, weights)
    rest = (rows - mean) * np.sqrt(weights)[:, None]
    covariance = rest.T @ rest / max(float(weights.sum()) - 1, 1.0)
    count, size = rows.shape
    share = (size + 1) / (count + size)
    own = np.diag(covariance)
    covariance = (1 - share) * covariance + np.diag(share * own + floor**2)
    return Gaussian(mean, np.linalg.inv(covariance))


def fit_regression(covariates: Doubles, values: Doubles, ridge: float = 0.03) -> Regression:
    """Values (n, t) regressed on covariates (n, c): standardised, with a ridge, odd rows weighing less."""
    centre, spread = np.median(covariates, 0), covariates.std(0) + 1e-6
    x = (covariates - centre) / spread
    weights = np.ones(len(x))
    for _ in range(4):
        middle = np.average(values, 0, weights)
        normal = (x * weights[:, None]).T @ x + ridge * len(x) * np.eye(x.shape[1])
        slopes = np.linalg.solve(normal, (x * weights[:, None]).T @ (values - middle))
        left = np.abs(values - middle - x @ slopes)
        scale = 1.4826 * np.median(left, 0) + 1e-6
        weights = 1 / (1 + ((left / scale) ** 2).mean(1) / 9)
    reach = 0.25 * np.ptp(covariates, 0)
    return Regression(centre, spread, slopes, middle, covariates.min(0) - reach, covariates.max(0) + reach)
