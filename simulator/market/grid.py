"""Grid: the market step a process was fitted at, the substeps at which everybody acts, and how long each part of a run lasts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from simulator.parameters import DAY, Part


class Grid(Part):
    """Time of a run: `burn_in` under current parameters, the vote, `horizon` after it, of which `transition` is judged apart.

    Steps are counted in substeps, the time at which oracle, agents and venue act. Every duration is a whole number of
    market steps, so that a window never ends inside one.
    """

    market_step: Annotated[float, Field(gt=0)]  # [s] the step the market process was fitted at
    substeps: Annotated[int, Field(ge=1, le=100_000)] = 1  # [1] steps of the model in one market step
    burn_in: Annotated[float, Field(ge=0)] = 0.0  # [day] lived under current parameters before the vote
    transition: Annotated[float, Field(gt=0)]  # [day] after the vote, judged apart from the steady state
    horizon: Annotated[float, Field(gt=0)]  # [day] after the vote

    @model_validator(mode="after")
    def _whole_steps(self) -> Grid:
        for name in ("burn_in", "transition", "horizon"):
            days = getattr(self, name)
            count = days * DAY / self.market_step
            if abs(count - round(count)) > 1e-9 * max(1.0, count):
                below = int(count) * self.market_step / DAY
                above = (int(count) + 1) * self.market_step / DAY
                way_out = f"{above:.10g}" if below == 0 else f"{below:.10g} or {above:.10g}"
                raise ValueError(
                    f"`{name}` must be a whole number of market steps, but {days:g} days are {count:.6g} steps of "
                    f"{self.market_step:g} s; write {way_out}"
                )
        if self.transition > self.horizon:
            raise ValueError(
                f"`transition <= horizon` must hold, but got {self.transition:g} and {self.horizon:g} days; "
                "the transition is the first part of the horizon"
            )
        return self

    @property
    def dt(self) -> float:
        """Length of a substep [s]."""
        return self.market_step / self.substeps

    @property
    def burn_in_steps(self) -> int:
        """Substeps before the vote."""
        return self.substeps * round(self.burn_in * DAY / self.market_step)

    @property
    def transition_steps(self) -> int:
        """Substeps from the vote to the end of the transition."""
        return self.substeps * round(self.transition * DAY / self.market_step)

    @property
    def horizon_steps(self) -> int:
        """Substeps from the vote to the end."""
        return self.substeps * round(self.horizon * DAY / self.market_step)

    @property
    def steps(self) -> int:
        """All substeps: burn-in and horizon."""
        return self.burn_in_steps + self.horizon_steps

    @property
    def market_steps(self) -> int:
        """All market steps: `steps / substeps`."""
        return self.steps // self.substeps
