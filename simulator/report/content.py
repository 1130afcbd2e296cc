"""The document: what it says, in which order. Text and page are written out from the same blocks."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report import change, evidence, origin, robustness, search
from simulator.report.blocks import Block, Facts, Heading, Notice, Paragraph
from simulator.report.numbers import between, count, in_unit, plain, signed
from simulator.report.words import Proposal, after, is_proposed, readable, verdict, world


def blocks(proposal: Proposal) -> tuple[Block, ...]:
    """Everything below the title."""
    return tuple(_blocks(proposal))


def _blocks(proposal: Proposal) -> Iterator[Block]:
    yield Paragraph(proposal["summary"])
    yield _verdict(proposal)
    yield from _warnings(proposal)
    if (facts := _facts(proposal)).items:
        yield facts
    yield Heading("Specification", "specification")
    yield from change.specification(proposal)
    yield Heading("Limits", "limits")
    yield from evidence.limits(proposal)
    yield Heading("What changes", "effects")
    yield from evidence.effects(proposal)
    yield Heading("How sure this is", "robustness")
    yield from robustness.robustness(proposal)
    yield Heading("How it was found", "search")
    yield from search.search(proposal)
    if is_proposed(proposal):
        yield Heading("After the vote", "after")
        yield from change.after_the_vote(proposal)
    yield Heading("What is not covered", "not-covered")
    yield from origin.not_covered(proposal)
    yield Heading("Check it yourself", "reproduce")
    yield from origin.reproduce(proposal)


def _verdict(proposal: Proposal) -> Notice:
    said = verdict(proposal)
    reasons = () if said.tone == "good" else tuple(readable(reason, proposal) for reason in proposal["reasons"])
    return Notice(said.tone, said.title, said.sentence, reasons)


def _warnings(proposal: Proposal) -> Iterator[Notice]:
    if proposal["warnings"]:
        yield Notice("caution", "Warnings", "What is suspicious about this analysis:", tuple(proposal["warnings"]))


def _facts(proposal: Proposal) -> Facts:
    return Facts(tuple(fact for fact in (_met(proposal), _loss(proposal), _efficiency(proposal), _evicted(proposal)) if fact))


def _met(proposal: Proposal) -> tuple[str, str, str] | None:
    judged = [row for place in proposal["evidence"] if place["decides"] for row in place["conditions"]]
    if not judged:
        return None
    met = {side: sum(row[side]["passes"] for row in judged) for side in ("before", "after")}
    return ("Limits met, over all deciding worlds", f"{met['after']} of {len(judged)}", f"current parameters: {met['before']}")


def _loss(proposal: Proposal) -> tuple[str, str, str] | None:
    place = next((place for place in proposal["evidence"] if place["world"] == "headline"), None)
    if place is None:
        return None
    change = place["loss_change_usd"]
    return (
        "Change of mean loss a path",
        f"{signed(change['value'], 'usd')} USD",
        f"{between(change['low'], change['high'], 'usd')} ({world('headline').lower()}, paired)",
    )


def _efficiency(proposal: Proposal) -> tuple[str, str, str] | None:
    found = proposal["capital_efficiency"]
    if found["available_change"] is None:
        return None
    available = signed(found["available_change"], "probability")
    if not found["used_may_be_claimed"] or found["used_change"] is None:
        return ("Capital efficiency, available", available, "what one unit of collateral may carry")
    used = found["used_change"]
    return ("Capital efficiency, used", signed(used["value"]), f"exposure per unit of collateral; available {available}")


def _evicted(proposal: Proposal) -> tuple[str, str, str] | None:
    found = proposal["newly_liquidatable"]
    if found is None:
        return None
    paths = count(found["after"]["paths"])
    was = in_unit(found["before"]["value"], "count")
    return ("Accounts the vote makes liquidatable", plain(found["after"]["value"]), f"mean of {paths} paths; unchanged: {was}")


__all__ = ["after", "blocks"]
