"""Uniform and normal draws for many paths at once: `simulator.kernel`'s values, in loops that compile to vector code.

A table is a run of polynomials of degree five, six coefficients each, laid one after another; it reproduces value, slope
and curvature at both ends of a segment (quintic Hermite), so 512 segments reach 1e-10 where a cubic needs 4,096.
"""

import math

import numpy as np

from simulator.kernel import kernel, normal, rule, uniform_pair

DEGREE = 5
MANTISSA = 52  # bits of a float64 below its exponent
ONE_BITS = np.int64(1023 << 52)  # the bits of 1.0

TAIL_BITS = 5  # 32 segments an octave of tail probability, down to the smallest that a uniform of 53 bits can name
TAIL_OCTAVES = 53
LOWEST_TAIL = 2.0**-54
TAIL_SHIFT = np.int64(MANTISSA - TAIL_BITS)
TAIL_BASE = np.int64((1023 - 54) << TAIL_BITS)
TAIL_LEFT = np.int64(-(1 << (MANTISSA - TAIL_BITS)))  # mask that leaves the left end of a segment
TAIL_SIZE = ((TAIL_OCTAVES << TAIL_BITS) + 1) * (DEGREE + 1)  # and one segment for a tail of exactly one half


@rule
def uniforms(key, step, entity, first, n, u, v):
    """`uniform_pair(key, step, entity, first + i, n)` into u[i], v[i]."""
    for i in range(u.shape[0]):
        u[i], v[i] = uniform_pair(key, step, entity, first + i, n)


@rule
def hermite(table, segment, width, left, right):
    """Write one segment: a polynomial in the distance from its left end; `left`, `right` are (value, slope, curvature)."""
    y0, d0, s0 = left[0], left[1] * width, left[2] * width * width
    y1, d1, s1 = right[0], right[1] * width, right[2] * width * width
    rise, end, bend = y1 - y0 - d0 - s0 / 2.0, d1 - d0 - s0, s1 - s0
    at = segment * (DEGREE + 1)
    table[at] = y0
    table[at + 1] = d0 / width
    table[at + 2] = s0 / 2.0 / width**2
    table[at + 3] = (10.0 * rise - 4.0 * end + bend / 2.0) / width**3
    table[at + 4] = (-15.0 * rise + 7.0 * end - bend) / width**4
    table[at + 5] = (6.0 * rise - 3.0 * end + bend / 2.0) / width**5


@rule
def _normal_point(p):
    """-Phi^-1 at a lower tail probability, with its slope and curvature in p."""
    z = -normal(p)
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return -normal(p), -1.0 / density, z / (density * density)


@kernel
def _normal_table():
    per_octave = 1 << TAIL_BITS
    table = np.zeros(TAIL_SIZE)
    for octave in range(TAIL_OCTAVES):
        width = LOWEST_TAIL * 2.0**octave / per_octave
        for j in range(per_octave):
            left = (per_octave + j) * width
            hermite(table, octave * per_octave + j, width, _normal_point(left), _normal_point(left + width))
    return table


NORMAL_TABLE = _normal_table()


@rule
def quantiles(u, z, tail, left, offset, table):
    """The quantile of a symmetric law at each u into z, by the table over tail probabilities that begins at `offset[i]`.

    `NORMAL_TABLE` at offset 0 gives standard normals, error below 1e-11. `tail` and `left` are scratch.
    """
    tail_bits = tail.view(np.int64)
    left_bits = left.view(np.int64)
    for i in range(u.shape[0]):
        tail[i] = max(min(u[i], 1.0 - u[i]), LOWEST_TAIL)
    for i in range(u.shape[0]):
        left_bits[i] = tail_bits[i] & TAIL_LEFT
    for i in range(u.shape[0]):
        at = offset[i] + ((tail_bits[i] >> TAIL_SHIFT) - TAIL_BASE) * (DEGREE + 1)
        d = tail[i] - left[i]
        x = table[at + 5] * d + table[at + 4]
        x = ((x * d + table[at + 3]) * d + table[at + 2]) * d + table[at + 1]
        x = x * d + table[at]
        z[i] = x if u[i] > 0.5 else -x


LOG2_E = 1.4426950408889634
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
ROUNDER = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer, which stands in the low bits
LARGEST_LEVEL = 700.0


@rule
def exponential(level, scale, power, factor, out):
    """scale * exp(level) into `out`, the same bytes on every machine: no library's exp. `power`, `factor` are scratch.

    exp(x) = 2^k exp(r), |r| <= ln(2) / 2, the Taylor polynomial of degree 12 (relative error 2e-16).
    """
    power_bits = power.view(np.int64)
    factor_bits = factor.view(np.int64)
    for i in range(level.shape[0]):
        x = max(min(level[i], LARGEST_LEVEL), -LARGEST_LEVEL)
        power[i] = x * LOG2_E + ROUNDER
    for i in range(level.shape[0]):
        factor_bits[i] = (power_bits[i] << np.int64(MANTISSA)) + ONE_BITS
    for i in range(level.shape[0]):
        x = max(min(level[i], LARGEST_LEVEL), -LARGEST_LEVEL)
        k = power[i] - ROUNDER
        r = (x - k * LN2_HIGH) - k * LN2_LOW
        y = 1.0 / 479001600.0
        y = y * r + 1.0 / 39916800.0
        y = y * r + 1.0 / 3628800.0
        y = y * r + 1.0 / 362880.0
        y = y * r + 1.0 / 40320.0
        y = y * r + 1.0 / 5040.0
        y = y * r + 1.0 / 720.0
        y = y * r + 1.0 / 120.0
        y = y * r + 1.0 / 24.0
        y = y * r + 1.0 / 6.0
        y = y * r + 0.5
        y = y * r + 1.0
        y = y * r + 1.0
        out[i] = scale * (y * factor[i])
