"""`simulator monitor`: does a proposal still speak for the protocol?"""

from __future__ import annotations

import datetime
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.exits import DONE, NOT_MET
from simulator.cli.options import all_options, json_option, result_argument

if TYPE_CHECKING:
    from simulator.scenario import Scenario

observed_option = click.option(
    "--observed", type=click.Path(path_type=Path), help="TOML of what is seen now: open_interest = 3.1e6, volatility.ETH = 0.9."
)
prices_option = click.option(
    "--prices", type=click.Path(path_type=Path), help="CSV of prices: volatility over its last horizon, and the date."
)


@click.command()
@all_options(result_argument, observed_option, prices_option, json_option)
def monitor(result: Path, observed: Path | None, prices: Path | None, as_json: bool) -> int:
    """Has the studied range been left, a trigger fired, the time run out?

    RESULT is the folder of a finished `calibrate`. Compares its triggers, expiry and studied range with what is observed;
    without a date of their own, observations are of today. Exit code 1 where the proposal no longer speaks.
    """
    from simulator.calibration.monitoring import alarms
    from simulator.results import NotAResult, changed_files, scenario_of

    scenario = scenario_of(result)
    if not (result / "proposal.json").is_file():
        raise NotAResult(f"{result}: holds no proposal; `simulator calibrate` makes one")
    found = [f"{name}: was changed since it was written" for name in changed_files(result)]
    proposal = json.loads((result / "proposal.json").read_bytes())
    seen: dict[str, Any] = {"date": datetime.datetime.now(datetime.UTC).date()}
    if prices is not None:
        seen |= _from_prices(prices, scenario)
    if observed is not None:
        seen |= _read(observed, scenario)
    found += alarms(proposal, scenario, seen)
    if as_json:
        click.echo(json.dumps({"result": str(result), "observed": seen, "alarms": found}, indent=1, default=str))
    else:
        for alarm in found:
            click.echo(alarm)
        looked = ", ".join(f"{name} {value}" for name, value in seen.items())
        click.echo(f"{result}: {'no longer speaks' if found else 'still speaks'} ({looked})")
    return NOT_MET if found else DONE


def _read(file: Path, scenario: Scenario) -> dict[str, Any]:
    """Observations of a TOML file. Raises NotAResult with one line a problem."""
    from simulator.calibration.monitoring import problems
    from simulator.results import NotAResult

    try:
        seen = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotAResult(f"{file}: cannot be read as TOML: {reason}") from None
    wrong = problems(seen, scenario.assets)
    if wrong:
        raise NotAResult("\n".join(f"{file}: {line}" for line in wrong))
    return seen


def _from_prices(file: Path, scenario: Scenario) -> dict[str, Any]:
    """The day of the last row, and realised volatility of every asset over the last horizon. Raises PriceFileError."""
    from simulator.market.price_file import PriceFileError, read_prices
    from simulator.market.window import recent_volatility

    try:
        table = read_prices(file, scenario.assets, blanks=True)
    except PriceFileError as error:
        raise PriceFileError([f"{file}: {line}" for line in error.problems]) from None
    found = recent_volatility(table, scenario.grid.horizon_steps * scenario.grid.dt)
    last = datetime.datetime.fromtimestamp(int(table.timestamps[-1]) / 1e9, datetime.UTC).date()
    return {"date": last, "volatility": found}
