"""Portfolio margin once more, slowly: one account, dictionaries and lists, from the formulas of the documents.

Another style on purpose: options are a list of dictionaries, payoffs are evaluated at every strike, tails are counted by halving
on the whole line, matrices are multiplied out by definition. Returns (equity, initial, maintenance).
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

NORMAL = NormalDist()


def cdf(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def black(forward, strike, deviation, is_call):
    """The undiscounted price, by parity from the option that is out of the money."""
    if deviation == 0 or forward == 0 or strike == 0:
        return max(forward - strike, 0.0) if is_call else max(strike - forward, 0.0)
    d = math.log(forward / strike) / deviation
    if forward > strike:
        put = strike * cdf(-d + deviation / 2) - forward * cdf(-d - deviation / 2)
        return put + forward - strike if is_call else put
    call = forward * cdf(d + deviation / 2) - strike * cdf(d - deviation / 2)
    return call if is_call else call - forward + strike


def mark(option, world):
    expiry = world["expiries"][option["expiry"]]
    deviation = option["volatility"] * math.sqrt(expiry["years"])
    value = black(expiry["forward"], option["strike"], deviation, option["is_call"])
    return value * math.exp(-max(expiry["rate"], 0.0) * expiry["years"])


def margin(rule, book, world):
    """(equity, initial, maintenance) of `book` {cash, options, perpetuals, gains, deposits} in `world` under `rule`."""
    equity = book["cash"] + math.fsum(o["amount"] * mark(o, world) for o in book["options"]) + math.fsum(book["gains"])
    divisor = world["settlement"] if rule["kind"] in ("scenario-grid", "span") else 1.0
    equity += math.fsum(d * c["price"] / divisor for d, c in zip(book["deposits"], world["collaterals"], strict=True))
    return (equity, *RULES[rule["kind"]](rule, book, world))


def _of(book, world, u):
    return [o for o in book["options"] if world["expiries"][o["expiry"]]["underlying"] == u]


# ---- scenario grid and SPAN


def _span(rule, book, world):
    grid, scan = dict(SPAN_GRID), rule["price_scan_range"]
    scenarios = [
        {"spot": 1 + third * scan, "volatility": way, "share": 1.0}
        for third in (0.0, 1 / 3, -1 / 3, 2 / 3, -2 / 3, 1.0, -1.0) for way in ("up", "down")
    ]  # fmt: skip
    for sign in (1, -1):
        spot = max(1 + sign * rule["extreme_multiple"] * scan, 0.0)
        scenarios.append({"spot": spot, "volatility": "none", "share": rule["extreme_cover"]})
    grid["scenarios"], grid["initial_factor"] = scenarios, rule["initial_factor"]
    grid["volatility"] = {**grid["volatility"], "shift": rule["volatility_scan_range"]}
    grid["add_ons"] = {**grid["add_ons"], "short_option_minimum": rule["short_option_minimum"]}
    return _grid(grid, book, world)


SPAN_GRID = {
    "kind": "scenario-grid", "spot_scale": 1.0, "maintenance_factor": 1.0, "collateral": {},
    "volatility": {"up": 0.0, "down": 0.0, "short_power": 0.3, "long_power": 0.13,
                   "pivot_days": 30.0, "least_days": 1.0, "least_up": 0.0},
    "skew": {}, "basis": {"up": 1.0, "down": 1.0, "added": 0.0, "per_year": 0.0},
    "discount": {
        "long_share": 1.0, "short_share": 1.0, "long_rate_factor": 0.0, "short_rate_factor": 0.0, "long_rate_added": 0.0,
        "short_rate_added": 0.0,
    },
    "add_ons": {
        "maintenance_perpetual": 0.0, "initial_perpetual": 0.0, "maintenance_option": 0.0, "initial_option": 0.0,
        "depeg_threshold": 0.98, "depeg_factor": 0.0, "confidence_threshold": 0.55, "confidence_factor": 0.0,
    },
}  # fmt: skip


def _shocked_volatility(rule, option, expiry, word):
    v, days, shock = option["volatility"], 365 * expiry["years"], rule["volatility"]
    if word == "none":
        return v
    if word in ("up", "down"):
        power = shock["short_power"] if days <= shock["pivot_days"] else shock["long_power"]
        bend = (shock["pivot_days"] / max(days, shock["least_days"], 1e-9)) ** power
        if word == "up":
            return max(v + v * shock["up"] * bend + shock["shift"], shock["least_up"])
        return max(v - v * shock["down"] * bend - shock["shift"], 0.0)
    skew, root, which = rule["skew"], math.sqrt(expiry["years"]), word.partition("-")[0]
    k = math.log(option["strike"] / expiry["forward"])
    k = abs(k) if which == "absolute" else k
    cap = skew[which + "_cap"] + skew[which + "_slope"] * root
    star = max(skew["least_width"], skew["width"] * root * (skew["level"] + skew["level_slope"] * root))
    change = min(k * cap / star, cap) if k >= 0 else -min(-k * cap / star, cap)
    return max(v + v * change, 0.0)


def _expiry_value(rule, options, expiry, spot, word):
    return math.exp(-max(expiry["rate"], 0.0) * expiry["years"]) * math.fsum(
        o["amount"] * black(
            expiry["forward"] * spot, o["strike"],
            _shocked_volatility(rule, o, expiry, word) * math.sqrt(expiry["years"]), o["is_call"],
        )
        for o in options
    )  # fmt: skip


def _after_discount(rule, value, expiry):
    terms, rate, years = rule["discount"], max(expiry["rate"], 0.0), expiry["years"]
    if value > 0:
        return value * terms["long_share"] / math.exp((rate * terms["long_rate_factor"] + terms["long_rate_added"]) * years)
    grown = terms["short_share"] * math.exp((rate * terms["short_rate_factor"] + terms["short_rate_added"]) * years)
    return value * min(grown, math.exp(rate * years))


def _doubt(rule, confidence, notional):
    terms = rule["add_ons"]
    return terms["confidence_factor"] * (1 - confidence) * notional if confidence < terms["confidence_threshold"] else 0.0


def _grid(rule, book, world):
    extra, losses, keep, opening = rule["add_ons"], [], [], []
    for u, under in enumerate(world["underlyings"]):
        size, options = book["perpetuals"][u], _of(book, world, u)
        expiries = [(e, x) for e, x in enumerate(world["expiries"]) if any(o["expiry"] == e and o["amount"] for o in options)]
        hedging = []
        for held, terms in zip(book["deposits"], world["collaterals"], strict=True):
            its = rule["collateral"].get(terms["name"], {"maintenance_haircut": 0.0, "initial_haircut": 0.0, "hedges": ""})
            home = world["names"].index(its["hedges"]) if its["hedges"] in world["names"] else 0
            if home == u:
                value = held * terms["price"] / world["settlement"]
                keep.append(value * its["maintenance_haircut"])
                opening.append(value * its["initial_haircut"])
                opening.append(_doubt(rule, min(terms["confidence"], under["confidence"]), value))
                hedging += [value] if its["hedges"] in world["names"] else []
        results = []
        for shock in rule["scenarios"]:
            total = []
            for e, expiry in expiries:
                here = [o for o in options if o["expiry"] == e]
                spot = max(1 + rule["spot_scale"] * (shock["spot"] - 1), 0.0)
                before = math.fsum(o["amount"] * mark(o, world) for o in here)
                gain = _after_discount(rule, _expiry_value(rule, here, expiry, spot, shock["volatility"]), expiry) - before
                total.append(-abs(gain) if "skew" in shock["volatility"] else gain)
            if "skew" not in shock["volatility"]:
                moving = size * under["perpetual"] + math.fsum(hedging)
                total.append(moving * (max(1 + rule["spot_scale"] * (shock["spot"] - 1), 0.0) - 1))
            results.append(shock["share"] * math.fsum(total))
        basis, naked, sure = [], 0.0, under["confidence"]
        if size:
            sure = min(sure, under["perpetual_confidence"])
            opening.append(_doubt(rule, sure, abs(size) * under["spot"]))
        for e, expiry in expiries:
            here = [o for o in options if o["expiry"] == e]
            before = math.fsum(o["amount"] * mark(o, world) for o in here)
            moved = [_expiry_value(rule, here, expiry, rule["basis"][way], "none") - before for way in ("up", "down")]
            basis.append(min(*moved, 0.0) * (rule["basis"]["added"] + rule["basis"]["per_year"] * expiry["years"]))
            for strike in {o["strike"] for o in here}:
                naked += max(-math.fsum(o["amount"] for o in here if o["strike"] == strike), 0.0)
            gross = math.fsum(abs(o["amount"]) for o in here)
            opening.append(_doubt(rule, min(sure, expiry["confidence"]), gross * under["spot"]))
        keep += [abs(size) * under["spot"] * extra["maintenance_perpetual"], naked * under["spot"] * extra["maintenance_option"]]
        opening += [abs(size) * under["spot"] * extra["initial_perpetual"], naked * under["spot"] * extra["initial_option"]]
        least = extra.get("short_option_minimum", 0.0) * naked * under["spot"]
        losses.append(max(-min([*results, math.fsum(basis)]), 0.0, least))
    depeg = max(extra["depeg_threshold"] - world["settlement"], 0.0) * extra["depeg_factor"]
    loss, kept = math.fsum(losses), math.fsum(keep)
    return (rule["initial_factor"] + depeg) * loss + kept + math.fsum(opening), rule["maintenance_factor"] * loss + kept


# ---- Derive's standard margin


def _standard(rule, book, world):
    needs = {"initial": [], "maintenance": []}
    depeg = max(rule["depeg_threshold"] - world["settlement"], 0.0) * rule["depeg_factor"]

    def doubt(confidence):
        return (1 - confidence) * rule["confidence_factor"] if confidence < rule["confidence_threshold"] else 0.0

    for u, under in enumerate(world["underlyings"]):
        size, spot = abs(book["perpetuals"][u]), under["spot"]
        for when in needs:
            needs[when].append(size * under["perpetual"] * rule[when + "_perpetual"])
        unsure = doubt(min(under["confidence"], under["perpetual_confidence"]))
        needs["initial"].append(size * (spot * depeg + under["perpetual"] * unsure))
        for e, expiry in enumerate(world["expiries"]):
            here = [o for o in _of(book, world, u) if o["expiry"] == e and o["amount"]]
            if not here:
                continue
            value = math.fsum(o["amount"] * mark(o, world) for o in here)
            short = [o for o in here if o["amount"] < 0]
            stops = [0.0, *(o["strike"] for o in here)]
            least = min(0.0, *(math.fsum(_payoff(o, stop) for o in here) for stop in stops))
            calls = math.fsum(o["amount"] for o in here if o["is_call"])
            for when in needs:
                alone = -math.fsum(-o["amount"] * _isolated(rule, o, spot, mark(o, world), when) for o in short)
                most = least - max(-calls, 0.0) * expiry["forward"] * rule[when + "_unpaired"]
                needs[when].append(value - max(alone, most))
            unsure = doubt(min(under["confidence"], expiry["confidence"]))
            needs["initial"].append(math.fsum(-o["amount"] for o in short) * spot * (depeg + unsure))
    for held, terms in zip(book["deposits"], world["collaterals"], strict=True):
        its = rule["collateral"].get(terms["name"], {"counted": 1.0, "initial_scale": 1.0, "underlying": ""})
        value, sure = held * terms["price"], terms["confidence"]
        if its["underlying"] in world["names"]:
            sure = min(sure, world["underlyings"][world["names"].index(its["underlying"])]["confidence"])
        needs["maintenance"].append(value - value * its["counted"])
        needs["initial"].append(value - value * its["counted"] * its["initial_scale"] + value * doubt(sure))
    return math.fsum(needs["initial"]), math.fsum(needs["maintenance"])


def _payoff(option, price):
    value = price - option["strike"] if option["is_call"] else option["strike"] - price
    return option["amount"] * max(value, 0.0)


def _isolated(rule, option, spot, value, when):
    """What one short needs, its mark included."""
    beyond = max(option["strike"] - spot if option["is_call"] else spot - option["strike"], 0.0) / spot
    opening = value + spot * max(rule["greatest_option"] - beyond, rule["least_option"])
    if option["is_call"]:
        return opening if when == "initial" else value + rule["call"] * spot
    keeping = value + max(rule["put"] * spot, rule["put_of_mark"] * value)
    return keeping if when == "maintenance" else max(opening, rule["put_scale"] * keeping)


# ---- by side, naked


def _shortfall(rule, book, world):
    kept, options = [], []
    for u, name in enumerate(world["names"]):
        risk, years = rule["markets"][name], rule["margin_period"] / 31_536_000
        s, z = risk["volatility"] * math.sqrt(years), NORMAL.inv_cdf(rule["tail"])
        grown = math.exp(risk["drift"] * years)
        factor = 1 - grown * cdf(z - s) / rule["tail"]
        if book["perpetuals"][u] < 0:
            factor = grown * (1 - cdf(-z - s)) / rule["tail"] - 1
        kept.append(abs(book["perpetuals"][u]) * world["underlyings"][u]["perpetual"] * (risk["slippage"] + factor))
        for o in _of(book, world, u):
            most = world["underlyings"][u]["spot"] if o["is_call"] else o["strike"]
            value = mark(o, world)
            options.append(o["amount"] * value if o["amount"] > 0 else -o["amount"] * max(most - value, 0.0))
    return rule["initial_scale"] * math.fsum(kept) + math.fsum(options), math.fsum(kept) + math.fsum(options)


def _naked(rule, book, world):
    found = []
    for scale in (rule["initial_scale"], 1.0):
        needs = []
        for o in book["options"]:
            expiry = world["expiries"][o["expiry"]]
            spot, days = world["underlyings"][expiry["underlying"]]["spot"], 365 * expiry["years"]
            bound = next((b["share"] for b in rule["bounds"] if days <= b["days"]), rule["bounds"][-1]["share"])
            low, value = rule["spot_share"] * spot, mark(o, world)
            if o["is_call"]:
                ratio = rule["spot_share"] * o["strike"] / spot
                needed = spot * (bound * (ratio if ratio < 1 else 1.0) + (1 - ratio if ratio < 1 else 0.0))
            else:
                needed = bound * (o["strike"] if o["strike"] < low else low) + (o["strike"] - low if o["strike"] > low else 0.0)
            needs.append(o["amount"] * value if o["amount"] > 0 else -o["amount"] * max(scale * needed - value, 0.0))
        found.append(math.fsum(needs))
    return tuple(found)


# ---- covariance


def _covariance(rule, world):
    names = list(rule["markets"])

    def counted(u):
        now, risk, guard = world["underlyings"][u]["volatility"], rule["markets"][world["names"][u]], rule["anti_procyclical"]
        if guard["kind"] == "buffer":
            return max(now, (1 + guard["size"]) * min(now, risk["long_run_volatility"]))
        if guard["kind"] == "floor":
            return max(now, risk["long_run_volatility"])
        if guard["kind"] == "stressed-weight":
            return math.hypot(math.sqrt(1 - guard["weight"]) * now, math.sqrt(guard["weight"]) * risk["stressed_volatility"])
        return now

    def correlation(u, w):
        a, b = names.index(world["names"][u]), names.index(world["names"][w])
        return rule["correlation"][a][b] if rule["correlation"] else float(a == b)

    years, all_ = rule["margin_period"] / 31_536_000, range(len(world["names"]))
    return [[counted(u) * counted(w) * correlation(u, w) * years for w in all_] for u in all_]


def _exposures(book, world):
    delta, gamma = [], []
    for u, under in enumerate(world["underlyings"]):
        d, g = [book["perpetuals"][u] * under["perpetual"]], [0.0]
        for o in _of(book, world, u):
            expiry = world["expiries"][o["expiry"]]
            s, growth = o["volatility"] * math.sqrt(expiry["years"]), expiry["forward"] / under["spot"]
            discount = math.exp(-max(expiry["rate"], 0.0) * expiry["years"])
            d1 = math.log(expiry["forward"] / o["strike"]) / s + s / 2
            slope = cdf(d1) if o["is_call"] else -cdf(-d1)
            d.append(o["amount"] * discount * growth * slope * under["spot"])
            g.append(o["amount"] * discount * growth**2 * NORMAL.pdf(d1) / (expiry["forward"] * s) * under["spot"] ** 2)
        delta.append(math.fsum(d))
        gamma.append(math.fsum(g))
    return delta, gamma


def _parametric(rule, book, world):
    cov, (delta, _) = _covariance(rule, world), _exposures(book, world)
    n = range(len(delta))
    deviation = math.sqrt(max(math.fsum(delta[a] * cov[a][b] * delta[b] for a in n for b in n), 0.0))
    levels = rule["initial_confidence"], rule["maintenance_confidence"]
    return tuple(_worth(level, rule["degrees_of_freedom"], rule["measure"]) * deviation for level in levels)


@functools.cache
def _worth(level, degrees, measure):
    """VaR or ES at `level` of a law of variance 1."""
    from scipy import stats

    scale = 1.0 if degrees is None else math.sqrt((degrees - 2) / degrees)
    raw = float(stats.norm.ppf(level) if degrees is None else stats.t.ppf(level, degrees))
    if measure == "var":
        return raw * scale
    if degrees is None:
        return NORMAL.pdf(raw) / (1 - level)
    return float(stats.t.pdf(raw, degrees)) * (degrees + raw * raw) / (degrees - 1) / (1 - level) * scale


def _times(a, b):
    return [[math.fsum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]


def _trace(a):
    return math.fsum(a[n][n] for n in range(len(a)))


def _delta_gamma(rule, book, world):
    cov, (delta, gamma) = _covariance(rule, world), _exposures(book, world)
    exposed = [u for u in range(len(delta)) if delta[u] or gamma[u]]
    found = []
    for level in (rule["initial_confidence"], rule["maintenance_confidence"]):
        if not exposed:
            found.append(0.0)
        elif len(exposed) == 1:
            only = exposed[0]
            v = cov[only][only]
            loss = _quadratic_tail(abs(delta[only]) * math.sqrt(v), gamma[only] * v, 1 - level, rule["measure"])
            found.append(max(loss, 0.0))
        else:
            found.append(max(_by_cumulants(cov, delta, gamma, level, rule["measure"]), 0.0))
    return max(found), found[1]


def _quadratic_tail(d, g, tail, measure):
    """VaR or ES of -(d z + g z^2 / 2): the set of z where the loss exceeds l is found by solving the quadratic, l by halving."""

    def outside(loss):
        """Intervals of z in which d z + g z^2 / 2 < -loss."""
        if g == 0:
            return [(-math.inf, -loss / d)]
        root = d * d - 2 * g * loss
        if root < 0:
            return [] if g > 0 else [(-math.inf, math.inf)]
        one, two = sorted(((-d - math.sqrt(root)) / g, (-d + math.sqrt(root)) / g))
        return [(one, two)] if g > 0 else [(-math.inf, one), (two, math.inf)]

    def chance(loss):
        return math.fsum(cdf(b) - cdf(a) if a < 0 else cdf(-a) - cdf(-b) for a, b in outside(loss))

    high = 10 * d + 50 * abs(g)
    low = -high
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) > tail else (low, middle)
    if measure == "var":
        return high

    def moment(x, n):
        """E[z^n; z < x]."""
        if math.isinf(x):
            return (1.0, 0.0, 1.0)[n] if x > 0 else 0.0
        return (cdf(x), -NORMAL.pdf(x), cdf(x) - x * NORMAL.pdf(x))[n]

    gain = math.fsum(d * (moment(b, 1) - moment(a, 1)) + g / 2 * (moment(b, 2) - moment(a, 2)) for a, b in outside(high))
    return -gain / tail


def _by_cumulants(cov, delta, gamma, level, measure):
    n = range(len(delta))
    bent = [[gamma[a] * cov[a][b] for b in n] for a in n]
    two = _times(bent, bent)
    spread = [math.fsum(cov[a][b] * delta[b] for b in n) for a in n]

    def form(matrix):
        return math.fsum(spread[a] * matrix[a][b] * spread[b] for a in n for b in n)

    flat = [[gamma[a] if a == b else 0.0 for b in n] for a in n]
    mean = -_trace(bent) / 2
    variance = math.fsum(delta[a] * spread[a] for a in n) + _trace(two) / 2
    third = -(3 * form(flat) + _trace(_times(two, bent)))
    fourth = 12 * form([[gamma[a] * cov[a][b] * gamma[b] for b in n] for a in n]) + 3 * _trace(_times(two, two))
    s, k, z = third / variance**1.5, fourth / variance**2, NORMAL.inv_cdf(level)
    if measure == "var":
        w = z + (z**2 - 1) * s / 6 + (z**3 - 3 * z) * k / 24 - (2 * z**3 - 5 * z) * s**2 / 36
    else:
        w = NORMAL.pdf(z) / (1 - level) * (1 + z * s / 6 + (z**2 - 1) * k / 24 - (2 * z**2 - 1) * s**2 / 36)
    return mean + math.sqrt(variance) * w


RULES = {
    "scenario-grid": _grid, "span": _span, "standard": _standard, "expected-shortfall": _shortfall, "naked": _naked,
    "parametric": _parametric, "delta-gamma": _delta_gamma,
}  # fmt: skip
