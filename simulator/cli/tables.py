"""Tables that fit 80 columns."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence

WIDTH = 80


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int = 1) -> None:
    """A table on stdout, plain where that is no terminal; columns from `numbers_from` on are right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i >= numbers_from else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout, width=WIDTH, soft_wrap=False, markup=False, highlight=False).print(table)


def number(value: float, unit: str) -> str:
    """A number as people read it, with four digits at most; shares and probabilities in percent."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "unbounded"
    if unit == "probability":
        return f"{100 * value:.3g} %"
    if value != 0 and abs(value) < 0.01:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
