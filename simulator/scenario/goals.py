"""The question asked of a scenario: limits that can be judged, ranges that can be searched, chances that can be proved."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from pydantic import ValidationError

from simulator.calibration_settings import RULES, CalibrationSettings, SearchParameter, unsearchable
from simulator.parameters import RiskParameters
from simulator.risk.appetite import PROCYCLICALITY, Limit, ProbabilityLimit, RiskAppetite
from simulator.risk.presets import LIQUIDATION_DAYS
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Place, Problem
from simulator.scenario.relations import unresolved
from simulator.scenario.vote import Vote


def unanswerable(draft: Draft) -> Iterator[Problem]:
    """Every part of the question that these accounts, parameters and path counts cannot answer."""
    if draft.appetite is not None:
        yield from _limits(("appetite",), draft.appetite, draft)
    for i, regime in draft.regimes.items():
        if regime.appetite is not None:
            yield from _limits(("regime", i, "appetite"), regime.appetite, draft)
    if draft.rare_events is not None and draft.market is not None and draft.grid is not None:
        for key, message in draft.rare_events.problems(draft.market, draft.grid):
            yield Problem(("rare_events", key) if key else ("rare_events",), message)
    if draft.calibration is not None:
        if "appetite" not in draft.sections:
            yield Problem(("appetite",), "is missing; [calibration] needs to know what may be borne")
        yield from _calibration(draft, draft.calibration)


def _limits(place: Place, appetite: RiskAppetite, draft: Draft) -> Iterator[Problem]:
    period = LIQUIDATION_DAYS.get(appetite.preset, 0.0) if appetite.preset else 0.0
    if draft.grid is not None and draft.grid.horizon < period:
        yield Problem(
            (*place, "preset"),
            f"`{appetite.preset}` judges a liquidation period of {period:g} days, but [grid] horizon is {draft.grid.horizon:g}; "
            f"write horizon = {period:g}",
        )
    for i, limit in enumerate(appetite.limits):
        yield from _limit((*place, "limits", i), limit, draft)


def _limit(place: Place, limit: Limit, draft: Draft) -> Iterator[Problem]:
    missing = _nothing_to_share(limit.of, draft)
    if missing:
        yield Problem((*place, "of"), f"a share of {limit.of} needs {missing}; another base or `usd` is possible")
    if limit.quantity in PROCYCLICALITY and draft.parameters is not None:
        kinds = {market.kind for market in draft.parameters.perpetuals.values()}
        if "volatility-scaled" not in kinds:
            message = f"`{limit.quantity}` needs a market of kind volatility-scaled in [parameters.perpetuals]"
            yield Problem((*place, "quantity"), message)


def _nothing_to_share(of: str, draft: Draft) -> str:
    if of == "open-interest" and draft.parameters is not None and not draft.parameters.perpetuals:
        return "[parameters.perpetuals]"
    if of == "borrowed" and draft.parameters is not None and not draft.parameters.borrowing:
        return "[parameters.borrowing]"
    if of == "fund" and draft.protocol is not None:
        fund = draft.protocol.fund
        return "" if fund.cash > 0 or any(fund.tokens.values()) else "money in [protocol.fund]"
    return ""


def _calibration(draft: Draft, calibration: CalibrationSettings) -> Iterator[Problem]:
    if draft.parameters is not None:
        vote = _vote(draft, draft.parameters)
        for i, reason in unsearchable(calibration.search, dict(vote.items())):
            if isinstance(vote, Vote) or not calibration.search[i].parameter.startswith(RULES):
                yield Problem(("calibration", "search", i), reason)
        for i, search in enumerate(calibration.search):
            yield from _bounds(i, search, vote, draft)
            yield from _fixed_credit(i, search, draft.parameters)
    yield from _proof(draft, calibration.confirmation_paths)


def _vote(draft: Draft, parameters: RiskParameters) -> Vote | RiskParameters:
    """What a vote may change, as far as it could be read."""
    if draft.protocol is None:
        return parameters
    return Vote(parameters=parameters, protocol=draft.protocol, keepers=draft.keepers)


def _bounds(i: int, search: SearchParameter, current: Vote | RiskParameters, draft: Draft) -> Iterator[Problem]:
    """The ends of a range must be values that the parameter may have; how they fit other parameters is the search's affair."""
    if search.parameter not in dict(current.items()):
        return
    for key, value in (("low", search.low), ("high", search.high)):
        try:
            changed = current.replace({search.parameter: value})
            if isinstance(changed, Vote):
                yield from _times_too_short(("calibration", "search", i, key), draft, changed)
        except ValidationError as error:
            for wrong in error.errors(include_url=False):
                if wrong["type"] != "value_error":
                    rule = wrong["msg"].removeprefix("Input should be ")
                    yield Problem(("calibration", "search", i, key), f"`{search.parameter}` must be {rule}, but got {value:g}")


def _times_too_short(place: Place, draft: Draft, vote: Vote) -> Iterator[Problem]:
    """A rule that steps of time cannot resolve at this end of its range."""
    known = {problem.message for problem in unresolved(draft)}
    for problem in unresolved(replace(draft, protocol=vote.protocol)):
        if problem.message not in known:
            yield Problem(place, f"{problem.message.partition(';')[0]}; search no shorter times, or write more `substeps`")


def _fixed_credit(i: int, search: SearchParameter, current: RiskParameters) -> Iterator[Problem]:
    """A number that DESIGN 3.2 fixes in this kind of book is not searched."""
    section, key = search.parameter.partition(".")[0], search.parameter.rpartition(".")[2]
    if section != "collateral":
        return
    if not current.borrowing and key in ("collateral_factor", "liquidation_threshold"):
        instead = search.parameter.replace(key, "haircut")
        message = f"`{key}` is 1 in a book without [parameters.borrowing]; search `{instead}`"
        yield Problem(("calibration", "search", i, "parameter"), message)
    if current.borrowing and not current.perpetuals and key == "haircut":
        message = (
            "`haircut` is 0 in a pool without [parameters.perpetuals]; search `liquidation_threshold` or `collateral_factor`"
        )
        yield Problem(("calibration", "search", i, "parameter"), message)


def _proof(draft: Draft, paths: int | str) -> Iterator[Problem]:
    if draft.appetite is None or isinstance(paths, str) or draft.rare_events is not None:
        return  # weighted paths prove more than their number; the plan of the calibration says how much
    deciding = [regime.appetite for regime in draft.regimes.values() if regime.role == "confirm" and regime.appetite is not None]
    for appetite in (draft.appetite, *deciding):
        confidence = draft.appetite.confidence_of_look(1)
        limits = [limit.probability for limit in appetite.limits if isinstance(limit, ProbabilityLimit)]
        if limits and paths < (needed := fewest_paths(min(limits), confidence)):
            yield Problem(
                ("calibration", "confirmation_paths"),
                f"a probability of {min(limits):.10g} at confidence {confidence:.10g}, that of the first look, needs at least "
                f"{needed:,} paths with no failure; confirmation_paths is {paths}; "
                'write "planned" or more paths',
            )


def fewest_paths(probability: float, confidence: float) -> int:
    """The fewest paths that prove P <= `probability` when none fails: (1 - probability)^n <= 1 - confidence."""
    return math.ceil(math.log1p(-confidence) / math.log1p(-probability) - 1e-9)
