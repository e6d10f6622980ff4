"""How the loss falls with the compute: L(C) = irreducible + factor * C ^ -exponent, and the best size for a budget."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DRAWS = 400  # of the bootstrap
LEVEL = 0.95  # of the intervals
EXPONENTS = (0.005, 1.5)  # in which the exponent is looked for; published ones are .05 (Kaplan 2020) to .5
UNKNOWNS = 3
Values = npt.NDArray[np.float64]


class TooFewPoints(ValueError):
    """Fewer points than a law has unknowns. The text is one line."""


@dataclass(frozen=True)
class LossLaw:
    """L(C) = irreducible + factor * (C / scale) ^ -exponent. `scale` is the mean compute of the points."""

    irreducible: float
    factor: float
    exponent: float
    scale: float

    def predict(self, compute: float) -> float:
        """Return the loss at a compute."""
        return float(self.irreducible + self.factor * (compute / self.scale) ** -self.exponent)


@dataclass(frozen=True)
class FittedLaw:
    """A law, the largest relative error of its points, and the laws that the bootstrap drew; [] for three points."""

    law: LossLaw
    largest_relative_error: float
    drawn: list[LossLaw]

    def predict_interval(self, compute: float) -> tuple[float, float] | None:
        """Return the interval of the loss at a compute; None where three points leave nothing to tell it by."""
        return find_interval([law.predict(compute) for law in self.drawn])

    def exponent_interval(self) -> tuple[float, float] | None:
        """Return the interval of the exponent."""
        return find_interval([law.exponent for law in self.drawn])

    def irreducible_interval(self) -> tuple[float, float] | None:
        """Return the interval of the irreducible loss."""
        return find_interval([law.irreducible for law in self.drawn])


def find_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the bounds between which LEVEL of the values lie; None for no values."""
    if not values:
        return None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def fit_loss_law(points: Sequence[tuple[float, float]], seed: int = 0) -> FittedLaw:
    """Fit the law to (compute, loss) by least squares of relative errors, and bootstrap its residuals.

    Raises TooFewPoints for fewer than three computes.
    """
    compute, loss = np.array(points, float).T
    if len(set(compute.tolist())) < UNKNOWNS:
        raise TooFewPoints(f"{len(set(compute.tolist()))} points for {UNKNOWNS} unknowns; train more sizes")
    law = solve_law(compute, loss)
    fitted = np.array([law.predict(c) for c in compute])
    residuals = loss / fitted - 1
    drawn = []
    if len(compute) > UNKNOWNS:
        spread = residuals * np.sqrt(len(compute) / (len(compute) - UNKNOWNS))  # what the fit took from them
        draw = np.random.default_rng(seed)
        noise = [1 + draw.choice(spread, len(compute)) for _ in range(DRAWS)]
        drawn = [solve_law(compute, fitted * some) for some in noise]
    return FittedLaw(law, float(np.abs(residuals).max()), drawn)


def solve_law(compute: Values, loss: Values) -> LossLaw:
    """Return the law with the least squared relative errors; neither of its terms is below zero."""
    from scipy.optimize import minimize_scalar

    scale = float(np.exp(np.log(compute).mean()))
    ratio = np.log(compute / scale)
    grid = np.geomspace(*EXPONENTS, 60)
    errors = [fit_terms(exponent, ratio, loss)[0] for exponent in grid]
    best = int(np.argmin(errors))
    bounds = (grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)])
    found = minimize_scalar(lambda e: fit_terms(e, ratio, loss)[0], bounds=bounds, method="bounded")
    exponent = float(found.x if found.fun <= errors[best] else grid[best])
    _, irreducible, factor = fit_terms(exponent, ratio, loss)
    return LossLaw(irreducible, factor, exponent, scale)


def fit_terms(exponent: float, ratio: Values, loss: Values) -> tuple[float, float, float]:
    """Return (squared error, irreducible, factor) for an exponent."""
    from scipy.optimize import nnls

    terms = np.stack([np.ones_like(ratio), np.exp(-exponent * ratio)], 1) / loss[:, None]
    (irreducible, factor), error = nnls(terms, np.ones_like(loss))
    return float(error**2), float(irreducible), float(factor)


@dataclass(frozen=True)
class ComputeOptimum:
    """The best model for a budget, by a parabola through the losses of its sizes (Hoffmann et al. 2022, method 2)."""

    budget: float  # FLOPs
    parameters: float
    tokens: float
    loss: float


@dataclass(frozen=True)
class SizeParabola:
    """A parabola in the logarithm of the parameters: loss = constant + slope * x + curve * x^2, x = log(N / center)."""

    curve: float
    slope: float
    constant: float
    center: float  # parameters

    def predict(self, parameters: float) -> float:
        """Return the loss of a size."""
        x = math.log(parameters / self.center)
        return self.constant + self.slope * x + self.curve * x * x

    def find_minimum(self) -> float | None:
        """Return the parameters with the lowest loss; None for a parabola that opens downwards."""
        return self.center * math.exp(-self.slope / (2 * self.curve)) if self.curve > 0 else None


def fit_parabola(parameters: Sequence[float], loss: Sequence[float]) -> SizeParabola:
    """Fit a parabola to sizes and their losses. Raises TooFewPoints for fewer than three sizes."""
    if len(set(parameters)) < UNKNOWNS:
        raise TooFewPoints(f"{len(set(parameters))} sizes for a parabola; train at least three depths")
    size = np.log(parameters)
    curve, slope, constant = np.polyfit(size - size.mean(), loss, 2)
    return SizeParabola(float(curve), float(slope), float(constant), float(np.exp(size.mean())))


def find_optimum(budget: float, runs: Sequence[tuple[float, float, float]]) -> ComputeOptimum | None:
    """Return the optimum of runs of one budget, given as (parameters, tokens, loss).

    None where the parabola in log parameters has no minimum, or has it outside of the sizes that were trained. Raises
    TooFewPoints for fewer than three sizes.
    """
    parameters, tokens, loss = np.array(sorted(runs), float).T
    parabola = fit_parabola(parameters.tolist(), loss.tolist())
    best = parabola.find_minimum()
    if best is None or not parameters[0] <= best <= parameters[-1]:
        return None
    at = float(np.exp(np.interp(math.log(best), np.log(parameters), np.log(tokens))))
    return ComputeOptimum(budget, best, at, parabola.predict(best))


def fit_optimum_exponent(optima: Sequence[ComputeOptimum]) -> float | None:
    """Return a where the best number of parameters grows as budget ^ a; None for fewer than two budgets."""
    if len({optimum.budget for optimum in optima}) < 2:
        return None
    budget, parameters = np.log([[one.budget, one.parameters] for one in optima]).T
    return float(np.polyfit(budget, parameters, 1)[0])
