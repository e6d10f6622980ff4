"""What a scaling study found: tables, what follows from them, and the picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.studies.loss_law import ComputeOptimum, FittedLaw, fit_parabola
from model.training_log import make_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_POINTS = 100  # of a drawn curve
REACH = 10.0  # a law is drawn up to so many times the largest compute


@dataclass(frozen=True)
class ScalingPoint:
    """One trained model."""

    depth: int
    parameters: int
    flops: float  # of the whole run
    tokens: int
    validation_loss: float
    bits_per_byte: float
    budget: float | None = None


@dataclass(frozen=True)
class ScalingCurve:
    """The runs of a variant, and what follows from them; `held_out` is the law of all points but the largest."""

    points: list[ScalingPoint]
    fit: FittedLaw | None
    held_out: FittedLaw | None
    optima: list[ComputeOptimum]
    optimum_exponent: float | None


def format_curve(name: str, curve: ScalingCurve) -> str:
    """Return the points of a variant as a Markdown table, and what follows from them."""
    lines = [f"{name}:", ""] if name else []
    lines += ["| depth | parameters | tokens | FLOPs | bits per byte | by the law |", "|---|---|---|---|---|---|"]
    for p in curve.points:
        law = f"{curve.fit.law.predict(p.flops):.4f}" if curve.fit else ""
        lines.append(f"| {p.depth} | {p.parameters:,} | {p.tokens:,} | {p.flops:.2e} | {p.bits_per_byte:.4f} | {law} |")
    lines.append("")
    if curve.fit:
        lines += format_fit(curve.fit)
    if curve.held_out:
        lines.append(format_prediction(curve.held_out, curve.points[-1]))
    for optimum in curve.optima:
        lines.append(
            f"{optimum.budget:.2e} FLOPs: best with {optimum.parameters:,.0f} parameters and {optimum.tokens:,.0f} "
            f"tokens ({optimum.loss:.4f} bits per byte)"
        )
    missing = {p.budget for p in curve.points if p.budget} - {optimum.budget for optimum in curve.optima}
    for budget in sorted(missing):
        lines.append(f"{budget:.2e} FLOPs: no best size between the depths that were trained; take smaller or larger")
    if curve.optimum_exponent is not None:
        lines.append(f"best parameters ~ FLOPs ^ {curve.optimum_exponent:.3f} (Hoffmann et al. 2022: .49)")
    return "\n".join(lines)


def format_fit(fit: FittedLaw) -> list[str]:
    """Return the law as a line, and its intervals as another."""
    law, error = fit.law, 100 * fit.largest_relative_error
    lines = [
        f"bits per byte = {law.irreducible:.4f} + {law.factor:.4f} * (FLOPs / {law.scale:.3g}) ^ -{law.exponent:.4f}; "
        f"largest error {error:.2f} %"
    ]
    exponent, floor = fit.exponent_interval(), fit.irreducible_interval()
    if exponent is None or floor is None:
        return [*lines, "three points are met exactly, so nothing tells how sure the law is; train more depths"]
    return [
        *lines,
        f"95 % intervals: exponent {exponent[0]:.4f} to {exponent[1]:.4f}, "
        f"irreducible {floor[0]:.4f} to {floor[1]:.4f}",
    ]


def format_prediction(held_out: FittedLaw, point: ScalingPoint) -> str:
    """Return how well the other points predict the largest run."""
    predicted, interval = held_out.law.predict(point.flops), held_out.predict_interval(point.flops)
    line = f"the largest run, predicted from the others: {predicted:.4f}, measured {point.bits_per_byte:.4f}"
    if interval is None:
        return line
    inside = "within" if interval[0] <= point.bits_per_byte <= interval[1] else "outside of"
    return f"{line}, {inside} the 95 % interval {interval[0]:.4f} to {interval[1]:.4f}"


def plot_curves(curves: Mapping[str, ScalingCurve], path: Path) -> None:
    """Write the picture of a study, as a PNG or an SVG by the suffix of `path`. The same results give the same bytes.

    Runs of one token share: the loss over the compute, with the law, its 95 % interval, and the prediction of the
    largest run. Runs of budgets: the loss over the parameters, with each budget's parabola and its lowest point.
    """
    figure, axes = make_figure()
    has_budgets = any(point.budget is not None for curve in curves.values() for point in curve.points)
    for number, (name, curve) in enumerate(curves.items()):
        budgets = sorted({point.budget for point in curve.points if point.budget is not None})
        for place, budget in enumerate(budgets):
            runs = [point for point in curve.points if point.budget == budget]
            optimum = next((one for one in curve.optima if one.budget == budget), None)
            label = " ".join([*([name] if name else []), f"{budget:.2e} FLOPs"])
            draw_parabola(axes, runs, optimum, label, f"C{number * len(budgets) + place}")
        if not budgets:
            draw_law(axes, curve, name, f"C{number}")
    axes.set(xscale="log", xlabel="parameters" if has_budgets else "training FLOPs", ylabel="bits per byte")
    save_figure(figure, axes, path, "scaling")


def draw_law(axes: "Axes", curve: ScalingCurve, name: str, color: str) -> None:
    """Draw the runs of a variant, its law with the interval, and the prediction of the largest run."""
    compute = [point.flops for point in curve.points]
    prefix = f"{name}: " if name else ""
    axes.plot(
        compute, [point.bits_per_byte for point in curve.points], "o", color=color, label=f"{prefix}trained models"
    )
    if curve.fit is not None:
        grid = np.geomspace(min(compute), REACH * max(compute), CURVE_POINTS).tolist()
        axes.plot(grid, [curve.fit.law.predict(flops) for flops in grid], color=color, label=f"{prefix}law")
        band = [interval for flops in grid if (interval := curve.fit.predict_interval(flops))]
        if band:
            low, high = zip(*band, strict=True)
            axes.fill_between(grid, low, high, color=color, alpha=0.2, linewidth=0, label=f"{prefix}95 % interval")
    largest = curve.points[-1].flops
    interval = curve.held_out.predict_interval(largest) if curve.held_out else None
    if curve.held_out and interval:
        predicted = curve.held_out.law.predict(largest)
        reach = [[max(0.0, predicted - interval[0])], [max(0.0, interval[1] - predicted)]]
        label = f"{prefix}largest, predicted from the others"
        axes.errorbar([largest], [predicted], yerr=reach, fmt="_", capsize=4, color="black", label=label)


def draw_parabola(
    axes: "Axes", runs: Sequence[ScalingPoint], optimum: ComputeOptimum | None, label: str, color: str
) -> None:
    """Draw the runs of one budget, the parabola through them, and its lowest point, if that lies between them."""
    sizes, losses = [float(run.parameters) for run in runs], [run.bits_per_byte for run in runs]
    axes.plot(sizes, losses, "o", color=color, label=label)
    parabola = fit_parabola(sizes, losses)
    grid = np.geomspace(min(sizes), max(sizes), CURVE_POINTS).tolist()
    axes.plot(grid, [parabola.predict(size) for size in grid], color=color)
    if optimum is not None:
        axes.plot([optimum.parameters], [optimum.loss], "*", markersize=12, color=color)
