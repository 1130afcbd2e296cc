"""The lending half of the plain reference model, from the words of docs/model.md: curves, limits, categories, shapes, absorption.

`ReferenceModel` (reference_model.py) inherits `Lending`; `w` below is that model. Loops and floats only.
"""

from __future__ import annotations

import copy
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from reference_bands import Bands

from simulator.kernel import uniform

YEAR = 365 * 86_400.0
LEAST_LOAN = 0.01  # [usd] READING of 5.3: below it a keeper does not act, else rounding noise would decide who was liquidated
NOTHING = 1e-12


def between(x, low, high):
    return min(max(x, low), high)


def grown(rate, years, mode):
    """4.4: growth of a debt."""
    x = rate * years
    if mode == "simple":
        return x
    if mode == "three-term":
        return x + x * x / 2 + x * x * x / 6
    return math.exp(x) - 1


def line(part, u):
    """4.4: jump-rate."""
    return part["base_rate"] + part["slope"] * min(u, part["kink"]) + part["jump"] * max(u - part["kink"], 0.0)


def error_of(part, u):
    target = part["target_utilisation"]
    return (u - target) / (1 - target) if u > target else (u - target) / target


def adaptive(part, u, r):
    e = error_of(part, u)
    return r * (1 + (part["steepness"] - 1) * e) if e > 0 else r * (1 + (1 - 1 / part["steepness"]) * e)


class Lending(Bands):
    """Section 3 (categories), 4.4 (interest), 5.1 (limits), 5.3 (shapes) and 5.8 (absorption)."""

    def load_lending(self):
        K = len(self.currencies)
        pools = [self.current["borrowing"].get(name) for name in self.currencies]
        self.at_target = [pool.get("initial_rate", 0.0) if pool else 0.0 for pool in pools]
        self.booked_loss = 0.0
        self.shape_name = (self.current["liquidation"]["loans"] or {"kind": "close-factor"})["kind"]
        if self.in_bands:
            self.load_bands(self.current["liquidation"]["loans"])
        self.base = next((k for k in range(K) if pools[k]), 0)
        for name, tokens in self.protocol.lending.reserves.items():
            self.pool(self.currencies.index(name), tokens)
            self.reserve[self.currencies.index(name)] += tokens
        self.group = [None] * K
        for name in self.current["categories"]:
            for k, currency in enumerate(self.currencies):
                if self.group[k] is None and currency in self.protocol.lending.categories.get(name, ()):
                    self.group[k] = name

    # --- 4.4

    def curve_rate(self, k, u):
        """The rate that users see, of a currency that can be borrowed."""
        part = self.force["borrowing"][self.currencies[k]]
        if part["kind"] == "flat":
            return part["rate"]
        if part["kind"] == "kinked":
            best = part["optimal_utilisation"]
            rate = part["base_rate"] + part["slope_below"] * min(u, best) / best
            return rate + part["slope_above"] * max(u - best, 0.0) / (1 - best)
        if part["kind"] == "adaptive-curve":
            return adaptive(part, u, self.at_target[k])
        return line(part["borrow"] if part["kind"] == "independent-curves" else part, u)

    def supply_rate(self, k, u):
        part = self.force["borrowing"].get(self.currencies[k])
        if part is None:
            return 0.0
        if part["kind"] == "independent-curves":
            return line(part["supply"], u)
        return self.curve_rate(k, u) * u * (1 - part["reserve_factor"])

    def accrue_pool(self, k):
        year, mode = self.world.dt / YEAR, self.protocol.lending.accrual
        part = self.force["borrowing"][self.currencies[k]]
        borrowed, supplied = self.totals(k)
        u = between(borrowed / supplied, 0.0, 1.0) if supplied > 0 else 0.0
        rate, earned = self.curve_rate(k, u), self.supply_rate(k, u)
        if part["kind"] == "adaptive-curve":
            r, e = self.at_target[k], error_of(part, u)
            half, full = (
                between(r * math.exp(part["adjustment_speed"] * e * y), part["least_rate"], part["greatest_rate"])
                for y in (year / 2, year)
            )
            rate = adaptive(part, u, (r + 2 * half + full) / 4)
            self.at_target[k] = full
        growth = grown(rate, year, mode)
        interest = borrowed * growth
        self.B[k] *= 1 + growth
        if supplied <= 0:
            self.reserve[k] += interest
        elif part["kind"] == "independent-curves":
            gain = grown(earned, year, mode)
            self.A[k] *= 1 + gain
            self.reserve[k] += interest - supplied * gain
        else:
            kept = part["reserve_factor"]
            self.A[k] *= 1 + (1 - kept) * interest / supplied
            self.reserve[k] += kept * interest

    def charge_overdrafts(self):
        part, users = self.force["overdraft"], self.rows[: self.N]
        owed, held = sum(-row.cash for row in users if row.cash < 0), sum(row.cash for row in users if row.cash > 0)
        if part is None or owed == 0:
            return
        used = between(owed / held, 0.0, 1.0) if held > 0 else 0.0
        growth = grown(line(part, used), self.world.dt / YEAR, self.protocol.lending.accrual)
        kept = part["reserve_factor"] if held > 0 else 1.0
        self.special["FUND"].cash += kept * owed * growth
        for row in users:
            row.cash *= 1 + (growth if row.cash < 0 else (1 - kept) * owed * growth / held if row.cash > 0 else 0.0)

    # --- 3: e-mode

    def category(self, row):
        names = {self.group[k] for k in range(len(self.currencies)) if row.deposit[k] > 0 or row.debt[k] > 0}
        return next(iter(names)) if len(names) == 1 else None

    def credit(self, row, k, parameters, name):
        """Collateral factor, threshold or bonus of currency k in this account."""
        group = self.category(row)
        if group is not None:
            return parameters["categories"][group][name]
        return parameters["collateral"][self.currencies[k]][name]

    def credit_against(self, k, debts, parameters, name):
        groups = {self.group[k], *(self.group[self.currencies.index(each)] for each in debts)}
        if groups == {self.group[k]} and self.group[k] is not None:
            return parameters["categories"][self.group[k]][name]
        return parameters["collateral"][self.currencies[k]][name]

    # --- 5.1

    def may_deposit(self, k, tokens):
        cap, supplied = self.force["collateral"][self.currencies[k]]["supply_cap"], self.totals(k)[1]
        self.near(supplied + tokens - cap, cap)
        if supplied + tokens > cap:
            self.count("refusals", 1)
            return False
        return True

    def may_owe(self, row, d, tokens):
        """Called before the tokens are owed."""
        cap, borrowed = self.force["borrowing"][self.currencies[d]]["borrow_cap"], self.totals(d)[0]
        self.near(borrowed + tokens - cap, cap)
        allowed = borrowed + tokens <= cap
        for k, name in enumerate(self.currencies):
            ceiling = self.force["collateral"][name]["debt_ceiling"]
            if ceiling > 0 and row.deposit[k] > 0:
                owed = sum(self.debts(other) for other in self.rows[: self.N] if other.deposit[k] > 0 and other is not row)
                # what was held before this request counts, too: a deposit made in the same request does not
                if self.held_before[k] > 0:
                    owed += self.debts(row)
                owed += tokens * self.index[self.currency_asset[d]]
                self.near(owed - ceiling, ceiling)
                listed = self.currencies[d] in self.protocol.lending.borrowable_in_isolation
                allowed = allowed and listed and owed <= ceiling
                break
        siloed = self.protocol.lending.siloed
        for k, name in enumerate(self.currencies):
            if k != d and row.debt[k] > 0 and (name in siloed or self.currencies[d] in siloed):
                allowed = False
        if not allowed:
            self.count("refusals", 1)
        return allowed

    # --- 5.3

    def serve_debt(self, row):
        if self.in_bands:
            return self.liquidate_loan(row)
        force = self.force
        counted, weighed, owed, k, d = max(row.cash, 0.0), max(-row.cash, 0.0), max(-row.cash, 0.0), 0, -1
        if not self.currencies:
            return False
        for n, name in enumerate(self.currencies):
            c = force["collateral"][name]
            counted += row.deposit[n] * self.X[n] * (1 - c["haircut"]) * self.credit(row, n, force, "liquidation_threshold")
            weighed += row.debt[n] * self.Y[n] * (1 + c["borrow_weight"])
            owed += row.debt[n] * self.Y[n]
            if row.deposit[n] * self.X[n] > row.deposit[k] * self.X[k]:
                k = n
            if d < 0 or row.debt[n] * self.Y[n] > row.debt[d] * self.Y[d]:
                d = n
        served = row.debt[d] * self.Y[d]
        if -row.cash > served:
            d, served = -1, -row.cash  # cash
        if row.deposit[k] <= 0:
            pays = self.keepers.acts != "at-a-profit" or -self.gas_cost >= self.keepers.minimum_profit
            return row.cash > 0 and served > 0 and pays
        a, b = self.currency_asset[k], self.currency_asset[d] if d >= 0 else -1
        if self.shape_name == "absorb-and-resale":
            return self.absorb(row, k)
        price = self.index[a]
        collateral = row.deposit[k] * self.A[k] * price
        limit, bonus = self.shape(row, k, served, collateral, counted / weighed, owed)
        part = force["liquidation"]
        paid = bonus * (1 - part["protocol_share"])
        x = min(served, limit, collateral / (1 + bonus), self.liquidity[k] * price / (1 + paid), self.capacity)
        x = self.most_profitable(x, a, b, 1 + paid)
        least, incentive = part["least_leftover"], 1 + bonus
        if x < served * (1 - NOTHING) and incentive * x < collateral * (1 - NOTHING):
            left = min(served - x, collateral - incentive * x)
            self.near(left - least, least)
            if left < least:
                x = max(min(served - least, (collateral - least) / incentive), 0.0)
        self.near(x - LEAST_LOAN, LEAST_LOAN)
        if x < LEAST_LOAN or not self.keeper_trades(a, b, x, (1 + paid) * x / price):
            return False
        if d >= 0:
            self.repay(row, d, x / self.index[b])
        else:
            row.cash += x
        tokens = (1 + bonus) * x / price
        self.take(row, k, tokens)
        kept = (bonus - paid) * x / price
        self.pool(k, kept)
        self.reserve[k] += kept
        self.count("liquidated_notional", x)
        self.count("user_cost", bonus * x)
        return True

    def shape(self, row, k, served, collateral, healthy, owed):
        """(limit, b)."""
        force = self.force
        part, c = force["liquidation"], force["collateral"][self.currencies[k]]
        if self.shape_name == "incentive-factor":
            loans, T = part["loans"], (1 - c["haircut"]) * self.credit(row, k, force, "liquidation_threshold")
            return owed, min(loans["most"], 1 / (1 - loans["cursor"] * (1 - T))) - 1
        if self.shape_name == "reverse-dutch":
            return owed, 1 / max(healthy, 1 - part["loans"]["most_discount"]) - 1
        self.near(healthy - part["full_below_health"], 1.0)
        self.near(min(served, collateral) - part["full_below_value"], part["full_below_value"])
        far = healthy < part["full_below_health"] or min(served, collateral) < part["full_below_value"]
        return owed if far else part["close_factor"] * owed, self.credit(row, k, force, "liquidation_bonus")

    def most_profitable(self, x, a, b, incentive):
        """At most x; a: asset sold, b: asset bought (-1: cash)."""
        if self.keepers.acts != "at-a-profit":
            return x
        gain = incentive * self.spot_price(a) / self.index[a]
        ratio = self.spot_price(b) / self.index[b] if b >= 0 else 1.0
        drag = gain / self.spot[a].depth if self.spot[a].is_linear else 0.0
        drag += ratio / self.spot[b].depth if b >= 0 and self.spot[b].is_linear else 0.0
        return min(x, math.log(gain / ratio) / drag) if drag > 0 else x

    def keeper_trades(self, a, b, x, sold):
        """Buys x dollars of asset b (-1: cash), sells `sold` of asset a; False, and nothing, if that does not pay."""
        keepers, undo = self.keepers, [copy.copy(each) for each in self.spot]
        outlay = x
        if b >= 0:
            outlay = x / self.index[b] * self.spot[b].trade(x / self.index[b], self.spot_price(b))
        proceeds = sold * self.spot[a].trade(-sold, self.spot_price(a))
        profit = proceeds - outlay - self.gas_cost
        if keepers.acts == "at-a-profit":
            self.near(profit - keepers.minimum_profit, x)
            if profit < keepers.minimum_profit:
                self.spot = undo
                return False
        keeper = self.special["KEEPER"]
        if b >= 0:
            self.post(keeper, -outlay)
        else:
            keeper.cash -= x
        self.post(keeper, proceeds)
        self.capacity -= x
        return True

    # --- 5.8

    def resale_part(self, k):
        """p: the resale price of currency k over its index."""
        loans, c = self.force["liquidation"]["loans"], self.force["collateral"][self.currencies[k]]
        return 1 - loans["storefront_factor"] * (1 - c["liquidation_factor"])

    def reserves(self):
        return sum(self.reserve[k] * self.index[a] for k, a in enumerate(self.currency_asset))

    def absorb(self, row, k):
        keepers = self.keepers
        if keepers.acts == "at-a-profit":
            pay = (1 - self.resale_part(k)) * row.deposit[k] * self.X[k] - self.gas_cost
            self.near(pay - keepers.minimum_profit, abs(pay) + self.gas_cost)
            if pay < keepers.minimum_profit:
                return False
        value = credited = debts = 0.0
        for n, name in enumerate(self.currencies):
            value += row.deposit[n] * self.X[n]
            credited += row.deposit[n] * self.X[n] * self.force["collateral"][name]["liquidation_factor"]
            debts += row.debt[n] * self.Y[n]
            self.reserve[n] += row.deposit[n] * self.A[n] - row.debt[n] * self.B[n]
            row.deposit[n] = row.debt[n] = 0.0
        left = max(credited - debts, 0.0)
        tokens = left / self.index[self.currency_asset[self.base]]
        row.deposit[self.base] = tokens / self.A[self.base]
        self.reserve[self.base] -= tokens
        self.count("liquidated_notional", debts)
        self.count("user_cost", max(value - debts - left, 0.0))
        loss = debts - value
        if loss > 0:
            uncovered = between(-(self.reserves() + self.booked_loss), 0.0, loss)
            self.booked_loss += uncovered
            self.count("realised_bad_debt", loss)
            self.count("fund_draw", loss - uncovered)
            self.count("uncovered_loss", uncovered)
        return True

    def for_sale(self, k):
        if self.currencies[k] in self.force["borrowing"] or self.reserve[k] <= 0:
            return False
        target = self.force["liquidation"]["loans"]["target_reserves"]
        self.near(self.reserve[self.base] - target, target)
        return self.reserve[self.base] < target

    def buyers(self, t):
        """[(arrival, N + k)] of this round."""
        if self.in_bands:
            return self.band_traders(t)
        found = []
        for k in range(len(self.currencies) if self.shape_name == "absorb-and-resale" and self.keepers else 0):
            if self.for_sale(k):
                tau = 0.0
                if self.keepers.latency > 0:
                    tau = -self.keepers.latency * math.log(uniform(self.latency_key, t, self.N + k, self.world.path, 0))
                    self.near(tau - self.world.dt, self.world.dt)
                if tau < self.world.dt:
                    found.append((tau, self.N + k))
        return found

    def buy(self, k):
        """A buyer of absorbed collateral, or of bands. True if it bought."""
        if self.in_bands:
            return self.trade_bands(k)
        if not self.for_sale(k) or self.room < 1:
            return False
        a, b, p = self.currency_asset[k], self.currency_asset[self.base], self.resale_part(k)
        x = min(self.reserve[k] * self.index[a] * p, self.liquidity[k] * self.index[a] * p, self.capacity)
        x = self.most_profitable(x, a, b, 1 / p)
        self.near(x - LEAST_LOAN, LEAST_LOAN)
        tokens = x / p / self.index[a]
        if x < LEAST_LOAN or not self.keeper_trades(a, b, x, tokens):
            return False
        self.pool(self.base, x / self.index[b])
        self.reserve[self.base] += x / self.index[b]
        self.pool(k, -tokens)
        left = self.reserve[k] - tokens
        self.reserve[k] = 0.0 if left < NOTHING * self.reserve[k] else left
        self.post(self.special["KEEPER"], -self.gas_cost)
        self.count("gas", self.gas_cost)
        self.room -= 1
        return True

    # --- 7

    def unbacked(self, sold=None):
        """(latent bad debt of the reserves, what they add to the fund); `sold`: (prices of a wind-down by currency)."""
        if self.shape_name != "absorb-and-resale":
            return 0.0, 0.0
        worth = self.booked_loss
        for k, a in enumerate(self.currency_asset):
            inside = self.currencies[k] in self.force["borrowing"] or sold is None
            worth += self.reserve[k] * (self.index[a] if inside else sold[k])
        return max(0.0, -worth), max(0.0, worth)
