"""Paths under a tilted law, and the exact ratio of its density to the market's own (simulator/market/rare_events.py).

What is tilted are independent draws, before any copula ties them. More jumps: the uniform behind a number of jumps lies in its
upper tail, in which there is a jump, `factor` times as often; the normals behind sizes are shifted by `lean` x the path's
`scale`. One far innovation: the uniform behind that of one step and asset, all as likely, has the tail probability v^4. The
ratios are those of these draws, whatever the copula, the dynamics of correlation or the process.
"""

import math
from typing import NamedTuple

import numpy as np

from simulator.kernel import kernel, normal, rule, uniform, uniform_pair

NEVER = 2**62  # a market step that does not come
LARGEST_LOG = 700.0
LEAST_TAIL = 2.0**-52  # of a uniform of 52 bits, both sides together
COUNTS, SIZES, SQUARES, FAR = range(4)  # rows of `Tilt.score`


class Tilt(NamedTuple):
    """The tilted law, what each path drew of it, and what is needed of the ratio of densities."""

    since: int  # market step from which on draws are tilted
    factor: float  # how many times as often a step has jumps
    tail: np.ndarray  # [asset, draw] probability of a jump in a step
    log_calm: np.ndarray  # [asset, draw] log ratio of densities of a step without one
    lean: np.ndarray  # [asset] shift of the normal behind its size that moves sizes of all assets by one deviation
    has_more: np.ndarray  # [path] more jumps
    scale: np.ndarray  # [path] deviations by which jumps are moved; 0 of all others
    far_step: np.ndarray  # [path] market step of the far innovation, or -1
    far_asset: np.ndarray  # [path] whose it is
    score: np.ndarray  # [row, path] log ratio of numbers of jumps; sums of lean x normal, lean^2 / 2, ratios of innovations


@rule
def draw_more(v, a, draw, tilt):
    """Uniforms behind the numbers of jumps of asset `a`, moved to the tilted law in place, with their log ratio."""
    for i in range(v.shape[0]):
        p = tilt.tail[a, draw[i]]
        if p > 0.0:
            if tilt.has_more[i]:
                above, wanted = 1.0 - v[i], tilt.factor * p
                v[i] = 1.0 - above / tilt.factor if above < wanted else v[i] * (1.0 - p) / (1.0 - wanted)
            tilt.score[COUNTS, i] += math.log(tilt.factor) if 1.0 - v[i] < p else tilt.log_calm[a, draw[i]]


@rule
def draw_far(u, a, step, tilt):
    """Uniforms behind the innovations of asset `a`: the far one moved in place, and the ratio of every one."""
    for i in range(u.shape[0]):
        if tilt.far_step[i] == step and tilt.far_asset[i] == a:
            v = 2.0 * min(u[i], 1.0 - u[i])
            tail = 0.5 * v * v * v * v
            u[i] = tail if u[i] < 0.5 else 1.0 - tail
    for i in range(u.shape[0]):
        tilt.score[FAR, i] += far_ratio(max(2.0 * min(u[i], 1.0 - u[i]), LEAST_TAIL))


@rule
def far_ratio(tail):
    """Density of v^4 over that of v at a tail probability, both sides together."""
    root = math.sqrt(tail)
    return 0.25 / (root * math.sqrt(root))


@rule
def score_sizes(counts, jumps, draw, tilt, key, step, first):
    """Add what the normals behind the sizes of this step's jumps say, of those that a size rests on."""
    for i in range(draw.shape[0]):
        n = 0
        while has_jump(counts, jumps, draw[i], i, n, -1):
            for b in range(counts.shape[0]):
                if has_jump(counts, jumps, draw[i], i, n, b):
                    z = normal(uniform_pair(key, step, b, first + i, n)[0]) + tilt.lean[b] * tilt.scale[i]
                    tilt.score[SIZES, i] += tilt.lean[b] * z
                    tilt.score[SQUARES, i] += 0.5 * tilt.lean[b] * tilt.lean[b]
            n += 1


@rule
def has_jump(counts, jumps, draw, i, n, b):
    """Whether any asset has more than `n` jumps on path `i`; from `b` = 0 on, any whose size rests on normal `b`."""
    found = False
    if n < jumps.counts.shape[2]:
        for a in range(max(b, 0), counts.shape[0]):
            if counts[a, i] > jumps.counts[a, draw, n] and (b < 0 or jumps.factor[a, b] != 0.0):
                found = True
    return found


@kernel
def choose(key, first, plain_share, far_share, shifts, steps, tilt):
    """Each path's part of the mixture, a hash of its id: plain, one far innovation in one of `steps`, or one of `shifts`."""
    for i in range(tilt.scale.shape[0]):
        place = (uniform(key, 0, 0, first + i, 0) - plain_share) / (1.0 - plain_share)
        if place >= far_share:
            part = int((place - far_share) / (1.0 - far_share) * shifts.shape[0])
            tilt.has_more[i], tilt.scale[i] = True, shifts[min(part, shifts.shape[0] - 1)]
        elif place >= 0.0:
            when, whose = uniform_pair(key, 0, 1, first + i, 0)
            tilt.far_step[i], tilt.far_asset[i] = tilt.since + int(when * steps), int(whose * tilt.tail.shape[0])


@kernel
def weigh(score, plain_share, far_share, shifts, innovations, weight):
    """The market's own density over that of the mixture, at each path: never above 1 / `plain_share`."""
    for i in range(weight.shape[0]):
        more = 0.0
        for c in shifts:
            more += math.exp(min(score[COUNTS, i] + c * score[SIZES, i] - c * c * score[SQUARES, i], LARGEST_LOG))
        ratio = far_share * score[FAR, i] / innovations + (1.0 - far_share) * more / shifts.shape[0]
        weight[i] = 1.0 / (plain_share + (1.0 - plain_share) * ratio)
