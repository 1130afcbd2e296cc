"""The loop that fills paths: draws, copula, innovations, jumps, recursion, bridge, exponential.

Paths go by in chunks small enough for the cache, the path loop innermost and contiguous, so that most loops compile to
vector code. Nothing depends on where a chunk begins: every draw is a function of its own coordinates, and every operation
on a path touches that path alone.
"""

import numpy as np

from simulator.kernel import kernel, rule
from simulator.market.copula_kernel import student_scores
from simulator.market.correlation_kernel import (
    converge,
    factorise,
    learn_correlation,
    mean_correlation,
    mix_each,
    start_correlation,
    step_correlation,
)
from simulator.market.draws import DEGREE, ROUNDER, exponential, quantiles, uniforms
from simulator.market.heston_kernel import annualise_heston, heston
from simulator.market.jump_kernel import jump
from simulator.market.step_law import (
    CHUNK,
    CONVERGING,
    DCC,
    DISTANCE,
    EXPONENTIAL,
    LINEAR,
    NO_JUMPS,
    PEG,
    PULL,
    SQUARE_ROOT,
)
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
from simulator.market.tilt_kernel import Tilt, draw_far, draw_more, score_sizes

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
def grow(values, factor):
    """`values[i] *= factor`."""
    for i in range(values.shape[0]):
        values[i] *= factor


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
def recur_logarithm(h, e, omega, alpha, gamma, beta, mean_size, ceiling, work, power, factor):
    """EGARCH variance of the next step (Nelson 1991), from the diffusive shock alone."""
    for i in range(h.shape[0]):
        z = e[i] / np.sqrt(h[i])
        work[i] = omega[i] + alpha[i] * (abs(z) - mean_size[i]) + gamma[i] * z + beta[i] * np.log(h[i])
    exponential(work, 1.0, power, factor, h)
    for i in range(h.shape[0]):
        h[i] = min(h[i], ceiling[i])


@rule
def pull_back(level, own, draw, growth):
    """Growth of the log price of a peg in a step: the way back of its distance, `level` + the distance at the start."""
    for i in range(level.shape[0]):
        c = own[draw[i]]
        growth[i] = c[PULL] * (level[i] + c[DISTANCE])


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
def draw_steps(keys, step, first, copula, moves, factor, innovation, innovations, z, counts, work, draw, tilt):
    """Innovations of unit variance into `z[asset]`, and where the numbers of jumps stand into `counts[asset]`.

    Where correlation `moves`, `factor` [asset, asset, path] is that of the step.
    """
    for a in range(z.shape[0]):
        uniforms(keys.steps, step, a, first, 0, work[0], counts[a])
        if step >= tilt.since:
            draw_far(work[0], a, step, tilt)
            draw_more(counts[a], a, draw, tilt)
        if copula.independent:
            quantiles(work[0], z[a], work[1], work[2], innovation[a], innovations)
        else:
            quantiles(work[0], z[a], work[1], work[2], copula.no_offset, copula.normal_table)
            quantiles(counts[a], work[3], work[1], work[2], copula.no_offset, copula.normal_table)
            copy(work[3], counts[a])
    if copula.independent:
        return
    tie(z, copula, moves, factor)
    tie(counts, copula, moves, factor)
    if copula.is_student:
        uniforms(keys.mixing, step, 0, first, 0, work[0], work[3])
        quantiles(work[0], work[1], work[2], work[4], copula.no_offset, copula.normal_table)
        student_scores(z, work[1], copula.asymmetry, copula.root_mixing, copula.scores)
        quantiles(work[3], work[1], work[2], work[4], copula.no_offset, copula.normal_table)
        student_scores(counts, work[1], copula.asymmetry, copula.root_mixing, copula.scores)


@rule
def tie(z, copula, moves, factor):
    """Correlate rows of independent normals in place, by the market's own matrix or by that of the step."""
    if moves:
        mix_each(z, factor)
    else:
        mix(z, copula.factor)


@rule
def to_innovations(z, copula, innovation, innovations, work):
    """Normal scores to innovations, in place."""
    if copula.independent:
        return
    for a in range(z.shape[0]):
        if not copula.is_normal[a]:
            innovate(z[a], innovation[a], innovations, work[1], work[2], z[a])


@rule
def draw_variances(key, step, first, copula, moves, factor, w, work):
    """Standard normals of Heston's variances into `w[asset]`, tied as the prices are."""
    for a in range(w.shape[0]):
        uniforms(key, step, a, first, 0, work[0], work[3])
        quantiles(work[0], w[a], work[1], work[2], copula.no_offset, copula.normal_table)
    if not copula.independent:
        tie(w, copula, moves, factor)


@rule
def draw_bridge(key, step, first, n, copula, moves, factor, even, odd, work):
    """Correlated standard normals of two substeps into `even[asset]` and `odd[asset]`."""
    for a in range(even.shape[0]):
        uniforms(key, step, a, first, n, work[0], work[3])
        quantiles(work[0], even[a], work[1], work[2], copula.no_offset, copula.normal_table)
        quantiles(work[3], odd[a], work[1], work[2], copula.no_offset, copula.normal_table)
    if not copula.independent:
        tie(even, copula, moves, factor)
        tie(odd, copula, moves, factor)


@rule
def annualise_peg(h, base, jump_variance, base_jumps, rho, per_year, out):
    """Annualised standard deviation of a peg to an asset of volatility `base`: both variances, scores correlated by `rho`."""
    for i in range(h.shape[0]):
        h_base = max(base[i] * base[i] / per_year - base_jumps[i], 0.0)
        both = h[i] + h_base + 2.0 * rho * np.sqrt(h[i] * h_base)
        out[i] = np.sqrt((both + jump_variance[i] + base_jumps[i]) * per_year)


@kernel
def fill_chunk(price, volatility, correlation, convergence, spike, keys, first, at, draw, start, law, tilt):
    """All steps of paths `at` .. `at + n - 1` of a block whose path 0 has the id `first`; n is the length of `draw`.

    `correlation` [step, path] is filled where correlation moves: by its own dynamics, or where `convergence` [step] is not empty.
    Where `spike` [step, asset] is not empty it multiplies diffusive returns; variances recur without it.
    """
    assets, n = start.shape
    tilt = chunk_of(tilt, at, n)
    steps = volatility.shape[0]
    substeps = (price.shape[0] - 1) // steps
    omega, alpha, gamma, beta = gather(law.omega, draw), gather(law.alpha, draw), gather(law.gamma, draw), gather(law.beta, draw)
    ceiling, own_level, mean_size = gather(law.ceiling, draw), gather(law.level, draw), gather(law.mean_size, draw)
    drift, jump_variance = gather(law.drift, draw), gather(law.jump_variance, draw)
    innovation, cumulant = gather(law.innovation, draw), gather(law.cumulant, draw)
    h, e, level, growth = start.copy(), np.empty((assets, n)), np.zeros((assets, n)), np.empty((assets, n))
    counts, jumped, work = np.empty((assets, n)), np.zeros((assets, n)), np.empty((5, n))
    moments, scale = np.zeros((assets, substeps, n)), np.zeros(n)
    jumps, least, copula = law.jumps, smallest(law.jumps.counts), law.copula
    has_roots, moves = any_is(law.family, SQUARE_ROOT), copula.dynamics != 0 or convergence.shape[0] > 0
    w, spread = (np.empty((assets, n)), np.empty((assets, n))) if has_roots else (e, h)
    matrices = n if moves else 0
    q, factor, c = np.zeros((assets, assets, matrices)), np.zeros((assets, assets, matrices)), np.zeros(matrices)
    multiplier, calm = np.ones(assets), np.empty((assets, n if spike.shape[0] > 0 else 0))
    start_correlation(copula.matrix, q)
    for a in range(assets):
        for i in range(at, at + n):
            price[0, a, i] = law.price[a]
    for step in range(steps):
        if copula.dynamics == CONVERGING:
            converge(copula, h, own_level, c)
        if moves:
            step_correlation(copula, q, c, convergence[step] if convergence.shape[0] > 0 else 0.0, factor)
            mean_correlation(factor, correlation[step, at : at + n])
            factorise(factor)
        draw_steps(keys, step, first + at, copula, moves, factor, innovation, law.innovations, e, counts, work, draw, tilt)
        if step >= tilt.since:
            score_sizes(counts, jumps, draw, tilt, keys.jumps, step, first + at)
            copy(tilt.scale, scale)
        if copula.dynamics == DCC:
            learn_correlation(copula, e, q)
        to_innovations(e, copula, innovation, law.innovations, work)
        if has_roots:
            draw_variances(keys.variance, step, first + at, copula, moves, factor, w, work)
        if spike.shape[0] > 0:
            for a in range(assets):
                multiplier[a] = spike[step, a]
                if multiplier[a] != 1.0 and law.family[a] != SQUARE_ROOT:
                    copy(h[a], calm[a])
                    grow(h[a], multiplier[a] * multiplier[a])
                    for i in range(n):
                        h[a, i] = min(h[a, i], HIGHEST_VARIANCE)
        for a in range(assets):
            family, out = law.family[a], volatility[step, a, at : at + n]
            if family == SQUARE_ROOT:
                annualise_heston(h[a], law.own[a], draw, multiplier[a], jump_variance[a], law.per_year, out)
            else:
                annualise(h[a], jump_variance[a], law.per_year, out)
        for a in range(assets):
            b = law.base[a]
            if b >= 0:
                base, out = volatility[step, b, at : at + n], volatility[step, a, at : at + n]
                annualise_peg(h[a], base, jump_variance[a], jump_variance[b], copula.matrix[a, b], law.per_year, out)
        for a in range(assets):
            family = law.family[a]
            if jumps.kind[a] != NO_JUMPS:
                jump(counts[a], least[a], jumps, a, draw, keys.jumps, step, first + at, jumped[a], moments[a], tilt.lean, scale)
            if has_roots:
                copy(h[a], spread[a])
            if family == SQUARE_ROOT:
                heston(h[a], work[0], e[a], w[a], law.own[a], draw, multiplier[a], drift[a], growth[a])
                for i in range(n):
                    spread[a, i] = 0.5 * (h[a, i] + work[0, i])
                if multiplier[a] != 1.0:
                    grow(spread[a], multiplier[a] * multiplier[a])
                copy(work[0], h[a])
                continue
            if family == PEG:
                pull_back(level[a], law.own[a], draw, growth[a])
            elif copula.is_normal[a]:
                compensate_normal(h[a], drift[a], growth[a])
            else:
                compensate(h[a], drift[a], cumulant[a], law.cumulants, work[0], work[1], growth[a])
            scale_up(h[a], e[a])
        if substeps > 1:
            tied = (copula, moves, factor)
            between(price, keys.bridge, step, first, at, tied, law.base, law.price, spread, e, level, growth, moments, work)
        for a in range(assets):
            move(level[a], growth[a], e[a], jumped[a])
        for a in range(assets):
            place(level, a, law.base[a], work[2])
            exponential(work[2], law.price[a], work[0], work[1], price[(step + 1) * substeps, a, at : at + n])
            if multiplier[a] != 1.0 and law.family[a] != SQUARE_ROOT:
                copy(calm[a], h[a])
                grow(e[a], 1.0 / multiplier[a])
            if law.family[a] == LINEAR:
                recur(h[a], e[a], omega[a], alpha[a], gamma[a], beta[a], ceiling[a])
            elif law.family[a] == EXPONENTIAL:
                recur_logarithm(
                    h[a], e[a], omega[a], alpha[a], gamma[a], beta[a], mean_size[a], ceiling[a], work[2], work[0], work[1]
                )


@rule
def any_is(values, wanted):
    """Whether one of `values` is `wanted`."""
    found = False
    for i in range(values.shape[0]):
        found = found or values[i] == wanted
    return found


@rule
def place(level, a, base, out):
    """The log price of asset `a` since the start: its own, and that of its base if it is pegged to one."""
    for i in range(out.shape[0]):
        out[i] = level[a, i]
    if base >= 0:
        for i in range(out.shape[0]):
            out[i] += level[base, i]


@rule
def move(level, growth, e, jumped):
    """The log price at the end of a step, in place."""
    for i in range(level.shape[0]):
        level[i] += growth[i] + e[i] + jumped[i]


@kernel
def between(price, key, step, first, at, tied, base, initial, h, e, level, growth, moments, work):
    """The substeps inside one market step: growth even in time, shocks by a bridge, jumps where they fall."""
    assets, n = h.shape
    substeps, (copula, moves, factor) = moments.shape[1], tied
    position, jumped = np.zeros((assets, n)), np.zeros((assets, n))
    even, odd, inside = np.empty((assets, n)), np.empty((assets, n)), np.empty((assets, n))
    for substep in range(substeps - 1):
        if substep % 2 == 0:
            draw_bridge(key, step, first + at, substep // 2, copula, moves, factor, even, odd, work)
        z = even if substep % 2 == 0 else odd
        share = (substep + 1) / substeps
        for a in range(assets):
            bridge(position[a], e[a], h[a], z[a], substep, substeps)
            for i in range(n):
                jumped[a, i] += moments[a, substep, i]
                inside[a, i] = level[a, i] + share * growth[a, i] + position[a, i] + jumped[a, i]
        for a in range(assets):
            place(inside, a, base[a], work[2])
            exponential(work[2], initial[a], work[0], work[1], price[step * substeps + substep + 1, a, at : at + n])


@kernel
def chunk_of(tilt, at, n):
    """The tilt of paths `at` .. `at + n - 1`."""
    part = slice(at, at + n)
    fixed = (tilt.since, tilt.factor, tilt.tail, tilt.log_calm, tilt.lean)
    drawn = (tilt.has_more[part], tilt.scale[part], tilt.far_step[part], tilt.far_asset[part])
    return Tilt(*fixed, *drawn, tilt.score[:, part])


@kernel
def fill(price, volatility, correlation, convergence, spike, keys, first, draw, start, law, tilt):
    """Fill `price` [substep + 1, asset, path] and `volatility` [step, asset, path] from `start` [asset, path], `draw` [path]."""
    for at in range(0, draw.shape[0], CHUNK):
        stop = min(at + CHUNK, draw.shape[0])
        own = start[:, at:stop].copy()
        fill_chunk(price, volatility, correlation, convergence, spike, keys, first, at, draw[at:stop], own, law, tilt)


@kernel
def settle(variance, keys, first, steps, law, tilt):
    """Run the variances [asset, chain] of the first draw for `steps` steps, as `fill` does, but at one correlation, untilted."""
    assets, n = variance.shape
    draw = np.zeros(n, np.int64)
    omega, alpha, gamma, beta = gather(law.omega, draw), gather(law.alpha, draw), gather(law.gamma, draw), gather(law.beta, draw)
    ceiling, mean_size, innovation = gather(law.ceiling, draw), gather(law.mean_size, draw), gather(law.innovation, draw)
    e, unused, work = np.empty((assets, n)), np.empty((assets, n)), np.empty((5, n))
    w, still, no_factor = np.empty((assets, n)), np.zeros(n), np.empty((0, 0, 0))
    has_roots = any_is(law.family, SQUARE_ROOT)
    for step in range(steps):
        draw_steps(keys, step, first, law.copula, False, no_factor, innovation, law.innovations, e, unused, work, draw, tilt)
        to_innovations(e, law.copula, innovation, law.innovations, work)
        if has_roots:
            draw_variances(keys.variance, step, first, law.copula, False, no_factor, w, work)
        for a in range(assets):
            if law.family[a] == SQUARE_ROOT:
                heston(variance[a], work[0], e[a], w[a], law.own[a], draw, 1.0, still, work[1])
                copy(work[0], variance[a])
                continue
            scale_up(variance[a], e[a])
            if law.family[a] == LINEAR:
                recur(variance[a], e[a], omega[a], alpha[a], gamma[a], beta[a], ceiling[a])
            elif law.family[a] == EXPONENTIAL:
                recur_logarithm(
                    variance[a], e[a], omega[a], alpha[a], gamma[a], beta[a], mean_size[a], ceiling[a], work[2], work[0], work[1]
                )
