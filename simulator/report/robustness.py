"""How sure the result is: neighbours, responses of demand, the time step."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.blocks import Block, Cell, Code, Estimate, Mark, Paragraph, Subheading, Table
from simulator.report.figures.drawn import drawn
from simulator.report.figures.indices import FIGURES, draw_indices
from simulator.report.figures.sensitivity import draw_sensitivity
from simulator.report.numbers import certain, count, exact, in_unit, percent, plain, signed
from simulator.report.past import past
from simulator.report.words import Proposal, condition, is_proposed, quantity, short_condition

LEVELS = ("low", "central", "high")


def robustness(proposal: Proposal) -> Iterator[Block]:
    """Sensitivity, near and global; elasticities, convergence, later history."""
    yield from _sensitivity(proposal)
    yield from _neighbourhood(proposal)
    yield from _indices(proposal)
    yield from _elasticities(proposal)
    yield from _convergence(proposal)
    yield from past(proposal)


def _sensitivity(proposal: Proposal) -> Iterator[Block]:
    rows = proposal["sensitivity"]
    if not rows:
        yield Paragraph("No candidate was chosen, so there are no neighbours to look at.")
        return
    yield Subheading("One step beside the proposal" if is_proposed(proposal) else "One step beside the candidate")
    fragile = [row for row in rows if row["fragile"]]
    told = (
        f"{len(fragile)} of {len(rows)} neighbours break a limit there that the chosen values keep."
        if fragile
        else f"None of {len(rows)} neighbours breaks a limit there that the chosen values keep."
    )
    yield Paragraph(
        f"Each parameter one grid step down and up, on the {count(proposal['paths']['selection'])} selection paths. {told}"
    )
    yield from drawn(
        "figure-sensitivity",
        "What one step down or up in each parameter does to the goal",
        "Bars: change of the goal, 0.01 being 1 % of its weight. Beside them: chance that a confirmation would pass every limit. "
        "“Breaks”: the bound on the selection paths, fewer than those of a confirmation, passes a limit.",
        draw_sensitivity,
        proposal,
    )
    yield Table(
        ("Parameter", "Stepped to", "Change of goal", "Chance to pass", "Limits"),
        "lrrrl",
        tuple(_neighbour(row) for row in rows),
        small=True,
    )


def _neighbourhood(proposal: Proposal) -> Iterator[Block]:
    found = proposal.get("neighbourhood")
    if found and found["looked_at"]:
        yield Paragraph(
            f"Of {count(found['looked_at'])} points within one step, several parameters moving at once among them, "
            f"{count(found['keeping'])} keep every limit that the choice keeps there, and {count(found['ready'])} would probably "
            "be confirmed."
        )


def _indices(proposal: Proposal) -> Iterator[Block]:
    panels = proposal.get("global_sensitivity")
    if not panels:
        return
    yield Subheading("Which parameter matters over the whole range")
    for panel in panels:
        if not panel["rows"]:
            yield Paragraph(
                f"{FIGURES[panel['figure']].capitalize()}: no shares are given; a polynomial in the parameters explains too "
                f"little of {count(panel['trials'])} trials."
            )
    if any(panel["rows"] for panel in panels):
        yield from drawn(
            "figure-indices",
            "The share of variance that each parameter explains",
            "Dark: alone. Light: with its interactions. Line: 95 % interval of the latter. From the trials of the search, by a "
            "polynomial that explains "
            + ", ".join(f"{percent(panel['explained'])} of {FIGURES[panel['figure']]}" for panel in panels if panel["rows"])
            + " of trials left out of its fit.",
            draw_indices,
            proposal,
        )


def _neighbour(row: Proposal) -> tuple[Cell, ...]:
    broken = ", ".join(condition(name) for name in row["breaks"])
    return (
        Code(row["name"]),
        exact(row["value"]),
        signed(row["goal_change"]),
        certain(row["chance_to_pass"]),
        Mark(not row["fragile"], f"breaks {broken}" if broken else "as the choice"),
    )


def _elasticities(proposal: Proposal) -> Iterator[Block]:
    found = proposal["elasticities"]
    yield Subheading("How demand responds")
    if found["note"]:
        yield Paragraph(f"Not studied: {found['note']}.")
        return
    holding = [level for level in LEVELS if found["levels"].get(level)]
    flips = ", ".join(found["flips_at"])
    told = f"A limit fails, and the choice flips, at: {flips}." if flips else "The choice flips at none of them."
    yield Paragraph(
        "The limits are judged at the low, the central and the high responses of leverage, entry and exit that the scenario "
        f"states. Every limit holds at: {', '.join(holding) or 'none'}. {told}"
    )


def _convergence(proposal: Proposal) -> Iterator[Block]:
    found = proposal["convergence"]
    if found is None:
        return
    yield Subheading("The time step")
    coarse, fine = found["substeps"]
    told = "They agree." if found["is_converged"] else "They do not agree, which blocks confirmation."
    yield Paragraph(
        f"Key figures with {_substeps(coarse)} and with {_substeps(fine)} in a market step, on the same "
        f"{count(found['paths'])} paths. {told}"
    )
    yield Table(
        ("Figure", _substeps(coarse), _substeps(fine), "Change", "Standard error", ""),
        "lrrrrl",
        tuple(_figure(row, proposal) for row in found["figures"]),
        small=True,
    )


def _substeps(number: int) -> str:
    return f"{number} substep" if number == 1 else f"{number} substeps"


def _figure(row: Proposal, proposal: Proposal) -> tuple[Cell, ...]:
    unit = _units(proposal).get(row["condition"], "1")
    return (
        Estimate(short_condition(row["condition"]), quantity(row["condition"])),
        in_unit(row["coarse"], unit),
        in_unit(row["fine"], unit),
        signed(row["change"], unit),
        in_unit(row["standard_error"], unit) if row["standard_error"] is not None else plain(None),
        Mark(row["is_converged"], "converged" if row["is_converged"] else "not converged"),
    )


def _units(proposal: Proposal) -> dict[str, str]:
    return {row["condition"]: row["after"]["unit"] for place in proposal["evidence"] for row in place["conditions"]}
