"""Which laws of variance and of innovations a fit may choose from: what `simulator.market` can simulate of the GARCH family."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

ProcessKind = Literal["garch", "gjr", "egarch"]
ProcessChoice = Literal["auto", "garch", "gjr", "egarch"]
InnovationChoice = Literal["auto", "normal", "student-t", "skewed-t"]
InnovationKind = Literal["normal", "student-t", "skewed-t"]
PROCESSES: tuple[ProcessKind, ...] = ("garch", "gjr", "egarch")
INNOVATIONS: tuple[InnovationKind, ...] = ("normal", "student-t", "skewed-t")


@dataclass(frozen=True)
class Specification:
    """A law of variance and the law of its innovations."""

    process: ProcessKind = "garch"
    innovation: InnovationKind = "student-t"

    @property
    def is_exponential(self) -> bool:
        return self.process == "egarch"

    @property
    def is_asymmetric(self) -> bool:
        """Falls and rises may move variance differently."""
        return self.process != "garch"

    @property
    def is_normal(self) -> bool:
        return self.innovation == "normal"

    @property
    def parameters(self) -> int:
        """How many numbers it takes from the data, the level (targeted or not) among them."""
        return 3 + self.is_asymmetric + INNOVATIONS.index(self.innovation)

    def __str__(self) -> str:
        return f"{self.process}, {self.innovation}"


GARCH_T = Specification()


def specifications(process: ProcessChoice, innovation: InnovationChoice) -> list[Specification]:
    """Every candidate that the two choices leave. `garch` admits GJR's gamma where the data insist on it."""
    choices: dict[str, tuple[ProcessKind, ...]] = {"auto": PROCESSES, "garch": ("garch", "gjr")}
    processes = choices.get(process) or tuple(p for p in PROCESSES if p == process)
    innovations = INNOVATIONS if innovation == "auto" else (innovation,)
    return [Specification(p, i) for p, i in product(processes, innovations)]
