"""The loops that lay rows of history into paths."""

from __future__ import annotations

import math

import numpy as np

from simulator.kernel import kernel, rule, uniform, uniform_pair
from simulator.market.draws import exponential
from simulator.market.path_kernel import annualise, between, compensate, grow, move, recur, recur_logarithm, scale_up
from simulator.market.step_law import CHUNK, EXPONENTIAL
from simulator.market.tables import HIGHEST_VARIANCE

FARTHEST = 60.0  # of a log variance: beyond it a filter has lost its way, and exp would overflow


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
def choose(key, pulled, first, joined):
    """[step, path] whether all assets move by the rank of the first: with probability `pulled[step]`."""
    for step in range(pulled.shape[0]):
        for i in range(joined.shape[1]):
            joined[step, i] = pulled[step] > 0.0 and uniform(key, step, 0, first + i, 0) < pulled[step]


@rule
def place_rows(values, rows, joined, ranked, a, step, at, out):
    """`out[i]` = `values[row, a]` of the step's row, or of the row that ranks in asset `a` as it does in the first."""
    for i in range(out.shape[0]):
        row = rows[step, at + i]
        if joined.shape[0] > 0 and joined[step, at + i]:
            row = ranked[row, a]
        out[i] = values[row, a]


@kernel
def fill_from_rows(price, volatility, key, first, drawn, returns, variance, decay, copula, initial, per_year, pressed):
    """Paths whose step `t` has the log returns of `rows[t, path]`; volatility is exponentially weighted over their own past.

    `drawn`: rows, joined, ranked (see `choose`, `place_rows`). `pressed`: multiplier and shift [step, asset] of the returns that
    move prices; volatility is multiplied too, and learns from the returns without.
    """
    steps, assets, paths = volatility.shape
    substeps = (price.shape[0] - 1) // steps
    (rows, joined, ranked), (multiplier, shift) = drawn, pressed
    for at in range(0, paths, CHUNK):
        n = min(CHUNK, paths - at)
        h, e, level, still = np.empty((assets, n)), np.empty((assets, n)), np.zeros((assets, n)), np.zeros((assets, n))
        moments, work, calm, wide = (
            np.zeros((assets, substeps, n)),
            np.empty((5, n)),
            np.empty((assets, n)),
            np.empty((assets, n)),
        )
        no_factor, no_base = np.empty((0, 0, 0)), np.full(assets, -1)
        for a in range(assets):
            for i in range(n):
                h[a, i] = variance[a]
                price[0, a, at + i] = initial[a]
        for step in range(steps):
            for a in range(assets):
                m = multiplier[step, a]
                place_rows(returns, rows, joined, ranked, a, step, at, calm[a])
                for i in range(n):
                    wide[a, i] = h[a, i] * (m * m)
                    e[a, i] = calm[a, i] * m + shift[step, a]
                annualise(wide[a], still[a], per_year, volatility[step, a, at : at + n])
            if substeps > 1:
                tied = (copula, False, no_factor)
                between(price, key, step, first, at, tied, no_base, initial, wide, e, level, still, moments, work)
            for a in range(assets):
                move(level[a], still[a], e[a], still[a])
                exponential(level[a], initial[a], work[0], work[1], price[(step + 1) * substeps, a, at : at + n])
                for i in range(n):
                    h[a, i] = decay * h[a, i] + (1.0 - decay) * (calm[a, i] * calm[a, i])


@kernel
def fill_filtered(
    price, volatility, key, first, drawn, residuals, start, family, recursion, cumulants, copula, initial, per_year, spike
):
    """Filtered historical simulation: rows of standardised residuals times the volatility that each path has made itself.

    `family` [asset]: LINEAR or EXPONENTIAL; `recursion` [asset, 7]: omega, alpha, gamma, beta, E|z|, ceiling, drift of a step;
    `cumulants` [asset, table position] of the residuals of each asset; `spike` [step, asset] multiplies diffusive returns and
    feeds no recursion.
    """
    steps, assets, paths = volatility.shape
    substeps = (price.shape[0] - 1) // steps
    rows, joined, ranked = drawn
    for at in range(0, paths, CHUNK):
        n = min(CHUNK, paths - at)
        h, e, level, still = np.empty((assets, n)), np.empty((assets, n)), np.zeros((assets, n)), np.zeros((assets, n))
        moments, work, growth, wide = (
            np.zeros((assets, substeps, n)),
            np.empty((5, n)),
            np.empty((assets, n)),
            np.empty((assets, n)),
        )
        no_factor, no_base, no_offset = np.empty((0, 0, 0)), np.full(assets, -1), np.zeros(n, np.int64)
        constants = np.empty((assets, 7, n))
        for a in range(assets):
            for i in range(n):
                h[a, i] = start[a]
                price[0, a, at + i] = initial[a]
                for f in range(7):
                    constants[a, f, i] = recursion[a, f]
        for step in range(steps):
            for a in range(assets):
                m = spike[step, a]
                for i in range(n):
                    wide[a, i] = min(h[a, i] * (m * m), HIGHEST_VARIANCE)
                annualise(wide[a], still[a], per_year, volatility[step, a, at : at + n])
                compensate(wide[a], constants[a, 6], no_offset, cumulants[a], work[0], work[1], growth[a])
                place_rows(residuals, rows, joined, ranked, a, step, at, e[a])
                scale_up(wide[a], e[a])
            if substeps > 1:
                tied = (copula, False, no_factor)
                between(price, key, step, first, at, tied, no_base, initial, wide, e, level, growth, moments, work)
            for a in range(assets):
                move(level[a], growth[a], e[a], still[a])
                exponential(level[a], initial[a], work[0], work[1], price[(step + 1) * substeps, a, at : at + n])
                if spike[step, a] != 1.0:
                    grow(e[a], 1.0 / spike[step, a])
                own = constants[a]
                if family[a] == EXPONENTIAL:
                    recur_logarithm(h[a], e[a], own[0], own[1], own[2], own[3], own[4], own[5], work[0], work[1], work[2])
                else:
                    recur(h[a], e[a], own[0], own[1], own[2], own[3], own[5])


@kernel
def filtered_variances(returns, omega, alpha, gamma, beta, start, h):
    """Variances `h` [row + 1] that a GJR recursion gives centred returns [row], from `start` on; the last is that of today."""
    h[0] = start
    for row in range(returns.shape[0]):
        e = returns[row]
        h[row + 1] = omega + (alpha + (gamma if e < 0.0 else 0.0)) * (e * e) + beta * h[row]


@kernel
def filtered_logarithms(returns, constant, alpha, gamma, beta, start, h):
    """As `filtered_variances`, of an EGARCH recursion: log h[t+1] = constant + alpha |z| + gamma z + beta log h[t]."""
    level = math.log(start)
    h[0] = start
    for row in range(returns.shape[0]):
        z = returns[row] / math.sqrt(h[row])
        level = min(max(constant + alpha * abs(z) + gamma * z + beta * level, -FARTHEST), FARTHEST)
        h[row + 1] = math.exp(level)
