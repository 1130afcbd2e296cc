"""Heston and Bates fitted to whole surfaces: ours against QuantLib's Levenberg-Marquardt, in one run on one core.

    python -m benchmarks.option_fits [--json] [--snapshots 3]

Both get the same quotes, the same start, the same weights (one each) and the same loss, errors of implied volatility. The
surfaces are Sepp's of the DAX (2002) and chains of BTC options with two-sided quotes out of the money, cleaned by the rules of
`simulator fit-options`; expiries are rounded to whole days and have one forward each for both, because QuantLib
has whole dates and one curve. QuantLib takes its
derivatives by differences and its integrals by 64 Gauss-Laguerre nodes (its default); an ending it calls failed counts with the
error that it has reached. Errors of both are recomputed by `pricing.fourier`, which neither fit uses.

Needs QuantLib and the folder of real data that SIMULATOR_DATA names (default ../shared).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import QuantLib as ql

from simulator.estimation.options.chain import read_chain
from simulator.estimation.options.cleaning import Rules, clean
from simulator.estimation.options.model_fit import fit_model
from simulator.estimation.options.quotes import Quotes
from simulator.pricing import fourier
from simulator.pricing.black_scholes import greeks, implied_volatility
from simulator.pricing.laws import Bates, Heston, Law

ROUNDS = 5
TODAY = ql.Date(5, 7, 2002)


def folder() -> Path:
    return Path(os.environ.get("SIMULATOR_DATA", "../shared"))


def dax() -> Quotes:
    """Sepp's surface: whole weeks (days + 3) / 7, zero rates interpolated straight."""
    table = json.loads((folder() / "reference" / "dax_surface_calibration.json").read_text())
    days = np.array(table["days"])
    years = (days + 3) // 7 * 7 / 365
    rates = table["zero_rates_act365"]
    rate = np.interp(years * 365, [0, *days], [rates[0], *rates])
    volatility = np.array(table["implied_vols_by_strike_rows"]).T
    expiry = np.repeat(np.arange(len(days)), len(table["strikes"]))
    strike = np.tile(np.array(table["strikes"], float), len(days))
    discount = np.exp(-rate * years)[expiry]
    forward, v, none = table["S0"] / discount, volatility.ravel(), np.full(len(expiry), np.nan)
    call = strike >= forward
    vega = greeks(forward, strike, years[expiry], v, call, rate[expiry]).vega
    moment = datetime(2002, 7, 5, tzinfo=UTC)
    return Quotes(
        expiry, strike, years[expiry], forward, discount, call, v, none, none, vega, np.ones(len(v)), moment, "DAX", table["S0"]
    )


def bitcoin(count: int) -> Iterator[tuple[str, Quotes]]:
    """`count` snapshots evenly through the file, expiries rounded to whole days, expiries of the same day left out."""
    chain = read_chain(folder() / "data" / "options" / "deribit_chain_snapshots_2026.parquet").of("BTC")
    moments = chain.moments()
    for moment in [moments[i] for i in np.linspace(0, len(moments) - 1, count).astype(int)]:
        quotes = clean(chain.at(moment), Rules()).quotes
        one = np.array([np.flatnonzero(quotes.expiry_index == e)[0] for e in quotes.expiry_index])
        quotes = replace(quotes, years=np.maximum(np.round(quotes.years * 365), 1) / 365, forward=quotes.forward[one])
        vega = greeks(quotes.forward, quotes.strike, quotes.years, quotes.volatility, quotes.is_call).vega
        yield f"BTC {moment:%Y-%m-%d %H:%M}", replace(quotes, vega=vega)


def quantlib_fit(quotes: Quotes, start: Law) -> Callable[[], Law]:
    """Model, helpers and search of QuantLib, built before the clock starts; every call fits anew."""
    ql.Settings.instance().evaluationDate = TODAY
    slices = list(quotes.slices())
    days = [round(s.years * 365) for s in slices]
    dates, count = [TODAY, *(TODAY + d for d in days)], ql.Actual365Fixed()
    rates = [-np.log(s.quotes.discount[0]) / s.years for s in slices]
    carries = [r - np.log(s.forward / quotes.spot) / s.years for r, s in zip(rates, slices, strict=True)]
    risk_free, dividend = (
        ql.YieldTermStructureHandle(ql.ZeroCurve(dates, [float(curve[0]), *map(float, curve)], count))
        for curve in (rates, carries)
    )
    spot = ql.QuoteHandle(ql.SimpleQuote(quotes.spot))
    helpers = []
    for d, s in zip(days, slices, strict=True):
        for strike, volatility in zip(s.quotes.strike.tolist(), s.quotes.volatility.tolist(), strict=True):
            quote = ql.QuoteHandle(ql.SimpleQuote(volatility))
            period = ql.Period(d, ql.Days)
            helpers.append(
                ql.HestonModelHelper(
                    period,
                    ql.NullCalendar(),
                    quotes.spot,
                    strike,
                    quote,
                    risk_free,
                    dividend,
                    ql.BlackCalibrationHelper.ImpliedVolError,
                )
            )

    def fit() -> Law:
        v, kappa, theta, xi, rho, *jumps = start.values.tolist()
        if isinstance(start, Heston):
            model = ql.HestonModel(ql.HestonProcess(risk_free, dividend, spot, v, kappa, theta, xi, rho))
            engine = ql.AnalyticHestonEngine(model, 64)
        else:
            model = ql.BatesModel(ql.BatesProcess(risk_free, dividend, spot, v, kappa, theta, xi, rho, *jumps))
            engine = ql.BatesEngine(model, 64)
        for helper in helpers:
            helper.setPricingEngine(engine)
        model.calibrate(helpers, ql.LevenbergMarquardt(), ql.EndCriteria(400, 40, 1e-8, 1e-8, 1e-8))
        theta, kappa, xi, rho, v, *jumps = model.params()
        if not jumps:
            return Heston(v, kappa, theta, xi, rho)
        mean, deviation, intensity = jumps
        return Bates(v, kappa, theta, xi, rho, intensity, mean, deviation)

    return fit


def sum_of_squares(quotes: Quotes, law: Law) -> float:
    """Of errors in volatility points, by the cosine series and Black's formula backwards."""
    total = 0.0
    for s in quotes.slices():
        out = s.quotes.strike >= s.forward
        premium = fourier.price(law, s.forward, s.quotes.strike, s.years, out)
        found = implied_volatility(premium, s.forward, s.quotes.strike, s.years, out)
        total += float(np.sum((100 * (found - s.quotes.volatility)) ** 2))
    return total


def best_of(action: Callable[[], object], rounds: int) -> tuple[float, object]:
    """Seconds of the fastest of several rounds, and the last result."""
    seconds, result = [], None
    for _ in range(rounds):
        before = time.perf_counter()
        result = action()
        seconds.append(time.perf_counter() - before)
    return min(seconds), result


STARTS: dict[str, Law] = {
    "heston": Heston(0.0433, 1.0, 0.0433, 1.0, 0.0),
    "bates": Bates(0.0433, 1.0, 0.0433, 1.0, 0.0, 1.1098, -0.1285, 0.1702),
}


def start_for(model: str, quotes: Quotes) -> Law:
    """The DAX's start, both variances at the level of the quotes."""
    level = float(np.median(quotes.volatility)) ** 2
    start = STARTS[model]
    return start if quotes.currency == "DAX" else replace(start, variance_now=level, long_run_variance=level)  # type: ignore[type-var]


def compare(name: str, quotes: Quotes, model: str) -> dict[str, object]:
    """One row of the table."""
    start = start_for(model, quotes)
    ours, fit = best_of(lambda: fit_model(quotes, model, starts_at=[start]), ROUNDS)
    theirs, law = best_of(quantlib_fit(quotes, start), 2)
    three, best = best_of(lambda: fit_model(quotes, model), 1)
    return {
        "surface": name,
        "quotes": len(quotes),
        "model": model,
        "ours_seconds": ours,
        "quantlib_seconds": theirs,
        "times_faster": theirs / ours,
        "ours_sse": sum_of_squares(quotes, fit.law),  # type: ignore[attr-defined]
        "quantlib_sse": sum_of_squares(quotes, law),  # type: ignore[arg-type]
        "own_starts_seconds": three,
        "own_starts_sse": sum_of_squares(quotes, best.law),  # type: ignore[attr-defined]
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--snapshots", type=int, default=3)
    options = parser.parse_args()
    surfaces = [("DAX 2002-07-05", dax()), *bitcoin(options.snapshots)]
    rows = []
    for name, quotes in surfaces:
        for model in STARTS:
            rows.append(compare(name, quotes, model))
            if not options.json:
                if len(rows) == 1:
                    print(f"QuantLib {ql.__version__}, Python {platform.python_version()}, one core; sums of squares in points^2")
                print(line(rows[-1]), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))


def line(row: dict[str, object]) -> str:
    return (
        "{surface:22} {quotes:4} quotes {model:6}: ours {ours_seconds:7.3f} s, sum {ours_sse:9.3f}; QuantLib "
        "{quantlib_seconds:7.3f} s, sum {quantlib_sse:9.3f}; {times_faster:6.1f} times faster; "
        "three starts of our own {own_starts_seconds:6.3f} s, sum {own_starts_sse:9.3f}"
    ).format(**row)


if __name__ == "__main__":
    main()
