"""Names that must exist elsewhere in the scenario: assets, venues, markets, currencies, cohorts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simulator.agents import Borrowers, Keepers, PerpTraders, Suppliers
from simulator.market import Market
from simulator.parameters import RiskParameters
from simulator.protocol import Protocol
from simulator.protocol.funding_rate import VelocityFunding
from simulator.protocol.liquidation import WindowLiquidation
from simulator.protocol.price_impact import SkewFill
from simulator.protocol.trading_fees import MakerTakerFee
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Place, Problem
from simulator.scenario.relations import market_problems
from simulator.wording import did_you_mean, quoted


def unknown_names(draft: Draft) -> Iterator[Problem]:
    """Every name that nothing answers to, and every name that is given twice."""
    if draft.parameters is not None:
        yield from _parameters(draft.parameters, draft.assets, draft.protocol)
        yield from _cohorts(draft, draft.parameters)
    if draft.protocol is not None:
        yield from _protocol(draft.protocol, draft.assets, draft.parameters)
    yield from _cohort_names(draft)
    yield from _regimes(draft)


def _parameters(parameters: RiskParameters, assets: tuple[str, ...] | None, protocol: Protocol | None) -> Iterator[Problem]:
    if not parameters.perpetuals and not parameters.collateral and not parameters.options:
        yield Problem(("parameters",), "has neither [parameters.perpetuals] nor [parameters.collateral]; at least one is needed")
    for section in ("perpetuals", "collateral"):
        for name in getattr(parameters, section):
            if assets is not None and name not in assets:
                yield Problem(("parameters", section, name), f"is not an asset of [market]; {did_you_mean(name, assets)}")
            elif protocol is not None and name not in protocol.venues:
                yield Problem(("protocol", "venues", name), f"is missing; the asset of [parameters.{section}] needs a spot venue")
    for name in parameters.borrowing:
        if name not in parameters.collateral:
            message = f"is not a currency; {_are(parameters.collateral, 'add [parameters.collateral.' + name + ']')}"
            yield Problem(("parameters", "borrowing", name), message)
    if protocol is not None:
        for name in parameters.perpetuals:
            if name in protocol.venues and protocol.venues[name].perpetual is None:
                yield Problem(
                    ("protocol", "venues", name, "perpetual"), "is missing; a perpetual market needs a venue to trade in"
                )


def _protocol(protocol: Protocol, assets: tuple[str, ...] | None, parameters: RiskParameters | None) -> Iterator[Problem]:
    for name in protocol.venues:
        if assets is not None and name not in assets:
            yield Problem(("protocol", "venues", name), f"is not an asset of [market]; {did_you_mean(name, assets)}")
    for name in protocol.volatility_feed.estimator if protocol.volatility_feed else ():
        if assets is not None and name not in assets:
            place = ("protocol", "volatility_feed", "estimator", name)
            yield Problem(place, f"is not an asset of [market]; {did_you_mean(name, assets)}")
    if parameters is not None:
        yield from _scales(protocol, parameters)
        yield from _windows(protocol, parameters)
        for name in protocol.fund.tokens:
            if name not in parameters.collateral:
                message = f"is not a currency; {did_you_mean(name, parameters.collateral)}"
                yield Problem(("protocol", "fund", "tokens", name), message)


def _scales(protocol: Protocol, parameters: RiskParameters) -> Iterator[Problem]:
    """Velocity funding without a scale of its own reads that of a skew-fill venue."""
    funding = protocol.funding
    if not isinstance(funding, VelocityFunding) or funding.skew_scale is not None:
        return
    for name in parameters.perpetuals:
        venues = protocol.venues.get(name)
        if venues is not None and venues.perpetual is not None and not isinstance(venues.perpetual, SkewFill):
            yield Problem(
                ("protocol", "funding", "skew_scale"),
                f"is missing; without it the perpetual venue of {name} must be of kind skew-fill, but is {venues.perpetual.kind}",
            )


def _windows(protocol: Protocol, parameters: RiskParameters) -> Iterator[Problem]:
    """A window of liquidations is counted in fees and skew scales."""
    if not isinstance(protocol.liquidation, WindowLiquidation):
        return
    if not isinstance(parameters.fees, MakerTakerFee):
        message = f"must be maker-taker where [protocol.liquidation] is window-cap, but is {parameters.fees.kind}"
        yield Problem(("parameters", "fees", "kind"), message)
    for name in parameters.perpetuals:
        venues = protocol.venues.get(name)
        if venues is not None and venues.perpetual is not None and not isinstance(venues.perpetual, SkewFill):
            yield Problem(
                ("protocol", "venues", name, "perpetual", "kind"),
                f"must be skew-fill where [protocol.liquidation] is window-cap, but is {venues.perpetual.kind}",
            )


def _cohorts(draft: Draft, parameters: RiskParameters) -> Iterator[Problem]:
    for i, cohort in draft.cohorts.items():
        for key, section, names in _named_by(cohort, parameters):
            named = getattr(cohort, key)
            for name in (named,) if isinstance(named, str) else named:
                if name not in names:
                    yield Problem(
                        ("cohorts", i, key), f"{quoted(name)} is not in [parameters.{section}]; {did_you_mean(name, names)}"
                    )


def _named_by(cohort: object, parameters: RiskParameters) -> list[tuple[str, str, Iterable[str]]]:
    match cohort:
        case PerpTraders():
            return [(key, "perpetuals", parameters.perpetuals) for key in ("market", "also")]
        case Borrowers():
            owed = [(key, "borrowing", parameters.borrowing) for key in ("debt", "also")]
            return [("collateral", "collateral", parameters.collateral), *owed]
        case Suppliers():
            return [("asset", "borrowing", parameters.borrowing)]
    return []


def _cohort_names(draft: Draft) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, cohort in draft.cohorts.items():
        if cohort.name in seen:
            yield Problem(("cohorts", i, "name"), f"{quoted(cohort.name)} is also cohorts.{seen[cohort.name]}; names must differ")
        seen.setdefault(cohort.name, i)
    keepers = [i for i, cohort in draft.cohorts.items() if isinstance(cohort, Keepers)]
    for i in keepers[1:]:
        yield Problem(("cohorts", i, "kind"), f"a second keepers cohort; one is allowed, and cohorts.{keepers[0]} is it")


def _regimes(draft: Draft) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, regime in draft.regimes.items():
        if regime.name in seen:
            yield Problem(("regime", i, "name"), f"{quoted(regime.name)} is also regime.{seen[regime.name]}; names must differ")
        seen.setdefault(regime.name, i)
        if draft.market is None:
            continue
        try:
            market = regime.market_from(draft.market)
        except ValueError as problem:
            yield Problem(("regime", i), _reason(problem))
            continue
        yield from _stands_in(market, draft, ("regime", i, "market"))
    if draft.backtest is not None:
        yield from _stands_in(draft.backtest.market, draft, ("backtest", "market"))


def _stands_in(market: Market, draft: Draft, place: Place) -> Iterator[Problem]:
    """Why `market` cannot stand in the place of the scenario's own."""
    if draft.grid is not None:
        yield from market_problems(market, draft.grid, place)
    own = draft.market
    if own is not None and set(market.asset_names) != set(own.asset_names):
        yield Problem(
            place,
            f"must have the assets of [market], {', '.join(own.asset_names)}, but has {', '.join(market.asset_names)}",
        )


def _reason(problem: ValueError) -> str:
    errors = getattr(problem, "errors", None)
    if errors is None:
        return str(problem)
    first = errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    said = str(first.get("ctx", {}).get("error", first["msg"]))
    return f"the changed market is not one: {place + ': ' if place else ''}{said}"


def _are(names: Iterable[str], otherwise: str) -> str:
    listed = ", ".join(names)
    return f"there are {listed}; {otherwise}" if listed else otherwise
