"""Why a fit does not come about."""

from __future__ import annotations

from collections.abc import Sequence


class FitError(ValueError):
    """Data or settings that cannot be fitted; `problems` holds (key, what is wrong; what is allowed) for each reason."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(f"{key}: {what}" for key, what in self.problems))


class NotConverged(RuntimeError):
    """No start reached a maximum of the likelihood."""
