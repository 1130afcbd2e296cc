"""How a fit did on rows it had not seen: coverage of its VaR, and how its parameters move from fit to fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from simulator.report.blocks import Block, Bullets, Figure, Folded, Paragraph, Subheading, Table
from simulator.report.dependence import NORMAL, later_dependence
from simulator.report.figures.drawn import NARROW, WIDE
from simulator.report.figures.ranges import Point, Range, draw_paths, draw_ranges
from simulator.report.numbers import NOTHING, SMALLEST_P, chance, count, fixed, percent, plain
from simulator.risk.measures import failure_bound, failure_floor

if TYPE_CHECKING:
    from simulator.estimation.held_out import HeldOut, Score
    from simulator.estimation.held_out_dependence import HeldOutDependence
    from simulator.estimation.walk import AssetWalk, WalkForward
    from simulator.risk.backtests import Coverage

Covered = Mapping[tuple[str, float], "Coverage"]
MOST_RATIO = 3.0  # exceeded / promised that is still drawn to scale
LEVEL = 0.05  # of a test
STRATEGIES = {
    "filter": "the fit's filter",
    "ewma": "EWMA of a day",
    "still": "the stationary one",
    "transition": "the peg's own",
    "no-pull": "the same, no pull",
}
NAMES = {
    "degrees_of_freedom": "degrees of freedom",
    "total_volatility": "volatility with jumps",
    "jump_intensity": "jumps a year",
    "half_life": "half-life, seconds",
    "jump_deviation": "deviation of jumps",
}


def out_of_sample(
    held_out: Sequence[HeldOut], walk: WalkForward | None, tied: HeldOutDependence | None = None
) -> Iterator[Block]:
    """Both evaluations that were asked for, or how to ask."""
    if walk is None and not held_out:
        yield Paragraph(
            "Nothing was asked. The option --walk-forward refits inside the window and scores each fit on rows it had not seen; "
            "--held-out scores this fit on the rows after it."
        )
    if walk is not None:
        yield from _walk(walk)
    if held_out:
        yield from _held_out(held_out)
    if tied is not None:
        yield Subheading("Dependence on later rows")
        yield later_dependence(tied)


def _walk(walk: WalkForward) -> Iterator[Block]:
    kind = "of one length" if walk.rolling else "of all rows before"
    yield Subheading(f"Walking forward: fits {kind}, each scored on the next stretch")
    yield _scores(walk)
    yield _coverage("walk", "VaR of the next return, all stretches", {one.asset: one.coverage for one in walk.assets})
    yield _parameters(walk)
    yield Folded("Coverage in numbers", (_coverage_table({one.asset: one.coverage for one in walk.assets}),))
    yield Bullets(walk.notes)


def _scores(walk: WalkForward) -> Table:
    rows = [
        (
            one.asset,
            count(one.returns),
            fixed(one.in_sample, 4),
            fixed(one.out_of_sample, 4),
            f"{fixed(one.difference, 4)} ± {NORMAL * one.difference_error:.4f}",
            f"{fixed(one.optimism, 4)} ± {NORMAL * one.optimism_error:.4f}",
            f"{one.alarms} of {len(one.folds)}",
        )
        for one in walk.assets
    ]
    header = ("Asset", "Returns", "In sample", "Out of sample", "Difference", "Same rows, seen less unseen", "Drift alarms")
    return Table(header, "lrrrrrr", tuple(rows), "Mean log density of a return; ± is 95 %.", small=True)


def _coverage(name: str, title: str, found: Mapping[str, Covered]) -> Figure:
    panels = [(asset, [_range(side, p, one) for (side, p), one in covered.items()]) for asset, covered in found.items()]
    return Figure(
        f"figure-coverage-{name}",
        title,
        "How often returns went beyond the VaR, over how often they should have: dot, with an exact 95 % interval that takes "
        "returns beyond it as independent. Red: the exact test or the one of independence rejects at 5 %.",
        *(draw_ranges(panels, "beyond / promised", title, MOST_RATIO, width) for width in (WIDE, NARROW)),
    )


def _range(side: str, p: float, one: Coverage) -> Range:
    due = one.count * p
    low, high = failure_floor(one.exceeded, one.count, 0.975), failure_bound(one.exceeded, one.count, 0.975)
    clusters = ", clustered" if one.independence_p < LEVEL else ""
    words = f"{count(one.exceeded)}, {due:.3g} due; p {'= ' if one.exact_p >= SMALLEST_P else ''}{chance(one.exact_p)}{clusters}"
    return Range(f"{side}, {percent(1 - p)}", one.exceeded / due, low / p, high / p, words, not _rejects(one))


def _rejects(one: Coverage) -> bool:
    return one.exact_p < LEVEL or one.independence_p < LEVEL


def _coverage_table(found: Mapping[str, Covered]) -> Table:
    rows: list[tuple[str, ...]] = []
    for asset, covered in found.items():
        rows.append((asset,))
        for (side, p), one in covered.items():
            numbers = (chance(one.exact_p), chance(one.independence_p), f"{one.power:.2f}")
            rows.append((f"{side}, {percent(1 - p)}", count(one.exceeded), plain(round(one.count * p, 1)), *numbers))
    caption = "Power: of the exact test at 5 %, were the VaR exceeded twice as often as promised."
    return Table(("VaR", "Beyond", "Due", "Exact p", "Clusters p", "Power"), "lrrrrr", tuple(rows), caption, small=True)


def _parameters(walk: WalkForward) -> Figure:
    panels = [panel for one in walk.assets for panel in _paths(one)]
    title = "Parameters, fit by fit"
    return Figure(
        "figure-parameters",
        title,
        "Estimate and 95 % interval (± 1.96 standard errors) at the last row of every fit. A hollow dot is held by a bound and "
        "has no standard error.",
        *(draw_paths(panels, title, width) for width in (WIDE, NARROW)),
    )


def _paths(walk: AssetWalk) -> Iterator[tuple[str, list[Point]]]:
    for key in walk.followed:
        points = []
        for fold in walk.folds:
            estimate = fold.estimates.get(key)
            if estimate is not None:
                spread = None if estimate.standard_error is None else NORMAL * estimate.standard_error
                low, high = (None, None) if spread is None else (estimate.value - spread, estimate.value + spread)
                hover = f"{fold.fitted_until:%Y-%m-%d}: {estimate.value:.6g}"
                points.append(Point(fold.fitted_until.timestamp(), estimate.value, low, high, hover))
        if points:
            yield f"{walk.asset}: {NAMES.get(key, key)}", points


def _held_out(held_out: Sequence[HeldOut]) -> Iterator[Block]:
    from simulator.estimation.held_out import notes

    since, until = held_out[0].since, held_out[0].until
    yield Subheading(f"Later rows: {since:%Y-%m-%d} to {until:%Y-%m-%d}")
    yield _coverage("later", "VaR of the next return on later rows", {one.asset: one.coverage for one in held_out})
    rows = [(one.asset, STRATEGIES[s.strategy], fixed(s.log_score, 4), *_behind(s)) for one in held_out for s in one.scores]
    header = ("Asset", "Variance by", "Log score", "Behind the fit", "95 % interval")
    yield Table(header, "llrrr", tuple(rows), "Mean log density of a later return, and what the fit has more.", small=True)
    yield Folded("Coverage in numbers", (_coverage_table({one.asset: one.coverage for one in held_out}),))
    yield Bullets(tuple(notes(held_out)))


def _behind(score: Score) -> tuple[str, str]:
    if score.strategy in ("filter", "transition"):
        return NOTHING, NOTHING
    return fixed(score.behind, 4), f"{fixed(score.behind_low, 4)} to {fixed(score.behind_high, 4)}"
