"""What a stale volatility costs a protocol: the book of `volatility-margin` on windows of real prices, feeds of different age.

    python -m benchmarks.stale_volatility PRICES.parquet [--days 14] [--json]

PRICES holds five-minute bars (`ts`, `close`). Every window of so many days without a gap is a path: what was traded then is what
happens here, with the scenario's accounts, venues and keepers. The margin follows an EWMA of hourly returns between half and
four times its flat ratio; the feed is looked at every hour, every day, once a week, or never, which is the flat margin. All run
on the same windows with the same draws: differences are those of the feed. One history, no interval.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from simulator.market import MarketPaths
from simulator.market.online import Ewma
from simulator.model import simulate
from simulator.parameters import DAY
from simulator.scenario import Scenario

SCENARIO = Path(__file__).resolve().parent.parent / "scenarios" / "volatility-margin.toml"
BAR, STEP, SUBSTEPS = 300.0, 3_600.0, 6
LONG_RUN = 0.65  # [1/sqrt(year)] of the windows, rounded: where the factor is 1
FOLLOWING = {"perpetuals.ETH.floor": 0.5, "perpetuals.ETH.cap": 4.0, "perpetuals.ETH.reference_volatility": LONG_RUN}
REFRESH = {"every hour": 0.0, "every day": DAY, "every week": 7 * DAY, "never": 1e9}
SHOWN = ("margin_ratio", "margin_peak_to_trough", "margin_rise_1_day", "loss", "liquidated_notional", "user_cost")


def windows(file: Path, days: int) -> np.ndarray:
    """Ten-minute closes of every stretch of `days` without a gap, [substep + 1, path]; stretches do not overlap."""
    import pyarrow.parquet as pq

    table = pq.read_table(file, columns=["ts", "close"])
    at = table["ts"].to_numpy().astype("datetime64[s]").astype(np.int64) // int(BAR)
    close, length, found, start = table["close"].to_numpy(), round(days * DAY / BAR) + 1, [], 0
    while start + length <= at.size:
        if at[start + length - 1] - at[start] == length - 1:
            found.append(close[start : start + length : round(STEP / BAR / SUBSTEPS)])
            start += length - 1
        else:
            gaps = np.flatnonzero(np.diff(at[start : start + length]) != 1)
            start += int(gaps[-1]) + 1
    if not found:
        raise SystemExit(f"no stretch of {days} days without a gap")
    return np.column_stack(found)


def market_of(close: np.ndarray) -> MarketPaths:
    """The windows as paths; conditional volatility is an EWMA of half a day."""
    returns = np.diff(np.log(close[::SUBSTEPS]), axis=0)
    variances = Ewma(volatility_today=LONG_RUN, half_life=DAY / 2).variances(returns, STEP)[:-1]
    volatility = np.sqrt(variances * 365 * DAY / STEP)[:, np.newaxis]
    return MarketPaths.from_prices(("ETH",), close[:, np.newaxis], STEP / SUBSTEPS, SUBSTEPS, volatility)


def study(days: int, refresh: float) -> Scenario:
    """The scenario over windows of `days`, its margin free to move, its feed looked at every `refresh` seconds."""
    scenario = Scenario.load(SCENARIO)
    own = Ewma(volatility_today=LONG_RUN, half_life=DAY / 2)
    feed = scenario.protocol.volatility_feed.model_copy(update={"estimator": {"ETH": own}, "refresh": refresh, "lag": 0.0})
    changes = {
        "grid": scenario.grid.model_copy(update={"horizon": days - scenario.grid.burn_in}),
        "protocol": scenario.protocol.model_copy(update={"volatility_feed": feed}),
        "parameters": scenario.parameters.replace(FOLLOWING),
    }
    return scenario.model_copy(update=changes)


def main() -> None:
    """Print a row a feed: means over windows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    market = market_of(windows(given.file, given.days))
    rows = {}
    for name, refresh in REFRESH.items():
        found = simulate(study(given.days, refresh), count=market.n_paths, market=market)
        rows[name] = {key: float(found.column(f"{key}.whole").mean()) for key in SHOWN}
        rows[name]["windows_with_loss"] = int((found.column("loss.whole") > 0).sum())
    if given.json:
        json.dump({"windows": market.n_paths, "days": given.days, "feeds": rows}, sys.stdout, indent=1)
        return
    print(f"{market.n_paths} windows of {given.days} days, means")
    print("looked at".ljust(12) + "".join(key.rjust(24) for key in rows["never"]))
    for name, row in rows.items():
        print(name.ljust(12) + "".join(f"{value:24,.4g}" for value in row.values()))


if __name__ == "__main__":
    main()
