"""The loop that moves one asset's implied surface along its paths. The law is `ImpliedSurface`'s."""

from __future__ import annotations

import numpy as np

from simulator.kernel import kernel, normal, rule, uniform_pair

LOWEST, HIGHEST = np.log(0.02), np.log(20.0)  # log volatilities between which the level is held
MOST_SKEW = 3.0  # |atanh rho|: |rho| <= 0.995
MOST_CURVATURE = 6.0  # |logit|: eta between 0.25 % and 99.75 % of its bound

# places in the law
TARGET, ELASTICITY, REFERENCE, LONG_VARIANCE, LEVEL, SKEW, CURVATURE = 0, 1, 2, 3, 4, 7, 11


@rule
def held(x, low, high):
    """`x` between two bounds."""
    return min(max(x, low), high)


@rule
def target_level(volatility, law):
    """Log of the short volatility to which the level returns, at the path's conditional volatility."""
    if volatility <= 0.0 or law[ELASTICITY] == 0.0:
        return law[TARGET]
    return law[TARGET] + law[ELASTICITY] * np.log(volatility / law[REFERENCE])


@rule
def put(out, n, p, u, s, c, law):
    """Write the parameters of path `p` at row `n` from the coordinates that move."""
    rho = np.tanh(s)
    out[n, 0, p] = np.exp(2.0 * u)
    out[n, 1, p] = law[LONG_VARIANCE]
    out[n, 2, p] = rho
    out[n, 3, p] = 2.0 / ((1.0 + abs(rho)) * (1.0 + np.exp(-c)))


@kernel
def fill_surface(out, price, volatility, key, first, law):
    """out: [market step + 1, parameter, path]; price: [market step + 1, path]; volatility: [market step, path]."""
    steps = volatility.shape[0]
    for p in range(out.shape[2]):
        u = held(target_level(volatility[0, p], law), LOWEST, HIGHEST)
        s, c = law[SKEW], law[CURVATURE]
        put(out, 0, p, u, s, c, law)
        for n in range(1, steps + 1):
            r = np.log(price[n, p] / price[n - 1, p])
            u1, u2 = uniform_pair(key, n, 0, first + p, 0)
            u3, _ = uniform_pair(key, n, 0, first + p, 1)
            goal = target_level(volatility[min(n, steps - 1), p], law)
            u += law[LEVEL] * (goal - u) + law[LEVEL + 1] * r + law[LEVEL + 2] * normal(u1)
            s += law[SKEW + 1] * (law[SKEW] - s) + law[SKEW + 2] * r + law[SKEW + 3] * normal(u2)
            c += law[CURVATURE + 1] * (law[CURVATURE] - c) + law[CURVATURE + 2] * r + law[CURVATURE + 3] * normal(u3)
            u = held(u, LOWEST, HIGHEST)
            s = held(s, -MOST_SKEW, MOST_SKEW)
            c = held(c, -MOST_CURVATURE, MOST_CURVATURE)
            put(out, n, p, u, s, c, law)
