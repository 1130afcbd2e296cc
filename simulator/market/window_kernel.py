"""The loops that lay rows of history into paths."""

from __future__ import annotations

import numpy as np

from simulator.kernel import kernel, uniform_pair
from simulator.market.draws import exponential
from simulator.market.path_kernel import annualise, between, move
from simulator.market.step_law import CHUNK


@kernel
def resample(key, first, n, chance, rows):
    """Rows [step, path] of a stationary block bootstrap of `n` rows: a new block with probability `chance`, else the next row."""
    for i in range(rows.shape[1]):
        row = 0
        for step in range(rows.shape[0]):
            u, v = uniform_pair(key, step, 0, first + i, 0)
            row = min(int(v * n), n - 1) if step == 0 or u < chance else (row + 1) % n
            rows[step, i] = row


@kernel
def fill_from_rows(price, volatility, key, first, rows, returns, variance, decay, copula, initial, per_year):
    """Paths whose step `t` has the log returns of `rows[t, path]`; volatility is exponentially weighted over their own past."""
    steps, assets, paths = volatility.shape
    substeps = (price.shape[0] - 1) // steps
    for at in range(0, paths, CHUNK):
        n = min(CHUNK, paths - at)
        h, e, level, still = np.empty((assets, n)), np.empty((assets, n)), np.zeros((assets, n)), np.zeros((assets, n))
        moments, work = np.zeros((assets, substeps, n)), np.empty((5, n))
        no_factor, no_base = np.empty((0, 0, 0)), np.full(assets, -1)
        for a in range(assets):
            for i in range(n):
                h[a, i] = variance[a]
                price[0, a, at + i] = initial[a]
        for step in range(steps):
            for a in range(assets):
                annualise(h[a], still[a], per_year, volatility[step, a, at : at + n])
                for i in range(n):
                    e[a, i] = returns[rows[step, at + i], a]
            if substeps > 1:
                between(
                    price, key, step, first, at, (copula, False, no_factor), no_base, initial, h, e, level, still, moments, work
                )
            for a in range(assets):
                move(level[a], still[a], e[a], still[a])
                exponential(level[a], initial[a], work[0], work[1], price[(step + 1) * substeps, a, at : at + n])
                for i in range(n):
                    h[a, i] = decay * h[a, i] + (1.0 - decay) * (e[a, i] * e[a, i])
