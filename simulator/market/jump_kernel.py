"""Jumps of one market step: how many, how large, in which substep."""

import math

from simulator.kernel import normal, rule, uniform_pair
from simulator.market.step_law import MERTON

STRIDE = 32  # paths looked at together for a jump


@rule
def joint_normals(key, step, asset, path, n, factor, lean, scale):
    """Two standard normals for jump n, each tied to the other assets' jump n by the copula, the first shifted by a tilt."""
    x, y = 0.0, 0.0
    for b in range(asset + 1):
        u, v = uniform_pair(key, step, b, path, n)
        x += factor[asset, b] * (normal(u) + lean[b] * scale)
        y += factor[asset, b] * normal(v)
    return x, y


@rule
def jump_size(kind, law, w):
    """Size of a jump of the log price at a standard normal w."""
    if kind == MERTON:
        return law[0] + law[1] * w
    above = 0.5 * math.erfc(w / math.sqrt(2.0))
    if above < law[0]:
        return -math.log(above / law[0]) / law[1]
    return math.log(0.5 * math.erfc(-w / math.sqrt(2.0)) / (1.0 - law[0])) / law[2]


@rule
def jump(count_at, least, jumps, asset, draw, key, step, first, total, moments, lean, scale):
    """Jumps of one step: their sum into `total[path]`, and each whole into `moments[substep, path]` if there are substeps.

    No draw at or below `least` means a jump: `STRIDE` paths are looked at together, by a count, which compiles to vector
    code, and nearly all are spared a look at their own threshold.
    """
    paths = total.shape[0]
    if moments.shape[0] > 1:
        for i in range(paths):
            if total[i] != 0.0:
                for substep in range(moments.shape[0]):
                    moments[substep, i] = 0.0
    for i in range(paths):
        total[i] = 0.0
    for begin in range(0, paths, STRIDE):
        end = min(begin + STRIDE, paths)
        above = 0
        for i in range(begin, end):
            above += 1 if count_at[i] > least else 0
        if above > 0:
            for i in range(begin, end):
                if count_at[i] > least:
                    jump_path(count_at[i], jumps, asset, draw[i], key, step, first + i, i, total, moments, lean, scale[i])


@rule
def jump_path(count_at, jumps, asset, draw, key, step, path, i, total, moments, lean, scale):
    """The jumps of one path in one step; `i` is its place in `total` and `moments`."""
    substeps = moments.shape[0]
    n = 0
    while n < jumps.counts.shape[2] and count_at > jumps.counts[asset, draw, n]:
        w, when = joint_normals(key, step, asset, path, n, jumps.factor, lean, scale)
        size = jump_size(jumps.kind[asset], jumps.law[asset, draw], w)
        total[i] += size
        if substeps > 1:
            substep = min(int(substeps * 0.5 * math.erfc(-when / math.sqrt(2.0))), substeps - 1)
            moments[substep, i] += size
        n += 1
