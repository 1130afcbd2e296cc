"""Before and after: every limit in every world."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.blocks import Block, Bullets, Cell, Estimate, Mark, Paragraph, Table
from simulator.report.figures.drawn import drawn
from simulator.report.figures.limits import draw_limits
from simulator.report.numbers import NOTHING, between, count, exact, in_unit, named, percent, plain, signed
from simulator.report.words import INTERVALS, Proposal, after, is_proposed, quantity, short_condition, world
from simulator.risk.appetite import UNITS


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
    if found := tuple(_window(row) for row in proposal.get("windows", ())):
        yield Paragraph("Regimes that live in history, and whether the market or its choice has seen those days:")
        yield Bullets(found)
    yield from _numbers(proposal)


def _window(row: Proposal) -> str:
    seen = f"seen ({row['seen']}): it cannot confirm" if row["seen"] else "seen by no fit and no search that is known"
    return f"{world(row['world'])}, {row['since'][:10]} to {row['until'][:10]}: {seen}"


def _how_judged(proposal: Proposal) -> str:
    look, money = proposal["look"], proposal["appetite"]["denominators_usd"]
    frozen = ", ".join(_denominator(of, value) for of, value in money.items() if of not in UNITS)
    shares = f" Shares are of amounts under current parameters, frozen before the search: {frozen}." if frozen else ""
    return (
        f"A limit holds when its upper confidence bound at {percent(look['confidence'])} keeps it. This is look {look['number']} "
        f"at this question; every further look has to prove more.{shares}"
    )


def _denominator(of: str, value: float) -> str:
    return f"{plain(value)} accounts" if of == "accounts" else f"{of.replace('-', ' ')} {plain(value)} USD"


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
        rows.append((world(place["world"]), "decides" if place["decides"] else "reported", *cells))
    return Table(
        ("World", "Role", *(short_condition(name) for name in names)),
        "ll" + "l" * len(names),
        tuple(rows),
        caption="What holds where. “Now” marks what differs from current parameters.",
        small=True,
    )


def _passes(row: Proposal) -> Mark:
    was, now = row["before"]["passes"], row["after"]["passes"]
    words = {
        (True, True): "holds",
        (False, True): "holds now",
        (True, False): "fails now",
        (False, False): "fails",
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
        weighted = f"; {place['weighted']}" if place.get("weighted") else ""
        rows.append((Estimate(world(place["world"]), f"{count(paths)} paths; {INTERVALS[place['interval']]}{weighted}"),))
        rows += [_evidence_row(row) for row in place["conditions"]]
        change = place["loss_change_usd"]
        paired = Estimate(f"{signed(change['value'], 'usd')} USD", between(change["low"], change["high"], "usd"))
        rows.append(("Change of mean loss a path, paired", "", "", "", paired, ""))
    role = "the worlds that decide" if places[0]["decides"] else "worlds that decide nothing"
    confidence = percent(proposal["look"]["confidence"])
    return Table(
        ("Limit", "Allowed", "Current", "Its bound", after(proposal), "Its bound"),
        "lrrrrr",
        tuple(rows),
        caption=f"Evidence in {role}: estimate with its two-sided {confidence} interval, and the bound that is judged.",
        small=True,
    )


def _evidence_row(row: Proposal) -> tuple[Cell, ...]:
    was, now = row["before"], row["after"]
    return (
        Estimate(short_condition(row["condition"]), quantity(row["condition"])),
        Estimate(in_unit(now["allowed"], now["unit"]), named(now["unit"])),
        _estimate(was),
        _bound(was),
        _estimate(now),
        _bound(now),
    )


def _estimate(side: Proposal) -> Cell:
    if side["value"] is None:
        return Estimate(NOTHING, side["note"])
    return Estimate(in_unit(side["value"], side["unit"]), between(side["low"], side["high"], side["unit"]))


def _bound(side: Proposal) -> Mark:
    bound = "none" if side["bound"] is None else in_unit(side["bound"], side["unit"])
    return Mark(side["passes"], bound)
