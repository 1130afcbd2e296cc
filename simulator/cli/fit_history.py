"""fit --kind filtered-history: the block names the file itself, so what bends or leaves out its rows has no place beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from simulator.estimation.settings import JumpChoice

HISTORY = "filtered-history"
kind_option = click.option(
    "--kind",
    type=click.Choice(["model", HISTORY]),
    default="model",
    show_default=True,
    help="The block's market. filtered-history: shocks drawn from the file's own rows, which must stay in the scenario's folder.",
)
REFUSED = {  # option: (what it may be beside a filtered history, why)
    "exclude": (((),), "its rows are one stretch of the file"),
    "jumps": (("auto", "none"), "its residuals hold the jumps"),
    "jumps_from": ((None,), "its residuals hold the jumps"),
    "dependence": (("constant",), "its rows stay whole, and so does what ties them"),
    "copula": (("gaussian",), "its rows stay whole, and so does what ties them"),
    "pegs": ((None,), "its shocks are divided by a volatility, not by a distance from a peg"),
    "with_feedback": ((None,), "only the returns of a model can be scaled"),
}


def kind_problems(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Options that a filtered history cannot follow."""
    if options["kind"] != HISTORY:
        return []
    return [
        (f"--{key.replace('_', '-')}", f"has no place beside --kind {HISTORY}: {why}")
        for key, (allowed, why) in REFUSED.items()
        if options[key] not in allowed
    ]


def folder_of(prices: Path, options: dict[str, Any]) -> Path | None:
    """Where the history's file lies, for a block that is one."""
    return prices.absolute().parent if options["kind"] == HISTORY else None


def jumps_of(options: dict[str, Any]) -> JumpChoice:
    """A filtered history leaves no return out of its GARCH."""
    return "none" if options["kind"] == HISTORY else options["jumps"]
