"""From values to pixels, and where the ticks stand."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Linear:
    """[low, high] to [start, end] pixels; values beyond are put on the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside, `about` so many: multiples of 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / max(1, about)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1.0, 2.0, 5.0, 10.0) if power * m >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


@dataclass(frozen=True)
class Logarithmic:
    """[low, high], both above 0, to [start, end] pixels by their logarithm; values beyond are put on the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        return self.start + math.log(value / self.low) / math.log(self.high / self.low) * (self.end - self.start)

    def ticks(self, about: int = 6) -> list[float]:
        """Powers of ten inside, thinned to `about` so many; with their 2 and 5 multiples where few powers fit."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        if last - first < 2:
            fine = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
            return [float(f"{v:.6g}") for v in fine if self.low * (1 - 1e-9) <= v <= self.high * (1 + 1e-9)]
        every = max(1, math.ceil((last - first + 1) / about))
        return [float(f"1e{k}") for k in range(first, last + 1) if (k - last) % every == 0]


def padded(values: list[float], share: float = 0.08) -> tuple[float, float]:
    """The range of `values` with a margin; never empty."""
    low, high = min(values), max(values)
    margin = share * (high - low) or max(abs(high), 1.0) * share
    return low - margin, high + margin
