"""From a snapshot of a chain to the quotes a fit may see: named rules in a stated order, and how many rows each one cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta

import numpy as np

from simulator.estimation.errors import FitError
from simulator.estimation.options.chain import Chain, iso
from simulator.estimation.options.parity import forwards
from simulator.estimation.options.quotes import ARRAYS, Quotes
from simulator.market.price_rows import EPOCH, PriceFileError
from simulator.parameters import YEAR
from simulator.pricing.black_scholes import greeks, implied_volatility

SOURCES = ("mid", "mark")


@dataclass(frozen=True)
class Rules:
    """What is kept. The order of the rules is the order of the fields; a row falls to the first that it breaks."""

    price: str = "mid"  # "mid": of bid and ask; "mark": the venue's own
    min_days: float = 1.0  # nearer expiries are left out: minutes matter there, and this snapshot has one moment
    out_of_the_money: bool = True  # calls at or above the forward, puts below: the other side has the same volatility by parity
    two_sided: bool = True
    max_spread: float = 1.0  # (ask - bid) / mid of the premium
    deviations: float = 3.0  # |log(strike / forward)| in deviations volatility x sqrt(years) of the quote itself
    min_quotes: int = 6  # an expiry
    rate: float = 0.0  # [1/year] continuously compounded; discounts premia in usd

    def problems(self) -> list[tuple[str, str]]:
        """(key, what is wrong; what is allowed) of each rule that makes no sense."""
        found = []
        if self.price not in SOURCES:
            found.append(("quote", f"{self.price!r} is none; there are {', '.join(SOURCES)}"))
        for key, low, high in (("min_days", 0, 3650), ("max_spread", 0, 2), ("deviations", 0.1, 100), ("rate", -1, 10)):
            value = getattr(self, key)
            if not low <= value <= high:
                found.append((key.replace("_", "-"), f"{value:g} must be {low:g} to {high:g}"))
        if not 5 <= self.min_quotes <= 10_000:
            found.append(("min-quotes", f"{self.min_quotes} must be 5 to 10,000"))
        return found


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Quotes, what was dropped by which rule (rows, in the rules' order), and what a reader must know."""

    quotes: Quotes
    rules: Rules
    dropped: dict[str, int]
    rows: int
    expiries: tuple[str, ...]  # [expiry] moments
    notes: tuple[str, ...] = field(default=())

    def facts(self) -> dict[str, object]:
        """The rules and the counts, for provenance."""
        return {**asdict(self.rules), "rows": self.rows, "quotes": len(self.quotes), "dropped": self.dropped}


def clean(chain: Chain, rules: Rules, currency: str | None = None) -> Cleaned:
    """The quotes of one snapshot of one currency. Raises FitError for rules or a chain that leave nothing to fit."""
    if problems := rules.problems():
        raise FitError([(f"--{key}", what) for key, what in problems])
    rows, moments = len(chain), np.unique(chain.moment)
    if len(moments) != 1:
        raise PriceFileError([f"a snapshot has one moment, and these rows have {len(moments)}"])
    years = (chain.expiry - chain.moment) / 1e6 / YEAR
    rate = rules.rate if chain.premium == "usd" else 0.0
    discount = np.exp(-rate * years)
    forward, notes = forwards(chain, discount)
    known = np.where(np.isnan(forward), chain.strike, forward)  # rows without a forward fall to a rule below
    unit = forward if chain.premium == "coin" else np.ones(rows)  # a coin premium x forward is the undiscounted usd premium
    bid, ask, mark = chain.bid * unit, chain.ask * unit, chain.mark * unit
    premium = (bid + ask) / 2 if rules.price == "mid" else mark

    def volatility(usd: np.ndarray) -> np.ndarray:
        return implied_volatility(usd, known, chain.strike, years, chain.is_call, discount)

    of_venue = rules.price == "mark" and not np.all(np.isnan(chain.mark_volatility))
    implied = (
        np.where(np.isnan(chain.mark_volatility), volatility(premium), chain.mark_volatility) if of_venue else volatility(premium)
    )
    k = np.log(chain.strike / forward)
    with np.errstate(invalid="ignore"):
        breaks = {
            "no forward": np.isnan(forward),
            "expiry too near": years * 365 < rules.min_days,
            "in the money": rules.out_of_the_money & (chain.is_call != (chain.strike >= forward)),
            "one-sided": (rules.two_sided or rules.price == "mid") & np.isnan(bid + ask),
            "no premium": np.isnan(premium) & ~(of_venue & ~np.isnan(implied)),
            "wide spread": (ask - bid) > rules.max_spread * (ask + bid) / 2,
            "no volatility": np.isnan(implied),
            "outside the band": np.abs(k) > rules.deviations * implied * np.sqrt(years),
        }
    kept, dropped = np.ones(rows, dtype=bool), {}
    for rule, broken in breaks.items():
        dropped[rule] = int(np.sum(kept & broken))
        kept &= ~broken
    few = _few(chain.expiry, kept, rules.min_quotes)
    dropped["too few quotes"] = int(np.sum(kept & few))
    kept &= ~few
    if not np.any(kept):
        most = ", ".join(f"{count} {rule}" for rule, count in dropped.items() if count)
        raise FitError([("quotes", f"none of {rows} rows is left ({most}); needs at least {rules.min_quotes} of one expiry")])
    days = np.unique(chain.expiry[kept])
    columns = {
        "expiry_index": np.searchsorted(days, chain.expiry),
        "strike": chain.strike,
        "years": years,
        "forward": forward,
        "discount": discount,
        "is_call": chain.is_call,
        "volatility": implied,
        "bid": volatility(bid),
        "ask": volatility(ask),
        "vega": greeks(known, chain.strike, years, np.where(kept, implied, 1.0), chain.is_call, rate).vega,
        "weight": np.ones(rows),
    }
    order = np.flatnonzero(kept)
    order = order[np.lexsort((chain.is_call[order], chain.strike[order], chain.expiry[order]))]
    quotes = Quotes(
        **{name: columns[name][order] for name in ARRAYS},
        as_of=EPOCH + timedelta(microseconds=int(moments[0])),
        currency=currency or (chain.currencies[0] if len(chain.currencies) == 1 else ""),
        spot=_spot(chain, forward),
    )
    return Cleaned(quotes, rules, dropped, rows, tuple(iso(int(day)) for day in days), tuple(notes))


def _few(expiry: np.ndarray, kept: np.ndarray, least: int) -> np.ndarray:
    """Rows of expiries with fewer than `least` rows kept."""
    days, place = np.unique(expiry, return_inverse=True)
    counts = np.bincount(place[kept], minlength=len(days))
    return (counts < least)[place]


def _spot(chain: Chain, forward: np.ndarray) -> float:
    """The underlying where the file says it, otherwise the nearest expiry's forward."""
    if not np.all(np.isnan(chain.underlying)):
        return float(np.nanmedian(chain.underlying))
    return float(np.nanmedian(forward[chain.expiry == chain.expiry.min()]))
