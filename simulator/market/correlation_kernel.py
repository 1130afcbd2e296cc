"""Correlation that moves, path by path: DCC, convergence, and the factor that a step's normals are mixed with."""

import numpy as np

from simulator.kernel import rule
from simulator.market.step_law import CONVERGING, DCC


@rule
def start_correlation(matrix, q):
    """Every path at the market's own matrix, into `q` [asset, asset, path]."""
    for a in range(q.shape[0]):
        for b in range(q.shape[1]):
            for i in range(q.shape[2]):
                q[a, b, i] = matrix[a, b]


@rule
def step_correlation(copula, q, c, pulled, r):
    """The correlation of a step into `r` [asset, asset, path] from the states `q` (DCC) and `c` (converging).

    `pulled` is the share by which every pair is drawn to one on top.
    """
    assets, n = r.shape[0], r.shape[2]
    for a in range(assets):
        for b in range(a + 1):
            for i in range(n):
                value = copula.matrix[a, b]
                if copula.dynamics == DCC:
                    value = q[a, b, i] / np.sqrt(q[a, a, i] * q[b, b, i])
                kept = 1.0 - pulled
                if copula.dynamics == CONVERGING:
                    kept *= 1.0 - c[i] * copula.moving[2]
                r[a, b, i] = 1.0 if a == b else kept * value + (1.0 - kept)


@rule
def mean_correlation(r, out):
    """Mean over pairs of `r` [asset, asset, path] into `out` [path]."""
    assets, n = r.shape[0], r.shape[2]
    pairs = max(0.5 * assets * (assets - 1), 1.0)
    for i in range(n):
        total = 0.0
        for a in range(1, assets):
            for b in range(a):
                total += r[a, b, i]
        out[i] = total / pairs


@rule
def factorise(r):
    """The lower Cholesky factor of every path's matrix, in place; a pivot at zero gives a zero column."""
    assets, n = r.shape[0], r.shape[2]
    for a in range(assets):
        for b in range(a + 1):
            for k in range(b):
                for i in range(n):
                    r[a, b, i] -= r[a, k, i] * r[b, k, i]
            for i in range(n):
                if a == b:
                    r[a, a, i] = np.sqrt(max(r[a, a, i], 0.0))
                else:
                    r[a, b, i] = r[a, b, i] / r[b, b, i] if r[b, b, i] > 0.0 else 0.0


@rule
def mix_each(z, factor):
    """As `mix`, with every path's own factor [asset, asset, path]."""
    for a in range(z.shape[0] - 1, -1, -1):
        for i in range(z.shape[1]):
            z[a, i] *= factor[a, a, i]
        for b in range(a):
            for i in range(z.shape[1]):
                z[a, i] += factor[a, b, i] * z[b, i]


@rule
def learn_correlation(copula, w, q):
    """Engle's recursion of `q` after the normal scores w [asset, path] of a step."""
    alpha, beta = copula.moving[0], copula.moving[1]
    for a in range(w.shape[0]):
        for b in range(a + 1):
            own = (1.0 - alpha - beta) * copula.matrix[a, b]
            for i in range(w.shape[1]):
                q[a, b, i] = own + alpha * (w[a, i] * w[b, i]) + beta * q[a, b, i]


@rule
def converge(copula, h, level, c):
    """Move `c` [path] toward what the common variance asks: mean over assets of h over its stationary level [asset, path]."""
    starts, full, kept = copula.moving[0], copula.moving[1], copula.moving[3]
    for i in range(c.shape[0]):
        total, count = 0.0, 0.0
        for a in range(h.shape[0]):
            if copula.moves[a]:
                total += h[a, i] / level[a, i]
                count += 1.0
        wanted = min(max((total / count - starts) / (full - starts), 0.0), 1.0)
        c[i] = kept * c[i] + (1.0 - kept) * wanted
