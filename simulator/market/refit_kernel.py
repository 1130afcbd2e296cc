"""GARCH(1,1) fitted to a path's own last returns, again and again: the kernels of `online.GarchRefit`.

The level is the window's mean square (variance targeting, Engle and Mezrich 1996), so two numbers are left: with squares s in
units of the level, h[0] = 1 and h[t+1] = 1 - alpha - beta + alpha s[t] + beta h[t]. Their likelihood (normal, or Student-t with
known degrees of freedom; `tail` is one over these, 0 for a normal) is climbed by Fisher scoring from the best point of a grid, in
x = logit(persistence / largest), y = logit(alpha / persistence).
"""

from __future__ import annotations

import math

import numpy as np

from simulator.kernel import kernel

PERSISTENCES = (0.8, 0.96, 0.995)  # of the largest: the grid
SHARES = (0.05, 0.2)  # of persistence that is alpha
FARTHEST = 8.0  # of a coordinate: a share of 3e-4
LARGEST_STEP = 2.5
MOST_STEPS, MOST_HALVINGS = 40, 8
CLOSE = 1e-7  # log-likelihood still to gain, by the quadratic that the step believes in
TOGETHER = 16  # factors whose product cannot leave the range of a double, and whose logarithm is taken once


@kernel
def refitted(r, today, level, alpha, beta, window, every, tail, largest, ceiling, out):
    """Fills variances `out` [t + 1, path] known before each return of `r` [t, path] (NaN where missing).

    Every `every` steps, once `window` returns are there, alpha, beta and level are those of the last `window`, and the variance
    is what their recursion makes of them; until then those given. Missing returns enter as what the law expects.
    """
    squares, found = np.empty(window), np.empty(3)
    for p in range(r.shape[1]):
        v, a, b, h = level, alpha, beta, today
        out[0, p] = h
        for t in range(r.shape[0]):
            if t >= window and t % every == 0:
                for i in range(window):
                    squares[i] = r[t - window + i, p] * r[t - window + i, p]
                refit(squares, tail, largest, found)
                if found[0] > 0.0:
                    v, a, b = found[0], found[1], found[2]
                    h = last_variance(squares, v, a, b, ceiling)
                    out[t, p] = h
            value = r[t, p]
            square = h if math.isnan(value) else value * value
            h = min(v * (1.0 - a - b) + a * square + b * h, ceiling * ceiling * v)
            out[t + 1, p] = h


@kernel
def last_variance(squares, level, alpha, beta, ceiling):
    """Of the step after `squares`, from the level on."""
    h = level
    for i in range(squares.size):
        square = h if math.isnan(squares[i]) else squares[i]
        h = min(level * (1.0 - alpha - beta) + alpha * square + beta * h, ceiling * ceiling * level)
    return h


@kernel
def refit(squares, tail, largest, found):
    """Fills `found` with level, alpha, beta of squared returns `squares` (NaN where missing); a level of 0 if nothing moved."""
    level, seen = 0.0, 0
    for i in range(squares.size):
        if not math.isnan(squares[i]):
            level += squares[i]
            seen += 1
    level = level / seen if seen > 0 else 0.0
    found[0] = level
    if level <= 0.0:
        return
    s, g, info = squares / level, np.empty(2), np.empty(3)
    x, y, best = 0.0, 0.0, -math.inf
    for persistence in PERSISTENCES:
        for share in SHARES:
            value = ascend(s, persistence * largest, share, tail, g, info)
            if value > best:
                x, y, best = math.log(persistence / (1.0 - persistence)), math.log(share / (1.0 - share)), value
    best = ascend(s, largest / (1.0 + math.exp(-x)), 1.0 / (1.0 + math.exp(-y)), tail, g, info)
    for _ in range(MOST_STEPS):
        dx, dy, gain = scoring_step(x, y, largest, g, info)
        u, w, value, shorter = x, y, -math.inf, 0
        while value < best and gain > CLOSE and shorter < MOST_HALVINGS:
            u, w, shorter = held(x + dx), held(y + dy), shorter + 1
            value = ascend(s, largest / (1.0 + math.exp(-u)), 1.0 / (1.0 + math.exp(-w)), tail, g, info)
            dx, dy = 0.5 * dx, 0.5 * dy
        if value < best or (u == x and w == y):
            break
        x, y, best = u, w, value
    persistence = largest / (1.0 + math.exp(-x))
    found[1] = persistence / (1.0 + math.exp(-y))
    found[2] = persistence - found[1]


@kernel
def held(x):
    """A coordinate inside its bounds."""
    return min(max(x, -FARTHEST), FARTHEST)


@kernel
def scoring_step(x, y, largest, g, info):
    """(dx, dy, gain): Fisher's step from the slopes `g` and the information `info` (aa, ab, bb) of alpha and beta."""
    keep, share = 1.0 / (1.0 + math.exp(-x)), 1.0 / (1.0 + math.exp(-y))
    persistence = largest * keep
    grow, turn = persistence * (1.0 - keep), persistence * share * (1.0 - share)
    ax, bx = share * grow, (1.0 - share) * grow  # d(alpha, beta) / dx; by y they are turn and -turn
    gx, gy = ax * g[0] + bx * g[1], turn * (g[0] - g[1])
    xx = ax * ax * info[0] + 2.0 * ax * bx * info[1] + bx * bx * info[2]
    xy = turn * (ax * (info[0] - info[1]) + bx * (info[1] - info[2]))
    yy = turn * turn * (info[0] - 2.0 * info[1] + info[2])
    xx, yy = xx * (1.0 + 1e-9) + 1e-12, yy * (1.0 + 1e-9) + 1e-12
    area = xx * yy - xy * xy
    dx, dy = (yy * gx - xy * gy) / area, (xx * gy - xy * gx) / area
    gain = 0.5 * (gx * dx + gy * dy)
    most = max(abs(dx), abs(dy))
    shorter = LARGEST_STEP / most if most > LARGEST_STEP else 1.0
    return dx * shorter, dy * shorter, gain


@kernel
def ascend(s, persistence, share, tail, g, info):
    """The log-likelihood of squares `s` in units of the level, less its constant; fills slopes and information of alpha, beta."""
    alpha = persistence * share
    beta = persistence - alpha
    rest, scale = 1.0 - persistence, 1.0 - 2.0 * tail
    h, ha, hb, total, heights, tails = 1.0, 0.0, 0.0, 0.0, 1.0, 1.0
    g[0], g[1], info[0], info[1], info[2] = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(s.size):
        square = s[t]
        if math.isnan(square):
            square, ea, carry = h, h, alpha + beta
        else:
            over = 1.0 / h
            z2 = square * over
            stretch = 1.0 + tail * z2 / scale
            pull = (1.0 + tail) * z2 / (scale * stretch)
            heights, tails = heights * h, tails * stretch
            if tail == 0.0:
                total -= 0.5 * z2
            slope, ra, rb = 0.5 * (pull - 1.0) * over, ha * over, hb * over
            g[0] += slope * ha
            g[1] += slope * hb
            info[0] += ra * ra
            info[1] += ra * rb
            info[2] += rb * rb
            ea, carry = square, beta
        h, ha, hb = rest + alpha * square + beta * h, ea - 1.0 + carry * ha, h - 1.0 + carry * hb
        if t % TOGETHER == 0 or t == s.size - 1:
            total -= 0.5 * math.log(heights)
            if tail > 0.0:
                total -= 0.5 * (1.0 + 1.0 / tail) * math.log(tails)
            heights, tails = 1.0, 1.0
    expected = 0.5 / (1.0 + 3.0 * tail)
    for i in range(3):
        info[i] *= expected
    return total
