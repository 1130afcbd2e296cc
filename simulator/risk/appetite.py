"""RiskAppetite: what a vote will bear. Every limit can be said in one sentence."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from simulator.parameters import Part
from simulator.risk.presets import MEANINGS, PresetName, expanded

Window = Literal["transition", "steady", "whole", "each"]
Quantity = Literal[  # the quantities of simulator.outcomes, whose module is too heavy to load with a scenario
    "loss", "realised_bad_debt", "latent_bad_debt", "fund_draw", "adl_haircut", "adl_volume", "socialised_loss",
    "uncovered_loss", "vault_loss", "liquidations", "liquidated_notional", "takeovers", "penalties", "fees", "gas",
    "user_cost", "open_interest", "borrowed", "collateral", "utilisation", "capital_efficiency_used", "time_under_water",
    "fund_end", "fund_minimum", "refusals", "newly_liquidatable", "external_variance", "observed_variance",
    "margin_ratio", "margin_peak_to_trough", "margin_rise_1_day", "margin_rise_5_days",
]  # fmt: skip
PROCYCLICALITY = ("margin_ratio", "margin_peak_to_trough", "margin_rise_1_day", "margin_rise_5_days")  # pure numbers
Denominator = Literal["open-interest", "borrowed", "collateral", "fund", "accounts", "usd", "one"]
UNITS = ("usd", "one")  # what is no share of anything
Share = Annotated[float, Field(gt=0, lt=1)]

WINDOW_WORDS = {
    "transition": "in the transition after the vote",
    "steady": "in the steady state after the transition",
    "whole": "from the vote to the horizon",
}
DENOMINATOR_WORDS = {
    "open-interest": "open interest",
    "borrowed": "what is borrowed",
    "collateral": "collateral",
    "fund": "the insurance fund",
    "accounts": "accounts",
}


def amount(share: float, of: str) -> str:
    """A threshold in words: `0.1 % of open interest`, `25,000 USD`, `1.5`."""
    if of == "one":
        return f"{share:,.10g}"
    return f"{share:,.10g} USD" if of == "usd" else f"{percent(share)} of {DENOMINATOR_WORDS[of]}"


def percent(share: float) -> str:
    """A fraction as people read it: 0.001 is `0.1 %`."""
    return f"{share * 100:.6g} %"


class _Limit(Part):
    """What all limits name. `each` window means transition and steady state, each by itself."""

    quantity: Quantity = "loss"
    window: Window = "each"
    of: Denominator = "open-interest"  # denominators are dollars at the baseline: current parameters, search paths

    @model_validator(mode="after")
    def _window_exists(self) -> _Limit:
        if self.quantity == "newly_liquidatable" and self.window not in ("transition", "each"):
            raise ValueError(
                f'`newly_liquidatable` is counted in the transition only, but got window "{self.window}"; write "transition"'
            )
        if (self.quantity in PROCYCLICALITY) != (self.of == "one"):
            wanted = '"one"' if self.quantity in PROCYCLICALITY else "dollars or a share"
            raise ValueError(f'`of` must be {wanted} for `{self.quantity}`, but is "{self.of}"')
        return self

    @property
    def windows(self) -> tuple[str, ...]:
        """The windows that this limit is judged in."""
        if self.quantity == "newly_liquidatable":
            return ("transition",)
        return ("transition", "steady") if self.window == "each" else (self.window,)

    @property
    def words(self) -> str:
        """The quantity as people read it."""
        return self.quantity.replace("_", " ")

    @property
    def when(self) -> str:
        """The windows in words."""
        return " and ".join(WINDOW_WORDS[window] for window in self.windows)


class ProbabilityLimit(_Limit):
    """P(quantity > threshold) must be at most `probability`, by the upper Clopper-Pearson bound over paths."""

    kind: Literal["probability"] = "probability"
    threshold: Annotated[float, Field(ge=0)]  # [share of `of`]
    probability: Share  # [1]

    def describe(self) -> str:
        """The limit in one sentence."""
        return (
            f"The probability that {self.words} exceeds {amount(self.threshold, self.of)} {self.when} "
            f"must be at most {percent(self.probability)}."
        )


class ExpectedShortfallLimit(_Limit):
    """The mean of the worst `1 - level` share of paths must be at most `limit`.

    Confirmed by a bound whose simulated coverage is at least 93 %, and by a ladder of probability limits where there is
    no such bound (risk/shortfall.py).
    """

    kind: Literal["expected-shortfall"] = "expected-shortfall"
    level: Annotated[float, Field(ge=0.5, lt=1)]  # [1] 0.99: the worst hundredth of paths
    limit: Annotated[float, Field(gt=0)]  # [share of `of`]

    def describe(self) -> str:
        """The limit in one sentence."""
        return (
            f"The mean of {self.words} over the worst {percent(1 - self.level)} of paths {self.when} "
            f"must be at most {amount(self.limit, self.of)}."
        )


class MeanLimit(_Limit):
    """The mean of a quantity over paths must be at most `limit`, by its upper Student-t bound."""

    kind: Literal["mean"] = "mean"
    limit: Annotated[float, Field(ge=0)]  # [share of `of`]

    def describe(self) -> str:
        """The limit in one sentence."""
        return f"The mean of {self.words} {self.when} must be at most {amount(self.limit, self.of)}."


Limit = Annotated[ProbabilityLimit | ExpectedShortfallLimit | MeanLimit, Field(discriminator="kind")]


class RiskAppetite(Part):
    """What a DAO will bear. Every limit must pass by itself, at `confidence`, in every window that it names.

    A `preset` stands for limits and a confidence; limits written beside it hold as well, and a confidence instead of its own.
    """

    preset: PresetName | None = None
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95  # [1] the j-th look in one lineage uses 1 - (1 - this) / 2^j
    limits: Annotated[tuple[Limit, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("preset") not in MEANINGS:
            return given
        known, own = expanded(given["preset"]), given.get("limits", ())
        if not isinstance(own, list | tuple):
            return given
        limits = [_as_written(limit) for limit in known["limits"]]
        more = [limit for limit in own if _as_written(limit) not in limits]
        return {"confidence": known["confidence"], **given, "limits": (*more, *known["limits"])}

    def describe(self) -> str:
        """The appetite as a vote can state it."""
        limits = " ".join(limit.describe() for limit in self.limits)
        return f"With {percent(self.confidence)} confidence: {limits}"

    @property
    def meaning(self) -> str:
        """What the preset stands for in a few words; empty without one."""
        return f"{self.preset}: {MEANINGS[self.preset]}" if self.preset else ""

    def confidence_of_look(self, look: int) -> float:
        """The confidence that the `look`-th confirmation of one lineage must reach: all looks together keep `confidence`."""
        return 1 - (1 - self.confidence) * 0.5**look


def _as_written(limit: Any) -> Any:
    """All fields of a limit, however it is given; anything that is no limit as it is."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Limit).validate_python(limit).model_dump()
    except ValidationError:
        return limit
