"""The loop that fills paths: draws, copula, innovations, jumps, recursion, bridge, exponential.

Paths go by in chunks small enough for the cache, the path loop innermost and contiguous, so that most loops compile to
vector code. Nothing depends on where a chunk begins: every draw is a function of its own coordinates, and every operation
on a path touches that path alone.
"""

import numpy as np

from simulator.kernel import kernel, rule
from simulator.market.draws import DEGREE, ROUNDER, exponential, quantiles, uniforms
from simulator.market.jump_kernel import jump
from simulator.market.step_law import CHUNK, NO_JUMPS
from simulator.market.tables import (
    CUMULANT_BASE,
    CUMULANT_LEFT,
    CUMULANT_SHIFT,
    HIGHEST_VARIANCE,
    LOWEST_VARIANCE,
    REACH,
    SEGMENTS,
    WIDTH,
)

LAST = REACH - 1e-9
SEGMENT_MASK = np.int64(SEGMENTS - 1)


@rule
def mix(z, factor):
    """Correlate rows of independent normals in place: z[a] <- sum over b <= a of factor[a, b] z[b]."""
    for a in range(z.shape[0] - 1, -1, -1):
        for i in range(z.shape[1]):
            z[a, i] *= factor[a, a]
        for b in range(a):
            for i in range(z.shape[1]):
                z[a, i] += factor[a, b] * z[b, i]


@rule
def innovate(z, offset, table, position, d, out):
    """Innovations at standard normals z: `out[i]` from the table of path i. `position`, `d` are scratch."""
    position_bits = position.view(np.int64)
    for i in range(z.shape[0]):
        w = max(min(z[i], LAST), -REACH) + REACH
        position[i] = (w * (1.0 / WIDTH) - 0.5) + ROUNDER
        d[i] = w - (position[i] - ROUNDER) * WIDTH
    for i in range(z.shape[0]):
        at = offset[i] + (position_bits[i] & SEGMENT_MASK) * (DEGREE + 1)
        x = table[at + 5] * d[i] + table[at + 4]
        x = ((x * d[i] + table[at + 3]) * d[i] + table[at + 2]) * d[i] + table[at + 1]
        out[i] = x * d[i] + table[at]


@rule
def compensate(h, drift, offset, table, held, left, out):
    """Growth of the log price in a step with variance h: drift less log E[exp(innovation part)]. `held`, `left` are scratch."""
    held_bits = held.view(np.int64)
    left_bits = left.view(np.int64)
    for i in range(h.shape[0]):
        held[i] = max(min(h[i], HIGHEST_VARIANCE), LOWEST_VARIANCE)
    for i in range(h.shape[0]):
        left_bits[i] = held_bits[i] & CUMULANT_LEFT
    for i in range(h.shape[0]):
        at = offset[i] + ((held_bits[i] >> CUMULANT_SHIFT) - CUMULANT_BASE) * (DEGREE + 1)
        d = held[i] - left[i]
        x = table[at + 5] * d + table[at + 4]
        x = ((x * d + table[at + 3]) * d + table[at + 2]) * d + table[at + 1]
        out[i] = drift[i] - (x * d + table[at]) * h[i]


@rule
def compensate_normal(h, drift, out):
    """As `compensate`, for normal innovations: log E[exp] = h / 2."""
    for i in range(h.shape[0]):
        out[i] = drift[i] - 0.5 * h[i]


@rule
def copy(source, out):
    """`out[i] = source[i]`."""
    for i in range(out.shape[0]):
        out[i] = source[i]


@rule
def annualise(h, jump_variance, per_year, out):
    """Annualised standard deviation known at the start of a step."""
    for i in range(h.shape[0]):
        out[i] = np.sqrt((h[i] + jump_variance[i]) * per_year)


@rule
def scale_up(h, x):
    """Innovations to shocks, in place: e = sqrt(h) z."""
    for i in range(h.shape[0]):
        x[i] *= np.sqrt(h[i])


@rule
def recur(h, e, omega, alpha, gamma, beta, ceiling):
    """GJR variance of the next step, from the diffusive shock alone (Glosten, Jagannathan, Runkle 1993)."""
    for i in range(h.shape[0]):
        fall = gamma[i] if e[i] < 0.0 else 0.0
        h[i] = min(omega[i] + (alpha[i] + fall) * (e[i] * e[i]) + beta[i] * h[i], ceiling[i])


@rule
def bridge(position, e, h, z, substep, substeps):
    """One substep of the Brownian bridge from 0 to the shock e with the step's own variance h, in place."""
    left = float(substeps - substep)
    spread = (left - 1.0) / (left * substeps)
    for i in range(h.shape[0]):
        position[i] += (e[i] - position[i]) / left + np.sqrt(h[i] * spread) * z[i]


@kernel
def smallest(counts):
    """[asset] the smallest first threshold of any draw."""
    out = np.empty(counts.shape[0])
    for a in range(counts.shape[0]):
        out[a] = counts[a, 0, 0]
        for draw in range(1, counts.shape[1]):
            out[a] = min(out[a], counts[a, draw, 0])
    return out


@kernel
def gather(source, draw):
    """[asset, path] from `source` [asset, draw]: each path's own parameters, side by side."""
    out = np.empty((source.shape[0], draw.shape[0]), source.dtype)
    for a in range(source.shape[0]):
        for i in range(draw.shape[0]):
            out[a, i] = source[a, draw[i]]
    return out


@rule
def draw_steps(key, step, first, copula, innovation, innovations, z, counts, work):
    """Innovations of unit variance into `z[asset]`, and where the numbers of jumps stand into `counts[asset]`."""
    for a in range(z.shape[0]):
        uniforms(key, step, a, first, 0, work[0], counts[a])
        if copula.independent:
            quantiles(work[0], z[a], work[1], work[2], innovation[a], innovations)
        else:
            quantiles(work[0], z[a], work[1], work[2], copula.no_offset, copula.normal_table)
            quantiles(counts[a], work[3], work[1], work[2], copula.no_offset, copula.normal_table)
            copy(work[3], counts[a])
    if copula.independent:
        return
    mix(z, copula.factor)
    mix(counts, copula.factor)
    for a in range(z.shape[0]):
        if not copula.is_normal[a]:
            innovate(z[a], innovation[a], innovations, work[1], work[2], z[a])


@rule
def draw_bridge(key, step, first, n, copula, even, odd, work):
    """Correlated standard normals of two substeps into `even[asset]` and `odd[asset]`."""
    for a in range(even.shape[0]):
        uniforms(key, step, a, first, n, work[0], work[3])
        quantiles(work[0], even[a], work[1], work[2], copula.no_offset, copula.normal_table)
        quantiles(work[3], odd[a], work[1], work[2], copula.no_offset, copula.normal_table)
    if not copula.independent:
        mix(even, copula.factor)
        mix(odd, copula.factor)


@kernel
def fill_chunk(price, volatility, keys, first, at, draw, start, law):
    """All steps of paths `at` .. `at + n - 1` of a block whose path 0 has the id `first`; n is the length of `draw`."""
    assets, n = start.shape
    steps = volatility.shape[0]
    substeps = (price.shape[0] - 1) // steps
    omega, alpha, gamma, beta = gather(law.omega, draw), gather(law.alpha, draw), gather(law.gamma, draw), gather(law.beta, draw)
    ceiling = gather(law.ceiling, draw)
    drift, jump_variance = gather(law.drift, draw), gather(law.jump_variance, draw)
    innovation, cumulant = gather(law.innovation, draw), gather(law.cumulant, draw)
    h, e, level, growth = start.copy(), np.empty((assets, n)), np.zeros((assets, n)), np.empty((assets, n))
    counts, jumped, work = np.empty((assets, n)), np.zeros((assets, n)), np.empty((4, n))
    moments = np.zeros((assets, substeps, n))
    jumps, least = law.jumps, smallest(law.jumps.counts)
    for a in range(assets):
        for i in range(at, at + n):
            price[0, a, i] = law.price[a]
    for step in range(steps):
        draw_steps(keys.steps, step, first + at, law.copula, innovation, law.innovations, e, counts, work)
        for a in range(assets):
            annualise(h[a], jump_variance[a], law.per_year, volatility[step, a, at : at + n])
            if jumps.kind[a] != NO_JUMPS:
                jump(counts[a], least[a], jumps, a, draw, keys.jumps, step, first + at, jumped[a], moments[a])
            if law.copula.is_normal[a]:
                compensate_normal(h[a], drift[a], growth[a])
            else:
                compensate(h[a], drift[a], cumulant[a], law.cumulants, work[0], work[1], growth[a])
            scale_up(h[a], e[a])
        if substeps > 1:
            between(price, keys.bridge, step, first, at, law.copula, law.price, h, e, level, growth, moments, work)
        for a in range(assets):
            move(level[a], growth[a], e[a], jumped[a])
            exponential(level[a], law.price[a], work[0], work[1], price[(step + 1) * substeps, a, at : at + n])
            recur(h[a], e[a], omega[a], alpha[a], gamma[a], beta[a], ceiling[a])


@rule
def move(level, growth, e, jumped):
    """The log price at the end of a step, in place."""
    for i in range(level.shape[0]):
        level[i] += growth[i] + e[i] + jumped[i]


@kernel
def between(price, key, step, first, at, copula, initial, h, e, level, growth, moments, work):
    """The substeps inside one market step: growth even in time, shocks by a bridge, jumps where they fall."""
    assets, n = h.shape
    substeps = moments.shape[1]
    position, jumped = np.zeros((assets, n)), np.zeros((assets, n))
    even, odd = np.empty((assets, n)), np.empty((assets, n))
    for substep in range(substeps - 1):
        if substep % 2 == 0:
            draw_bridge(key, step, first + at, substep // 2, copula, even, odd, work)
        z = even if substep % 2 == 0 else odd
        share = (substep + 1) / substeps
        for a in range(assets):
            bridge(position[a], e[a], h[a], z[a], substep, substeps)
            for i in range(n):
                jumped[a, i] += moments[a, substep, i]
                work[2, i] = level[a, i] + share * growth[a, i] + position[a, i] + jumped[a, i]
            exponential(work[2], initial[a], work[0], work[1], price[step * substeps + substep + 1, a, at : at + n])


@kernel
def fill(price, volatility, keys, first, draw, start, law):
    """Fill `price` [substep + 1, asset, path] and `volatility` [step, asset, path] from `start` [asset, path], `draw` [path]."""
    for at in range(0, draw.shape[0], CHUNK):
        stop = min(at + CHUNK, draw.shape[0])
        fill_chunk(price, volatility, keys, first, at, draw[at:stop], start[:, at:stop].copy(), law)


@kernel
def settle(variance, key, first, steps, law):
    """Run the variances [asset, chain] of the first draw for `steps` steps, as `fill` does, without prices."""
    assets, n = variance.shape
    draw = np.zeros(n, np.int64)
    omega, alpha, gamma, beta = gather(law.omega, draw), gather(law.alpha, draw), gather(law.gamma, draw), gather(law.beta, draw)
    ceiling = gather(law.ceiling, draw)
    innovation = gather(law.innovation, draw)
    e, unused, work = np.empty((assets, n)), np.empty((assets, n)), np.empty((4, n))
    for step in range(steps):
        draw_steps(key, step, first, law.copula, innovation, law.innovations, e, unused, work)
        for a in range(assets):
            scale_up(variance[a], e[a])
            recur(variance[a], e[a], omega[a], alpha[a], gamma[a], beta[a], ceiling[a])
