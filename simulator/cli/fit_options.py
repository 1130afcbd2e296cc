"""simulator fit-options: an option chain to a fitted surface. Parsing, progress, tables, exit codes; no arithmetic."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.exits import BAD_INPUT, MACHINE, NOT_MET
from simulator.cli.fit import Refused, _progress, _write
from simulator.cli.fit_arguments import moment_of
from simulator.cli.options import json_option
from simulator.wording import shown

if TYPE_CHECKING:
    from simulator.estimation.options.surface_fit import SurfaceFit

MODELS = ["svi", "ssvi", "sabr", "heston", "bates", "merton", "kou"]
METHODS = ["levenberg-marquardt", "quasi-newton", "both"]
WITH_RULES = ("min_days", "max_spread", "deviations", "min_quotes", "rate")
WITH_FIT = ("model", "method", "loss", "weights", "ridge", "beta", "law")


@click.command("fit-options")
@click.argument("chain", type=click.Path(path_type=Path))
@click.option("--model", type=click.Choice(MODELS), default="svi", show_default=True, help="What is fitted.")
@click.option("--at", help="The last snapshot at or before this moment, as in 2026-01-30T15:46:00Z.")
@click.option("--currency", help="Where the chain holds several, as in BTC.")
@click.option("--premium", type=click.Choice(["usd", "coin"]), help="Unit of premia. Default: usd; coin for Parquet.")
@click.option("--quote", type=click.Choice(["mid", "mark"]), default="mid", show_default=True, help="Which price is fitted.")
@click.option("--method", type=click.Choice(METHODS), default=METHODS[0], show_default=True, help="Of the search.")
@click.option("--loss", type=click.Choice(["volatility", "total-variance", "price"]), default="volatility", show_default=True)
@click.option("--weights", type=click.Choice(["uniform", "vega", "spread"]), default="uniform", show_default=True)
@click.option("--ridge", type=float, default=1e-5, show_default=True, help="svi: cost of an e-fold of sigma, in volatility.")
@click.option("--beta", type=float, default=1.0, show_default=True, help="sabr: not fitted.")
@click.option("--law", type=click.Choice(["power-law", "heston-like"]), default="power-law", show_default=True, help="ssvi: phi.")
@click.option("--min-days", type=float, default=1.0, show_default=True, help="Nearer expiries are left out.")
@click.option("--max-spread", type=float, default=1.0, show_default=True, help="Ask less bid, of the mid.")
@click.option("--deviations", type=float, default=3.0, show_default=True, help="Strikes farther from the forward are left out.")
@click.option("--min-quotes", type=int, default=6, show_default=True, help="Expiries with fewer are left out.")
@click.option("--rate", type=float, default=0.0, show_default=True, help="Per year; discounts premia in usd.")
@click.option("--walk-forward", is_flag=True, help="Every snapshot: how a fit does on the next one. Writes no surface.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("surface.toml"), show_default=True, help="The surface.")
@json_option
def fit_options(chain: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Fit smiles or a surface to CHAIN (CSV or Parquet, columns in docs/options.md) and write them as TOML."""
    from simulator.estimation.errors import FitError, NotConverged
    from simulator.market.price_rows import PriceFileError

    name = shown(str(chain))
    try:
        if options["walk_forward"]:
            _walk_forward(chain, options, as_json)
            return
        _check_target(out)
        found = _fit(chain, options)
    except PriceFileError as error:
        raise Refused([f"{name}: {problem}" for problem in error.problems], BAD_INPUT) from None
    except FitError as error:
        raise Refused([f"{name}: {key}: {what}" for key, what in error.problems], BAD_INPUT) from None
    except NotConverged as error:
        raise Refused([f"{name}: {error}"], NOT_MET) from None
    if not found.converged:
        lost = ", ".join(one.expiry for one in found.slices if one.note == "not converged") or "the surface"
        raise Refused([f"{name}: the search did not converge for {lost}; nothing is written"], NOT_MET)
    from simulator.estimation.options.surface_block import surface_block

    try:
        _write(out, surface_block(found))
    except OSError as error:
        raise Refused([f"{out}: cannot be written: {error.strerror}; check space and permissions"], MACHINE) from None
    if as_json:
        click.echo(json.dumps(_finite(_json(found)), indent=1))
    else:
        from simulator.cli.fit_options_tables import print_surface

        print_surface(found)
        click.echo(f"written: {shown(str(out))}")


def _settings(options: dict[str, Any]) -> tuple[Any, Any]:
    from simulator.estimation.options.cleaning import Rules
    from simulator.estimation.options.surface_fit import FitOptions

    rules = Rules(price=options["quote"], **{key: options[key] for key in WITH_RULES})
    return FitOptions(**{key: options[key] for key in WITH_FIT}), rules


def _fit(path: Path, options: dict[str, Any]) -> SurfaceFit:
    from simulator.estimation.errors import FitError
    from simulator.estimation.options.chain import read_chain
    from simulator.estimation.options.surface_fit import fit_surface

    problems: list[tuple[str, str]] = []
    at = moment_of("--at", options["at"], problems) if options["at"] else None
    fit, rules = _settings(options)
    problems += [(f"--{key}", what) for key, what in fit.problems() + rules.problems()]
    if problems:
        raise FitError(problems)
    with _progress() as progress:
        progress("reading the chain")
        chain = read_chain(path, options["premium"]).of(options["currency"]).at(at)
        return fit_surface(chain, fit, rules, options["currency"], progress)


def _walk_forward(path: Path, options: dict[str, Any], as_json: bool) -> None:
    from simulator.cli.fit_options_tables import print_walk
    from simulator.estimation.errors import FitError
    from simulator.estimation.options.chain import read_chain
    from simulator.estimation.options.walk_forward import walk_forward

    fit, rules = _settings(options)
    if problems := [(f"--{key}", what) for key, what in fit.problems() + rules.problems()]:
        raise FitError(problems)
    with _progress() as progress:
        progress("reading the chain")
        walk = walk_forward(read_chain(path, options["premium"]).of(options["currency"]), fit, rules, progress)
    if as_json:
        click.echo(json.dumps(_finite(walk.facts()), indent=1))
    else:
        print_walk(walk)


def _check_target(out: Path) -> None:
    """Refuse a target that cannot be or must not be written, before any work is done."""
    from simulator.estimation.errors import FitError
    from simulator.estimation.options.surface_block import FIRST_LINE

    if not out.parent.is_dir():
        raise FitError([("--out", f"there is no folder {shown(str(out.parent))}")])
    if out.exists():
        if not out.is_file():
            raise FitError([("--out", f"{shown(str(out))} is not a regular file")])
        with out.open("rb") as file:
            if not file.readline(4_096).startswith(FIRST_LINE.encode()):
                raise FitError([("--out", f"{out} exists and was not written by `simulator fit-options`; choose another name")])


def _json(found: SurfaceFit) -> dict[str, Any]:
    from dataclasses import asdict

    def estimates(of: dict[str, Any]) -> dict[str, Any]:
        return {name: asdict(estimate) for name, estimate in of.items()}

    slices = [
        {
            "expiry": one.expiry,
            "years": one.years,
            "forward": one.forward,
            "estimates": estimates(one.estimates),
            "goodness": asdict(one.goodness),
            "least_g": one.worst.size if one.worst else None,
            "note": one.note,
        }
        for one in found.slices
    ]
    return {
        "provenance": found.facts(),
        "estimates": estimates(found.shared),
        "slices": slices,
        "goodness": asdict(found.goodness),
        "condition": found.condition,
        "agreement": found.agreement,
        "calendars": [gap._asdict() for gap in found.calendars],
        "raw_violations": found.raw_violations,
        "asset": found.asset,
        "notes": list(found.notes),
    }


def _finite(value: Any) -> Any:
    """JSON has no NaN: null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
