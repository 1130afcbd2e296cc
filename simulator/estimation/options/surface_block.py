"""A fitted surface as TOML: every number with its standard error, and where all of them come from."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.estimation.options.surface_fit import SliceResult, SurfaceFit
    from simulator.estimation.standard_errors import Estimate

FIRST_LINE = "# An option surface written by `simulator fit-options`."
WIDTH = 110
DIGITS = 10  # significant; a smile near its bound needs them


def surface_block(fit: SurfaceFit) -> str:
    """The TOML text; text from outside (names, the file's name) is escaped."""
    quotes, facts = fit.cleaned.quotes, fit.facts()
    lines = [FIRST_LINE, *_header(fit), "[surface]", f"model = {_value(fit.options.model)}"]
    lines += ['measure = "risk-neutral"', f"currency = {_value(quotes.currency)}", f"as_of = {_value(facts['as_of'])}"]
    lines += [f"spot = {_rounded(quotes.spot)}  # [usd]", f"rmse = {_rounded(fit.goodness.rmse)}  # of volatility"]
    lines += [_number(name, estimate) for name, estimate in fit.shared.items()]
    if fit.options.model == "ssvi":
        lines.append(f"law = {_value(fit.options.law)}")
    lines += ["", "[surface.provenance]"]
    lines += [f"{key} = {_value(facts[key])}" for key in ("chain", "sha256", "as_of", "currency", "measure", "method")]
    for key in ("cleaning", "versions"):
        lines += [f"{key} = {_value(facts[key])}"]
    lines += _asset(fit)
    for one in fit.slices:
        lines += ["", *_slice(one)]
    return "\n".join(lines) + "\n"


def _asset(fit: SurfaceFit) -> Iterator[str]:
    """The law in the words of a scenario's [[market.assets]], for Heston and Bates."""
    if not fit.asset:
        return
    yield ""
    yield "# As fields of a scenario's [[market.assets]]. Paths live in the real world: before any may use these,"
    premia = "variance_premium and jump_premium" if "jumps" in fit.asset else "variance_premium"
    yield f"# the asset must state {premia} (risk-neutral over real-world)."
    yield "# No option quote can tell a premium; none is stated here on purpose."
    yield "[surface.asset]"
    yield 'measure = "risk-neutral"'
    for part, values in fit.asset.items():
        yield from ("", f"[surface.asset.{part}]")
        yield from (f"{key} = {_rounded(v) if isinstance(v, float) else _value(v)}" for key, v in values.items())


def _header(fit: SurfaceFit) -> Iterator[str]:
    yield "# The measure is risk-neutral: it prices options. Paths need a real-world law, or a stated variance premium."
    yield from _wrapped(f"Method: {fit.options.method_text()}")
    dropped = ", ".join(f"{count} {rule}" for rule, count in fit.cleaned.dropped.items() if count) or "none"
    yield from _wrapped(f"Rows: {fit.cleaned.rows}, used {len(fit.cleaned.quotes)}; dropped: {dropped}")
    yield from _wrapped(
        "Standard errors: s^2 (J'J)^-1 of the weighted residuals, natural parameters by the delta method; quotes taken as "
        f"independent, which neighbours on a smile are not. Worst condition number {fit.condition:.3g}."
    )
    for note in fit.notes:
        yield from _wrapped(note)
    yield ""


def _wrapped(text: str) -> list[str]:
    clean = "".join(sign if sign.isprintable() else "?" for sign in text)
    return textwrap.wrap(clean, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False)


def _slice(one: SliceResult) -> Iterator[str]:
    yield "[[surface.slices]]"
    yield f"expiry = {_value(one.expiry)}"
    yield f"years = {_rounded(one.years)}"
    yield f"forward = {_rounded(one.forward)}  # [usd]"
    yield from (_number(name, estimate) for name, estimate in one.estimates.items())
    good = one.goodness
    yield f"quotes = {good.count}"
    yield f"rmse = {_rounded(good.rmse)}  # of volatility; the largest error is {good.largest_error:.2g}"
    if not math.isnan(good.inside):
        yield f"inside = {_rounded(good.inside)}  # share of quotes fitted between bid and ask"
    if one.worst is not None:
        yield f"least_g = {_rounded(one.worst.size)}  # Durrleman's, at k = {one.worst.log_moneyness:.3g}"
    if one.note:
        yield f"# {one.note}"


def _number(key: str, estimate: Estimate) -> str:
    note = f"standard error {estimate.standard_error:.2g}" if estimate.standard_error is not None else estimate.note
    return f"{key} = {_rounded(estimate.value)}" + (f"  # {note}" if note else "")


def _rounded(value: float) -> str:
    return _value(float(f"{value:.{DIGITS}g}"))


def _value(value: object) -> str:
    """A TOML value: text as a basic string, with everything outside printable ASCII escaped."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_value(str(key))} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, str):
        return '"' + "".join(s if " " <= s <= "~" and s not in '"\\' else f"\\U{ord(s):08x}" for s in value) + '"'
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)  # TOML has inf and nan as Python writes them
