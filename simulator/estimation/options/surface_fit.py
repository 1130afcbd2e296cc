"""One snapshot of a chain fitted by one model: what `simulator fit-options` writes and prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np

from simulator.estimation.errors import FitError
from simulator.estimation.options.chain import Chain
from simulator.estimation.options.cleaning import Cleaned, Rules, clean
from simulator.estimation.options.goodness import Goodness, goodness
from simulator.estimation.options.law_surface import LAW_LOSSES, LAW_MODELS, asset_lines, fit_law, smile_of
from simulator.estimation.options.least_squares import METHODS
from simulator.estimation.options.loss import LOSSES, WEIGHTS, weigh
from simulator.estimation.options.parity import forwards, violations
from simulator.estimation.options.quotes import Quotes, Slice
from simulator.estimation.options.sabr_fit import fit_sabr
from simulator.estimation.options.ssvi_fit import LAWS, fit_ssvi
from simulator.estimation.options.svi_fit import RIDGE, fit_svi
from simulator.estimation.standard_errors import Estimate
from simulator.estimation.versions import versions
from simulator.parameters import YEAR
from simulator.pricing.ssvi import Calendar, worst_calendars
from simulator.pricing.svi import Worst

MODELS = ("svi", "ssvi", "sabr", *LAW_MODELS)
CALENDAR_DEVIATIONS = 3.0  # of the later slice, at the money: where calendar arbitrage is looked for

Smile = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FitOptions:
    """How a surface is fitted; everything here is named in what the fit writes."""

    model: str = "svi"
    method: str = "levenberg-marquardt"
    loss: str = "volatility"
    weights: str = "uniform"
    ridge: float = RIDGE  # SVI only [1/sqrt(year)] an e-fold of sigma
    beta: float = 1.0  # SABR only
    law: str = "power-law"  # SSVI only

    def problems(self) -> list[tuple[str, str]]:
        """(key, what is wrong; what is allowed) of each."""
        choices = {"model": MODELS, "method": METHODS, "loss": LOSSES, "weights": WEIGHTS, "law": LAWS}
        found = [
            (key, f"{getattr(self, key)!r} is none; there are {', '.join(names)}")
            for key, names in choices.items()
            if getattr(self, key) not in names
        ]
        if self.model in LAW_MODELS and self.loss not in LAW_LOSSES:
            found.append(("loss", f"{self.model} is fitted by {' or '.join(LAW_LOSSES)}, but got {self.loss}"))
        found += [("beta", f"{self.beta:g} must be 0 to 1")] if not 0 <= self.beta <= 1 else []
        found += [("ridge", f"{self.ridge:g} must be 0 to 0.1")] if not 0 <= self.ridge <= 0.1 else []
        return found

    def method_text(self) -> str:
        """The method in words, for provenance."""
        kinds = {
            "svi": f"raw SVI by expiry, quasi-explicit start; no butterflies, Lee's bound; ridge {self.ridge:g} on log sigma",
            "ssvi": f"SSVI with the {self.law} phi, all expiries at once, free of static arbitrage by its coordinates",
            "sabr": f"SABR by expiry, Hagan 2002 lognormal formula, beta {self.beta:g}, arbitrage reported and not prevented",
        }
        kind = kinds.get(self.model, f"{self.model.capitalize()}, all expiries at once, prices by Lewis's integral, three starts")
        return f"{kind}; {self.method}; loss: {self.loss}; weights: {self.weights}"


@dataclass(frozen=True)
class SliceResult:
    """One expiry of a fitted surface. `volatility(k, years)` is its smile [1/sqrt(year)] at log-moneyness k."""

    expiry: str
    years: float
    forward: float
    estimates: dict[str, Estimate]
    goodness: Goodness
    worst: Worst | None
    note: str
    volatility: Smile


@dataclass(frozen=True)
class SurfaceFit:
    """The surface, how good and how sure it is, and where it comes from. The measure is risk-neutral."""

    options: FitOptions
    cleaned: Cleaned
    file: str
    sha256: str
    slices: tuple[SliceResult, ...]
    shared: dict[str, Estimate]  # parameters of the whole surface
    goodness: Goodness
    condition: float  # the worst slice's
    converged: bool
    agreement: float  # largest relative difference of the two methods' sums of squares; NaN where one was run
    calendars: tuple[Calendar, ...]
    raw_violations: dict[str, int]
    asset: dict[str, dict[str, object]]  # fields of the market's process and jumps, {} where it has none for the model
    notes: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=partial(versions, "numpy", "scipy"))

    def facts(self) -> dict[str, object]:
        """Provenance: file, snapshot, rules, counts, method, versions, measure."""
        quotes = self.cleaned.quotes
        return {
            "chain": self.file,
            "sha256": self.sha256,
            "as_of": quotes.as_of.isoformat().replace("+00:00", "Z"),
            "currency": quotes.currency,
            "measure": "risk-neutral",
            "method": self.options.method_text(),
            "cleaning": self.cleaned.facts(),
            "options": asdict(self.options),
            "versions": self.versions,
        }


def fit_surface(
    chain: Chain, options: FitOptions, rules: Rules, currency: str | None = None, progress: Callable[[str], None] = lambda _: None
) -> SurfaceFit:
    """Clean and fit one snapshot of one currency. Raises FitError for settings or rows that cannot be fitted."""
    problems = [(f"--{key}", what) for key, what in options.problems() + rules.problems()]
    if problems:
        raise FitError(problems)
    cleaned = clean(chain, rules, currency)
    try:
        quotes = weigh(cleaned.quotes, options.weights)
    except ValueError as problem:
        raise FitError([("--weights", str(problem))]) from None
    fit = _FITS.get(options.model, _law)
    slices, shared, condition, converged, agreement, calendars, notes, asset = fit(quotes, cleaned, options, progress)
    every = np.concatenate(
        [s.volatility(q.quotes.log_moneyness, q.quotes.years) for s, q in zip(slices, quotes.slices(), strict=True)]
    )
    return SurfaceFit(
        options,
        cleaned,
        chain.file,
        chain.sha256,
        tuple(slices),
        shared,
        goodness(quotes, every),
        condition,
        converged,
        agreement,
        tuple(calendars),
        _raw_violations(chain, rules),
        asset,
        (*cleaned.notes, *notes),
    )


Asset = dict[str, dict[str, object]]
Fitted = tuple[list[SliceResult], dict[str, Estimate], float, bool, float, list[Calendar], list[str], Asset]


def _svi(quotes: Quotes, cleaned: Cleaned, options: FitOptions, progress: Callable[[str], None]) -> Fitted:
    fits, rows, notes = [], [], []
    for one in quotes.slices():
        expiry = cleaned.expiries[one.expiry]
        progress(f"fitting {expiry}")
        fit = fit_svi(one, options.method, options.loss, options.ridge)
        note = f"the free smile has a butterfly (g {fit.free_worst.size:.2g})" if fit.binds else ""
        if not fit.converged:
            note = "not converged"
        fits.append(fit)
        rows.append(
            SliceResult(expiry, one.years, one.forward, fit.estimates, fit.goodness, fit.worst, note, fit.smile.volatility)
        )
    bound = sum(fit.binds for fit in fits)
    if bound:
        notes.append(f"the no-butterfly constraint binds in {bound} of {len(fits)} slices; their errors hold given that it does")
    calendars = _calendars(quotes, [fit.smile for fit in fits])
    broken = [c for c in calendars if c.is_arbitrage]
    if broken:
        worst = min(broken, key=lambda c: c.gap)
        notes.append(
            f"calendar arbitrage between {len(broken)} of {len(calendars)} pairs of slices, the worst {rows[worst.later].expiry} "
            f"below the one before by {-worst.gap:.2g} of total variance at k = {worst.log_moneyness:.2g}; ssvi has none"
        )
    agreement = max((fit.agreement for fit in fits), default=np.nan)
    return rows, {}, max(f.condition for f in fits), all(f.converged for f in fits), agreement, calendars, notes, {}


def _calendars(quotes: Quotes, smiles: list) -> list[Calendar]:
    """Pair by pair, within `CALENDAR_DEVIATIONS` of the later slice's own volatility at the money."""
    found = []
    for i, later in enumerate(smiles[1:], start=1):
        reach = CALENDAR_DEVIATIONS * float(np.sqrt(later.total_variance(np.zeros(1))[0]))
        one = worst_calendars([smiles[i - 1], later], -reach, reach)[0]
        found.append(one._replace(earlier=i - 1, later=i))
    return found


def _ssvi(quotes: Quotes, cleaned: Cleaned, options: FitOptions, progress: Callable[[str], None]) -> Fitted:
    progress("fitting the surface")
    fit = fit_ssvi(quotes, options.law, options.method, options.loss)
    rows = []
    for (one, good), theta, error, worst in zip(fit.slices, fit.theta, fit.theta_errors, fit.worst, strict=True):
        smile = fit.surface.slice(float(theta))
        estimates = {"theta": Estimate(float(theta), float(error))}
        expiry = cleaned.expiries[one.expiry]
        rows.append(SliceResult(expiry, one.years, one.forward, estimates, good, worst, "", smile.volatility))
    return rows, fit.estimates, fit.condition, fit.converged, fit.agreement, fit.calendars, [], {}


def _sabr(quotes: Quotes, cleaned: Cleaned, options: FitOptions, progress: Callable[[str], None]) -> Fitted:
    rows, notes, fits = [], [], []
    for one in quotes.slices():
        expiry = cleaned.expiries[one.expiry]
        progress(f"fitting {expiry}")
        fit = fit_sabr(one, options.beta, options.method, options.loss)
        note = f"negative density at k = {fit.worst.log_moneyness:.2g}" if fit.worst.is_arbitrage else ""
        fits.append(fit)
        rows.append(
            SliceResult(expiry, one.years, one.forward, fit.estimates, fit.goodness, fit.worst, note, _hagan(fit.smile, one))
        )
    broken = sum(fit.worst.is_arbitrage for fit in fits)
    if broken:
        notes.append(f"Hagan's formula has a negative density in {broken} of {len(fits)} slices; do not price there with it")
    agreement = max((fit.agreement for fit in fits), default=np.nan)
    return rows, {}, max(f.condition for f in fits), all(f.converged for f in fits), agreement, [], notes, {}


def _hagan(smile, one: Slice) -> Smile:
    return lambda k, years: np.asarray(smile.volatility(one.forward, one.forward * np.exp(k), years))


def _law(quotes: Quotes, cleaned: Cleaned, options: FitOptions, progress: Callable[[str], None]) -> Fitted:
    progress(f"fitting {options.model}")
    try:
        fit = fit_law(quotes, options.model, options.method, options.loss)
    except ValueError as problem:
        raise FitError([("quotes", str(problem))]) from None
    smile = smile_of(fit.law)
    rows = []
    for one in quotes.slices():
        good = goodness(one.quotes, smile(one.quotes.log_moneyness, one.quotes.years))
        rows.append(SliceResult(cleaned.expiries[one.expiry], one.years, one.forward, {}, good, None, "", smile))
    certainty = fit.certainty
    return rows, certainty.estimates, certainty.condition, fit.converged, fit.agreement, [], list(fit.notes), asset_lines(fit.law)


_FITS = {"svi": _svi, "ssvi": _ssvi, "sabr": _sabr}


def _raw_violations(chain: Chain, rules: Rules) -> dict[str, int]:
    """How often the snapshot's own quotes, bought at the ask and sold at the bid, pay whatever happens."""
    years = (chain.expiry - chain.moment) / 1e6 / YEAR
    discount = np.exp(-rules.rate * years) if chain.premium == "usd" else np.ones(len(chain))
    forward, _ = forwards(chain, discount)
    return dict(Counter(violation.kind for violation in violations(chain, forward, discount)))
