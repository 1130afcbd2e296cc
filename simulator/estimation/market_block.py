"""A fit as the `[market]` block of a scenario: every number with its standard error, and where all of them come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from simulator.estimation.dependence import standard_error
from simulator.estimation.peg_fit import PegFit
from simulator.estimation.returns import iso
from simulator.wording import end_of

if TYPE_CHECKING:
    from simulator.estimation.asset_fit import AssetFit
    from simulator.estimation.copula_fit import DependenceFit
    from simulator.estimation.market_fit import MarketFit
    from simulator.estimation.standard_errors import Estimate
    from simulator.market.history import FilteredHistory

FIRST_LINE = "# A [market] block written by `simulator fit`; paste it into a scenario."
WIDTH = 110
DIGITS = 8  # significant; persistence near one needs them


def market_block(fit: MarketFit, substeps: int = 1) -> str:
    """The TOML text, text from outside (names, the file's name) escaped; `substeps` only completes the [grid] line it names."""
    if fit.history is not None:
        return "\n".join([FIRST_LINE, *_header(fit, substeps), "[market]", *_history(fit, fit.history)]) + "\n"
    lines = [FIRST_LINE, *_header(fit, substeps), "[market]", 'kind = "model"', 'start = "today"', *_correlation(fit), ""]
    lines += ["[market.provenance]", *(f"{key} = {_value(value)}" for key, value in fit.source.facts().items())]
    shares = {row.asset: row.factor for row in fit.feedback}
    for asset in fit.assets:
        lines += ["", *_asset(asset, shares.get(asset.name))]
    return "\n".join(lines) + "\n"


def _header(fit: MarketFit, substeps: int) -> Iterator[str]:
    source = fit.source
    yield f"# File {_value(source.file)}, SHA-256 {source.sha256}"
    yield f"# Rows {iso(source.since)} to {iso(source.until)}, {source.rows:,} used"
    yield f"# The scenario's [grid] needs market_step = {source.step!r}" + (f" and substeps = {substeps}" if substeps > 1 else "")
    for a, b in source.exclude:
        yield f"# excluded: {iso(a)} to {iso(b)}"
    yield from _wrapped(f"Method: {source.method}")
    blocks = f"{min(asset.block for asset in fit.assets):,.0f} to {fit.block:,.0f}"
    yield from _wrapped(
        "Standard errors: sandwich of the stacked moments (mean square; scores), long-run covariance of a stationary "
        f"bootstrap with blocks of {blocks} steps; natural parameters by the delta method. They are errors within this model."
    )
    for note in fit.notes:
        yield from _wrapped(note)
    yield from _wrapped(f"Versions: {', '.join(f'{name} {version}' for name, version in fit.versions.items())}")
    yield ""


def _wrapped(text: str) -> list[str]:
    import textwrap

    clean = "".join(sign if sign.isprintable() else "?" for sign in text)
    return textwrap.wrap(clean, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False)


def _correlation(fit: MarketFit) -> Iterator[str]:
    if len(fit.assets) == 1:
        return
    largest = max(standard_error(fit.correlation[i][j], fit.correlation_rows) for i in range(len(fit.assets)) for j in range(i))
    yield f"# of normal scores of the residuals, {fit.correlation_rows:,} rows; standard errors at most {largest:.2g}"
    rows = ", ".join(f"[{', '.join(_value(value) for value in row)}]" for row in fit.correlation)
    yield f"correlation = [{rows}]"
    if fit.dependence is not None:
        yield from _tied(fit.dependence)


def _history(fit: MarketFit, market: FilteredHistory) -> Iterator[str]:
    yield from ('kind = "filtered-history"', f"file = {_value(market.file)}  # in the scenario's folder")
    yield from (f"from = {iso(market.since)}", f"until = {iso(market.until)}", f"assets = {_value(market.assets)}")
    if market.blanks:
        yield "blanks = true"
    yield f"max_gap = {market.max_gap!r}  # [s] the window's longest, or 6 hours"
    yield f"mean_block = {market.mean_block!r}  # [market steps] rows drawn one by one; longer where residuals have memory"
    yield "filters = ["
    for asset, own in zip(fit.assets, market.filters, strict=True):
        numbers = own.model_dump(exclude_unset=True)
        errors = "; ".join(f"{key}: {_error(asset.estimates[key])}" for key in numbers if key in asset.estimates)
        yield from (f"  # {asset.name}: {errors}", f"  {_value(numbers)},")
    yield "]"


def _tied(found: DependenceFit) -> Iterator[str]:
    """Copula and dynamics as the market accepts them; their standard errors are two-stage, the margins given."""
    e = found.estimates
    if found.copula != "gaussian":
        degrees = e["copula_degrees_of_freedom"]
        own, errors = f"degrees_of_freedom = {_value(float(f'{degrees.value:.{DIGITS}g}'))}", _error(degrees)
        if found.copula == "skewed-t":
            skew = e["copula_asymmetry"]
            own += f", asymmetry = {_value(float(f'{skew.value:.{DIGITS}g}'))}"
            errors += f" and {_error(skew)}"
        yield f'copula = {{ kind = "student-t", {own} }}  # {errors}'
    if found.dynamics == "converging":
        law = {key.removeprefix("converging_"): estimate for key, estimate in e.items() if key.startswith("converging_")}
        inside = ", ".join(f"{key} = {_value(float(f'{each.value:.{DIGITS}g}'))}" for key, each in law.items())
        yield f'correlation_dynamics = {{ kind = "converging", {inside} }}'
        yield f"# {'; '.join(f'{key}: {_error(each)}' for key, each in law.items())}"
    if found.dynamics == "dcc":
        alpha, beta = (_value(float(f"{e[key].value:.{DIGITS}g}")) for key in ("dcc_alpha", "dcc_beta"))
        errors = f"{_error(e['dcc_alpha'])} and {_error(e['dcc_beta'])}"
        yield f'correlation_dynamics = {{ kind = "dcc", alpha = {alpha}, beta = {beta} }}  # {errors}'


def _asset(asset: AssetFit | PegFit, external_share: float | None) -> Iterator[str]:
    yield "[[market.assets]]"
    yield f"name = {_value(asset.name)}"
    yield f"price = {asset.price!r}  # [usd] the last in the window"
    if external_share is not None:
        share = float(f"{external_share:.{DIGITS}g}")
        yield f"external_share = {share!r}  # [1] of the volatility fitted; trading in the scenario adds the rest"
    if isinstance(asset, PegFit):
        yield from ("", *_peg(asset))
    else:
        yield "drift = 0.0  # [1/year] zero unless set: no sample of this length can tell it"
        yield from ("", *_process(asset))
    if asset.jumps is not None:
        yield from ("", *_jumps(asset))
    yield from ("", "[market.assets.parameter_law]", f"names = [{', '.join(_value(name) for name in asset.law.names)}]")
    if not isinstance(asset, PegFit):
        yield from _law_notes(asset)
    yield "covariance = ["
    for row in asset.law.covariance:
        yield f"  [{', '.join(repr(value) for value in row)}],"
    yield from ("]", f"draws = {asset.law.draws}")


def _process(asset: AssetFit) -> Iterator[str]:
    e, is_exponential = asset.estimates, asset.specification.is_exponential
    yield "[market.assets.process]"
    chosen = f"  # {asset.specification}, of {len(asset.candidates)} candidates" if len(asset.candidates) > 1 else ""
    yield ('kind = "egarch"' if is_exponential else 'kind = "garch"') + chosen
    yield _number("volatility", e["volatility"], "[1/sqrt(year)] stationary, of the diffusive part: the sample's")
    yield _number("alpha", e["alpha"], "the largest the tail bound allows" if asset.tail_binds else "")
    yield _number("beta", e["beta"])
    kept = "" if is_exponential else ": kept" if asset.specification.is_asymmetric else ": left out"
    yield _number("gamma", e["gamma"], f"|t| = {abs(asset.asymmetry_t):.1f}{kept}")
    persistence, name = e["persistence"], "|beta|" if is_exponential else "alpha + gamma/2 + beta"
    yield f"# persistence {name} = {persistence.value:.{DIGITS}g} a step; {_error(persistence)}"
    yield _number("volatility_today", e["volatility_today"])
    if "total_volatility" in e:
        yield f"# stationary volatility with jumps: {e['total_volatility'].value:.6g}"
    yield from ("", *_innovation(asset))


def _peg(asset: PegFit) -> Iterator[str]:
    e = asset.estimates
    low, high = e["half_life"].interval
    yield "[market.assets.process]"
    yield f"kind = {_value(asset.specification)}"
    yield _number("volatility", e["volatility"], "[1/sqrt(year)] of the diffusion")
    yield _number("half_life", e["half_life"], f"[s] 95 %: {low:.3g} to {high:.3g}")
    yield _number("peg", e["peg"], "[usd]" if asset.base is None else f"[1] in units of {asset.base}")
    if asset.base is not None:
        yield f"base = {_value(asset.base)}"


def _innovation(asset: AssetFit) -> Iterator[str]:
    e = asset.estimates
    yield "[market.assets.process.innovation]"
    if asset.max_move is None:
        yield 'kind = "normal"' + ("" if asset.specification.is_normal else "  # degrees of freedom at the bound")
        return
    yield f"kind = {_value(asset.specification.innovation)}"
    yield _number("degrees_of_freedom", e["degrees_of_freedom"])
    if "skew" in e:
        yield _number("skew", e["skew"], "below 0 falls are larger than rises")
    yield f"max_move = {asset.max_move:.1f}  # [standard deviations]; the largest residual is {asset.largest_residual:.1f}"


def _jumps(asset: AssetFit | PegFit) -> Iterator[str]:
    assert asset.jumps is not None
    yield "[market.assets.jumps]"
    fine = asset.parted.fine if asset.parted else None
    found = f"{asset.jumps.count} returns beyond {asset.threshold:.1f} conditional deviations"
    if fine is not None:
        found = f"{asset.jumps.count} bars of {fine.bar:g} s beyond {fine.threshold:.1f} local deviations"
    elif asset.parted is not None and asset.parted.likelihood is not None and asset.parted.likelihood.describes_crashes:
        found = "by Merton's likelihood"
    yield f"kind = {_value(asset.jumps.jumps.kind)}  # {found}"
    for name, estimate in asset.jumps.estimates.items():
        yield _number(name, estimate)


def _law_notes(asset: AssetFit) -> Iterator[str]:
    if {"logit_persistence", "atanh_beta"} & set(asset.at_bound):
        yield "# persistence is at its bound: no standard error, and no variance in this law"
    if asset.tail_binds:
        yield "# the tail bound binds: alpha moves with persistence and the innovation, as the bound says"


def _number(key: str, estimate: Estimate, comment: str = "") -> str:
    notes = "; ".join(part for part in (comment, _error(estimate)) if part)
    return f"{key} = {_value(float(f'{estimate.value:.{DIGITS}g}'))}" + (f"  # {notes}" if notes else "")


def _error(estimate: Estimate) -> str:
    if estimate.standard_error is None:
        return estimate.note
    profile = "" if estimate.limits is None else ", 95 % by profile: " + " to ".join(end_of(end) for end in estimate.limits)
    return f"standard error {estimate.standard_error:.2g}{profile}"


def _value(value: object) -> str:
    """A TOML value: text as a basic string, with everything outside printable ASCII escaped."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, str):
        return '"' + "".join(_escaped(sign) for sign in value) + '"'
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no place in a market")
    return repr(value)


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    return sign if " " <= sign <= "~" else f"\\U{ord(sign):08x}"
