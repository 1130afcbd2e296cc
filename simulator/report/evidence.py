"""Before and after: every limit in every world, and what else changes."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.blocks import Block, Bullets, Cell, Estimate, Folded, Mark, Paragraph, Subheading, Table
from simulator.report.figures.drawn import drawn
from simulator.report.figures.limits import draw_limits
from simulator.report.figures.losses import draw_losses
from simulator.report.numbers import NOTHING, between, count, exact, in_unit, named, percent, plain, signed
from simulator.report.words import INTERVALS, WINDOWS, Proposal, after, condition, is_proposed, short_condition, world

METRIC_WINDOWS = ("whole", "transition", "steady")


def limits(proposal: Proposal) -> Iterator[Block]:
    """The appetite in words, the figure, what passes where, and the numbers behind it."""
    appetite = proposal["appetite"]
    yield Paragraph(f"What the protocol is ready to bear, each by itself, with {percent(appetite['confidence'])} confidence:")
    yield Bullets(tuple(appetite["limits"]), numbered=True)
    for name, text in appetite["regimes"].items():
        yield Paragraph(f"Regime {name} has limits of its own. {text}")
    yield Paragraph(_how_judged(proposal), quiet=True)
    yield from _tried(proposal)
    yield from drawn(
        "figure-limits",
        "Every limit in every world: current and " + after(proposal).lower(),
        "Dot: estimate. Bar at the end of the line: upper confidence bound, which must not pass the limit. "
        "All as a share of the limit; the numbers in full stand in the tables below.",
        draw_limits,
        proposal,
    )
    yield _matrix(proposal)
    yield from _numbers(proposal)


def _how_judged(proposal: Proposal) -> str:
    look, money = proposal["look"], proposal["appetite"]["denominators_usd"]
    frozen = ", ".join(f"{named(of).removeprefix('of ')} {plain(value)}" for of, value in money.items() if of != "usd")
    shares = f" Shares are of amounts under current parameters, frozen before the search: {frozen} (USD or count)." if frozen else ""
    return (
        f"A limit holds when its upper confidence bound at {percent(look['confidence'])} keeps it. This is look {look['number']} "
        f"at this question; every further look has to prove more.{shares}"
    )


def _tried(proposal: Proposal) -> Iterator[Block]:
    """Which candidate the numbers belong to, where nothing is proposed."""
    if is_proposed(proposal):
        return
    values = proposal["evidence"][0].get("candidate") or next(
        (one["values"] for one in proposal["finalists"] if one["is_chosen"]), None
    )
    if values:
        listed = ", ".join(f"{name} = {exact(value)}" for name, value in values.items())
        yield Paragraph(f"The candidate below was studied and is not proposed: {listed}.")


def _matrix(proposal: Proposal) -> Table:
    """Worlds by limits: does the bound hold, under current parameters and under the candidate?"""
    worlds = proposal["evidence"]
    names = list(dict.fromkeys(row["condition"] for place in worlds for row in place["conditions"]))
    rows = []
    for place in worlds:
        found = {row["condition"]: row for row in place["conditions"]}
        cells: list[Cell] = [_passes(found[name]) if name in found else NOTHING for name in names]
        rows.append((world(place["world"]), "decides" if place["decides"] else "is reported", *cells))
    return Table(
        ("World", "Role", *(short_condition(name) for name in names)),
        "ll" + "l" * len(names),
        tuple(rows),
        caption=f"What holds where, under current parameters and {after(proposal).lower()}.",
        small=True,
    )


def _passes(row: Proposal) -> Mark:
    was, now = row["before"]["passes"], row["after"]["passes"]
    words = {
        (True, True): "holds, as before",
        (False, True): "holds now",
        (True, False): "fails now",
        (False, False): "fails, as before",
    }
    return Mark(now, words[was, now])


def _numbers(proposal: Proposal) -> Iterator[Block]:
    decides = [place for place in proposal["evidence"] if place["decides"]] or proposal["evidence"]
    others = [place for place in proposal["evidence"] if place not in decides]
    yield _evidence_table(proposal, decides)
    if others:
        yield _evidence_table(proposal, others)


def _evidence_table(proposal: Proposal, places: list[Proposal]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for place in places:
        paths = place["conditions"][0]["after"]["paths"] if place["conditions"] else None
        rows.append((f"{world(place['world'])} – {count(paths)} paths, {INTERVALS[place['interval']]}",))
        rows += [_evidence_row(row) for row in place["conditions"]]
        change = place["loss_change_usd"]
        paired = Estimate(f"{signed(change['value'], 'usd')} USD", between(change["low"], change["high"], "usd"))
        rows.append(("Change of mean loss a path, paired", NOTHING, NOTHING, NOTHING, paired, NOTHING))
    role = "the worlds that decide" if places[0]["decides"] else "worlds that decide nothing"
    confidence = percent(proposal["look"]["confidence"])
    return Table(
        ("Limit", "Allowed", "Current", "Bound", after(proposal), "Bound"),
        "lrrrrr",
        tuple(rows),
        caption=f"Evidence in {role}: estimate with its two-sided {confidence} interval, and the bound that is judged.",
        small=True,
    )


def _evidence_row(row: Proposal) -> tuple[Cell, ...]:
    was, now = row["before"], row["after"]
    return (
        condition(row["condition"]),
        _with_unit(now["allowed"], now["unit"]),
        _estimate(was),
        _bound(was),
        _estimate(now),
        _bound(now),
    )


def _with_unit(value: float | None, unit: str) -> str:
    return f"{in_unit(value, unit)} {named(unit)}" if unit not in ("probability", "1") else in_unit(value, unit)


def _estimate(side: Proposal) -> Cell:
    if side["value"] is None:
        return Estimate(NOTHING, side["note"])
    return Estimate(in_unit(side["value"], side["unit"]), between(side["low"], side["high"], side["unit"]))


def _bound(side: Proposal) -> Mark:
    bound = "none" if side["bound"] is None else in_unit(side["bound"], side["unit"])
    return Mark(side["passes"], bound)


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
    if (test := proposal["paired_loss_test"]) is not None:
        proven = "is proven" if test["is_proven"] else "is not proven"
        yield Paragraph(
            f"A lower loss than under current parameters {proven} on the same paths: it is lower on {count(test['better'])} and "
            f"higher on {count(test['worse'])} paths (level of the sign test {plain(test['sign_level'])}); the upper bound of the "
            f"mean change is {signed(test['mean_bound'], 'usd')} USD at {percent(test['confidence'])} confidence."
        )


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
            ("Available: what one unit of collateral may carry, relative", signed(found["available_change"], "probability"), NOTHING)
        ]
        if (used := found["used_change"]) is not None:
            claim = "" if found["used_may_be_claimed"] else ", not claimed"
            rows.append(
                (
                    f"Used: open interest and borrowing per unit of collateral, paired{claim}",
                    signed(used["value"]),
                    f"{between(used['low'], used['high'], '1')} at {percent(used['confidence'])}",
                )
            )
        yield Table(("Capital efficiency against current parameters", "Change", "Interval"), "lrr", tuple(rows))
        if not found["used_may_be_claimed"]:
            yield Paragraph("Not every response of demand has a source, so only available capital efficiency is claimed.", quiet=True)
    if evicted is not None:
        rows = [
            (name, Estimate(plain(side["value"]), between(side["low"], side["high"], "count")))
            for name, side in (("Current", evicted["before"]), (after(proposal), evicted["after"]))
        ]
        yield Table(
            ("Accounts that the vote itself makes liquidatable", "Mean a path"),
            "lr",
            tuple(rows),
            caption=f"{percent(evicted['after']['confidence'])} interval over {count(evicted['after']['paths'])} paths.",
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
    shown = [row for row in found if not hide_zeros or row["before"]["value"] or row["after"]["value"]]
    caption = f"{world(label)}, {WINDOWS[window]}."
    if found:
        one = found[0]
        caption += f" {percent(one['confidence'])} {INTERVALS[one['interval']]}, over {count(one['paths'])} paths."
    rows = tuple((row["metric"], named(row["unit"]), _metric(row, "before"), _metric(row, "after")) for row in shown)
    return Table(("Metric", "Unit", "Current", after(proposal)), "llrr", rows, caption=caption, small=True)


def _metric(row: Proposal, side: str) -> Estimate:
    found = row[side]
    if found["value"] is None:
        return Estimate(NOTHING, row["note"])
    return Estimate(in_unit(found["value"], row["unit"]), between(found["low"], found["high"], row["unit"]))
