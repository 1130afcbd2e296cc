"""Memory of oracles and circuit breakers, deleveraging in proportion, of the plain reference model: docs/model.md 2, 5.7."""

from simulator.parameters import YEAR


class Memory:
    """Of one asset: the values of its oracle's window, the time since the load, and its circuit breaker."""

    def __init__(self, venues, price, dt):
        self.oracle, self.breaker = venues.oracle, venues.breaker
        self.first, self.time, self.doubts, self.doubt = price, 0.0, False, 0.0
        steps = 1 if self.oracle.window is None else max(round(self.oracle.window / dt), 1)
        self.values = [price] * steps
        self.reference, self.since, self.left = price, 0.0, 0.0

    def believed(self, raw, dt, before):
        if dt is not None:
            self.values = [*self.values[1:], raw]
            self.time += dt
        self.values[-1] = raw
        value = sum(self.values) / len(self.values)
        if self.oracle.most_growth is not None:
            value = min(value, self.first * (1 + self.oracle.most_growth * self.time / YEAR))
        if self.oracle.most_move is not None:
            most = 1 + self.oracle.most_move
            value = max(min(value, before * most), before / most)
        return value

    def breaks(self, model, index, dt):
        if self.breaker is None:
            return False
        self.left, self.since = max(self.left - dt, 0.0), self.since + dt
        move = abs(index / self.reference - 1)
        model.near(move - self.breaker.move, self.breaker.move)
        if move >= self.breaker.move:
            self.left = self.breaker.halt
        if move >= self.breaker.move or self.since >= self.breaker.window:
            self.reference, self.since = index, 0.0
        return self.left > 0


def in_proportion(wanted, sizes, weights):
    """min(size, lambda x weight x size) of each, lambda such that they add up to `wanted`; all, where all are not enough."""
    if sum(sizes) <= wanted:
        return list(sizes)
    full = 0.0  # what the greatest weights give whole
    order = sorted(range(len(sizes)), key=lambda j: -weights[j])
    for place, j in enumerate(order):
        rest = sum(sizes[i] * weights[i] for i in order[place:])
        scale = (wanted - full) / rest
        if scale * weights[j] < 1:
            whole = set(order[:place])
            return [sizes[i] if i in whole else scale * weights[i] * sizes[i] for i in range(len(sizes))]
        full += sizes[j]
    return list(sizes)
