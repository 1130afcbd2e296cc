"""Laws of innovations as tables: the quantile of a truncated Student-t, skewed or not, and its cumulant for the compensator.

`innovation_table` maps a standard normal to an innovation of the law, so that a Gaussian copula can join assets; `tail_table`
maps a uniform to it, one look-up fewer, for assets that nothing joins; `cumulant_table` holds log E[exp(sqrt(h) z)] / h over the
variance h of a step, which makes E[exp(return)] exact.
"""

import math

import numpy as np

from simulator.kernel import kernel, normal
from simulator.market.draws import DEGREE, LOWEST_TAIL, MANTISSA, TAIL_BITS, TAIL_OCTAVES, hermite

REACH = 8.5  # [standard deviations] of the normal coordinate; a uniform of 53 bits ends at 8.2
SEGMENTS = 512
WIDTH = 2 * REACH / SEGMENTS
INNOVATION_SIZE = SEGMENTS * (DEGREE + 1)

CUMULANT_BITS = 4  # 16 segments an octave
CUMULANT_OCTAVES = 36
LOWEST_VARIANCE = 2.0**-30  # of a step; below it the cumulant is h/2 to 1e-8 of itself
HIGHEST_VARIANCE = 2.0**6 * (1 - 2.0**-52)  # of a step: a standard deviation of 800 percent, where recursions are held
CUMULANT_SHIFT = np.int64(MANTISSA - CUMULANT_BITS)
CUMULANT_BASE = np.int64((1023 - 30) << CUMULANT_BITS)
CUMULANT_LEFT = np.int64(-(1 << (MANTISSA - CUMULANT_BITS)))
CUMULANT_SIZE = (CUMULANT_OCTAVES << CUMULANT_BITS) * (DEGREE + 1)


@kernel
def incomplete_beta(a, b, x):
    """The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction (Numerical Recipes 6.4)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _beta_fraction(a, b, x) / a
    return 1.0 - front * _beta_fraction(b, a, 1.0 - x) / b


@kernel
def _beta_fraction(a, b, x):
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    h = d
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        d = 1.0 / (1.0 + even * d)
        c = 1.0 + even / c
        h *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        d = 1.0 / (1.0 + odd * d)
        c = 1.0 + odd / c
        h *= d * c
        if abs(d * c - 1.0) < 2e-16:
            break
    return h


@kernel
def incomplete_gamma(a, x, upper):
    """The regularised incomplete gamma function P(a, x), or Q = 1 - P if `upper`, by series or fraction (Gautschi 1979)."""
    if x <= 0.0:
        return 1.0 if upper else 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1.0:
        term = 1.0 / a
        total = term
        for n in range(1, 10_000):
            term *= x / (a + n)
            total += term
            if term < 1e-17 * total:
                break
        return 1.0 - front * total if upper else front * total
    b = x + 1.0 - a
    c, d = 1e300, 1.0 / b
    h = d
    for n in range(1, 10_000):
        an = -n * (n - a)
        b += 2.0
        d = 1.0 / (an * d + b)
        c = b + an / c
        h *= d * c
        if abs(d * c - 1.0) < 2e-16:
            break
    return front * h if upper else 1.0 - front * h


@kernel
def _tail(x, nu):
    """P(T > x) for x >= 0."""
    return 0.5 * incomplete_beta(0.5 * nu, 0.5, nu / (nu + x * x))


@kernel
def _density(x, nu):
    front = math.exp(math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu)) / math.sqrt(nu * math.pi)
    return front * math.exp(-0.5 * (nu + 1.0) * math.log1p(x * x / nu))


@kernel
def truncated_variance(nu, cut):
    """Variance of a Student-t of unit variance truncated at plus and minus `cut`."""
    c = cut * math.sqrt(nu / (nu - 2.0))
    return incomplete_beta(1.5, 0.5 * nu - 1.0, c * c / (nu + c * c)) / (1.0 - 2.0 * _tail(c, nu))


@kernel
def _solve_tail(target, start, nu):
    """x with P(T > x) = `target`, by Newton's method on the logarithm of the tail."""
    x = start
    for _ in range(50):
        tail = _tail(x, nu)
        step = math.log(tail / target) * tail / _density(x, nu)
        x = max(x + step, 0.5 * x)
        if abs(step) <= 1e-9 * (x + 0.01):  # the next step would be its square
            break
    return x


@kernel
def innovation_table(nu, cut, table):
    """Fill `table` with the innovation (truncated t, unit variance) at a standard normal w in [-REACH, REACH]."""
    cut_raw = cut * math.sqrt(nu / (nu - 2.0))
    beyond = _tail(cut_raw, nu)
    scale = math.sqrt((nu - 2.0) / nu / truncated_variance(nu, cut))
    half = SEGMENTS // 2
    points = np.zeros((half + 1, 3))
    x = 0.0
    for i in range(half + 1):
        w = i * WIDTH
        if i > 0:
            target = beyond + (1.0 - 2.0 * beyond) * 0.5 * math.erfc(w / math.sqrt(2.0))
            x = _solve_tail(target, x + WIDTH * points[i - 1, 1], nu)
        slope = (1.0 - 2.0 * beyond) * math.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi) / _density(x, nu)
        points[i, 0] = x
        points[i, 1] = slope
        points[i, 2] = slope * ((nu + 1.0) * x / (nu + x * x) * slope - w)
    points *= scale
    for i in range(half):
        left, right = points[i], points[i + 1]
        hermite(table, half + i, WIDTH, (left[0], left[1], left[2]), (right[0], right[1], right[2]))
        hermite(table, half - 1 - i, WIDTH, (-right[0], right[1], -right[2]), (-left[0], left[1], -left[2]))


@kernel
def tail_table(nu, cut, table):
    """Fill `table` with the innovation (truncated t, unit variance) that a tail probability p in [2^-54, 1/2] exceeds."""
    cut_raw = cut * math.sqrt(nu / (nu - 2.0))
    beyond = _tail(cut_raw, nu)
    kept = 1.0 - 2.0 * beyond
    scale = math.sqrt((nu - 2.0) / nu / truncated_variance(nu, cut))
    per_octave = 1 << TAIL_BITS
    x = 0.0
    right = _tail_point(x, kept, nu, scale)
    for segment in range((TAIL_OCTAVES << TAIL_BITS) - 1, -1, -1):
        width = LOWEST_TAIL * 2.0 ** (segment >> TAIL_BITS) / per_octave
        p = (per_octave + segment % per_octave) * width
        x = _solve_tail(beyond + kept * p, x - width * right[1] / scale, nu)
        left = _tail_point(x, kept, nu, scale)
        hermite(table, segment, width, left, right)
        right = left


@kernel
def _tail_point(x, kept, nu, scale):
    """The quantile with its slope and curvature in the tail probability."""
    slope = -kept / _density(x, nu)
    return scale * x, scale * slope, scale * slope * slope * (nu + 1.0) * x / (nu + x * x)


@kernel
def skewed_table(nu, skew, cut, table):
    """As `innovation_table`, for Hansen's skewed t (1994) cut at `cut` deviations, then centred and scaled again.

    Its density bends at the mode, so the segment that holds the mode is right to 1e-5, all others to 1e-9.
    """
    c = math.exp(math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu)) / math.sqrt(math.pi * (nu - 2.0))
    a = 4.0 * skew * c * (nu - 2.0) / (nu - 1.0)
    b, s = math.sqrt(1.0 + 3.0 * skew * skew - a * a), math.sqrt((nu - 2.0) / nu)
    low, high = _skewed_tail(-cut, nu, skew, a, b, s, False), _skewed_tail(cut, nu, skew, a, b, s, True)
    kept = 1.0 - low - high
    left = _skewed_point(-REACH, low, high, kept, nu, skew, a, b, s)
    for i in range(SEGMENTS):
        right = _skewed_point((i + 1) * WIDTH - REACH, low, high, kept, nu, skew, a, b, s)
        hermite(table, i, WIDTH, left, right)
        left = right
    mean, square = 0.0, 0.0
    for i in range(SEGMENTS):
        w = i * WIDTH - REACH
        weight = WIDTH * math.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi)
        mean += weight * table[i * (DEGREE + 1)]
        square += weight * table[i * (DEGREE + 1)] ** 2
    scale = 1.0 / math.sqrt(square - mean * mean)
    for i in range(SEGMENTS):
        table[i * (DEGREE + 1)] -= mean
        for j in range(DEGREE + 1):
            table[i * (DEGREE + 1) + j] *= scale


@kernel
def _skewed_tail(z, nu, skew, a, b, s, upper):
    """P(Z > z) if `upper`, else P(Z < z), of Hansen's law; for a z beyond the mode on that side."""
    side = 1.0 + skew if upper else 1.0 - skew
    return side * _tail(abs(b * z + a) / (s * side), nu)


@kernel
def _skewed_point(w, low, high, kept, nu, skew, a, b, s):
    """The quantile of the cut law at a standard normal w, with its slope and curvature in w."""
    below = low + kept * 0.5 * math.erfc(-w / math.sqrt(2.0))
    above = high + kept * 0.5 * math.erfc(w / math.sqrt(2.0))
    sign = -1.0 if below < 0.5 * (1.0 - skew) else 1.0
    side = 1.0 + sign * skew
    tail = (below if sign < 0.0 else above) / side
    t = _solve_tail(tail, max(-normal(tail), 0.0) if tail < 0.5 else 0.0, nu)
    slope = kept * math.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi) * s / (b * _density(t, nu))
    turn = (nu + 1.0) * t / (nu + t * t) * sign * b / (side * s) * slope
    return (sign * side * s * t - a) / b, slope, slope * (turn - w)


@kernel
def skewed_cumulant_table(innovations, table):
    """As `cumulant_table`, for a law of mean 0 that need not be symmetric."""
    z = np.empty(SEGMENTS)
    weight = np.empty(SEGMENTS)
    for i in range(SEGMENTS):
        w = i * WIDTH - REACH
        z[i] = innovations[i * (DEGREE + 1)]
        weight[i] = WIDTH * math.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi)
    weighted_cumulant_table(z, weight, table)


@kernel
def weighted_cumulant_table(z, weight, table):
    """As `cumulant_table`, for a law of mean 0 that takes the values `z` with probabilities `weight`."""
    per_octave = 1 << CUMULANT_BITS
    left = _skewed_cumulant_point(LOWEST_VARIANCE, z, weight)
    for octave in range(CUMULANT_OCTAVES):
        width = LOWEST_VARIANCE * 2.0**octave / per_octave
        for j in range(per_octave):
            right = _skewed_cumulant_point((per_octave + j + 1) * width, z, weight)
            hermite(table, octave * per_octave + j, width, left, right)
            left = right


@kernel
def _beyond_linear(x):
    """exp(x) - 1 - x without cancellation."""
    if abs(x) > 0.1:
        return math.expm1(x) - x
    return x * x * (0.5 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720 + x * (1 / 5040 + x / 40320))))))


@kernel
def _skewed_cumulant_point(h, z, weight):
    """K(h) / h with its slope and curvature in h, where K(h) = log E[exp(sqrt(h) z)] and E[z] = 0."""
    s = math.sqrt(h)
    grown, first, second = 0.0, 0.0, 0.0
    for i in range(z.shape[0]):
        more = math.expm1(s * z[i])
        grown += weight[i] * _beyond_linear(s * z[i])
        first += weight[i] * z[i] * more
        second += weight[i] * z[i] * z[i] * (1.0 + more)
    k = math.log1p(grown)
    k1 = first / (1.0 + grown)
    k2 = second / (1.0 + grown) - k1 * k1
    slope = k1 / (2.0 * s)
    curvature = (k2 - k1 / s) / (4.0 * h)
    return k / h, (slope - k / h) / h, (curvature - 2.0 * (slope - k / h) / h) / h


@kernel
def cumulant_table(innovations, table):
    """Fill `table` with log E[exp(sqrt(h) z)] / h over h, for the symmetric law that `innovations` tabulates.

    E by the trapezium rule in the normal coordinate, which converges faster than any power for such integrands.
    """
    half = SEGMENTS // 2
    z = np.empty(half)
    weight = np.empty(half)
    for i in range(half):
        w = (i + 1) * WIDTH
        z[i] = -innovations[(half - 1 - i) * (DEGREE + 1)]
        weight[i] = WIDTH * math.exp(-0.5 * w * w) / math.sqrt(2.0 * math.pi)
    per_octave = 1 << CUMULANT_BITS
    left = _cumulant_point(LOWEST_VARIANCE, z, weight)
    for octave in range(CUMULANT_OCTAVES):
        width = LOWEST_VARIANCE * 2.0**octave / per_octave
        for j in range(per_octave):
            right = _cumulant_point((per_octave + j + 1) * width, z, weight)
            hermite(table, octave * per_octave + j, width, left, right)
            left = right


@kernel
def _cumulant_point(h, z, weight):
    """K(h) / h with its slope and curvature in h, where K(h) = log E[exp(sqrt(h) z)]."""
    s = math.sqrt(h)
    grown, first, second = 0.0, 0.0, 0.0
    for i in range(z.shape[0]):
        a = math.expm1(0.5 * s * z[i])
        sinh = 0.5 * a * (2.0 + a) / (1.0 + a)
        cosh = 1.0 + a * a / (2.0 * (1.0 + a))
        grown += weight[i] * 4.0 * sinh * sinh  # 2 (cosh(s z) - 1)
        first += weight[i] * 4.0 * sinh * cosh * z[i]
        second += weight[i] * 2.0 * z[i] * z[i] * (1.0 + 2.0 * sinh * sinh)
    k = math.log1p(grown)
    k1 = first / (1.0 + grown)
    k2 = second / (1.0 + grown) - k1 * k1
    slope = k1 / (2.0 * s)
    curvature = (k2 - k1 / s) / (4.0 * h)
    return k / h, (slope - k / h) / h, (curvature - 2.0 * (slope - k / h) / h) / h
