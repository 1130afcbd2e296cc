"""What stale parameters cost: GARCH refitted to the last month, quarter or year of prices, every day up to never.

    python -m benchmarks.stale_parameters PRICES.csv [--asset BTC] [--until MOMENT] [--json]

Every return after the first year is forecast one step ahead by a filter that never stops, its numbers as old as the row says:
`market.online.GarchRefit`, the estimator that a `[protocol.volatility_feed]` may name, Student-t with the degrees of freedom of
the first year. A row is scored by the mean log density of these returns less that of refits every day on the same window, its
standard error by a stationary bootstrap with blocks of a week, and by how often either 99 % VaR is passed. Two rows more: the
bounded fit of `simulator fit` every 30 days, degrees of freedom refitted too, and an EWMA of a day. Last, what a refit takes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
from scipy import stats

from simulator.estimation.garch_fit import Restriction, fit_garch
from simulator.estimation.returns import Window, log_returns, moment, read_each
from simulator.estimation.rivals import mean_and_error, t_log_density
from simulator.market.online import Ewma, GarchFilter, GarchRefit
from simulator.market.refit_kernel import refit
from simulator.parameters import DAY, YEAR
from simulator.risk.backtests import exact_p

WINDOWS = (30, 90, 365)  # [day]
AGES = (1, 7, 30, 91, 365)  # [day]
PROBABILITY = 0.01
BLOCK = 7 * DAY  # [s]
PERSISTENCE = 0.995  # a day
NEVER = "never"


def returns_of(file: Path, asset: str, until: datetime | None) -> tuple[np.ndarray, float]:
    """Log returns [t] of the whole file, NaN across gaps, and their step [s]."""
    table = read_each(file, [asset])
    found = log_returns(table, Window(until or moment(table.timestamps[-1])))
    return found.returns[:, 0], found.step


def refits(r: np.ndarray, step: float, nu: float, window: int, age: int | str) -> np.ndarray:
    """Variance of each step of `r` known before it; `never`: the numbers are those before the second year."""
    year, rows, found = round(YEAR / step), round(window * DAY / step), np.empty(3)
    refit(r[year - rows : year] ** 2, 1 / nu, PERSISTENCE ** (step / DAY), found)
    level = math.sqrt(found[0] * YEAR / step)
    first = {"volatility": level, "volatility_today": level, "alpha": found[1], "beta": found[2]}
    if age == NEVER:
        return GarchFilter(**first).variances(r[:, np.newaxis], step)[:-1, 0]
    own = GarchRefit(**first, window=window * DAY, every=float(age) * DAY, degrees_of_freedom=nu, persistence=PERSISTENCE)
    return own.variances(r[:, np.newaxis], step)[:-1, 0]


def whole_fits(r: np.ndarray, step: float, days: int, age: int) -> tuple[np.ndarray, np.ndarray]:
    """The fit that `simulator fit` makes without a tail bound: variance, and degrees of freedom, of each step after a year."""
    year, every = round(YEAR / step), round(age * DAY / step)
    h, nu, found = np.full(r.size, np.nan), np.full(r.size, np.nan), None
    for start in range(year, r.size, every):
        seen = r[start - round(days * DAY / step) : start]
        found = fit_garch(seen, Restriction(PERSISTENCE ** (step / DAY)), near=found)
        end = min(start + every, r.size)
        h[start:end] = found.variance(np.concatenate([seen, r[start:end]]))[seen.size : -1]
        nu[start:end] = found.natural.degrees_of_freedom
    return h, nu


def rows(r: np.ndarray, step: float) -> Iterator[dict[str, object]]:
    """Every combination of window and age, then the other two; a year of `r` is left out of all scores."""
    year = round(YEAR / step)
    later, seen = r[year:], ~np.isnan(r[year:])
    nu = fit_garch(r[:year], Restriction(PERSISTENCE ** (step / DAY))).natural.degrees_of_freedom
    best = None
    for window in WINDOWS:
        daily = None
        for age in (*AGES, NEVER):
            h = refits(r, step, nu, window, age)[year:]
            score = t_log_density(later, h, nu)[seen]
            daily = score if daily is None else daily
            best = score if best is None else best
            yield _row(f"{window} days", age, later[seen], h[seen], nu, score, daily, step)
    h, degrees = (column[year:] for column in whole_fits(r, step, 365, 30))
    score = np.array([float(t_log_density(a, b, c)) for a, b, c in zip(later[seen], h[seen], degrees[seen], strict=True)])
    yield _row("365 days, simulator fit", 30, later[seen], h[seen], degrees[seen], score, daily, step)
    ewma = Ewma(volatility_today=math.sqrt(np.nanmean(r[:year] ** 2) * YEAR / step), half_life=DAY)
    h = ewma.variances(r[:, np.newaxis], step)[year:-1, 0]
    yield _row("EWMA of a day", NEVER, later[seen], h[seen], nu, t_log_density(later[seen], h[seen], nu), daily, step)


def _row(name, age, r, h, nu, score, daily, step) -> dict[str, object]:
    lost, error = mean_and_error(daily - score, BLOCK / step)
    below = stats.t.cdf(r / np.sqrt(h) * np.sqrt(nu / (nu - 2)), nu)
    falls, rises = int((below < PROBABILITY).sum()), int((below > 1 - PROBABILITY).sum())
    p = [exact_p(r.size, count, PROBABILITY) for count in (falls, rises)]
    mean = float(score.mean())
    return {"window": name, "refitted": age, "score": mean, "lost": lost, "error": error, "falls": falls, "rises": rises, "p": p}


def cost(r: np.ndarray, step: float, nu: float = 4.0) -> dict[str, float]:
    """CPU time of a refit [ms] and of a path-step with one a day [us], by window, on 20 paths cut from `r`."""
    found = {}
    for window in (7, 30, 90):
        steps = round(window * DAY / step)
        paths = np.column_stack([np.roll(np.nan_to_num(r), -97 * i)[: steps + round(30 * DAY / step)] for i in range(20)])
        own = GarchRefit(volatility=0.6, volatility_today=0.6, alpha=0.05, beta=0.9, window=window * DAY, degrees_of_freedom=nu)
        began = time.process_time()
        own.variances(paths, step)
        spent = time.process_time() - began
        found[f"{window} days: ms a refit"] = 1e3 * spent / (30 * 20)
        found[f"{window} days: us a path-step, refitted daily"] = 1e6 * spent / (30 * 20 * DAY / step)
    return found


def main() -> None:
    """Print a row a window and age, and the cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--asset", default="BTC")
    parser.add_argument("--until", type=datetime.fromisoformat)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    r, step = returns_of(given.file, given.asset, given.until)
    table, spent = list(rows(r, step)), cost(r, step)
    if given.json:
        json.dump({"rows": table, "cost": spent}, sys.stdout, indent=1)
        return
    due = PROBABILITY * np.count_nonzero(~np.isnan(r[round(YEAR / step) :]))
    print(f"{given.asset}: {due:.1f} returns due beyond the 99 % VaR on either side")
    for row in table:
        lost = f"{row['lost']:8.4f} ({row['error']:.4f})"
        p = " ".join(f"{value:.3f}" for value in row["p"])
        print(f"{row['window']:24} {row['refitted']!s:>6} {row['score']:8.4f} {lost} {row['falls']:5} {row['rises']:5}  p {p}")
    for name, value in spent.items():
        print(f"{name}: {value:.3g}")


if __name__ == "__main__":
    main()
