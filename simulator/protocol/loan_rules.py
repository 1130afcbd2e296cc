"""What kernels read of lending: columns of `TERMS` and `RULES`, and how they are filled from the frozen parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.parameters import UNLIMITED, RiskParameters
from simulator.protocol.interest.accrual import MODES
from simulator.protocol.interest.curves import ROW, row_of
from simulator.protocol.lending import Lending
from simulator.terms.loan_liquidation import SPAN, AbsorbAndResale, Bands, IncentiveFactor, ReverseDutch
from simulator.terms.rate_curves import Overdraft

CLOSE_FACTOR, ABSORB, INCENTIVE, REVERSE_DUTCH, BANDS = range(5)  # shapes of a loan's liquidation
SHAPES = {
    None: CLOSE_FACTOR,
    "absorb-and-resale": ABSORB,
    "incentive-factor": INCENTIVE,
    "reverse-dutch": REVERSE_DUTCH,
    "bands": BANDS,
}


def terms_fields(most: int) -> list[tuple]:
    """Fields of `TERMS`; columns by currency, those of categories by category."""
    column = ("f8", (most,))
    return [
        ("curve", "f8", (most, ROW)),  # as `interest.curves.rates` reads it
        ("initial_rate", *column),  # of an adaptive curve at its target, at load
        ("reserve_factor", *column),
        ("charges_overdraft", "?"),
        ("overdraft", "f8", (5,)),  # of negative cash: a jump rate, and the fund's share
        ("supply_cap", *column),
        ("borrow_cap", *column),
        ("debt_ceiling", *column),
        ("liquidation_factor", *column),
        ("category_factor", *column),
        ("category_threshold", *column),
        ("category_bonus", *column),
        ("close_factor", "f8"),
        ("full_below", "f8"),
        ("full_below_value", "f8"),
        ("least_leftover", "f8"),
        ("protocol_share", "f8"),
        ("storefront", "f8"),
        ("target_reserves", "f8"),
        ("cursor", "f8"),
        ("most_incentive", "f8"),
        ("most_discount", "f8"),
        ("band_fee", "f8"),
        ("band_fee_delay", "f8"),
        ("loan_discount", "f8"),
        ("liquidation_discount", "f8"),
    ]


def rules_fields(most: int) -> list[tuple]:
    """Fields of `RULES`."""
    return [
        ("loan_shape", "i8"),
        ("absorbs", "?"),
        ("base_currency", "i8"),  # the only currency that may be borrowed, where loans are absorbed
        ("accrual", "i8"),
        ("bands", "i8"),  # of a loan whose cohort does not say; 0: loans lie in no bands
        ("amplification", "f8"),
        ("band_rows", "i8"),  # bands of one market
        ("categories", "i8"),  # how many there are
        ("category", "i8", (most,)),  # of each currency; -1: none
        ("isolation_debt", "u1", (most,)),  # by currency: may be borrowed in isolation
        ("silos", "?"),  # any currency is siloed
        ("siloed", "u1", (most,)),  # by currency
    ]


def lending_terms(parameters: RiskParameters) -> dict[str, Any]:
    """The numbers of lending in `parameters`, in the order in which it names currencies and categories."""
    collateral = list(parameters.collateral.values())
    pools = [parameters.borrowing.get(name) for name in parameters.collateral]
    categories, overdraft = list(parameters.categories.values()), parameters.overdraft
    liquidation, loans = parameters.liquidation, parameters.liquidation.loans
    absorb = loans if isinstance(loans, AbsorbAndResale) else None
    bands = loans if isinstance(loans, Bands) else None
    incentive = loans if isinstance(loans, IncentiveFactor) else None
    return {
        "curve": np.array([np.zeros(ROW) if pool is None else row_of(pool) for pool in pools]).reshape(len(pools), ROW),
        "initial_rate": [getattr(pool, "initial_rate", 0.0) for pool in pools],
        "reserve_factor": [getattr(pool, "reserve_factor", 0.0) for pool in pools],
        "charges_overdraft": overdraft is not None,
        "overdraft": _overdraft_numbers(overdraft) if overdraft else [0.0] * 5,
        "supply_cap": [part.supply_cap for part in collateral],
        "borrow_cap": [UNLIMITED if pool is None else pool.borrow_cap for pool in pools],
        "debt_ceiling": [part.debt_ceiling for part in collateral],
        "liquidation_factor": [part.liquidation_factor for part in collateral],
        "category_factor": [part.collateral_factor for part in categories],
        "category_threshold": [part.liquidation_threshold for part in categories],
        "category_bonus": [part.liquidation_bonus for part in categories],
        "close_factor": liquidation.close_factor,
        "full_below": liquidation.full_below_health,
        "full_below_value": liquidation.full_below_value,
        "least_leftover": liquidation.least_leftover,
        "protocol_share": liquidation.protocol_share,
        "storefront": absorb.storefront_factor if absorb else 0.0,
        "target_reserves": absorb.target_reserves if absorb else 0.0,
        "cursor": incentive.cursor if incentive else 0.0,
        "most_incentive": incentive.most if incentive else 1.0,
        "most_discount": loans.most_discount if isinstance(loans, ReverseDutch) else 0.0,
        "band_fee": bands.fee if bands else 0.0,
        "band_fee_delay": bands.fee_delay if bands else 0.0,
        "loan_discount": bands.loan_discount if bands else 0.0,
        "liquidation_discount": bands.liquidation_discount if bands else 0.0,
    }


def _overdraft_numbers(part: Overdraft) -> list[float]:
    return [part.base_rate, part.slope, part.jump, part.kink, part.reserve_factor]


def lending_rules(lending: Lending, parameters: RiskParameters) -> dict[str, Any]:
    """The fixed rules of lending for the currencies that `parameters` names."""
    loans, currencies = parameters.liquidation.loans, list(parameters.collateral)
    shape = SHAPES[loans.kind if loans else None]
    members = [set(lending.categories.get(name, ())) for name in parameters.categories]
    category = [next((g for g, names in enumerate(members) if name in names), -1) for name in currencies]
    base = next((currencies.index(name) for name in parameters.borrowing), 0)
    bands = loans if isinstance(loans, Bands) else None
    return {
        "bands": bands.bands if bands else 0,
        "amplification": bands.amplification if bands else 1.0,
        "band_rows": 2 * SPAN * bands.amplification + bands.bands if bands else 0,
        "loan_shape": shape,
        "absorbs": shape == ABSORB,
        "base_currency": base,
        "accrual": MODES[lending.accrual],
        "categories": len(members),
        "category": category,
        "isolation_debt": [name in lending.borrowable_in_isolation for name in currencies],
        "silos": bool(lending.siloed),
        "siloed": [name in lending.siloed for name in currencies],
    }
