"""How numbers are written: exactly where they are voted on, in three to four digits where they are read."""

from __future__ import annotations

import json
import math

from simulator.wording import shown

NOTHING = "–"
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"  # between a number and its unit, so that no line breaks there
SHARES = ("probability", "open-interest", "borrowed", "collateral", "fund", "accounts")  # units that are fractions
DUST = 1e-6  # [usd, hour or count]
UNITS = {"usd": "USD", "count": "count", "hour": "h", "1/year": "per year", "1": "", "one": "", "probability": ""}
SMALLEST_P = 0.001  # that is written out


def visible(text: str) -> str:
    """`text` with every sign that would steer a terminal or a line of text made visible."""
    return SPACE.join(shown(piece) for piece in text.split(SPACE))


def exact(value: float | None) -> str:
    """The number with the very digits of proposal.json."""
    return NOTHING if value is None else json.dumps(value)


def plain(value: float | None) -> str:
    """Four digits; whole numbers with separators from a thousand on."""
    if value is None:
        return NOTHING
    if value != 0 and abs(value) < 0.001:
        return _signs(f"{value:.2e}")
    if abs(value) >= 1e15:
        return _signs(f"{value:.3g}")
    text = f"{value:,.0f}" if abs(value) >= 999.95 else f"{value:.4g}"
    return _signs(text)


def percent(value: float | None) -> str:
    """A fraction in percent, three digits."""
    if value is None:
        return NOTHING
    whole = 100 * value
    if whole != 0 and abs(whole) < 0.001:
        return _signs(f"{whole:.1e}{SPACE}%")
    text = f"{whole:,.0f}" if abs(whole) >= 99.95 else f"{whole:.3g}"
    return _signs(f"{text}{SPACE}%")


def certain(value: float | None) -> str:
    """A chance in percent, never rounded up to certainty or down to impossibility."""
    if value is None:
        return NOTHING
    if 0.9995 <= value < 1:
        return f"> 99.9{SPACE}%"
    if 0 < value < 0.0005:
        return f"< 0.1{SPACE}%"
    return f"{100 * value:.3g}{SPACE}%"


def in_unit(value: float | None, unit: str) -> str:
    """A number of `unit`: percent for shares and probabilities, otherwise without its unit.

    Amounts below a millionth of a dollar, an hour or an account are what adding in binary leaves: they are 0.
    """
    if value is not None and unit in ("usd", "hour", "count") and abs(value) < DUST:
        return "0"
    return percent(value) if unit in SHARES else plain(value)


def signed(value: float | None, unit: str = "1") -> str:
    """A change: with its sign, and 0 where there is none beyond rounding."""
    if value is None:
        return NOTHING
    if abs(value) < 1e-12:
        return in_unit(0.0, unit)
    return ("+" if value > 0 else "") + in_unit(value, unit)


def step(value: float | None) -> str:
    """A change on a grid: every digit of it, without the dust of binary subtraction."""
    if value is None:
        return NOTHING
    clean = float(f"{value:.10g}")
    return "0" if clean == 0 else ("+" if clean > 0 else "") + _signs(f"{clean:.10g}")


def between(low: float | None, high: float | None, unit: str) -> str:
    """An interval in words; a side that cannot be bounded is said so."""
    if low is None and high is None:
        return "no interval"
    if high is None:
        return f"from {in_unit(low, unit)}, no upper end"
    if low is None:
        return f"up to {in_unit(high, unit)}"
    lower, upper = in_unit(low, unit), in_unit(high, unit)
    return f"{lower.removesuffix(f'{SPACE}%') if unit in SHARES else lower} to {upper}"


def count(value: int | float | None) -> str:
    """A whole number with separators."""
    return NOTHING if value is None else f"{math.floor(value):,}"


def fixed(value: float, digits: int) -> str:
    """A number of a column with so many decimals."""
    return _signs(f"{value:.{digits}f}")


def chance(p: float) -> str:
    """A p-value: three decimals, or that it is smaller."""
    return f"{p:.3f}" if p >= SMALLEST_P else f"< {SMALLEST_P:g}"


def named(unit: str) -> str:
    """A unit as a table names it."""
    return UNITS.get(unit, f"of {unit.replace('-', ' ')}" if unit in SHARES else unit)


def _signs(text: str) -> str:
    return text.replace("-", MINUS)
