"""The proposal on later history: one history, and so no interval."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.blocks import Block, Cell, Estimate, Folded, Paragraph, Subheading, Table
from simulator.report.numbers import NOTHING, count, in_unit, percent, plain
from simulator.report.words import Proposal, after, quantity, short_condition

SHOWN = {"loss": "Loss", "liquidated_notional": "Liquidated", "adl_volume": "Auto-deleveraged", "user_cost": "Cost to users"}
WORST = 5  # windows in the text


def past(proposal: Proposal) -> Iterator[Block]:
    """Totals and limits over all windows, the worst of them, and moves beyond the margin."""
    found = proposal.get("backtest")
    if not found:
        return
    windows = found["windows"]
    yield Subheading("Later history")
    yield Paragraph(
        f"{count(len(windows))} windows of burn-in and horizon, {found['since'][:10]} to {found['until'][:10]}, each lived on "
        f"{count(found['paths_a_window'])} paths that share its prices. One history has no interval, and it decides nothing."
    )
    yield _totals(proposal, found)
    worst = sorted(windows, key=lambda one: (-max(one["before"]["loss"], one["after"]["loss"]), -one["worst_fall"]))[:WORST]
    yield _table(proposal, sorted(worst, key=lambda one: one["vote"]), "The worst windows by loss, then by fall [USD].")
    if len(windows) > WORST:
        yield Folded("Every window", (_table(proposal, windows, "Means over the paths of a window [USD]."),))
    if found["margin"]["rows"]:
        yield _margins(found["margin"])


def _totals(proposal: Proposal, found: Proposal) -> Table:
    windows, paths = found["windows"], found["paths_a_window"] * len(found["windows"])
    rows: list[tuple[Cell, ...]] = [
        ("Windows with bad debt", *(count(sum(one[side]["loss"] > 0 for one in windows)) for side in ("before", "after")))
    ]
    for name, words in SHOWN.items():
        sums = [sum(one[side][name] for one in windows) for side in ("before", "after")]
        if any(sums):
            rows.append((Estimate(words, "USD over all windows, means of their paths"), *(in_unit(usd, "usd") for usd in sums)))
    for row in found["limits"]:
        limit = Estimate(f"{short_condition(row['condition'])}: paths beyond", f"{quantity(row['condition'])}; of {count(paths)}")
        rows.append((limit, count(row["before"]), count(row["after"])))
    return Table(("Over all windows", "Current", after(proposal)), "lrr", tuple(rows), small=True)


def _table(proposal: Proposal, windows: list[Proposal], caption: str) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            Estimate(one["vote"][:10], f"seen: {one['seen']}" if one["seen"] else ""),
            percent(one["worst_fall"]),
            *(in_unit(one[side][name], "usd") for name in ("loss", "liquidated_notional") for side in ("before", "after")),
        )
        for one in windows
    ]
    then = after(proposal).lower()
    header = ("Vote", "Worst fall", "Loss now", f"Loss, {then}", "Liquidated now", f"Liquidated, {then}")
    return Table(header, "lrrrrr", tuple(rows), caption=caption, small=True)


def _margins(found: Proposal) -> Table:
    rows = [
        (
            one["market"],
            one["parameters"],
            percent(one["margin"]),
            side,
            count(one[side]["count"]),
            count(one[side]["exceeded"]),
            plain(round(one[side]["count"] * one[side]["probability"], 1)),
            plain(one[side]["exact_p"]) if one[side]["exact_p"] is not None else NOTHING,
        )
        for one in found["rows"]
        for side in ("falls", "rises")
    ]
    caption = (
        f"Moves beyond the maintenance margin within {plain(found['period'])} s, over disjoint periods, against a margin that "
        f"covers {percent(found['confidence'])} of them: exact tests."
    )
    header = ("Market", "Parameters", "Margin", "Side", "Moves", "Beyond", "Promised", "p")
    return Table(header, "llllrrrr", tuple(rows), caption=caption, small=True)
