"""How the values were found: the cloud of candidates, the shrinkage from search to confirmation, and the finalists."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.blocks import Block, Cell, Estimate, Folded, Mark, Paragraph, Subheading, Table
from simulator.report.figures.cloud import draw_cloud
from simulator.report.figures.drawn import drawn
from simulator.report.figures.stages import draw_stages
from simulator.report.front import front
from simulator.report.numbers import NOTHING, certain, count, exact, in_unit, plain, signed
from simulator.report.words import Proposal, quantity, short_condition


def search(proposal: Proposal) -> Iterator[Block]:
    """Goal, budget, cloud, stages, finalists."""
    yield Paragraph(proposal["appetite"]["goal"])
    yield Paragraph(_budget(proposal["paths"]))
    yield from _cloud(proposal)
    yield from front(proposal)
    yield from _stages(proposal)
    yield from _alternatives(proposal)
    yield from _finalists(proposal)
    yield from _failures(proposal)


def _budget(paths: Proposal) -> str:
    confirmed = (
        f"selected on {count(paths['selection'])} others, and one confirmed on {count(paths['confirmation'])} never seen before"
        if paths["confirmation"]
        else f"compared on {count(paths['selection'])} others"
    )
    return (
        f"{count(paths['candidates'])} candidates were searched on {count(paths['search'])} paths or more, the best of them "
        f"{confirmed}: {count(paths['path_evaluations'])} simulated paths in all."
    )


def _cloud(proposal: Proposal) -> Iterator[Block]:
    whole = bool(proposal.get("search_cloud"))
    who = "Every candidate of the search" if whole else "The finalists"
    what = "tail of the losses" if whole else "the largest bound on the selection paths"
    yield from drawn(
        "figure-search",
        f"{who}: the goal against {'the tail' if whole else 'the limits'}",
        f"Across: {what}, as a share of its limit. Up: the goal, the weighted change against current parameters (0: as now). "
        + _caution(proposal, whole),
        draw_cloud,
        proposal,
    )
    if whole:
        yield Folded("Numbers of this figure", (_cloud_table(proposal),))


def _caution(proposal: Proposal, whole: bool) -> str:
    if not whole:
        return "Nothing is confirmed here."
    told = "On few paths, and at a tail that confirmation can prove: this ranks candidates, and confirms none."
    among = any(one["is_chosen"] for one in proposal["search_cloud"]["candidates"])
    if among or not any(one["is_chosen"] for one in proposal["finalists"]):
        return told
    return f"{told} The chosen values are not among them: selection laid them between two of these."


def _cloud_table(proposal: Proposal) -> Table:
    candidates = proposal["search_cloud"]["candidates"]
    names = list(candidates[0]["values"]) if candidates else []
    rows = tuple(
        (
            f"{one['number']}",
            ", ".join(exact(one["values"][name]) for name in names),
            signed(one["goal"]),
            plain(one["tail_share_of_limit"]),
            count(one["paths"]),
            "current" if one["is_current"] else "chosen" if one["is_chosen"] else "front" if one["is_front"] else "",
        )
        for one in candidates
    )
    header = ("No.", f"Values of {', '.join(names)}", "Goal", "Tail / limit", "Paths", "")
    return Table(header, "rlrrrl", rows, small=True)


def _stages(proposal: Proposal) -> Iterator[Block]:
    rows = proposal["stages"]
    if not rows:
        return
    yield Subheading("From search to confirmation")
    lucky = [row for row in rows if row["overfitted"]]
    told = (
        f"{len(lucky)} of {len(rows)} figures moved by more than their errors explain: the search was lucky there."
        if lucky
        else "No figure moved by more than its errors explain, so the search was not lucky."
    )
    yield Paragraph(f"The chosen values on three sets of paths; only the last, never seen before, decides. {told}")
    yield from drawn(
        "figure-stages",
        "The same figures on search, selection and confirmation paths",
        "Each panel has its own scale, from zero (grey line). Dashed line: the limit, where it is in range.",
        draw_stages,
        proposal,
    )
    units = {row["condition"]: row["after"]["unit"] for row in proposal["evidence"][0]["conditions"]}
    yield Table(
        ("Figure", "Search", "Selection", "Confirmed", "Shrinkage", "In standard errors"),
        "lrrrrr",
        tuple(_stage(row, units.get(row["figure"], "1")) for row in rows),
        small=True,
    )


def _stage(row: Proposal, unit: str) -> tuple[Cell, ...]:
    figure = row["figure"]
    name: Cell = "Goal" if figure == "goal" else Estimate(short_condition(figure), quantity(figure))
    apart = row["shrinkage_in_standard_errors"]
    words = "beyond any error" if apart is None else "0" if abs(apart) < 1e-6 else signed(round(apart, 2))
    values = (in_unit(row[stage], unit) for stage in ("search", "selection", "confirmed"))
    return (name, *values, signed(row["shrinkage"], unit), Mark(not row["overfitted"], words))


def _alternatives(proposal: Proposal) -> Iterator[Block]:
    rows = proposal.get("alternatives")
    if not rows:
        return
    current = {one["name"]: one["current"] for one in proposal["parameters"]}
    yield Subheading("Confirmed together")
    yield Paragraph(
        f"{count(1 + len(rows))} alternatives were judged on the same fresh paths and shared the error of this look (Holm). "
        "Those below stand beside the values proposed or studied above."
    )
    yield Table(
        ("Values that differ from current ones", "Goal", "Verdict"),
        "lrl",
        tuple((_changed(row, current), signed(row["goal"]), row["verdict"]) for row in rows),
        small=True,
    )


def _changed(row: Proposal, current: dict[str, float]) -> str:
    changed = [f"{name} = {exact(value)}" for name, value in row["values"].items() if value != current.get(name)]
    return ", ".join(changed) or "none"


def _finalists(proposal: Proposal) -> Iterator[Block]:
    rows = proposal["finalists"]
    if not rows:
        return
    yield Subheading("What else could have been chosen")
    yield Table(
        ("Values that differ from current ones", "Goal", "Chance to pass", "Change of mean loss [USD]", ""),
        "lrrrl",
        tuple(_finalist(row, proposal) for row in rows),
        caption=f"On the {count(proposal['paths']['selection'])} selection paths, in the order of preference.",
        small=True,
    )


def _finalist(row: Proposal, proposal: Proposal) -> tuple[Cell, ...]:
    current = {one["name"]: one["current"] for one in proposal["parameters"]}
    return (
        _changed(row, current),
        signed(row["goal"]),
        certain(row["chance_to_pass"]),
        signed(row["loss_change_usd"], "usd"),
        "chosen" if row["is_chosen"] else "current" if row["is_current"] else "",
    )


def _failures(proposal: Proposal) -> Iterator[Block]:
    failed = proposal["paths"]["failed_candidates"]
    if failed:
        listed = ((", ".join(exact(value) for value in one["values"]) or NOTHING, one["reason"]) for one in failed)
        yield Subheading("Candidates that failed")
        yield Table(("Values", "Why"), "ll", tuple(listed), small=True)
