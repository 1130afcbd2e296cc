"""The names that code gives to limits, worlds and verdicts, as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.report.numbers import SPACE, count, percent

Proposal = dict[str, Any]

TOKEN = re.compile(r"([A-Za-z0-9_.-]+)")

CONFIRMED, REDUCING, NONE = "confirmed", "risk-reducing step", "no proposal"
WINDOWS = {"transition": "transition", "steady": "steady state", "whole": "whole period"}
KINDS = {"probability": "probability of ", "expected-shortfall": "expected shortfall of ", "mean": "mean "}
QUANTITIES = {
    "newly_liquidatable": "accounts made liquidatable",
    "adl_haircut": "ADL haircut",
    "adl_volume": "ADL volume",
    "capital_efficiency_used": "used capital efficiency",
}
WORLDS = {
    "headline": "Headline scenario",
    "elasticity-low": "Demand reacts less",
    "elasticity-high": "Demand reacts more",
    "point-parameters": "Market at point estimate",
    "selection paths": "Selection paths",
}
INTERVALS = {
    "model": "model interval (market parameters drawn for every path from their estimated law)",
    "simulation": "simulation interval (given the market's parameters)",
}


def condition(name: str) -> str:
    """`2:probability:loss.steady` in words; any other text as it is."""
    position, _, rest = name.partition(":")
    kind, _, column = rest.partition(":")
    quantity, _, window = column.rpartition(".")
    if not position.isdigit() or kind not in KINDS or window not in WINDOWS:
        return name
    return f"Limit{SPACE}{position}: {KINDS[kind]}{QUANTITIES.get(quantity, quantity.replace('_', ' '))}, {WINDOWS[window]}"


def short_condition(name: str) -> str:
    """`Limit 2, steady state`: where the limits are listed above, or what they are about stands beside."""
    head, _, rest = condition(name).partition(": ")
    return f"{head}, {rest.rpartition(', ')[2]}" if rest else name


def quantity(name: str) -> str:
    """`probability of loss`: what a condition is about."""
    return condition(name).partition(": ")[2].rpartition(", ")[0]


def world(label: str) -> str:
    """A world's label in words."""
    if label.startswith("regime-"):
        return f"Regime {label.removeprefix('regime-')}"
    return WORLDS.get(label, label)


def readable(sentence: str, proposal: Proposal) -> str:
    """A sentence of the proposal with the names of its limits in words."""
    for name in sorted(_conditions(proposal), key=len, reverse=True):
        sentence = sentence.replace(name, condition(name))
    head, separator, rest = sentence.partition(": ")
    if separator and head in {place["world"] for place in proposal["evidence"]}:
        return f"{world(head)}: {rest}"
    return sentence


def _conditions(proposal: Proposal) -> set[str]:
    return {row["condition"] for place in proposal["evidence"] for row in place["conditions"]}


@dataclass(frozen=True)
class Verdict:
    """`tone`: good, caution or plain."""

    tone: str
    title: str
    sentence: str


def verdict(proposal: Proposal) -> Verdict:
    """The verdict in words."""
    paths, confidence = count(proposal["paths"]["confirmation"]), percent(proposal["look"]["confidence"])
    deciding = [place for place in proposal["evidence"] if place["decides"]]
    told = sorted({place["conditions"][0]["after"]["paths"] for place in deciding})
    if proposal["verdict"] == CONFIRMED:
        worlds = "the one world that decides" if len(deciding) == 1 else f"each of the {len(deciding)} worlds that decide"
        return Verdict(
            "good",
            "Confirmed",
            f"Every limit holds at {confidence} confidence in {worlds}, on {' or '.join(map(count, told))} fresh paths a world "
            "that neither search nor selection had seen.",
        )
    if proposal["verdict"] == REDUCING:
        return Verdict(
            "caution",
            "Risk-reducing step: the limits are not met",
            "These values do not bring the protocol within its limits. They are proposed because the loss is lower than under "
            f"current parameters beyond doubt, by paired tests on the same {paths} fresh paths, at {confidence} confidence. "
            "What follows the step needs a calibration of its own.",
        )
    if proposal["paths"]["confirmation"]:
        return Verdict(
            "plain",
            "No proposal",
            f"One candidate was looked at, once, on up to {paths} fresh paths a world, and was not confirmed. "
            "No change of parameters is proposed.",
        )
    return Verdict("plain", "No proposal", "No candidate was worth a look at fresh paths. No change of parameters is proposed.")


def is_proposed(proposal: Proposal) -> bool:
    """Whether there is something to vote for."""
    return proposal["verdict"] in (CONFIRMED, REDUCING)


def after(proposal: Proposal) -> str:
    """What the columns that are not current parameters hold."""
    return "Proposed" if is_proposed(proposal) else "Candidate"


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """`text` in pieces: (piece, whether it is the name of a parameter, to be set as code). Together they are `text`."""
    rest = ""
    for i, piece in enumerate(TOKEN.split(text)):
        name = piece.rstrip(".-")
        if i % 2 and "_" in name.strip("_"):
            if rest:
                yield rest, False
            yield name, True
            rest = piece[len(name) :]
        else:
            rest += piece
    if rest:
        yield rest, False
