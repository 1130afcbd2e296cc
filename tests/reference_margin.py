"""Margin of a position, market by market, of the plain reference model: docs/model.md section 3, "Margin rules"."""

import math

from simulator.parameters import YEAR


def factor(rule, variance):
    """f of a volatility-scaled market."""
    counted = variance * (1 - rule["stressed_weight"]) + rule["stressed_weight"] * rule["stressed_volatility"] ** 2
    s = counted**0.5 / rule["reference_volatility"]
    buffered = s * (1 + rule["buffer"]) if s < 1 else 1 + rule["buffer"]
    f = buffered if buffered > s else s
    return rule["floor"] if f < rule["floor"] else rule["cap"] if f > rule["cap"] else f


def learn(model):
    """4.3: what volatility-scaled markets smooth."""
    for m, name in enumerate(model.markets):
        half_life = model.force["perpetuals"][name].get("half_life", 0.0)
        kept = 0.5 ** (model.world.dt / half_life) if half_life > 0 else 0.0
        v, rho0 = model.v[model.market_asset[m]], model.force["perpetuals"][name].get("reference_correlation")
        if rho0 is not None:
            carried, n = model.world.correlation, len(model.markets)
            rho = rho0 if carried is None else carried[model.t // model.world.substeps]
            v = v * max(1 + (n - 1) * rho, 0.0) / (1 + (n - 1) * rho0)
        model.W[m] = kept * model.W[m] + (1 - kept) * v


def small_ratios(model):
    """7: the initial ratios of small positions now, market by market."""
    rules = [model.force["perpetuals"][name] for name in model.markets]
    scaled = [rule["kind"] == "volatility-scaled" for rule in rules]
    moving = [rule["initial_margin_ratio"] * factor(rule, W) if is_scaled else None
              for rule, W, is_scaled in zip(rules, model.W, scaled, strict=True)]  # fmt: skip
    return [least_ratio(rule) if r is None else r for rule, r in zip(rules, moving, strict=True)]


def procyclicality(series, dt):
    """7: from a window's list of ratios by market, its start first."""
    markets, n = range(len(series[0])), len(series)
    found = {"margin_ratio": sum(sum(row) for row in series) / n / len(markets)}
    found["margin_peak_to_trough"] = max(max(row[m] for row in series) / min(row[m] for row in series) for m in markets)
    for name, days in (("margin_rise_1_day", 1), ("margin_rise_5_days", 5)):
        reach = max(round(days * 86_400 / dt), 1)
        pairs = [(i, j) for j in range(n) for i in range(max(j - reach, 0), j + 1)]
        found[name] = max(series[j][m] / series[i][m] - 1 for i, j in pairs for m in markets)
    return found


class Estimates:
    """4.3: the volatility that is not learned from the oracle: conditional, or what a feed knew."""

    def __init__(self, model):
        self.world, self.feed = model.world, model.protocol.volatility_feed
        self.are_read = self.feed is not None or model.protocol.volatility_source == "conditional"

    def variance(self, a, s):
        if self.feed is None:
            return float(self.world.volatility[s][a]) ** 2
        D = self.world.dt * self.world.substeps
        k, z = max(round(self.feed.refresh / D), 1), round(self.feed.lag / D)
        made = max(k * ((s - z) // k), 0)
        estimator = self.feed.estimator.get(self.world.assets[a])
        if estimator is None:
            return float(self.world.volatility[made][a]) ** 2
        return self.estimate(estimator, a, made, D)

    def estimate(self, e, a, made, D):
        """h before step `made`, all its returns worked through from the start."""
        h, squares = e.volatility_today**2, []
        for i in range(made):
            ends = [float(self.world.prices[(i + j) * self.world.substeps][a]) for j in (0, 1)]
            r = math.log(ends[1] / ends[0])
            x = r * r / (D / YEAR)
            squares.append(x)
            if e.kind == "ewma":
                kept = 0.5 ** (D / e.half_life)
                h = kept * h + (1 - kept) * x
            if e.kind == "garch-filter":
                level = e.volatility**2
                h = (1 - e.alpha - e.beta - e.gamma / 2) * level + (e.alpha + (e.gamma if r < 0 else 0.0)) * x + e.beta * h
                h = min(h, e.ceiling**2 * level)
        if e.kind == "rolling":
            n = max(round(e.window / D), 1)
            h = math.fsum(([e.volatility_today**2] * n + squares)[-n:]) / n
        return h


def interest(model, m, side):
    """(O of the whole market, O of one side without the maker) [usd]."""
    longs = sum(max(row.position[m], 0.0) for row in model.rows)
    others = [row for row in model.rows if row is not model.special["MAKER"]]
    own = sum(max(side * row.position[m], 0.0) for row in others)
    return longs * model.M[m], own * model.M[m]


def needs(rule, q, price, whole=0.0, own=0.0, variance=0.0):
    """(initial, maintenance) of q base at `price` under a rule, a dict of its fields; W of its market is `variance`."""
    h = abs(q) * price
    if h == 0:
        return 0.0, 0.0
    if rule["kind"] == "volatility-scaled":
        f = factor(rule, variance)
        return h * rule["initial_margin_ratio"] * f, h * rule["maintenance_margin_ratio"] * f
    return {
        "flat": flat,
        "open-interest-scaled": by_interest,
        "size-scaled": by_size,
        "skew-scaled": by_skew,
        "collateral-factor": by_factor,
        "tiered": by_tier,
    }[rule["kind"]](rule, abs(q), h, whole, own)


def flat(rule, q, h, whole, own):
    return h * rule["initial_margin_ratio"], h * rule["maintenance_margin_ratio"]


def by_interest(rule, q, h, whole, own):
    base, low, high = rule["initial_margin_ratio"], rule["lower_open_interest"], rule["upper_open_interest"]
    ratio = base
    if high > 0 and whole > low:
        ratio = 1.0 if whole >= high else base + (1 - base) * (whole - low) / (high - low)
    return h * ratio, h * base * rule["maintenance_fraction"]


def by_size(rule, q, h, whole, own):
    return tuple(
        h * max(r, 0.8 * r + rule["size_factor"] * math.sqrt(q))
        for r in (rule["initial_margin_ratio"], rule["maintenance_margin_ratio"])
    )


def by_skew(rule, q, h, whole, own):
    r, least = q / rule["skew_scale"] * rule["scaled_ratio"] + rule["minimum_ratio"], rule["minimum_margin"]
    return h * r + least, h * r * rule["maintenance_scalar"] + least


def by_factor(rule, q, h, whole, own):
    factor, least = max(rule["minimum_factor"], own * rule["open_interest_factor"]), rule["minimum_collateral"]
    return max(h * factor, least), max(h * rule["minimum_factor_liquidation"], least)


def by_tier(rule, q, h, whole, own):
    initial, maintenance = 0.0, 0.0
    bounds = [tier["lower_bound"] for tier in rule["tiers"]] + [math.inf]
    for n, tier in enumerate(rule["tiers"]):
        if h >= bounds[n]:
            initial = h / tier["greatest_leverage"]
            maintenance += (min(h, bounds[n + 1]) - bounds[n]) * rule["maintenance_share"] / tier["greatest_leverage"]
    return initial, maintenance


def least_ratio(rule):
    """What stands for a rule where one number must."""
    if rule["kind"] == "skew-scaled":
        return rule["minimum_ratio"] + rule["scaled_ratio"] / 1000
    if rule["kind"] == "tiered":
        return 1 / rule["tiers"][0]["greatest_leverage"]
    if rule["kind"] == "volatility-scaled":
        return rule["initial_margin_ratio"] * factor(rule, rule["reference_volatility"] ** 2)
    return rule["minimum_factor"] if rule["kind"] == "collateral-factor" else rule["initial_margin_ratio"]


def ratio_of_worth(model, m, worth, parameters, at_load=False):
    """The initial ratio of a position worth `worth`; the parameter where all markets are flat."""
    rules = parameters["perpetuals"]
    rule = rules[model.markets[m]]
    if worth <= 0 or all(other["kind"] == "flat" for other in rules.values()):
        return least_ratio(rule)
    price = model.external[model.market_asset[m]] if at_load else model.M[m]
    whole, own = 0.0, 0.0
    if not at_load:
        whole, own = interest(model, m, 1.0)[0], max(interest(model, m, 1.0)[1], interest(model, m, -1.0)[1])
    return needs(rule, worth / price, price, whole, own, model.W[m])[0] / worth
