"""The rules and the terms as numbers that kernels read.

`RULES` is what a vote on parameters does not change, `TERMS` is what it does. Both are made from the frozen parts of the
scenario, once; nothing here decides anything.
"""

from __future__ import annotations

import numpy as np

from simulator.market.gas import GWEI
from simulator.parameters import DAY, UNLIMITED, YEAR, RiskParameters
from simulator.protocol import Protocol
from simulator.protocol.backstop import Maker, VaultBackstop
from simulator.protocol.fee_numbers import FEE_KINDS, FEE_NUMBERS, fee_numbers
from simulator.protocol.funding_rate import IntervalFunding
from simulator.protocol.liquidation import PartialLiquidation
from simulator.protocol.loan_rules import lending_rules, lending_terms, rules_fields, terms_fields
from simulator.protocol.margin_ratio.requirement import ROW, row_of
from simulator.protocol.market_numbers import (
    CLOSE_NUMBERS,
    CLOSE_RULES,
    FUNDING_KINDS,
    FUNDING_NUMBERS,
    IMPACT_NUMBERS,
    close_numbers,
    funding_numbers,
    funding_scale,
    impact_numbers,
)
from simulator.protocol.option_rules import OPTION_COLUMNS, option_rules
from simulator.protocol.oracles import oracle_fields, oracle_rules
from simulator.protocol.price_impact import PowerImpact, SkewFill
from simulator.protocol.trading_fees import LinearFee
from simulator.protocol.venue import LinearPermanentVenue, LinearVenue
from simulator.terms.loan_liquidation import Bands
from simulator.terms.part import P

# columns of a venue table; LINEAR is 0 for linear-permanent, 1 for linear, then the impacts by skew
SKEW_FILL, POWER = 2.0, 3.0
LINEAR, V_DEPTH, V_PERMANENT, V_KEEP, V_ELASTICITY, V_FLOOR, V_COEFFICIENT = range(7)
# columns of the table of fill bands; a width of 0: none
B_WIDTH, B_CUTS, B_CLOSES = range(3)
ALLOCATIONS = ("queue", "pro-rata", "leverage-weighted")
QUEUE, PRO_RATA = 0, 1
BY_POSITION = ("funding-index", "opposite-side")  # residuals that positions pay; place + 1 in the rules
OPPOSITE_SIDE = 2


# columns of the table of option terms
INITIAL_SPOT, LEAST_SPOT, CALL_SPOT, PUT_SPOT, PUT_MARK, PUT_OFFSET, OPTION_FEE, OPTION_FEE_CAP, OPTION_PENALTY = range(9)
MOST_OPEN, MOST_OPEN_IN_EXPIRY, MOST_VEGA, MOST_GAMMA, OPTION_TERMS = range(9, 14)

MOST = 32  # assets, markets and currencies of one scenario: the length of every column below, padded with zeros

# Both are records (numpy structured scalars), not tuples of arrays: a kernel is handed one address instead of some three
# hundred numbers at every call, which is most of what compiling the protocol costs.
COLUMN = ("f8", (MOST,))

TERMS = np.dtype(
    [  # parameters in force; columns by market or currency, units as in simulator.parameters
        ("initial_ratio", *COLUMN),
        ("maintenance_ratio", *COLUMN),
        ("margin", "f8", (MOST, ROW)),  # [market, number of its margin rule]
        ("counted", *COLUMN),  # 1 - haircut
        ("initial_weight", *COLUMN),  # (1 - haircut) x collateral factor
        ("maintenance_weight", *COLUMN),  # (1 - haircut) x liquidation threshold
        ("factor", *COLUMN),  # collateral factor
        ("bonus", *COLUMN),
        ("debt_weight", *COLUMN),  # 1 + borrow weight
        ("margin_gap", *COLUMN),  # least initial less least maintenance ratio
        ("fee_kind", "i8"),
        ("fee", "f8", (FEE_NUMBERS,)),  # of a fee that is not linear
        ("fee_flat", "f8"),
        ("fee_slope", "f8"),
        ("fee_cap", "f8"),
        ("penalty", "f8"),
        *terms_fields(MOST),
        ("option", "f8", (MOST, OPTION_TERMS)),  # [underlying of options, column]
        ("limits_options", "?"),  # any underlying has a limit on its book
        ("portfolio", "f8", (8,)),  # of the scenario grid, in the order of PortfolioParameters
        ("has_portfolio", "?"),
        ("stamp", "f8"),  # another number for another grid
    ]
)

RULES = np.dtype(
    [  # the fixed rules of one scenario; times in seconds or as factors per substep
        ("accounts", "i8"),  # of cohorts; the special records follow
        ("assets", "i8"),
        ("markets", "i8"),
        ("currencies", "i8"),
        ("currency_asset", "i8", (MOST,)),
        ("market_asset", "i8", (MOST,)),
        ("borrowable", "u1", (MOST,)),  # by currency
        ("spot", "f8", (MOST, 7)),  # [asset, venue column]
        ("perpetual", "f8", (MOST, 7)),  # [market, venue column]
        ("fill_band", "f8", (MOST, 3)),  # [market, band column]
        ("limits_fills", "?"),  # any market has a fill band
        ("limits_closes", "?"),  # any fill band holds for keepers too
        ("reference_volatility", *COLUMN),  # by asset
        ("dt", "f8"),
        ("year", "f8"),
        ("substeps", "i8"),
        ("values_at_mark", "?"),
        ("gain_weight", "f8"),
        ("gain_cap", "f8"),
        ("gains_limited", "?"),
        ("funding_interval", "f8"),
        ("funding_cap", "f8"),
        ("whole", "?"),
        ("keeper_share", "f8"),
        ("guaranteed", "?"),
        ("buffer", "f8"),
        ("minimum_notional", "f8"),
        ("is_maker", "?"),
        ("hedge_ratio", "f8"),
        ("fee_share", "f8"),
        ("fund_event", "f8"),
        ("fund_day", "f8"),
        ("day_steps", "i8"),
        ("adl_rule", "i8"),  # place in ALLOCATIONS
        ("has_vault", "?"),
        ("threshold", "f8"),
        ("vault_margin", "f8"),
        ("unwind", "f8"),
        ("socialises", "?"),
        ("by_position", "i8"),  # 1 + place in BY_POSITION; 0: positions pay no residual
        ("max_rounds", "i8"),
        ("has_keepers", "?"),
        ("at_a_profit", "?"),
        ("latency", "f8"),
        ("capital", "f8"),
        ("turnover", "f8"),
        ("gas", "f8"),
        ("gas_limit", "f8"),
        ("gas_asset", "i8"),  # in whose units gas is paid; 0 without a section [gas]
        ("gas_units", "f8"),  # units of it for one liquidation at a gas price of one gwei
        ("minimum_profit", "f8"),
        ("keeper_key", "u8"),
        ("watches", "?"),
        ("funding_kind", "i8"),
        ("funding", "f8", (FUNDING_NUMBERS,)),  # of a rule that is not by interval
        ("funding_scale", *COLUMN),  # [asset] by market
        ("close_rule", "i8"),
        ("close", "f8", (CLOSE_NUMBERS,)),  # of a liquidation by stages, windows or blocks
        ("impact", "f8", (MOST, IMPACT_NUMBERS)),  # [market, number of an impact by skew]
        *rules_fields(MOST),
        *oracle_fields(MOST),
        ("scales_margin", "?"),  # any market has a margin rule that is not flat
        ("follows_volatility", "?"),  # the margin of any market does
        *OPTION_COLUMNS,
    ]
)


def _record(dtype: np.dtype, **values) -> np.record:
    """One record of `dtype`; every field is given, a column as long as it is."""
    record = np.zeros(1, np.dtype((np.record, dtype)))[0]
    assert set(values) == set(dtype.names or ())
    for name, value in values.items():
        if dtype[name].shape:
            table = np.asarray(value)
            record[name][: len(table)] = table
        else:
            record[name] = value
    return record


def handed_over(record: np.record) -> np.ndarray:
    """`record` as an array of one, in the same memory: what kernels take that are called in every step.

    numba takes over an array in 1 us and a record of this many fields in 13: it asks Python to describe them each time.
    """
    return np.ndarray((1,), record.dtype, buffer=record.data)


def _venue_row(venue, dt: float) -> list[float]:
    if isinstance(venue, LinearPermanentVenue):
        return [0.0, venue.depth, 1.0, 1.0, 0.0, 1.0, venue.coefficient]
    if isinstance(venue, SkewFill | PowerImpact):
        return [SKEW_FILL if isinstance(venue, SkewFill) else POWER, 1e30, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert isinstance(venue, LinearVenue)
    keep = 2.0 ** (-dt / venue.half_life)
    return [1.0, venue.depth, venue.permanent_share, keep, venue.depth_elasticity, venue.depth_floor, 0.0]


def _band_row(venues) -> list[float]:
    band = venues.fill_band
    return [0.0, 0.0, 0.0] if band is None else [band.width, band.beyond == "cut", band.liquidations]


def make_terms(parameters: RiskParameters) -> np.record:
    """The numbers of `parameters`, in the order in which it names markets and currencies."""
    perpetuals, collateral = list(parameters.perpetuals.values()), list(parameters.collateral.values())
    fees, liquidation = parameters.fees, parameters.liquidation
    portfolio = list(parameters.portfolio.model_dump().values()) if parameters.portfolio else [0.0] * 8

    options = np.array([list(part.model_dump().values()) for part in parameters.options.values()], float)
    options = options.reshape(-1, OPTION_TERMS)
    bands = liquidation.loans if isinstance(liquidation.loans, Bands) else None
    laid = np.array([bands is not None and name not in parameters.borrowing for name in parameters.collateral], bool)

    def column(parts, read):
        return np.array([read(part) for part in parts], dtype=float)

    return _record(
        TERMS,
        initial_ratio=column(perpetuals, lambda x: x.least_initial_ratio),
        maintenance_ratio=column(perpetuals, lambda x: x.maintenance_margin_ratio if x.kind == "flat" else 0.0),
        margin=np.array([row_of(part) for part in perpetuals]).reshape(len(perpetuals), ROW),
        counted=column(collateral, lambda x: 1 - x.haircut),
        initial_weight=np.where(laid, 0.0, column(collateral, lambda x: (1 - x.haircut) * x.collateral_factor)),
        maintenance_weight=np.where(laid, 0.0, column(collateral, lambda x: (1 - x.haircut) * x.liquidation_threshold)),
        factor=np.where(laid, bands.borrowing_power if bands else 0.0, column(collateral, lambda x: x.collateral_factor)),
        bonus=column(collateral, lambda x: x.liquidation_bonus),
        debt_weight=column(collateral, lambda x: 1 + x.borrow_weight),
        margin_gap=column(perpetuals, lambda x: x.least_initial_ratio - x.least_maintenance_ratio),
        fee_kind=FEE_KINDS.index(fees.kind),
        fee=fee_numbers(fees),
        fee_flat=fees.flat if isinstance(fees, LinearFee) else 0.0,
        fee_slope=fees.volatility_slope if isinstance(fees, LinearFee) else 0.0,
        fee_cap=fees.cap if isinstance(fees, LinearFee) else 0.0,
        penalty=liquidation.penalty,
        **lending_terms(parameters),
        option=options,
        limits_options=bool((options[:, MOST_OPEN:] < UNLIMITED).any()),
        portfolio=np.array(portfolio),
        has_portfolio=parameters.portfolio is not None,
        stamp=float(hash(tuple(portfolio)) % 2**52 + 1),
    )


def blend(current: P, candidate: P, weight: float) -> P:
    """The part in force `weight` (0 to 1) of the way from `current` to `candidate`: linear in every number.

    Not validated again: the relations among numbers are not convex, and a phase-in passes through what a vote may not set.
    """
    if weight <= 0.0 or candidate == current:
        return current
    if weight >= 1.0:
        return candidate
    return _between(current, candidate, weight)


def _between(low, high, weight):
    """Number by number, through records and tables of records; a name stays what it is."""
    if low is None or isinstance(low, str | int):
        return low
    if isinstance(low, float):
        return low + weight * (high - low)
    if isinstance(low, tuple):
        return tuple(_between(value, other, weight) for value, other in zip(low, high, strict=True))
    if isinstance(low, dict):
        return {name: _between(value, high[name], weight) for name, value in low.items()}
    fields = {name: _between(getattr(low, name), getattr(high, name), weight) for name in type(low).model_fields}
    return type(low).model_construct(**fields)


def make_rules(
    protocol: Protocol,
    parameters: RiskParameters,
    assets: tuple[str, ...],
    reference_volatility: list[float],
    dt: float,
    substeps: int,
    accounts: int,
    keepers,
    keeper_key: np.uint64,
    watches: bool = True,
    gas=None,
) -> np.record:
    """The numbers of `protocol` for the markets and currencies that `parameters` names; `keepers` and `gas` may be None."""
    where = {name: a for a, name in enumerate(assets)}
    currencies, markets = list(parameters.collateral), list(parameters.perpetuals)
    liquidation, backstop, counterparty = protocol.liquidation, protocol.backstop, protocol.counterparty
    partial = liquidation if isinstance(liquidation, PartialLiquidation) else None
    vault = backstop if isinstance(backstop, VaultBackstop) else None
    maker = counterparty if isinstance(counterparty, Maker) else None
    spot = [
        _venue_row(protocol.venues[name].spot, dt) if name in protocol.venues else [1.0, 1e30, 0, 0, 0, 1, 0] for name in assets
    ]
    bands = np.array([_band_row(protocol.venues[name]) for name in markets], float).reshape(len(markets), 3)
    return _record(
        RULES,
        accounts=accounts,
        assets=len(assets),
        markets=len(markets),
        currencies=len(currencies),
        currency_asset=np.array([where[name] for name in currencies], np.int64),
        market_asset=np.array([where[name] for name in markets], np.int64),
        borrowable=np.array([name in parameters.borrowing for name in currencies], np.uint8),
        spot=np.array(spot, float).reshape(len(assets), 7),
        perpetual=np.array([_venue_row(protocol.venues[name].perpetual, dt) for name in markets], float).reshape(len(markets), 7),
        fill_band=bands,
        limits_fills=bool((bands[:, B_WIDTH] > 0.0).any()),
        limits_closes=bool((bands[:, B_CLOSES] > 0.0).any()),
        reference_volatility=np.array(reference_volatility, float),
        dt=dt,
        year=dt / YEAR,
        substeps=substeps,
        values_at_mark=protocol.valuation_price == "mark",
        gain_weight=protocol.gains.weight,
        gain_cap=protocol.gains.cap,
        gains_limited=protocol.gains.weight < 1.0 or protocol.gains.cap < 1e18,
        funding_interval=protocol.funding.interval if isinstance(protocol.funding, IntervalFunding) else 1.0,
        funding_cap=protocol.funding.cap if isinstance(protocol.funding, IntervalFunding) else 0.0,
        whole=partial is None,
        keeper_share=liquidation.keeper_share,
        guaranteed=liquidation.guaranteed,
        buffer=partial.buffer if partial else 0.0,
        minimum_notional=partial.minimum_notional if partial else 0.0,
        is_maker=maker is not None,
        hedge_ratio=maker.hedge_ratio if maker else 0.0,
        fee_share=protocol.fund.fee_share,
        fund_event=1e30 if protocol.fund.most_per_event is None else protocol.fund.most_per_event,
        fund_day=1e30 if protocol.fund.most_per_day is None else protocol.fund.most_per_day,
        day_steps=max(round(DAY / dt), 1),
        adl_rule=ALLOCATIONS.index(vault.allocation) if vault else QUEUE,
        has_vault=vault is not None,
        threshold=vault.threshold if vault else 0.0,
        vault_margin=vault.margin if vault else 1.0,
        unwind=1.0 - 2.0 ** (-dt / vault.unwind_half_life) if vault else 0.0,
        socialises=protocol.residual == "socialised",
        by_position=BY_POSITION.index(protocol.residual) + 1 if protocol.residual in BY_POSITION else 0,
        max_rounds=protocol.max_rounds,
        has_keepers=keepers is not None,
        at_a_profit=keepers is not None and keepers.acts == "at-a-profit",
        latency=keepers.latency if keepers else 0.0,
        capital=keepers.capital if keepers else 0.0,
        turnover=keepers.turnover if keepers else 1.0,
        gas=keepers.gas if keepers else 0.0,
        gas_limit=keepers.gas_limit if keepers else 0.0,
        gas_asset=where[gas.asset] if gas else 0,
        gas_units=gas.gas_per_liquidation * GWEI if gas else 0.0,
        minimum_profit=keepers.minimum_profit if keepers else 0.0,
        keeper_key=keeper_key,
        watches=watches,
        funding_kind=FUNDING_KINDS.index(protocol.funding.kind),
        funding=funding_numbers(protocol.funding),
        funding_scale=np.array([funding_scale(protocol.funding, protocol.venues[name].perpetual) for name in markets], float),
        close_rule=CLOSE_RULES.index(liquidation.kind),
        close=close_numbers(liquidation, dt),
        impact=np.array([impact_numbers(protocol.venues[name].perpetual) for name in markets]).reshape(-1, IMPACT_NUMBERS),
        **lending_rules(protocol.lending, parameters),
        **oracle_rules(protocol, assets, dt),
        scales_margin=any(part.kind != "flat" for part in parameters.perpetuals.values()),
        follows_volatility=any(part.kind == "volatility-scaled" for part in parameters.perpetuals.values()),
        **option_rules(protocol.options, parameters, where, markets, dt),
    )
