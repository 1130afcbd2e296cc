"""Liquidation by stages, windows and at a fillable price, of the plain reference model: docs/model.md section 5.2."""

import math

from reference_margin import needs
from reference_rules_of_markets import users_skew


def clock(model):
    return (model.t + 1) * model.world.dt


def stage(model, row, N):
    """The share that a keeper closes."""
    rule, since = model.protocol.liquidation, clock(model) - row.closed_at if row.closed_at else math.inf
    model.near(N - rule.large, N)
    if rule.large >= N or since < rule.cooldown:
        return 1.0
    return rule.first_share


class Windows:
    """What may still be liquidated of every market in this step."""

    def __init__(self):
        self.step, self.left = -1, []

    def sizes(self, model, row):
        rule, fees, dt = model.protocol.liquidation, model.force["fees"], model.world.dt
        scales = [venue.part.skew_scale for venue in model.perpetual]
        if self.step != model.t:
            self.step = model.t
            self.left = [(fees["maker"] + fees["taker"]) * scale * rule.multiplier * dt for scale in scales]
        self.calm = [abs(users_skew(model, m)) < rule.calm_skew * scale for m, scale in enumerate(scales)]
        both = zip(row.position, self.left, self.calm, strict=True)
        return [abs(q) if calm else min(abs(q), left) for q, left, calm in both]

    def use(self, m, size):
        if not self.calm[m]:
            self.left[m] -= size


def fillable(model, row):
    """dYdX. True if something was closed."""
    rule, keepers = model.protocol.liquidation, model.keepers
    if row.closed_at == clock(model) or (keepers.acts == "at-a-profit" and -model.gas_cost < keepers.minimum_profit):
        return False
    equity, margin = model.equity(row), max(model.requirement(row), 1e-9)
    blocks = max(model.world.dt / rule.block, 1.0)
    insured, closed = rule.most_insurance_lost * blocks, 0.0
    for m, name in enumerate(model.markets):
        q, price = row.position[m], model.M[m]
        held = abs(q) * price
        slice_ = max((1 - (1 - rule.most_of_position) ** blocks) * held, rule.least_notional * blocks)
        wanted = min(slice_, held, rule.most_notional * blocks - closed)
        if q != 0:
            model.near(wanted - 1, 1.0)
        if wanted < 1:
            continue
        need = needs(model.force["perpetuals"][name], q, price, variance=model.W[m])[1]
        urgency = min(max(rule.bankruptcy_adjustment * (1 - equity / margin), 0.0), 1.0)
        limit = (q * price - urgency * rule.spread * need) / q
        n = model.closable(m, largest(model, m, -q * wanted / held, limit))
        model.near(abs(n) * price - 1, 1.0)
        if abs(n) * price < 1:
            continue
        fill = model.trade(row, m, n)
        above = -n * fill - (-n * price - equity * need * abs(n / q) / margin)
        if above > 0:
            taken = min(above, rule.most_fee * abs(n * fill))
            row.cash -= taken
            model.special["FUND"].cash += taken
            model.count("penalties", taken)
            model.count("user_cost", taken)
        else:
            paid = model.fund_pays(min(-above, insured))
            row.cash += paid
            insured -= paid
            model.count("realised_bad_debt", paid)
        closed += abs(n) * price
    if closed > 0:
        row.closed_at = clock(model)
        model.count("liquidated_notional", closed)
    return closed > 0


def largest(model, m, n, limit):
    """The part of a trade of n whose mean fill is no worse than `limit`."""

    def worse(part):
        fill = model.perpetual[m].quote(part * n, model.mark(m))[0]
        return fill > limit if n > 0 else fill < limit

    if not worse(1.0):
        return n
    low, high = 0.0, 1.0
    for _ in range(50):
        low, high = (low, (low + high) / 2) if worse((low + high) / 2) else ((low + high) / 2, high)
    return low * n


def note_up(model, found):
    """5.2, growing-fee: since which step an account is up."""
    for i in found:
        row = model.rows[i]
        if row.up_last is None or row.up_last < model.t - 1:
            row.up_since, row.freed = model.t, 0.0
        row.up_last = model.t


def short_of(model, row):
    return model.protocol.liquidation.buffer * model.notional(row) - model.maintenance(row)


def growing(model, row):
    """Drift. True if something was closed."""
    rule, total = model.protocol.liquidation, 0.0
    e = (model.t - row.up_since) * model.world.dt
    for m, name in enumerate(model.markets):
        q, M, S = row.position[m], model.M[m], short_of(model, row)
        if q == 0:
            continue
        model.near(S, model.notional(row))
        if S <= 0:
            break
        h, R = abs(q) * M, max(model.requirement(row), 1e-9)
        r = needs(model.force["perpetuals"][name], q, M, variance=model.W[m])[1] / h
        u = max(rule.liquidator_fee, min(rule.liquidator_fee + rule.growth * max(e - rule.grace, 0.0),
                                         rule.most_fee_multiple * rule.liquidator_fee, r))  # fmt: skip
        w = min(0.95 * max(r + rule.buffer - u - S * r / R, 0.0), rule.fund_fee)
        a = (min(rule.first_share + e / rule.duration, 1.0) * (S + row.freed) - row.freed) / S
        model.near(S - rule.small, rule.small)
        model.near(h - rule.small, rule.small)
        model.near(a - 1e-9, 1.0)
        if rule.small > S:
            a = 1.0
        if a < 1e-9:
            continue
        left = r + rule.buffer - u - w
        size = abs(q) if h <= rule.small or left <= 0 else min(a * S / (M * left), abs(q))
        n = model.closable(m, -size if q > 0 else size)
        if model.keepers.acts == "at-a-profit":
            price = M * (1 + u) if n > 0 else M * (1 - u)
            n = largest(model, m, n, (model.mark(m) + price) / 2)
            fill = model.perpetual[m].quote(n, model.mark(m))[0]
            gain, asked = u * abs(n) * M + n * (M - fill), model.gas_cost + model.keepers.minimum_profit
            model.near(gain - asked, abs(gain) + asked)
            if gain < asked:
                continue
        model.near(abs(n) * M - min(1.0, h), 1.0 if h > 1 else 0.0)
        if abs(n) * M < min(1.0, h):
            continue
        hand_over(model, row, m, n, u, w)
        total += abs(n) * M
        row.freed += max(S - short_of(model, row), 0.0)
    model.count("liquidated_notional", total)
    return total > 0


def hand_over(model, row, m, n, u, w):
    """The account trades with the keeper at M, the keeper with the venue; the account pays both fees."""
    keeper, M = model.special["KEEPER"], model.M[m]
    venue, paid = model.perpetual[m], abs(n) * M
    fill = venue.trade(n, model.mark(m))
    makers = venue.makers_fill(fill) if hasattr(venue, "makers_fill") else fill
    model.book(row, m, n, M - model.F[m])
    model.book(model.special["MAKER"], m, -n, makers - model.F[m])
    keeper.cash += n * (M - fill) + u * paid
    model.special["FUND"].cash += w * paid
    row.cash -= (u + w) * paid
    model.count("penalties", (u + w) * paid)
    model.count("user_cost", (u + w) * paid)


def owe(model, held, deficit):
    """4.8: whose deficit it is: (market, sign of the position that made it) -> dollars."""
    notional = [abs(q) * M for q, M in zip(held, model.M, strict=True)]
    for m, own in enumerate(notional):
        if own > 0 and deficit > 0:
            made_by = (m, math.copysign(1.0, held[m]))
            model.dues[made_by] = model.dues.get(made_by, 0.0) + deficit * own / sum(notional)


def pay_by_position(model, owed, rest):
    """4.8: positions pay what is left of the step's deficits. What they paid."""
    users = [row for row in model.rows if row is not model.special["MAKER"]]
    markets = range(len(model.markets))
    held = [sum(abs(row.position[m]) for row in users) for m in markets]
    worth, stray = [base * model.M[m] for m, base in zip(markets, held, strict=True)], owed - sum(model.dues.values())
    bills = [(m, 0.0, amount) if model.protocol.residual == "funding-index" else (m, side, amount)
             for (m, side), amount in model.dues.items()]  # fmt: skip
    if sum(worth) > 0:
        bills += [(m, 0.0, stray * worth[m] / sum(worth)) for m in markets]
    model.dues, paid = {}, 0.0
    for m, side, amount in bills:
        payers = [row for row in users if row.position[m] and row.position[m] * side <= 0]
        base = sum(abs(row.position[m]) for row in payers)
        for row in payers:
            charged = abs(row.position[m]) * amount * rest / owed / base
            row.cost[m] += charged
            paid += charged
    return paid
