"""Quotes made of a known smile, and chains written as a person would."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from simulator.estimation.options.quotes import Quotes
from simulator.pricing.black_scholes import greeks, price

AS_OF = datetime(2026, 1, 30, 16, tzinfo=UTC)


@pytest.fixture
def make_quotes():
    """Quotes whose volatility is `smiles[i](k)` at `years[i]`, with normal noise [1/sqrt(year)] of a seed."""

    def make(smiles, years, *, count=25, deviations=2.5, noise=0.0, seed=0, half_spread=0.005):
        rng = np.random.default_rng(seed)
        parts = []
        for i, (smile, t) in enumerate(zip(smiles, years, strict=True)):
            reach = deviations * float(smile(np.zeros(1))[0]) * np.sqrt(t)
            k = np.linspace(-reach, reach, count)
            volatility = smile(k) + noise * rng.standard_normal(count)
            parts.append((np.full(count, i), k, np.full(count, t), volatility))
        index, k, t, volatility = (np.concatenate(column) for column in zip(*parts, strict=True))
        forward = np.full(len(k), 80_000.0)
        strike = forward * np.exp(k)
        vega = greeks(forward, strike, t, volatility, k >= 0).vega
        bid, ask, ones = volatility - half_spread, volatility + half_spread, np.ones(len(k))
        return Quotes(index, strike, t, forward, ones, k >= 0, volatility, bid, ask, vega, ones, AS_OF, "BTC", 80_000.0)

    return make


@pytest.fixture
def chain_rows():
    """Rows of a CSV chain in usd, as lists, of a flat smile: (header, rows)."""

    def make(volatility=0.6, forward=80_000.0, days=(10, 40), strikes=None, spread=0.02, with_forward=True, coin=False):
        header = [
            "timestamp",
            "expiry",
            "strike",
            "type",
            "bid",
            "ask",
            "mark",
            *(["forward"] if with_forward else []),
            "currency",
        ]
        rows = []
        for day in days:
            t = day / 365
            for strike in strikes if strikes is not None else np.round(forward * np.exp(np.linspace(-0.3, 0.3, 13)), -2):
                for call in (True, False):
                    smile = volatility(np.log(strike / forward)) if callable(volatility) else volatility
                    mid = float(price(forward, strike, t, smile, call)) / (forward if coin else 1.0)
                    row = [f"{AS_OF:%Y-%m-%dT%H:%M:%SZ}", f"{AS_OF + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}"]
                    row += [
                        f"{strike:g}",
                        "call" if call else "put",
                        repr(mid * (1 - spread)),
                        repr(mid * (1 + spread)),
                        repr(mid),
                    ]
                    rows.append([*row, *([f"{forward:g}"] if with_forward else []), "BTC"])
        return header, rows

    return make


@pytest.fixture
def write_chain(tmp_path):
    """Write rows as CSV, or bytes as they are."""

    def write(content, name="chain.csv"):
        file = tmp_path / name
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            header, rows = content
            file.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
        return file

    return write
