"""How messages show what came from outside: escaped, short, and with the name that was probably meant."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable

MOST_NAMES = 20  # that one message lists


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """`did you mean x?` if a name is near, otherwise the names there are."""
    names = list(allowed)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6) if len(name) < 200 else []
    if near:
        return f"did you mean `{near[0]}`?"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"there are {', '.join(names[:MOST_NAMES])}{more}" if names else "there are none"


def end_of(value: float, digits: int = 3) -> str:
    """An end of an interval, in significant digits; `open` where there is none."""
    return f"{value:.{digits}g}" if math.isfinite(value) else "open"


def quoted(value: object) -> str:
    """A value as it may be shown on a terminal: escaped, so that no control or direction mark acts, and cut at 40 signs."""
    text = value if isinstance(value, str) else str(value)
    return json.dumps(text if len(text) <= 40 else text[:37] + "...")


def shown(text: str) -> str:
    """A file name without signs that could act on a terminal."""
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)
