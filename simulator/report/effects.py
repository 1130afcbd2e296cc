"""What else changes: loss, capital efficiency, accounts made liquidatable, and every metric."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from simulator.outcomes import CAUSES
from simulator.report.blocks import Block, Cell, Estimate, Folded, Paragraph, Subheading, Table
from simulator.report.figures.drawn import drawn
from simulator.report.figures.losses import draw_losses
from simulator.report.numbers import NOTHING, between, count, in_unit, named, percent, plain, signed
from simulator.report.words import INTERVALS, WINDOWS, Proposal, after, world

METRIC_WINDOWS = ("whole", "transition", "steady")


def effects(proposal: Proposal) -> Iterator[Block]:
    """Loss, capital efficiency, accounts made liquidatable, and every metric."""
    yield from _loss(proposal)
    yield Subheading("Capital efficiency and accounts")
    yield from _efficiency(proposal)
    yield from _metrics(proposal)


def _loss(proposal: Proposal) -> Iterator[Block]:
    found = proposal.get("loss_distribution")
    if found:
        confidence, interval = percent(found["confidence"]), INTERVALS[found["interval"]]
        yield from drawn(
            "figure-losses",
            "How often a loss is exceeded: current and " + after(proposal).lower(),
            f"Share of {count(found['paths'])} confirmation paths whose loss, from the vote to the horizon, is larger. Bands: "
            f"{confidence} {interval}, at each loss by itself.",
            draw_losses,
            proposal,
        )
        yield Folded("Numbers of this figure", (_loss_table(proposal),))
    yield from _bearers(proposal)
    yield from _sources(proposal)
    if (test := proposal["paired_loss_test"]) is not None:
        proven = "is proven" if test["is_proven"] else "is not proven"
        yield Paragraph(
            f"A lower loss than under current parameters {proven} on the same paths: it is lower on {count(test['better'])} and "
            f"higher on {count(test['worse'])} paths (level of the sign test {plain(test['sign_level'])}); the upper bound of "
            f"the mean change is {signed(test['mean_bound'], 'usd')} USD at {percent(test['confidence'])} confidence."
        )


def _bearers(proposal: Proposal) -> Iterator[Block]:
    """Who bears it, where anybody does."""
    rows = [row for row in proposal["loss_bearers"] if row["before"]["value"] or row["after"]["value"]]
    if rows:
        cells = [(row["who"][:1].upper() + row["who"][1:], *(_mean(row[side]) for side in ("before", "after"))) for row in rows]
        caption = "Who bears the loss: mean of a path [USD], parts of the mean loss."
        yield Table(("Borne by", "Current", after(proposal)), "lrr", tuple(cells), caption=caption, small=True)


def _sources(proposal: Proposal) -> Iterator[Block]:
    """Where it comes from, by cause, asset and cohort."""
    found = proposal.get("loss_sources")
    if not found:
        return
    rows: list[tuple[Cell, ...]] = []
    for by, group in itertools.groupby(found["rows"], lambda row: row["by"]):
        rows.append((f"By {by}",))
        rows += [(CAUSES.get(row["what"], row["what"]), _mean(row["before"]), _mean(row["after"])) for row in group]
    caption = (
        f"Where the loss comes from: mean of a path [USD] over {count(found['paths'])} headline paths; each group adds up to it."
    )
    yield Table(("Loss", "Current", after(proposal)), "lrr", tuple(rows), caption=caption, small=True)


def _mean(found: Proposal) -> Estimate:
    return Estimate(in_unit(found["value"], "usd"), between(found["low"], found["high"], "usd"))


def _loss_table(proposal: Proposal) -> Table:
    found = proposal["loss_distribution"]

    def share(side: str, i: int) -> Estimate:
        curve = found[side]
        return Estimate(percent(curve["probability"][i]), between(curve["low"][i], curve["high"][i], "probability"))

    rows = [(plain(loss), share("before", i), share("after", i)) for i, loss in enumerate(found["loss"])]
    return Table(("Loss [USD] above", "Current", after(proposal)), "rrr", tuple(rows), small=True)


def _efficiency(proposal: Proposal) -> Iterator[Block]:
    found, evicted = proposal["capital_efficiency"], proposal["newly_liquidatable"]
    if found["available_change"] is None:
        yield Paragraph("Nothing was confirmed, so no change of capital efficiency is claimed.")
    else:
        rows: list[tuple[Cell, ...]] = [
            (
                "Available: what one unit of collateral may carry",
                Estimate(signed(found["available_change"], "probability"), "relative"),
            )
        ]
        if (used := found["used_change"]) is not None:
            claim = "" if found["used_may_be_claimed"] else ", not claimed"
            interval = f"{between(used['low'], used['high'], '1')} at {percent(used['confidence'])}, paired"
            name = f"Used: open interest and borrowing per unit of collateral{claim}"
            rows.append((name, Estimate(signed(used["value"]), interval)))
        yield Table(("Capital efficiency against current parameters", "Change"), "lr", tuple(rows))
        if not found["used_may_be_claimed"]:
            yield Paragraph(
                "Not every response of demand has a source, so only available capital efficiency is claimed.", quiet=True
            )
    if evicted is not None:
        was, now = evicted["before"], evicted["after"]
        yield Paragraph(
            f"Accounts that the vote itself makes liquidatable: {plain(now['value'])} a path on average "
            f"({between(now['low'], now['high'], 'count')} at {percent(now['confidence'])}, {count(now['paths'])} paths); "
            f"without a change {plain(was['value'])} ({between(was['low'], was['high'], 'count')})."
        )


def _metrics(proposal: Proposal) -> Iterator[Block]:
    worlds = list(dict.fromkeys(row["world"] for row in proposal["metrics"]))
    if not worlds:
        return
    yield Subheading("Metrics")
    yield _metric_table(proposal, worlds[0], "whole", hide_zeros=True)
    yield Paragraph("Metrics that are zero before and after are left out here.", quiet=True)
    tables = (_metric_table(proposal, label, window) for label in worlds for window in METRIC_WINDOWS)
    yield Folded("Every metric, in every window", tuple(tables))


def _metric_table(proposal: Proposal, label: str, window: str, *, hide_zeros: bool = False) -> Table:
    found = [row for row in proposal["metrics"] if row["world"] == label and row["window"] == window]
    shown = [row for row in found if not (hide_zeros and _is_empty(row))]
    caption = f"{world(label)}, {WINDOWS[window]}."
    if found:
        one = found[0]
        caption += f" {percent(one['confidence'])} {INTERVALS[one['interval']]}, over {count(one['paths'])} paths."
    rows = tuple((_metric_name(row), _metric(row, "before"), _metric(row, "after")) for row in shown)
    return Table(("Metric", "Current", after(proposal)), "lrr", rows, caption=caption, small=True)


def _is_empty(row: Proposal) -> bool:
    return all(in_unit(row[side]["value"], row["unit"]) in ("0", NOTHING) for side in ("before", "after"))


def _metric_name(row: Proposal) -> Estimate:
    name = row["metric"]
    return Estimate(f"ADL{name[3:]}" if name.startswith("adl") else name[:1].upper() + name[1:], named(row["unit"]))


def _metric(row: Proposal, side: str) -> Estimate:
    found = row[side]
    if found["value"] is None:
        return Estimate(NOTHING, row["note"])
    return Estimate(in_unit(found["value"], row["unit"]), between(found["low"], found["high"], row["unit"]))
