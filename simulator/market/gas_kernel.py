"""The loop that fills the price of gas from the volatility of its asset."""

import math

from simulator.kernel import kernel, normal, uniform, uniform_pair


@kernel
def fill_gas(gas, volatility, key, first, law):
    """`gas` [substep, path] in gwei, the same in every substep of a market step; `volatility` [market step, path].

    `law`: log level, elasticity, reference volatility, share kept by a step, spread, jumps a step, mean jump, x at the start
    (NaN: its stationary law).
    """
    level, elasticity, reference, kept, spread, intensity, mean, start = law
    steps = volatility.shape[0]
    substeps = gas.shape[0] // steps
    fresh = spread * math.sqrt(1.0 - kept * kept)
    for i in range(gas.shape[1]):
        x = start
        if math.isnan(start):
            x = spread * normal(uniform(key, 0, 1, first + i, 0))
        for step in range(steps):
            ratio = volatility[step, i] / reference
            strain = elasticity * math.log(ratio) if elasticity > 0.0 and ratio > 0.0 else 0.0
            price = math.exp(level + strain + x)
            for substep in range(substeps):
                gas[step * substeps + substep, i] = price
            u, v = uniform_pair(key, step, 0, first + i, 0)
            x = kept * x + fresh * normal(u)
            if v < -math.expm1(-intensity * ratio * ratio):
                x -= mean * math.log(uniform(key, step, 0, first + i, 1))
