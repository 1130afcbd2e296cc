"""The document: what it says, in which order. Text and page are written out from the same blocks."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report import background, change, effects, evidence, origin, robustness, search
from simulator.report.blocks import Block, Facts, Heading, Notice, Paragraph
from simulator.report.numbers import between, count, in_unit, plain, signed
from simulator.report.words import Proposal, is_proposed, readable, verdict, world


def blocks(proposal: Proposal) -> tuple[Block, ...]:
    """Everything below the title."""
    return tuple(_blocks(proposal))


def _blocks(proposal: Proposal) -> Iterator[Block]:
    yield Paragraph(proposal["summary"])
    yield _verdict(proposal)
    yield from _warnings(proposal)
    if (facts := _facts(proposal)).items:
        yield facts
    yield Heading("Background", "background")
    yield from background.background(proposal)
    yield Heading("Specification", "specification")
    yield from change.specification(proposal)
    yield Heading("Limits", "limits")
    yield from evidence.limits(proposal)
    yield Heading("What changes", "effects")
    yield from effects.effects(proposal)
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
    return Notice(said.tone, said.title, said.sentence, (*reasons, *_beyond(proposal)))


def _beyond(proposal: Proposal) -> Iterator[str]:
    """Limits that fail in worlds which decide nothing: who votes should know them beside the verdict."""
    for place in proposal["evidence"]:
        failing = {side: sum(not row[side]["passes"] for row in place["conditions"]) for side in ("before", "after")}
        if is_proposed(proposal) and not place["decides"] and failing["after"]:
            yield (
                f"{world(place['world'])} decides nothing, but {failing['after']} of {len(place['conditions'])} limits fail "
                f"there (under current parameters {failing['before']})"
            )


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
    change, value = place["loss_change_usd"], _was_and_is(proposal, "loss, mean")
    return (
        "Mean loss a path [USD]",
        value or signed(change["value"], "usd"),
        f"paired change {between(change['low'], change['high'], 'usd')}",
    )


def _was_and_is(proposal: Proposal, metric: str) -> str | None:
    """A metric of the headline world over the whole period, before and after."""
    for row in proposal["metrics"]:
        if (row["world"], row["window"], row["metric"]) == ("headline", "whole", metric):
            return f"{plain(row['before']['value'])} → {plain(row['after']['value'])}"
    return None


def _efficiency(proposal: Proposal) -> tuple[str, str, str] | None:
    found = proposal["capital_efficiency"]
    if found["available_change"] is None:
        return None
    available = signed(found["available_change"], "probability")
    if not found["used_may_be_claimed"] or found["used_change"] is None:
        return ("Capital efficiency, available", available, "what one unit of collateral may carry")
    value = _was_and_is(proposal, "capital efficiency used, mean") or signed(found["used_change"]["value"])
    return ("Capital efficiency, used", value, f"exposure per unit of collateral; available: {available}")


def _evicted(proposal: Proposal) -> tuple[str, str, str] | None:
    found = proposal["newly_liquidatable"]
    if found is None:
        return None
    paths = count(found["after"]["paths"])
    was = in_unit(found["before"]["value"], "count")
    return ("Accounts the vote makes liquidatable", plain(found["after"]["value"]), f"mean of {paths} paths; unchanged: {was}")
