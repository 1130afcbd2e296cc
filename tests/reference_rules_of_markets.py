"""Funding, venues by skew and fees with a memory, of the plain reference model: docs/model.md sections 2, 4.4 and 5.1."""

import math

import reference_margin

from simulator.parameters import DAY, YEAR

HOUR = 3600.0


def clip(x, bound):
    return max(-bound, min(bound, x))


def users_skew(model, m):
    """Longs less shorts of everybody but the maker [base]."""
    return sum(row.position[m] for row in model.rows if row is not model.special["MAKER"])


def users_sides(model, m):
    rows = [row for row in model.rows if row is not model.special["MAKER"]]
    return sum(max(r.position[m], 0.0) for r in rows), sum(max(-r.position[m], 0.0) for r in rows)


def venue(model, m, ordinary):
    part = model.protocol.venues[model.markets[m]].perpetual
    kinds = {"skew-fill": SkewVenue, "power": PowerVenue}
    return kinds[part.kind](model, m, part) if part.kind in kinds else ordinary(part)


class SkewVenue:
    """Synthetix: the price is the index times one plus skew over scale; a fill is the mean of before and after."""

    is_linear = True

    def __init__(self, model, m, part):
        self.model, self.m, self.part = model, m, part

    @property
    def index(self):
        return self.model.index[self.model.market_asset[self.m]]

    @property
    def factor(self):
        return max(1 + users_skew(self.model, self.m) / self.part.skew_scale, 1e-3)

    def set_depth(self, volatility, reference, share):
        pass

    def recover(self, dt):
        pass

    def move(self):
        pass

    def quote(self, n, s):
        before = users_skew(self.model, self.m) / self.part.skew_scale
        after = before + n / self.part.skew_scale
        return self.index * max(1 + (before + after) / 2, 1e-3), 0.0

    def trade(self, n, s):
        return self.quote(n, s)[0]


class PowerVenue(SkewVenue):
    """GMX: fills at the index; what the trade does to |skew| to a power is charged or paid, through the pool."""

    def __init__(self, model, m, part):
        super().__init__(model, m, part)
        self.pool = part.pool

    @property
    def factor(self):
        return 1.0

    def impact(self, n):
        p, price = self.part, self.index
        before, after = users_skew(self.model, self.m) * price, (users_skew(self.model, self.m) + n) * price
        gain = p.positive_factor, p.positive_exponent
        if p.positive_exponent == p.negative_exponent:
            gain = min(p.positive_factor, p.negative_factor), p.positive_exponent
        loss = p.negative_factor, p.negative_exponent

        def power(skew, rule):
            return rule[0] * abs(skew) ** rule[1] if abs(skew) >= 1 else 0.0

        crosses = before * after < 0
        falls = abs(after) < abs(before)
        paid = power(before, gain if crosses or falls else loss) - power(after, gain if falls and not crosses else loss)
        size = abs(n) * price
        return min(paid, p.greatest_gain * size, self.pool) if paid > 0 else max(paid, -p.greatest_cost * size)

    def quote(self, n, s):
        return (self.index - self.impact(n) / n if n else self.index), 0.0

    def trade(self, n, s):
        paid = self.impact(n) if n else 0.0
        self.pool -= paid
        return self.index - paid / n if n else self.index

    def makers_fill(self, fill):
        return self.index


def funding(model, m):
    """What longs pay over the step, of notional."""
    rule, dt, index = model.protocol.funding, model.world.dt, model.index[model.market_asset[m]]
    if rule.kind == "premium":
        rate, cap = (model.mark(m) / index - 1) / rule.convergence_hours, rule.hourly_cap
        pull = rule.hourly_interest - (rate if rule.hourly_band is not None else 0.0)
        rate += pull if rule.hourly_band is None else clip(pull, rule.hourly_band)
        if rule.margin_multiple is not None:
            initial, maintenance = least_ratios(model.force["perpetuals"][model.markets[m]], model.W[m])
            cap = min(cap, rule.margin_multiple * (initial - maintenance) / rule.convergence_hours)
        return clip(rate, cap) * dt / HOUR
    if rule.kind == "velocity":
        scale = rule.skew_scale or model.perpetual[m].part.skew_scale
        before = model.rates_kept[m]
        model.rates_kept[m] += clip(users_skew(model, m) / scale, 1.0) * rule.greatest_velocity * dt / DAY
        return (before + model.rates_kept[m]) / 2 * dt / DAY
    longs, shorts = (side * index for side in users_sides(model, m))
    if longs + shorts > 0:
        model.rates_kept[m] = adapted(rule, model.rates_kept[m], longs, shorts, dt)
    return model.rates_kept[m] * dt if longs > 0 and shorts > 0 else 0.0


def spare_maker(model, m, paid):
    """4.4, most_of_fees: longs pay `paid` a base; what MAKER does not pay of its own, receivers go without."""
    rule, makers = model.protocol.funding, model.special["MAKER"]
    y = paid * makers.position[m]
    z = rule.most_of_fees * model.world.dt / HOUR * max(model.fee_pools[m], 0.0)
    model.near(y - z, abs(y) + z)
    model.fee_pools[m] -= min(y, z)
    if y <= z:
        return
    receivers = [row for row in model.rows if row is not makers and row.position[m] * paid < 0]
    base = sum(abs(row.position[m]) for row in receivers)
    for row in receivers:
        row.cost[m] += abs(row.position[m]) * (y - z) / base
    makers.cost[m] -= y - z


def adapted(rule, rate, longs, shorts, dt):
    difference = longs - shorts
    share = abs(difference) ** rule.exponent / (longs + shorts)
    heavier = (difference > 0) - (difference < 0)
    if rate * difference > 0:
        if share > rule.threshold_stable:
            rate += heavier * share * rule.increase * dt
        elif share < rule.threshold_decrease:
            rate = heavier * max(abs(rate) - rule.decrease * dt, 1e-30)
    else:
        rate += heavier * share * rule.increase * dt
    return math.copysign(max(min(abs(rate), rule.greatest), rule.least), rate) if rate else 0.0


def least_ratios(rule, variance):
    """(initial, maintenance) ratio of a small position in an empty market whose smoothed variance is `variance`."""
    if rule["kind"] == "volatility-scaled":
        f = reference_margin.factor(rule, variance)
        return rule["initial_margin_ratio"] * f, rule["maintenance_margin_ratio"] * f
    if rule["kind"] in ("flat", "size-scaled"):
        return rule["initial_margin_ratio"], rule["maintenance_margin_ratio"]
    if rule["kind"] == "open-interest-scaled":
        return rule["initial_margin_ratio"], rule["initial_margin_ratio"] * rule["maintenance_fraction"]
    if rule["kind"] == "skew-scaled":
        least = rule["minimum_ratio"] + rule["scaled_ratio"] / 1000
        return least, least * rule["maintenance_scalar"]
    if rule["kind"] == "collateral-factor":
        return rule["minimum_factor"], rule["minimum_factor_liquidation"]
    return 1 / rule["tiers"][0]["greatest_leverage"], rule["maintenance_share"] / rule["tiers"][0]["greatest_leverage"]


class FeeMemory:
    """What a fee knows of every market."""

    def __init__(self, model):
        count = len(model.markets)
        prices = [model.external[a] for a in model.market_asset]
        self.sell, self.last, self.reference = [1.0] * count, list(prices), list(prices)
        self.kept, self.crossed, self.age = [0.0] * count, [0.0] * count, [math.inf] * count

    def learn(self, model):
        rule, dt = model.force["fees"], model.world.dt
        for m, a in enumerate(model.market_asset):
            now, before, mark = model.index[a], model.before_observation[a], model.mark(m)
            if rule["kind"] == "liquidity-book":
                if dt >= rule["filter_period"]:
                    self.kept[m] = self.crossed[m] * rule["reduction"] if dt < rule["decay_period"] else 0.0
                    self.reference[m] = self.last[m]
                bins = abs(math.log(mark / self.reference[m])) / math.log(1 + rule["bin_step"])
                self.crossed[m] = min(self.kept[m] + bins, rule["most_bins"])
                self.last[m] = mark
            elif rule["kind"] == "sliding":
                self.sell[m] = min(max(self.sell[m] - rule["sensitivity"] * (now / before - 1), 0.0), 2.0)
            elif rule["kind"] == "one-sided":
                self.age[m] += dt
                if now != before:
                    self.age[m], self.reference[m] = 0.0, before

    def fee(self, model, m, rule, n):
        a = model.market_asset[m]
        if rule["kind"] == "maker-taker":
            if not n:
                return rule["taker"]
            skew = users_skew(model, m)
            balances = min(abs(skew), abs(n)) if skew * n < 0 else 0.0
            return (balances * rule["maker"] + (abs(n) - balances) * rule["taker"]) / abs(n)
        if rule["kind"] == "two-sigmoid":
            ticks = model.v[a] * 15 / YEAR / math.log(1.0001) ** 2
            return rule["base"] + sum(
                sigmoid(ticks, rule[f"height_{k}"], rule[f"middle_{k}"], rule[f"width_{k}"]) for k in (1, 2)
            )
        if rule["kind"] == "liquidity-book":
            return min(rule["cap"], rule["base"] + rule["control"] * (self.crossed[m] * rule["bin_step"]) ** 2)
        if rule["kind"] == "sliding":
            return rule["base"] * (1.0 if n is None else 2 - self.sell[m] if n > 0 else self.sell[m])
        left = max(0.0, 1 - self.age[m] / rule["delay"]) if self.age[m] < math.inf else 0.0
        low, high = sorted((self.reference[m], model.index[a]))
        return min(rule["cap"], max(rule["base"], (1 - (low / high) ** 3) * left))


def sigmoid(x, height, middle, width):
    if abs(x - middle) >= 6 * width:
        return height if x > middle else 0.0
    return height / (1 + math.exp((middle - x) / width))


def in_band(model, m, n):
    """5.1: the largest part of a trade of n that does not fill beyond the band of market m."""
    band, index = model.protocol.venues[model.markets[m]].fill_band, model.index[model.market_asset[m]]

    def beyond(part):
        fill = model.perpetual[m].quote(part * n, model.mark(m))[0]
        return fill > index * (1 + band.width) if n > 0 else fill < index * (1 - band.width)

    if band is None or not beyond(1.0):
        return n
    low, high = 0.0, 1.0
    for _ in range(50):
        low, high = (low, (low + high) / 2) if beyond((low + high) / 2) else ((low + high) / 2, high)
    return low * n


def keeps_to_band(model, row, q):
    """5.1: whether a request may trade; it may be cut."""
    held, n = row.position[q.market], q.quantity
    if n * held < 0 or q.reduce_only:
        n = math.copysign(min(abs(n), abs(held) if n * held < 0 else 0.0), n)
    left = in_band(model, q.market, n) if n else n
    if left == n:
        return True
    model.near(abs(left) * model.mark(q.market) - 1, 1.0)
    if model.protocol.venues[model.markets[q.market]].fill_band.beyond == "refused" or abs(left) * model.mark(q.market) < 1:
        return False
    q.quantity, q.exit = left, False
    return True
