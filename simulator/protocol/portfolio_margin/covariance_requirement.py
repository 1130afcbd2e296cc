"""What covariance margin requires of one account. See `covariance.py`.

Exact one-factor law: the loss of d z + g z^2 / 2, z standard normal, exceeds l between or beyond the roots of a quadratic.
Several factors: cumulants of a quadratic form (Mathai and Provost 1992), Cornish and Fisher 1938.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.pricing.option_kernel import normal_below
from simulator.protocol.portfolio_margin.covariance import (
    Buffer,
    DeltaGammaMargin,
    Floor,
    NoBuffer,
    ParametricMargin,
    StressedWeight,
)
from simulator.protocol.portfolio_margin.method import DELTA_GAMMA, PARAMETRIC, Method, method
from simulator.protocol.portfolio_margin.side_requirement import fill_marks

# columns of Method.number: quantile (or its ES) of the initial and of the maintenance requirement, tails, years, ...
Z_INITIAL, Z_MAINTENANCE, TAIL_INITIAL, TAIL_MAINTENANCE, YEARS, IS_SHORTFALL, RULE, STRENGTH = range(8)
LONG_RUN, STRESSED = range(2)  # columns of Method.underlying
NO_RULE, BUFFER, WEIGHT, FLOOR = range(4)
ROOT_TAU = math.sqrt(2 * math.pi)
MOST_STEPS = 100  # of Newton's method on the log of the chance, halving where it would leave its bracket
SETTLED = 1e-8  # [standard deviations] after a step of Newton as small, the next would be its square


def covariance_method(part: ParametricMargin | DeltaGammaMargin, underlyings: tuple[str, ...]) -> Method:
    """`part` as kernels read it. Raises KeyError for an underlying that it does not name."""
    names = list(part.markets)
    risks = [(part.markets[name].long_run_volatility, part.markets[name].stressed_volatility) for name in underlyings]
    place = [names.index(name) for name in underlyings]
    correlation = np.array(part.correlation or np.eye(len(names)))[np.ix_(place, place)]
    guard = part.anti_procyclical
    rules: dict[type, tuple[int, float]] = {NoBuffer: (NO_RULE, 0.0), Floor: (FLOOR, 0.0)}
    if isinstance(guard, Buffer):
        rules[Buffer] = BUFFER, guard.size
    if isinstance(guard, StressedWeight):
        rules[StressedWeight] = WEIGHT, guard.weight
    levels = part.initial_confidence, part.maintenance_confidence
    degrees = part.degrees_of_freedom if isinstance(part, ParametricMargin) else None
    is_linear_shortfall = isinstance(part, ParametricMargin) and part.measure == "es"
    number = [
        *(multiple(level, degrees, is_linear_shortfall) for level in levels), *(1 - level for level in levels),
        part.margin_period / 31_536_000.0, float(part.measure == "es"), *rules[type(guard)],
    ]  # fmt: skip
    kind = PARAMETRIC if isinstance(part, ParametricMargin) else DELTA_GAMMA
    return method(kind, number, underlying=risks, correlation=correlation)


def multiple(confidence: float, degrees: float | None, is_shortfall: bool) -> float:
    """Quantile, or expected shortfall beyond it, of a law of mean 0 and variance 1: normal, or Student-t with `degrees`."""
    from scipy.special import ndtri, stdtrit

    if degrees is None:
        z = float(ndtri(confidence))
        return math.exp(-0.5 * z * z) / ROOT_TAU / (1 - confidence) if is_shortfall else z
    scale, q = math.sqrt((degrees - 2) / degrees), float(stdtrit(degrees, confidence))
    if not is_shortfall:
        return q * scale
    log_constant = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    density = math.exp(log_constant - (degrees + 1) / 2 * math.log1p(q * q / degrees))
    return density / (1 - confidence) * (degrees + q * q) / (degrees - 1) * scale


@small_rule
def guarded(number, volatility, long_run, stressed):
    """The volatility that counts, by the anti-procyclical rule."""
    if number[RULE] == BUFFER:
        return max(volatility, (1.0 + number[STRENGTH]) * min(volatility, long_run))
    if number[RULE] == WEIGHT:
        return np.sqrt((1.0 - number[STRENGTH]) * volatility * volatility + number[STRENGTH] * stressed * stressed)
    if number[RULE] == FLOOR:
        return max(volatility, long_run)
    return volatility


@rule
def fill_covariance(method, instruments, market, sheet):
    """Write marks, deltas and gammas with respect to spot, and the covariance of returns over the margin period."""
    fill_marks(instruments, market, sheet)
    number = method.number
    for u in range(market.spot.size):
        for e in range(instruments.first_expiry[u], instruments.first_expiry[u + 1]):
            forward, root = market.forward[e] + market.fixed_forward[e], np.sqrt(market.years[e])
            growth = market.forward[e] / market.spot[u]  # of the part that moves
            discount = np.exp(-max(market.rate[e], 0.0) * market.years[e])
            for i in range(instruments.first[e], instruments.first[e + 1]):
                total = market.implied[i] * root
                sign = 0.0 if instruments.is_call[i] != 0.0 else -1.0
                if total <= 0.0 or forward <= 0.0 or instruments.strike[i] <= 0.0:
                    sheet.delta[i] = discount * growth * (sign + (1.0 if forward > instruments.strike[i] else 0.0))
                    sheet.gamma[i] = 0.0
                    continue
                d1 = np.log(forward / instruments.strike[i]) / total + 0.5 * total
                sheet.delta[i] = discount * growth * (sign + normal_below(d1))
                sheet.gamma[i] = discount * growth * growth * np.exp(-0.5 * d1 * d1) / ROOT_TAU / (forward * total)
        v = guarded(number, market.volatility[u], method.underlying[u, LONG_RUN], method.underlying[u, STRESSED])
        for w in range(u + 1):
            terms = method.underlying[w]
            other = guarded(number, market.volatility[w], terms[LONG_RUN], terms[STRESSED])
            both = v * other * method.correlation[u, w] * number[YEARS]
            sheet.covariance[u, w], sheet.covariance[w, u] = both, both


@small_rule
def bell(x):
    """The standard normal density."""
    return np.exp(-0.5 * x * x) / ROOT_TAU


@small_rule
def gain_below(d, g, x):
    """E[d z + g z^2 / 2; z < x]."""
    return -d * bell(x) + 0.5 * g * (normal_below(x) - x * bell(x))


@small_rule
def worst_move(both, rises, tail, z):
    """The end x, nearer to zero, of the moves of which d x + g x^2 / 2 is as bad or worse, `tail` of all; `both` ends: -2 d / g.

    Where gamma is positive (`rises`) the bad ones lie between the ends, else beyond them; z = Phi^-1(1 - tail). Newton on the log
    of the chance, which is concave where they lie between, from x of no gamma or of a narrow stretch around the worst.
    """
    if rises:
        low = 0.5 * both
        high = max(low, -z) + 2.0  # P(-z - 2 < Z < -z + 2) > tail for every tail below 1/2
        x = -z if low <= -z else min(low + 0.5 * tail / bell(low), high)
    else:
        low, high, x = -z - 1.0, -z, -z  # P(|Z| > z + 1) < tail
    for _ in range(MOST_STEPS):
        beyond = normal_below(both - x) if rises else -normal_below(x - both)
        chance = normal_below(x) - beyond
        if chance < tail:
            low = x
        else:
            high = x
        step = np.log(tail / chance) * chance / (bell(x) + bell(both - x)) if chance > 0.0 else np.inf
        if abs(step) <= SETTLED:
            return x + step
        x = x + step if low < x + step < high else 0.5 * (low + high)
    return x


@small_rule
def one_factor(d, g, tail, z, is_shortfall):
    """VaR or ES of the loss of d z + g z^2 / 2 at level `tail`, z standard normal; `z` = Phi^-1(1 - tail). d >= 0."""
    if d == 0.0 and g == 0.0:
        return 0.0
    if abs(g) <= 1e-12 * d:
        return d * (bell(z) / tail if is_shortfall else z)
    both = -2.0 * d / g
    x = worst_move(both, g > 0.0, tail, z)
    if not is_shortfall:
        return -(d * x + 0.5 * g * x * x)
    inner = gain_below(d, g, x) - gain_below(d, g, both - x)
    return -(inner if g > 0.0 else 0.5 * g + inner) / tail


@small_rule
def cornish_fisher(mean, deviation, skew, excess, tail, z, is_shortfall):
    """Quantile, or mean beyond it, of a loss with these cumulants (skew and excess standardised) at Phi^-1 = `z`."""
    if is_shortfall:
        b = bell(z) / tail
        moved = b * (1.0 + z * skew / 6.0 + (z * z - 1.0) * excess / 24.0 - (2.0 * z * z - 1.0) * skew * skew / 36.0)
    else:
        moved = z + (z * z - 1.0) * skew / 6.0 + (z * z * z - 3.0 * z) * excess / 24.0
        moved -= (2.0 * z * z * z - 5.0 * z) * skew * skew / 36.0
    return mean + deviation * moved


@small_rule
def exposures(instruments, market, sheet, options, perpetuals, gains, work):
    """Write dollar deltas and gammas (per 1 of return) to rows 0 and 1 of `work`; the mark of options and the gains."""
    equity = 0.0
    for u in range(market.spot.size):
        spot, equity = market.spot[u], equity + gains[u]
        delta, gamma = perpetuals[u] * market.perpetual[u], 0.0
        for i in range(instruments.first[instruments.first_expiry[u]], instruments.first[instruments.first_expiry[u + 1]]):
            held = options[i]
            if held != 0.0:
                equity += held * sheet.mark[i]
                delta += held * sheet.delta[i] * spot
                gamma += held * sheet.gamma[i] * spot * spot
        work[0, u], work[1, u] = delta, gamma
    return equity


@small_rule
def several_factors(covariance, work, U):
    """(mean, variance, third, fourth cumulant) of the loss; rows of `work`: 2 covariance x delta, 4 on (gamma covariance)^2."""
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    for u in range(U):
        work[2, u] = 0.0
        for v in range(U):
            work[2, u] += covariance[u, v] * work[0, v]
    for u in range(U):
        first += 0.5 * work[1, u] * covariance[u, u]
        second += work[0, u] * work[2, u]
        third += 3.0 * work[2, u] * work[2, u] * work[1, u]
        for v in range(U):
            fourth += 12.0 * work[2, u] * work[1, u] * covariance[u, v] * work[1, v] * work[2, v]
            square = 0.0
            for w in range(U):
                square += work[1, u] * covariance[u, w] * work[1, w] * covariance[w, v]
            work[4 + u, v] = square
    for u in range(U):
        second += 0.5 * work[4 + u, u]
        for v in range(U):
            third += work[4 + u, v] * work[1, v] * covariance[v, u]
            fourth += 3.0 * work[4 + u, v] * work[4 + v, u]
    return -first, second, -third, fourth


@rule
def covariance_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits, is_linear, opens, work):
    """(equity without cash, initial, maintenance) [usd] of one account; initial only where it `opens` something, else as low."""
    number, U = method.number, market.spot.size
    equity = exposures(instruments, market, sheet, options, perpetuals, gains, work)
    for k in range(deposits.size):
        equity += deposits[k] * market.collateral_price[k]
    exposed, only = 0, 0
    for u in range(U):
        if is_linear:
            work[1, u] = 0.0
        if work[0, u] != 0.0 or work[1, u] != 0.0:
            exposed, only = exposed + 1, u
    mean, variance, third, fourth = several_factors(sheet.covariance, work, U)
    deviation = np.sqrt(max(variance, 0.0))
    if exposed == 0 or deviation == 0.0:
        return equity, 0.0, 0.0
    if is_linear:
        return equity, number[Z_INITIAL] * deviation, number[Z_MAINTENANCE] * deviation
    is_shortfall, initial, kept = number[IS_SHORTFALL] != 0.0, 0.0, 0.0
    if exposed == 1:
        v2 = sheet.covariance[only, only]
        d, g = abs(work[0, only]) * np.sqrt(v2), work[1, only] * v2
        kept = one_factor(d, g, number[TAIL_MAINTENANCE], number[Z_MAINTENANCE], is_shortfall)
        if opens:
            initial = one_factor(d, g, number[TAIL_INITIAL], number[Z_INITIAL], is_shortfall)
    else:
        skew, excess = third / (deviation * variance), fourth / (variance * variance)
        kept = cornish_fisher(mean, deviation, skew, excess, number[TAIL_MAINTENANCE], number[Z_MAINTENANCE], is_shortfall)
        if opens:
            initial = cornish_fisher(mean, deviation, skew, excess, number[TAIL_INITIAL], number[Z_INITIAL], is_shortfall)
    kept = max(kept, 0.0)
    return equity, max(initial, kept), kept
