"""`simulator new`: a commented scenario to start from."""

from __future__ import annotations

import math
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from simulator.cli.options import NAME

SUBSTEP = 300.0  # [s] at most, in a scenario made for a market of another step
MARKET_SECTION = re.compile(r"^# -- prices.*?(?=^# -- the rules)", re.MULTILINE | re.DOTALL)


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--market", type=click.Path(path_type=Path), help="A [market] block, as `simulator fit` writes it.")
def new(name: str, market: Path | None) -> None:
    """Write NAME.toml, a commented starter scenario, into this folder.

    With --market, its prices are those of that block, and its first asset is the one that is traded. A file that is
    there already is left alone.
    """
    if not NAME.fullmatch(name):
        raise click.UsageError("a name is 1 to 64 lower-case letters, digits and hyphens, the first no hyphen")
    path = Path(f"{name}.toml")
    text = starter().replace('name = "starter"', f'name = "{name}"', 1)
    if market is not None:
        text = with_market(text, market)
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{path} exists; choose another name or move it away") from None
    click.echo(f"{path}: written; `simulator run {path}` simulates it, `simulator calibrate {path}` searches its parameters")


def starter() -> str:
    """The text of the starter scenario."""
    return files("simulator.cli").joinpath("starter.toml").read_text(encoding="utf-8")


def with_market(text: str, file: Path) -> str:
    """The starter with the [market] of `file`, trading its first asset at its step. Raises ScenarioError, UsageError."""
    from simulator.scenario.reading import parse, read

    block = read(file)
    tree = parse(block, file)
    market = tree.get("market")
    asset, step = _first_asset(market), _step(market)
    if asset is None or len(tree) > 1:
        raise click.UsageError(f"{file}: must hold one [market] with named assets and nothing else, as `simulator fit` writes it")
    text = re.sub(r"\bETH\b", asset, text)
    if step is not None:
        text = text.replace("market_step = 3600 ", f"market_step = {step!r} ", 1)
        text = text.replace("substeps = 12 ", f"substeps = {math.ceil(step / SUBSTEP)} ", 1)
    header = "# -- prices that nobody here can move\n\n"
    return MARKET_SECTION.sub(lambda _: f"{header}{block.strip()}\n\n", text, count=1)


def _first_asset(market: Any) -> str | None:
    """The name of a market's first asset, if it may stand in a scenario."""
    try:
        name = market["assets"][0]["name"]
    except (TypeError, KeyError, IndexError):
        return None
    return name if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", name) else None


def _step(market: Any) -> float | None:
    """The step that a market was fitted at [s]."""
    step = market.get("provenance", {}).get("step") if isinstance(market, dict) else None
    return float(step) if isinstance(step, int | float) and step > 0 else None
