"""The estimated law of an asset's parameters, from which each path draws its own (DESIGN 3.11: the model interval)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field, model_validator

from simulator.market.dependence import cholesky
from simulator.market.innovations import Innovation, Normal, SkewedT
from simulator.market.jumps import Jumps, Kou, Merton
from simulator.market.processes import Egarch, Garch, Heston, OrnsteinUhlenbeck, Process
from simulator.market.sequences import Matrix, Names
from simulator.parameters import Part

COORDINATES = (
    "log_volatility",
    "logit_persistence",  # alpha + gamma/2 + beta
    "logit_alpha_share",  # (alpha + gamma/2) / persistence
    "log_degrees_above_two",  # log(degrees_of_freedom - 2)
    "atanh_skew",  # skewed-t
    "egarch_alpha",
    "egarch_gamma",
    "atanh_beta",  # egarch
    "log_mean_reversion",  # heston
    "log_volatility_of_variance",  # heston
    "atanh_leverage",  # heston
    "log_half_life",  # ornstein-uhlenbeck
    "log_jump_intensity",
    "jump_mean",  # merton
    "log_jump_deviation",  # merton
    "logit_up_probability",  # kou
    "log_eta_up_above_one",  # kou, log(eta_up - 1)
    "log_eta_down",  # kou
)


class ParameterLaw(Part):
    """A normal law around the point estimate in transformed coordinates (`COORDINATES`), where no bound can be crossed.

    `draws` vectors are drawn; a path uses one of them, chosen by a hash of its id.
    """

    names: Names
    covariance: Matrix  # of the coordinates named
    draws: Annotated[int, Field(ge=1, le=10_000)] = 200

    @model_validator(mode="after")
    def _is_a_law(self) -> ParameterLaw:
        for name in self.names:
            if name not in COORDINATES:
                raise ValueError(f"unknown coordinate `{name}`; there are {', '.join(COORDINATES)}")
        if len(set(self.names)) != len(self.names) or not self.names:
            raise ValueError(f"`names` must hold each coordinate once, but got {', '.join(self.names) or 'none'}")
        n = len(self.names)
        if len(self.covariance) != n or any(len(row) != n for row in self.covariance):
            raise ValueError(f"`covariance` must be {n} x {n}, one row for each of {', '.join(self.names)}")
        if any(self.covariance[i][j] != self.covariance[j][i] for i in range(n) for j in range(i)):
            raise ValueError("`covariance` must be symmetric")
        try:
            cholesky(self.covariance)
        except ValueError as problem:
            raise ValueError(f"`covariance` must be positive semi-definite, but its {problem}") from None
        return self


Map = Callable[[float], float]


def _held(low: float, high: float) -> Map:
    return lambda x: min(max(x, low), high)


def _tanh(x: float) -> float:
    return min(max(math.tanh(x), -1 + 1e-9), 1 - 1e-9)


# coordinate: the process that has it, its field, the way there and the way back inside what the part accepts
ONE_FIELD: dict[str, tuple[type[Part], str, Map, Map]] = {
    "egarch_alpha": (Egarch, "alpha", float, _held(-1, 1)),
    "egarch_gamma": (Egarch, "gamma", float, _held(-1, 1)),
    "atanh_beta": (Egarch, "beta", math.atanh, _tanh),
    "log_mean_reversion": (Heston, "mean_reversion", math.log, lambda x: min(math.exp(x), 10_000.0)),
    "log_volatility_of_variance": (Heston, "volatility_of_variance", math.log, lambda x: min(max(math.exp(x), 1e-4), 10_000.0)),
    "atanh_leverage": (Heston, "leverage", math.atanh, _tanh),
    "log_half_life": (OrnsteinUhlenbeck, "half_life", math.log, math.exp),
}


def coordinates(process: Process, jumps: Jumps | None) -> dict[str, float]:
    """The coordinates that an asset has, at its point estimate. A parameter at its bound (alpha = 0) has none."""
    point = {"log_volatility": math.log(process.volatility)}
    if isinstance(process, Garch):
        point |= _garch_coordinates(process)
    if isinstance(process, (Garch, Egarch)):
        point |= _innovation_coordinates(process.innovation)
    for name, (part, field, there, _) in ONE_FIELD.items():
        if isinstance(process, part):
            point[name] = there(getattr(process, field))
    if jumps is not None and jumps.intensity > 0:
        point["log_jump_intensity"] = math.log(jumps.intensity)
        point |= _merton_coordinates(jumps) if isinstance(jumps, Merton) else _kou_coordinates(jumps)
    return point


def _garch_coordinates(process: Garch) -> dict[str, float]:
    point = {}
    if process.persistence > 0:
        share = 1 - process.beta / process.persistence
        point["logit_persistence"] = _logit(process.persistence)
        if 0 < share < 1:
            point["logit_alpha_share"] = _logit(share)
    return point


def _innovation_coordinates(innovation: Innovation) -> dict[str, float]:
    if isinstance(innovation, Normal):
        return {}
    point = {"log_degrees_above_two": math.log(innovation.degrees_of_freedom - 2)}
    return point | ({"atanh_skew": math.atanh(innovation.skew)} if isinstance(innovation, SkewedT) else {})


def _merton_coordinates(jumps: Merton) -> dict[str, float]:
    point = {"jump_mean": jumps.mean}
    if jumps.deviation > 0:
        point["log_jump_deviation"] = math.log(jumps.deviation)
    return point


def _kou_coordinates(jumps: Kou) -> dict[str, float]:
    point = {"log_eta_up_above_one": math.log(jumps.eta_up - 1), "log_eta_down": math.log(jumps.eta_down)}
    if 0 < jumps.up_probability < 1:
        point["logit_up_probability"] = _logit(jumps.up_probability)
    return point


def at(process: Process, jumps: Jumps | None, point: Mapping[str, float]) -> tuple[Process, Jumps | None]:
    """The process and the jumps at `point` in transformed coordinates; coordinates that `point` lacks stay.

    Values are kept inside what the parts accept: persistence below 1 - 1e-9, degrees of freedom above 2.01.
    """
    if jumps is not None:
        jumps = jumps.model_copy(update=_jump_values(jumps, point))
    values: dict[str, object] = {}
    if "log_volatility" in point:
        values["volatility"] = min(math.exp(point["log_volatility"]), 1_000.0)
    if isinstance(process, Garch):
        values |= _garch_values(process, point)
    if isinstance(process, (Garch, Egarch)) and not isinstance(process.innovation, Normal):
        values["innovation"] = process.innovation.model_copy(update=_innovation_values(point))
    for name, (part, field, _, back) in ONE_FIELD.items():
        if isinstance(process, part) and name in point:
            values[field] = back(point[name])
    return process.model_copy(update=values), jumps


def _garch_values(process: Garch, point: Mapping[str, float]) -> dict[str, object]:
    values: dict[str, object] = {}
    if "logit_persistence" in point or "logit_alpha_share" in point:
        own = _garch_coordinates(process) | dict(point)
        persistence = min(_logistic(own["logit_persistence"]), 1 - 1e-9)
        arch_part = process.alpha + process.gamma / 2
        share = _logistic(own["logit_alpha_share"]) if "logit_alpha_share" in own else arch_part / process.persistence
        scale = persistence * share / arch_part if arch_part > 0 else 0.0
        values = {"alpha": process.alpha * scale, "gamma": process.gamma * scale, "beta": persistence * (1 - share)}
    return values


def _innovation_values(point: Mapping[str, float]) -> dict[str, float]:
    values = {}
    if "log_degrees_above_two" in point:
        values["degrees_of_freedom"] = 2 + min(max(math.exp(point["log_degrees_above_two"]), 0.01), 998.0)
    if "atanh_skew" in point:
        values["skew"] = _tanh(point["atanh_skew"])
    return values


def _jump_values(jumps: Jumps, point: Mapping[str, float]) -> dict[str, float]:
    maps = {
        "log_jump_intensity": ("intensity", lambda x: min(math.exp(x), 100_000.0)),
        "jump_mean": ("mean", lambda x: min(max(x, -5.0), 5.0)),
        "log_jump_deviation": ("deviation", lambda x: min(math.exp(x), 5.0)),
        "logit_up_probability": ("up_probability", _logistic),
        "log_eta_up_above_one": ("eta_up", lambda x: 1 + max(math.exp(x), 1e-3)),
        "log_eta_down": ("eta_down", lambda x: max(math.exp(x), 1e-3)),
    }
    return {maps[name][0]: maps[name][1](value) for name, value in point.items() if name in maps}


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
