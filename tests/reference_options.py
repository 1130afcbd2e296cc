"""Options in the plain reference model: section 8 of docs/model.md, loops and floats only, on top of `reference_model.py`.

`reference_run(world)` is the entry; a world with options has `surface_parts` (what a scenario says) and `surfaces`, the rows
[market step + 1][underlying][short, long, rho, eta] of this path, which are input like prices.
"""

from __future__ import annotations

import copy
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "protocol"))
import reference_model as plain
import reference_portfolio_margin as slow

from simulator.agents import OptionBuyers, OptionHedgers, OptionWriters
from simulator.parameters import DAY, YEAR


@dataclass
class OptionWorld(plain.World):
    """A world whose protocol has options."""

    surface_parts: dict = field(default_factory=dict)
    surfaces: list = field(default_factory=list)


@dataclass
class OptionRequest(plain.Request):
    """Section 8.4."""

    option: int = -1
    count: float = 0.0

    def does_nothing(self):
        return not self.count and super().does_nothing()


@dataclass
class Listed:
    """One option: where it stands, and what the round makes of it."""

    slot: int
    moneyness: float
    is_call: bool
    strike: float = 0.0
    sigma: float = 0.0
    value: float = 0.0
    delta: float = 0.0
    vega: float = 0.0
    half: float = 0.0
    depth: float = 0.0


@dataclass
class Slot:
    """One expiry: in substeps from the start."""

    name: str
    u: int
    expires: int
    renewal: int
    window: int
    impact: float = 0.0
    impact_then: float = 0.0  # when the marks of the round were made
    seen: list = field(default_factory=list)
    years: float = 0.0


def below(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def black(s, k, sigma, years, is_call):
    """(price, delta, vega)."""
    total = sigma * math.sqrt(years)
    if total == 0:
        inside = s > k if is_call else k > s
        return (abs(s - k) if inside else 0.0), (1.0 if is_call else -1.0) * inside, 0.0
    d1 = math.log(s / k) / total + total / 2
    d2 = d1 - total
    vega = s * math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi) * math.sqrt(years)
    if is_call:
        return s * below(d1) - k * below(d2), below(d1), vega
    return k * below(-d2) - s * below(-d1), -below(-d1), vega


class Dealer(plain.Account):
    """8.7."""

    def load(self):
        pass

    def chosen(self):
        w, choice = self.model, self.part.choice
        return [
            j
            for j, o in enumerate(w.options)
            if w.slots[o.slot].name == self.part.underlying
            and choice.lowest <= o.moneyness <= choice.highest
            and choice.type in ("either", "call" if o.is_call else "put")
        ]

    def putting_in(self, amount):
        w, name = self.model, getattr(self.part, "collateral", None)
        if amount <= 0:
            return {}
        if name is None:
            return {"cash": amount}
        k = w.currencies.index(name)
        return {"currency": k, "tokens": amount / w.index[w.currency_asset[k]]}

    def decide(self, arrival, uc, us, uz):
        w, part, row = self.model, self.part, self.row
        hedges = isinstance(part, OptionHedgers)
        m = w.markets.index(part.underlying) if hedges else -1
        q = row.position[m] if hedges else 0.0
        held = next((j for j, n in enumerate(row.option) if n != 0), None)
        if held is not None:
            return self._hold(held, m, q, arrival, uc)
        if q != 0:
            return OptionRequest(arrival, market=m, quantity=-q, exit=True, reduce_only=True)
        return self._enter(arrival, uc, us, uz)

    def _hold(self, j, m, q, arrival, uc):
        w, part, row = self.model, self.part, self.row
        n, least = row.option[j], getattr(part, "top_up_below", 0.0)
        if least > 0:
            E, need = w.equity(row), w.requirement(row)
            w.near(least * need - E, abs(E) + need)
            if least * need > E:
                if self.below(uc, part.top_up_probability):
                    return OptionRequest(arrival, **self.putting_in(least * need - E))
                return None
        if self.below(1 - uc, self.p_close):
            return OptionRequest(arrival, option=j, count=-n, exit=True, reduce_only=True)
        if m >= 0:
            net = n * w.options[j].delta + q
            w.near(abs(net) - part.hedge_band * abs(n), abs(n))
            if abs(net) > part.hedge_band * abs(n):
                return OptionRequest(arrival, market=m, quantity=-net, reduce_only=-net * q < 0)
        return None

    def _enter(self, arrival, uc, us, uz):
        w, part, row = self.model, self.part, self.row
        choice = self.chosen()
        if not choice:
            return None
        w.near(uz * len(choice) - round(uz * len(choice)), 1.0)
        j = choice[int(uz * len(choice))]
        S, buys = w.index_of(j), isinstance(part, OptionBuyers)
        now, before = (w.short_requirement(j, terms, True) / S for terms in (w.force, w.current))
        answer = 1.0 if buys else (now / before) ** -self.elasticity("entry_margin_elasticity")
        fee, fee0 = (terms["options"][part.underlying]["fee"] for terms in (w.force, w.current))
        answer *= math.exp(-self.elasticity("entry_fee_sensitivity") * (fee - fee0))
        if not self.below(uc, self.p_enter * answer):
            return None
        V = max(w.options[j].value, 1e-12 * S)
        share = 1.0 if buys else getattr(part, "buy_share", 0.0)
        w.near(us - share, 1.0)
        k = w.currencies.index(part.collateral) if getattr(part, "collateral", None) else None
        usual = w.world.reference_volatility[part.underlying]
        dear = (w.marked_volatility(j) / usual if usual > 0 else 1.0) ** self.elasticity("price_elasticity")
        if buys:
            L = min(min(self.appetite / dear, max(self.appetite, 1.0)) * S / V, part.most_notional)
        elif us < share:
            L = min(self.appetite / dear, (1 - part.margin_buffer) * S / V)
        else:
            credit = 1.0
            if k is not None:
                terms = w.force["collateral"][part.collateral]
                credit = (1 - terms["haircut"]) * terms["collateral_factor"]
            wanted = self.appetite * dear * (now / before) ** -self.elasticity("leverage_elasticity")
            L = min(wanted, (1 - part.margin_buffer) * credit / now)
        has = row.cash + (row.deposit[k] * w.X[k] if k is not None else 0.0)
        count = L * self.wealth / S * (1 if us < share else -1)
        return OptionRequest(arrival, option=j, count=count, **self.putting_in(self.wealth - has))


plain.KINDS.update(dict.fromkeys((OptionBuyers, OptionWriters, OptionHedgers), Dealer))


class OptionModel(plain.ReferenceModel):
    """One path of a protocol with options."""

    # 8.1
    def _load(self):
        self.options, self.slots, self.auctions, self.looking = [], [], {}, False
        super()._load()
        self.underlyings = list(self.current["options"])
        dt, rules = self.world.dt, self.protocol.options
        for u, name in enumerate(self.underlyings):
            market = rules.markets[name]
            window = max(1, round(market.settlement_window / dt))
            for schedule in market.expiries:
                for n in range(1, schedule.listed + 1):
                    times = (round(n * schedule.interval * DAY / dt), round(schedule.listed * schedule.interval * DAY / dt))
                    self.slots.append(Slot(name, u, *times, window))
                    for moneyness in market.strikes:
                        for is_call in (True, False):
                            self.options.append(Listed(len(self.slots) - 1, moneyness, is_call))
        self.rows.append(plain.Row([0.0] * len(self.currencies), [0.0] * len(self.currencies), [0.0] * len(self.markets),
                                   [0.0] * len(self.markets)))  # fmt: skip
        self.writer = self.N + len(plain.SPECIAL)
        for row in self.rows:
            row.option = [0.0] * len(self.options)
        self.post(self.rows[self.writer], rules.writer.capital)
        for j, o in enumerate(self.options):
            o.strike = o.moneyness * self.index_of(j)
        self.option_hedge = [0.0] * len(self.underlyings)
        self.set_surfaces(0)
        self.refresh()

    def index_of(self, j):
        return self.index[self.assets.index(self.slots[self.options[j].slot].name)]

    def of_slot(self, e):
        return [j for j, o in enumerate(self.options) if o.slot == e]

    # 8.2
    def set_surfaces(self, t):
        self.surface = self.world.surfaces[t // self.world.substeps]
        for slot in self.slots:
            slot.years = (slot.expires - t) * self.world.dt / YEAR

    def smile(self, slot, k):
        """(sigma at k, theta)."""
        short, long, rho, eta = self.surface[slot.u]
        kappa, T = self.world.surface_parts[slot.name].term_reversion, slot.years
        theta = long * T + (short - long) * (1 - math.exp(-kappa * T)) / kappa
        x = eta / math.sqrt(theta * (1 + theta)) * k
        return math.sqrt(theta / 2 * (1 + rho * x + math.sqrt((x + rho) ** 2 + 1 - rho**2)) / T), theta

    def refresh(self):
        super().refresh()
        if not self.options:
            return
        venue = self.protocol.options.venue
        for slot in self.slots:
            slot.impact_then = slot.impact
        for j, o in enumerate(self.options):
            slot, S = self.slots[o.slot], self.index_of(j)
            k = math.log(o.strike / S)
            o.sigma, theta = self.smile(slot, k)
            moved = slot.impact if self.protocol.valuation_price == "mark" else 0.0
            o.value, o.delta, o.vega = black(S, o.strike, max(o.sigma + moved, 0.01), slot.years, o.is_call)
            z = min(abs(k) / math.sqrt(theta), 4)
            o.half = venue.spread / 2 * (30 / max(365 * slot.years, 1)) ** venue.spread_expiry * math.exp(venue.spread_wing * z)
            o.depth = venue.depth * math.exp(-venue.depth_wing * z)

    def marked_volatility(self, j):
        o = self.options[j]
        moved = self.slots[o.slot].impact_then if self.protocol.valuation_price == "mark" else 0.0
        return max(o.sigma + moved, 0.01)

    # 8.3
    def option_value(self, row):
        return sum(n * o.value for n, o in zip(row.option, self.options, strict=True)) if self.options else 0.0

    def short_requirement(self, j, parameters, is_initial):
        """Of one sold."""
        o, S = self.options[j], self.index_of(j)
        p = parameters["options"][self.slots[o.slot].name]
        maintenance = p["maintenance_call"] * S
        out = max(o.strike - S, 0.0)
        if not o.is_call:
            maintenance = max(p["maintenance_put"] * S, p["maintenance_put_mark"] * o.value)
            out = max(S - o.strike, 0.0)
        if not is_initial:
            return maintenance
        initial = max(p["initial_spot"] * S - out, p["least_spot"] * S)
        return initial if o.is_call else max(initial, p["put_offset"] * (maintenance + o.value) - o.value)

    def equity(self, row):
        return super().equity(row) + self.option_value(row)

    def options_notional(self, row):
        return sum(abs(n) * self.index_of(j) for j, n in enumerate(row.option) if n != 0) if self.options else 0.0

    def notional(self, row):
        return super().notional(row) + self.options_notional(row)

    def whole_requirement(self, row, parameters, which):
        """Of options and perpetuals together, by the slow writing of every method; of a grid, with the numbers of the vote."""
        rule = self.protocol.options.margin.model_dump()
        if rule["kind"] == "scenario-grid":
            p = parameters["portfolio"]
            rule |= {key: p[key] for key in ("initial_factor", "maintenance_factor")}
            rule["volatility"] |= {"up": p["volatility_up"], "down": p["volatility_down"]}
            rule["add_ons"] |= {
                f"{when}_{what}": p[f"{when}_{what}"] for when in ("maintenance", "initial") for what in ("perpetual", "option")
            }
        places = [self.assets.index(name) for name in self.underlyings]
        markets = [self.markets.index(name) if name in self.markets else None for name in self.underlyings]
        prices = [self.index[a] if m is None else self.M[m] for a, m in zip(places, markets, strict=True)]
        sure = {"confidence": 1.0, "perpetual_confidence": 1.0}
        world = {
            "names": self.underlyings, "settlement": 1.0, "collaterals": [],
            "expiries": [
                {"underlying": s.u, "years": s.years, "forward": self.index[places[s.u]], "rate": 0.0, "confidence": 1.0}
                for s in self.slots
            ],
            "underlyings": [
                sure | {"spot": self.index[a], "perpetual": price, "volatility": math.sqrt(self.v[a])}
                for a, price in zip(places, prices, strict=True)
            ],
        }  # fmt: skip
        book = {"cash": 0.0, "gains": [], "deposits": [], "perpetuals": [0.0 if m is None else row.position[m] for m in markets]}
        book["options"] = [
            {"amount": n, "strike": o.strike, "is_call": o.is_call, "expiry": o.slot,
             "volatility": self.marked_volatility(j)}
            for j, (n, o) in enumerate(zip(row.option, self.options, strict=True)) if n
        ]  # fmt: skip
        return slow.margin(rule, book, world)[1 if which == "initial" else 2]

    def most_to_lose(self, row, e, which):
        """What expiry `e` can lose at settlement from its marks, and a share of the index for each call net short."""
        held = [(row.option[j], self.options[j]) for j in self.of_slot(e) if row.option[j]]
        prices = [0.0, *(o.strike for _, o in held)]
        payoffs = [sum(n * max(K - o.strike if o.is_call else o.strike - K, 0.0) for n, o in held) for K in prices]
        naked = max(-sum(n for n, o in held if o.is_call), 0.0)
        share = getattr(self.protocol.options.margin, f"{which}_unpaired")
        return share * naked * self.index_of(self.of_slot(e)[0]) - min(0.0, *payoffs) + sum(n * o.value for n, o in held)

    def requirement(self, row, parameters=None, which="maintenance"):
        total, margin = super().requirement(row, parameters, which), self.protocol.options.margin if self.options else None
        if margin is None or not any(row.option):
            return total
        if margin.kind != "standard":
            whole = self.whole_requirement(row, parameters or self.force, which)
            return whole + total if margin.kind == "naked" else whole
        for e in range(len(self.slots)):
            alone = 0.0
            for j in self.of_slot(e):
                n, V = row.option[j], self.options[j].value
                alone += n * V if n > 0 else -n * self.short_requirement(j, parameters or self.force, which == "initial")
            total += min(alone, self.most_to_lose(row, e, which)) if margin.offsets else alone
        return total

    def health(self, row, parameters, credit, margin):
        total = super().health(row, parameters, credit, margin) + self.option_value(row)
        if self.options and any(row.option):
            self.near(total, self.options_notional(row))
        return total

    # 8.5
    def _accrue(self, t):
        super()._accrue(t)
        writer = self.rows[self.writer]
        for u, name in enumerate(self.underlyings):
            a = self.assets.index(name)
            self.post(writer, self.option_hedge[u] * (self.external[a] - self.former[a]))
        for e, slot in enumerate(self.slots):
            slot.impact *= 2 ** (-self.world.dt / self.protocol.options.venue.half_life)
            S = self.index[self.assets.index(slot.name)]
            if slot.expires - (t + 1) < slot.window:
                slot.seen.append(S)
            if slot.expires == t + 1:
                self._settle(e, sum(slot.seen) / len(slot.seen))
                slot.expires, slot.impact, slot.seen = slot.expires + slot.renewal, 0.0, []
                for j in self.of_slot(e):
                    self.options[j].strike = self.options[j].moneyness * S
        self.set_surfaces(t + 1)
        self.refresh()
        ratio = self.protocol.options.writer.hedge_ratio
        self.option_hedge = [
            -ratio * sum(n * o.delta for n, o in zip(writer.option, self.options, strict=True) if self.slots[o.slot].u == u)
            for u in range(len(self.underlyings))
        ]

    def _settle(self, e, settlement):
        for i, row in enumerate(self.rows):
            held = [j for j in self.of_slot(e) if row.option[j] != 0]
            for j in held:
                o = self.options[j]
                row.cash += row.option[j] * max(settlement - o.strike if o.is_call else o.strike - settlement, 0.0)
                row.option[j] = 0.0
            if held and i < self.N and row.cash < 0:
                self._write_off(row)

    # 8.4
    def option_fill(self, j, x, side):
        o, slot = self.options[j], self.slots[self.options[j].slot]
        sigma = max(o.sigma + slot.impact + x / 2 + side * o.half, 0.01)
        return black(self.index_of(j), o.strike, sigma, slot.years, o.is_call)[0]

    def trade_option(self, row, j, n):
        """Returns the fill."""
        o = self.options[j]
        x = n * o.vega / o.depth
        fill, held, writer = self.option_fill(j, x, plain.sign(n)), row.option[j], self.rows[self.writer]
        row.cash -= n * fill
        row.option[j] += n
        if abs(row.option[j]) < plain.DUST * abs(held):
            row.option[j] = 0.0
        writer.cash += n * fill
        writer.option[j] -= n
        self.slots[o.slot].impact += x
        return fill

    def grant(self, i, request):
        if getattr(request, "option", -1) < 0:
            super().grant(i, request)
            return
        before = copy.deepcopy([self.rows, self.slots, self.liquidity, self.outside_tokens, self.outside])
        fee = self._deal(self.rows[i], request)
        if fee is None:
            self.rows, self.slots, self.liquidity, self.outside_tokens, self.outside = before
        else:
            self.count("fees", fee)
            self.count("user_cost", fee)

    def _deal(self, row, q):
        """The fee, or None if refused."""
        if q.cash > 0:
            self.post(row, q.cash)
            row.basis += q.cash
        if q.tokens > 0 and self.A[q.currency] > 0:
            self.put(row, q.currency, q.tokens)
            row.basis += q.tokens * self.index[self.currency_asset[q.currency]]
        n, fee, held = q.count, 0.0, row.option[q.option]
        if q.reduce_only:
            n = plain.sign(n) * min(abs(n), abs(held)) if held * n < 0 else 0.0
        if n != 0:
            open_before = self.bought(q.option)
            fill = self.trade_option(row, q.option, n)
            if not q.reduce_only and not self.within_limits(q.option, n, open_before):
                self.count("refusals", 1)
                return None
            p = self.force["options"][self.slots[self.options[q.option].slot].name]
            fee = abs(n) * min(p["fee"] * self.index_of(q.option), p["fee_cap"] * fill)
            share = self.protocol.fund.fee_share
            row.cash -= fee
            self.special["FUND"].cash += share * fee
            self.special["TREASURY"].cash += (1 - share) * fee
        if q.exit and not (any(row.debt) or any(row.position) or any(row.option)):
            for k in range(len(self.currencies)):
                self.take(row, k, min(row.deposit[k] * self.A[k], self.liquidity[k]))
            self.post(row, -max(row.cash, 0.0))
            row.basis = 0.0
            return None if self.maintenance(row) < 0 else fee
        if not q.reduce_only and (self.frozen(row) or self.initial(row) < 0):
            return None
        return fee

    def bought(self, j):
        return sum(max(row.option[j], 0.0) for row in self.rows)

    def within_limits(self, j, n, before):
        """8.4, after the trade."""
        mine, total = self.slots[self.options[j].slot], dict.fromkeys(("open", "open_in_expiry", "vega", "gamma"), 0.0)
        if self.bought(j) - before <= 1e-12 * abs(n):
            return True
        for i, o in enumerate(self.options):
            slot = self.slots[o.slot]
            if slot.name == mine.name:
                total["open"] += self.bought(i)
                total["open_in_expiry"] += self.bought(i) if slot is mine else 0.0
                total["vega"] += self.bought(i) * o.vega
                total["gamma"] += self.bought(i) * o.vega / (self.marked_volatility(i) * slot.years)
        most = {name: self.force["options"][mine.name][f"most_{name}"] for name in total}
        for name in total:
            self.near(total[name] - most[name], most[name])
        return all(total[name] <= most[name] for name in total)

    def frozen(self, row):
        held = any(
            n and self.stale[self.assets.index(self.slots[o.slot].name)] for n, o in zip(row.option, self.options, strict=True)
        )
        return held or super().frozen(row)

    # 8.8
    def _rounds(self, t, requests):
        self.looking = True
        super()._rounds(t, requests)
        self.looking = False

    def liquidatable(self, i):
        found, row = super().liquidatable(i), self.rows[i]
        if found and self.looking and any(row.option):
            t = self.t
            started, insolvent, last = self.auctions.get(i, (0, -1, -9))
            if last < t - 1:
                started, insolvent = t, -1
            if self.equity(row) > 0:
                insolvent = -1
            elif insolvent < 0:
                insolvent = t
            self.auctions[i] = (started, insolvent, t)
        return found

    def _bid(self, i, slack):
        row, part, keeper, dt = self.rows[i], self.protocol.options.liquidation, self.special["KEEPER"], self.world.dt
        M, N = self.equity(row), self.notional(row)
        started, insolvent, _ = self.auctions[i]
        self.near(M, N)
        if M > 0:
            e = (self.t - started) * dt
            d = part.start - (part.start - part.fast_end) * e / part.fast if e < part.fast else 0.0
            if e >= part.fast:
                d = max(part.fast_end * (1 - (e - part.fast) / part.slow), 0.0)
            BM = slack + part.buffer * (slack - M)
            f = min(BM / (BM - M * d), 1.0)
            price = f * M * d
        else:
            e = (self.t - insolvent) * dt
            f, price = 1.0, M + (slack - M) * min(e / part.insolvent, 1.0)
        if self.keepers.acts == "at-a-profit":
            gain = self._quoted(row, f) - price - self.keepers.gas - self.keepers.minimum_profit
            self.near(gain, N)
            if gain < 0:
                return False
        for name in ("deposit", "debt", "position", "cost", "option"):
            theirs, own = getattr(keeper, name), getattr(row, name)
            for n in range(len(own)):
                theirs[n] += f * own[n]
                own[n] = 0.0 if f == 1 else own[n] - f * own[n]
        keeper.cash += f * row.cash
        row.cash = 0.0 if f == 1 else row.cash - f * row.cash
        if f == 1:
            row.basis = 0.0
        self._turn_into_cash(keeper)
        self.count("liquidated_notional", f * N)
        keeper.cash -= price
        if M > 0:
            fee = part.liquidator_fee * price
            row.cash += price - fee
            self.special["FUND"].cash += fee
            self.count("penalties", fee)
            self.count("user_cost", f * M - price + fee)
        else:
            unpaid = -price - self.fund_pays(-price)
            self.deficit += unpaid
            self.outside -= unpaid
            self.count("realised_bad_debt", -price)
        return True

    def _quoted(self, row, f):
        """What a share brings at the quotes, each venue and option by itself."""
        worth = f * row.cash
        for k, a in enumerate(self.currency_asset):
            for tokens in (f * row.deposit[k] * self.A[k], -f * row.debt[k] * self.B[k]):
                worth += tokens * self.spot[a].quote(-tokens, self.spot_price(a))[0]
        for m, q in enumerate(row.position):
            if q != 0:
                worth += f * (q * (self.perpetual[m].quote(-f * q, self.mark(m))[0] - self.F[m]) - row.cost[m])
        for j, n in enumerate(row.option):
            if n != 0:
                x = -f * n * self.options[j].vega / self.options[j].depth
                worth += f * n * self.option_fill(j, x, plain.sign(-n))
        return worth

    def _turn_into_cash(self, keeper):
        for m, q in enumerate(list(keeper.position)):
            if q != 0:
                self.trade(keeper, m, -q)
        for j, n in enumerate(list(keeper.option)):
            if n != 0:
                self.trade_option(keeper, j, -n)
        for k, a in enumerate(self.currency_asset):
            self.sell(keeper, k, min(keeper.deposit[k] * self.A[k], self.liquidity[k]))
            tokens = keeper.debt[k] * self.B[k]
            if tokens > 0:
                self.post(keeper, -tokens * self.spot[a].trade(tokens, self.spot_price(a)))
                self.repay(keeper, k, tokens)

    # 8.6
    def liquidate(self, i):
        row = self.rows[i]
        if not any(row.option):
            return super().liquidate(i)
        slack = self.maintenance(row)
        if slack >= 0:
            return False
        auctions = self.protocol.options.liquidation.kind == "dutch-auction"
        if not (self._bid(i, slack) if auctions else self._close_portfolio(row, slack)):
            return False
        self.post(self.special["KEEPER"], -self.gas_cost)
        self.count("gas", self.gas_cost)
        self._write_off(row)
        return True

    def _close_portfolio(self, row, slack):
        rule, keepers, need, N = self.protocol.liquidation, self.keepers, self.requirement(row), self.notional(row)
        P = self.force["liquidation"]["penalty"] * sum(abs(q) * M for q, M in zip(row.position, self.M, strict=True))
        for j, n in enumerate(row.option):
            P += abs(n) * self.index_of(j) * self.force["options"][self.slots[self.options[j].slot].name]["penalty"]
        f = 1.0
        if rule.kind == "partial":
            self.near(N - rule.minimum_notional, N)
            room = need * (1 + rule.buffer) - P
            if room > 0 and rule.minimum_notional < N:
                f = min(1.0, (rule.buffer * need - slack) / room)
        due = f * P
        if keepers.acts == "at-a-profit":
            pay = rule.keeper_share * (due if rule.guaranteed else min(due, max(self.equity(row), 0.0)))
            self.near(pay - self.gas_cost - keepers.minimum_profit, pay + self.gas_cost + 1e-9)
            if pay - self.gas_cost < keepers.minimum_profit:
                return False
        for m, q in enumerate(list(row.position)):
            if q != 0:
                self.trade(row, m, -f * q)
        for j, n in enumerate(list(row.option)):
            if n != 0:
                self.trade_option(row, j, -f * n)
        paid = min(due, max(self.equity(row), 0.0))
        row.cash -= paid
        if rule.guaranteed and paid < due:
            self.outside += paid
            self.deficit += due - paid
            self.count("realised_bad_debt", due - paid)
        else:
            self.special["KEEPER"].cash += rule.keeper_share * paid
            self.special["FUND"].cash += (1 - rule.keeper_share) * paid
        self.count("penalties", paid)
        self.count("user_cost", paid)
        self.count("liquidated_notional", f * N)
        return True

    def _write_off(self, row):
        if not any(row.option):
            super()._write_off(row)

    def take_over(self, i):
        """5.7 with the part of options."""
        row, vault = self.rows[i], self.special["VAULT"]
        if not any(row.option):
            super().take_over(i)
            return
        N, equity, part = self.notional(row), self.equity(row), self.protocol.backstop
        loss = max(0.0, -equity)
        paid = self.fund_pays(loss)
        short = loss - paid
        room = self.equity(vault) - part.margin * (self.notional(vault) + N)
        self.near(room, N)
        share = 1.0 if room < 0 else short / loss if loss > 0 else 0.0
        borne = unfound = 0.0
        for m in range(len(self.markets)):
            if row.position[m] != 0 and share > 0:
                a, b = self.deleverage(i, m, share, (loss if room >= 0 else short) * self.M[m] / N)
                borne, unfound = borne + a, unfound + b
        row.cash += paid
        self.count("adl_haircut", borne)
        if room < 0:
            self.count("realised_bad_debt", paid + borne)
            return
        unfound += share * loss * self.options_notional(row) / N
        self.post(row, unfound)
        self.deficit += unfound
        self.count("realised_bad_debt", paid + borne + unfound)
        self.count("takeovers", 1)
        self.count("user_cost", max(0.0, equity))
        vault.cash += row.cash
        for name in ("deposit", "debt", "position", "cost", "option"):
            theirs, own = getattr(vault, name), getattr(row, name)
            for n in range(len(own)):
                theirs[n] += own[n]
                own[n] = 0.0
        row.cash = row.basis = 0.0

    def _unwind(self):
        super()._unwind()
        if self.protocol.backstop.kind != "vault":
            return
        share, vault = 1 - 2 ** (-self.world.dt / self.protocol.backstop.unwind_half_life), self.special["VAULT"]
        for j, n in enumerate(list(vault.option)):
            if n != 0:
                worth = abs(n) * self.index_of(j)
                self.near(worth - 1, 1.0)
                self.trade_option(vault, j, -n if worth < 1 else -share * n)

    def _latent_at_values(self, sick):
        return super()._latent_at_values(sick) + max(0.0, -self.equity(self.rows[self.writer]))

    def latent(self):
        sick = [self.rows[i] for i in range(self.N) if self.liquidatable(i)]
        price = [0.0] * len(self.options)
        for e in range(len(self.slots)):
            net = {j: -sum(row.option[j] for row in sick) for j in self.of_slot(e)}
            x = sum(n * self.options[j].vega / self.options[j].depth for j, n in net.items())
            for j, n in net.items():
                price[j] = self.option_fill(j, x, 1.0 if n > 0 else -1.0)
        mark, sale = [], []
        for m in range(len(self.markets)):
            mark.append(self.perpetual[m].quote(-sum(row.position[m] for row in sick), self.mark(m))[0] - self.F[m])
        owing = [row for row in sick if any(row.debt) or row.cash < 0]
        for k, a in enumerate(self.currency_asset):
            tokens = sum(row.deposit[k] for row in owing) * self.A[k]
            sale.append(self.A[k] * self.spot[a].quote(-tokens, self.spot_price(a))[0])
        total = self._latent_at_values([])
        for row in sick:
            values = sale if any(row.debt) or row.cash < 0 else self.X
            worth = row.cash + sum(d * X for d, X in zip(row.deposit, values, strict=True)) - self.debts(row)
            worth += sum(q * p - c for q, p, c in zip(row.position, mark, row.cost, strict=True))
            worth += sum(n * p for n, p in zip(row.option, price, strict=True))
            total += max(0.0, -worth)
        return total

    def _record(self, t):
        sick = [i for i in range(self.N) if self.liquidatable(i)]
        bought = 0.0
        for j in range(len(self.options)):
            held = sum(max(row.option[j], 0.0) for row in self.rows) - sum(max(self.rows[i].option[j], 0.0) for i in sick)
            bought += held * self.index_of(j)
        self.record.now["open_interest"] = bought
        super()._record(t)

    def check(self):
        super().check()
        for j in range(len(self.options)):
            sizes = [row.option[j] for row in self.rows]
            most = self.most.get(("option", j), 0.0)
            self.most["option", j] = most = max(most, sum(map(abs, sizes)))
            assert abs(sum(sizes)) <= 1e-9 * most, f"8.4: options do not net to zero, step {self.t}"


def reference_run(world):
    """As `reference_model.reference_run`, with the options of every row."""
    model = OptionModel(world)
    for _ in range(world.steps):
        model.step()
    outcomes = {"newly_liquidatable.transition": float(model.newly_liquidatable)} | plain._variances(world, model)
    for name, window in model.record.windows.items():
        window["loss"] = window["realised_bad_debt"] + window["latent_bad_debt"]
        for key, amount in window.items():
            outcomes[f"mean_{key}.{name}" if key in plain.MEANS else f"{key}.{name}"] = amount
    return {
        **model.record.series,
        "rows": model.rows,
        "accounts": [plain._plain(row) | {"option": list(row.option)} for row in model.rows[: model.N]],
        "writer": model.rows[model.writer],
        "options": model.options,
        "slots": model.slots,
        "outcomes": outcomes,
        "worlds_near_threshold": model.nearest,
    }
