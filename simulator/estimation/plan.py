"""How to walk forward over a window."""

from __future__ import annotations

from dataclasses import dataclass

MOST_FOLDS = 200


@dataclass(frozen=True)
class Plan:
    """`folds` stretches of equal length, or stretches of `days` each; `rolling` fits forget what is old."""

    folds: int | None = None
    days: float | None = None
    rolling: bool = False

    def problems(self) -> list[tuple[str, str]]:
        """(setting, what is wrong; what is allowed) for each."""
        if self.folds is not None and not 1 <= self.folds <= MOST_FOLDS:
            return [("walk-forward", f"{self.folds} must lie between 1 and {MOST_FOLDS} stretches")]
        if self.days is not None and not 0 < self.days <= 10_000:
            return [("walk-forward", f"{self.days:g}d must be a number of days above 0")]
        return []
