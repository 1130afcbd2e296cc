"""What the accounts of a scenario hold at load by their own wish: by what a promise of capital efficiency is weighed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.agents import Borrowers, Cohort, PerpTraders, Suppliers
from simulator.agents.population import Population, make_population


@dataclass(frozen=True)
class Loans:
    """Borrowers of one cohort [usd]: what they deposit at load, and the currencies that they owe in equal shares."""

    collateral: str
    debts: tuple[str, ...]
    deposited: float


@dataclass(frozen=True)
class Book:
    """Positions that traders want in every market, open interest of its fuller side, deposits of every currency [usd]."""

    prices: dict[str, float]  # [usd] at load
    positions: dict[str, np.ndarray]  # [account] appetite x wealth / markets, of those flat at load too
    open_interest: dict[str, float]
    deposits: dict[str, float]
    loans: tuple[Loans, ...]


def book_of(cohorts: Sequence[Cohort], seed: int, folder: Path, prices: dict[str, float]) -> Book:
    """The book of all cohorts but those that deal in options. Raises AccountsFileError."""
    wanted: dict[str, list[np.ndarray]] = defaultdict(list)
    sides: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))  # long, short [usd]
    deposits: dict[str, float] = defaultdict(float)
    loans: list[Loans] = []
    for cohort in cohorts:
        if isinstance(cohort, PerpTraders):
            people = make_population(cohort, seed, folder)
            worth = people.appetite * people.wealth / len(cohort.markets)
            for m, market in enumerate(cohort.markets):
                wanted[market].append(worth)
                sides[market] += [worth[people.side[:, m] * way > 0].sum() for way in (1.0, -1.0)]
            if cohort.collateral is not None:
                deposits[cohort.collateral] += _deposited(people)
        elif isinstance(cohort, Borrowers):
            deposited = _deposited(make_population(cohort, seed, folder))
            deposits[cohort.collateral] += deposited
            loans.append(Loans(cohort.collateral, cohort.debts, deposited))
        elif isinstance(cohort, Suppliers):
            deposits[cohort.asset] += _deposited(make_population(cohort, seed, folder))
    return Book(
        prices=prices,
        positions={market: np.concatenate(worths) for market, worths in wanted.items()},
        open_interest={market: float(both.max()) for market, both in sides.items()},
        deposits=dict(deposits),
        loans=tuple(loans),
    )


def _deposited(people: Population) -> float:
    """[usd] what all put in who are there at load."""
    return float(people.wealth[np.abs(people.side).sum(axis=1) > 0].sum())
