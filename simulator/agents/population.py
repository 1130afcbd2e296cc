"""Who is there at load: one line an account, the same on every path, from a distribution or from a file of accounts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.agents.accounts_file import read_accounts
from simulator.agents.lending import Borrowers, Suppliers
from simulator.agents.options import OPTION_COHORTS, OptionCohort
from simulator.agents.perp_traders import PerpTraders
from simulator.kernel import kernel, normal, stream, uniform_pair


@dataclass(frozen=True)
class Population:
    """Traits of one cohort's accounts, arrays [account of the cohort]."""

    wealth: np.ndarray  # [usd]
    appetite: np.ndarray  # leverage, or share of the borrowing power; 1 for suppliers
    side: np.ndarray  # [account, market]: +1 long, -1 short, 0 flat at load; one column of 0 or 1 for the others

    def __len__(self) -> int:
        return len(self.wealth)


def make_population(
    cohort: PerpTraders | Borrowers | Suppliers | OptionCohort, seed: int, folder: Path | None = None
) -> Population:
    """The accounts of `cohort`: drawn under `seed` (account j's draws depend on j alone), or read from its file in `folder`.

    Raises AccountsFileError with one line per problem of the file.
    """
    if isinstance(cohort, OPTION_COHORTS):
        return _drawn(cohort, seed, cohort.wealth, cohort.span, 0.0, 1.0)
    if isinstance(cohort, Suppliers):
        return _drawn(cohort, seed, cohort.wealth, None, 1.0, 1.0)
    if cohort.file is not None:
        return _read(cohort, (folder or Path()) / cohort.file)
    assert cohort.wealth is not None
    if isinstance(cohort, PerpTraders):
        return _drawn(cohort, seed, cohort.wealth, cohort.leverage, cohort.open_share, cohort.long_share)
    return _drawn(cohort, seed, cohort.wealth, cohort.use, cohort.open_share, 1.0)


def _drawn(cohort, seed, wealth, span, open_share, long_share) -> Population:
    key = stream(seed, "population", cohort.name)
    n = cohort.accounts
    columns = len(cohort.markets) if isinstance(cohort, PerpTraders) else 1
    first = _pairs(key, n, 0)
    low, high = (span.low, span.high) if span else (1.0, 1.0)
    appetite = [low * (high / low) ** u for u in first[:, 1].tolist()]
    worth = [wealth.median * math.exp(wealth.sigma * normal(u)) for u in first[:, 0].tolist()]
    side = np.zeros((n, columns))
    for m in range(columns):
        u, v = _pairs(key, n, 1 + m).T
        side[:, m] = np.where(u >= open_share, 0.0, np.where(v < long_share, 1.0, -1.0))
    return Population(np.array(worth), np.array(appetite), side)


@kernel
def _pairs(key, n, slot):
    """[account, 2] uniforms of the first n accounts."""
    out = np.empty((n, 2))
    for j in range(n):
        out[j, 0], out[j, 1] = uniform_pair(key, 0, j, 0, slot)
    return out


def _read(cohort, path: Path) -> Population:
    trading = isinstance(cohort, PerpTraders)
    table = np.array(read_accounts(path, ("wealth", "leverage", "side") if trading else ("wealth", "use")))
    if not trading:
        return Population(table[:, 0].copy(), np.maximum(table[:, 1], 1e-9), (table[:, 1:] > 0).astype(float))
    side = np.zeros((len(table), len(cohort.markets)))
    side[:, 0] = table[:, 2]
    return Population(table[:, 0].copy(), table[:, 1].copy(), side)
