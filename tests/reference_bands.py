"""Loans in bands, from the words of docs/model.md 5.9: the half of the plain reference model that LLAMMA needs.

`Lending` (reference_lending.py) inherits `Bands`. Loops and floats only.
"""

from __future__ import annotations

import math

from simulator.kernel import uniform

LEAST_TRADE = 0.01  # [usd]


class Band:
    def __init__(self):
        self.x = self.y = self.shares = 0.0

    def curve(self, p, up, A):
        half = ((A - 1) * self.x * up / p + A * self.y * p * p / up) / 2
        y0 = (half + math.sqrt(half * half + p * A * self.x * self.y)) / (p * A)
        return A * y0 * p * p / up, (A - 1) * y0 * up / p

    def price(self, p, up, A):
        f, g = self.curve(p, up, A)
        return (f + self.x) / (g + self.y)

    def at(self, q, p, up, A):
        """(x, y) once traded without fee to price q, or to its end."""
        f, g = self.curve(p, up, A)
        product = (f + self.x) * (g + self.y)
        x = math.sqrt(product * q) - f
        if x <= 0:
            return 0.0, product / f - g
        if x >= product / g - f:
            return product / g - f, 0.0
        return x, max(product / (f + x) - g, 0.0)


class Bands:
    """Section 5.9."""

    @property
    def in_bands(self):
        return self.shape_name == "bands"

    def load_bands(self, part):
        self.A_band, self.N_band = part["amplification"], part["bands"]
        self.r_band = (self.A_band - 1) / self.A_band
        self.moved_from, self.moved_age = [0.0] * len(self.currencies), [0.0] * len(self.currencies)

    def lay_loans(self):
        self.first_price = [self.p(c) for c in range(len(self.currencies))]
        self.moved_from = list(self.first_price)
        rows = range(-3 * self.A_band, 3 * self.A_band + self.N_band)
        self.band = [{n: Band() for n in rows} for _ in self.currencies]
        self.ever_laid = [False] * len(self.currencies)
        for row in self.rows[: self.N]:
            for c, tokens in enumerate(row.deposit):
                if c != self.base and tokens > 0 and row.debt[self.base] > 0:
                    row.deposit[c] = 0.0
                    self.liquidity[c] -= tokens
                    self.outside_tokens[c] += tokens
                    assert self.lay(row, c, tokens, row.debt[self.base])

    def laid_in(self, c):
        """The collateral in bands: what its pool may be off by is a part of it."""
        return sum(band.y for band in self.band[c].values()) if self.in_bands and hasattr(self, "band") else 0.0

    def p(self, c):
        return self.index[self.currency_asset[c]] / self.index[self.currency_asset[self.base]]

    def note_moves(self, before):
        """4.3: `before` are the indices before this step's observation."""
        for c, a in enumerate(self.currency_asset):
            former = before[a] / before[self.currency_asset[self.base]]
            self.moved_age[c] += self.world.dt
            if former != self.p(c):
                self.moved_from[c], self.moved_age[c] = former, 0.0

    def fee_in_bands(self, c):
        loans, p = self.force["liquidation"]["loans"], self.p(c)
        if loans["fee_delay"] == 0:
            return loans["fee"]
        ratio = min(self.moved_from[c], p) / max(self.moved_from[c], p)
        return max(loans["fee"], (1 - ratio**3) * max(1 - self.moved_age[c] / loans["fee_delay"], 0.0))

    def up(self, c, n):
        return self.first_price[c] * self.B[self.base] * self.r_band**n

    def of_loan(self, row):
        """(x, y, x_down) of a row's loan."""
        if row.loan is None:
            return 0.0, 0.0, 0.0
        c, first, share = row.loan
        x = y = down = 0.0
        for n in range(first, first + row.bands):
            band, p, up = self.band[c][n], self.p(c), self.up(c, n)
            low = up * self.r_band
            inside = min(max(p, low), up)
            there, rest = band.at(inside, p, up, self.A_band)
            part = share / band.shares
            x, y = x + part * band.x, y + part * band.y
            down += part * (there + rest * math.sqrt(low * inside))
        return x, y, down

    def loan_worth(self, row):
        if row.loan is None:
            return 0.0
        x, y, _ = self.of_loan(row)
        return x * self.index[self.currency_asset[self.base]] + y * self.index[self.currency_asset[row.loan[0]]]

    def loan_credit(self, row, parameters=None):
        discount = (parameters or self.force)["liquidation"]["loans"]["liquidation_discount"]
        return (1 - discount) * self.of_loan(row)[2] * self.index[self.currency_asset[self.base]]

    def factor_in_bands(self, parameters, N):
        loans, r = parameters["liquidation"]["loans"], self.r_band
        return (1 - loans["loan_discount"]) * math.sqrt(r) * sum(r**n for n in range(N)) / N

    def per_share(self, c, n):
        band = self.band[c][n]
        return band.y / band.shares if band.shares > 0 else 1.0

    def carries(self, c, n, bands, y, debt):
        span = range(n, n + bands)
        total = sum(self.per_share(c, b) for b in span)
        down = y * sum(self.per_share(c, b) * self.up(c, b) for b in span) * math.sqrt(self.r_band) / total
        down *= 1 - self.force["liquidation"]["loans"]["loan_discount"]
        self.near(down - debt, debt)
        return down >= debt

    def lay(self, row, c, y, debt):
        """Lays y for `debt` tokens and takes the former shares out; False if there is no place."""
        top = min(self.band[c])
        for n, band in self.band[c].items():
            if band.x > 0:
                top = n + 1
        last = max(self.band[c]) - row.bands + 1
        while top <= last and self.up(c, top) > self.p(c):
            top += 1
        if top > last or not self.carries(c, top, row.bands, y, debt):
            return False
        while top < last and self.carries(c, top + 1, row.bands, y, debt):
            top += 1
        held = [self.per_share(c, n) for n in range(top, top + row.bands)]
        share = y / sum(held)
        for n, h in enumerate(held, top):
            self.band[c][n].y += share * h
            self.band[c][n].shares += share
        former, self.ever_laid[c] = row.loan, True
        if former:
            self.lift(row, 1.0)
        row.loan = (c, top, share)
        return True

    def lift(self, row, part):
        """Takes a part of a loan out: (x, y)."""
        c, first, share = row.loan
        x = y = 0.0
        for n in range(first, first + row.bands):
            band = self.band[c][n]
            gone = part * share / band.shares
            if band.shares - part * share <= 1e-12 * band.shares:
                gone = 1.0
            x, y = x + gone * band.x, y + gone * band.y
            band.x, band.y = band.x * (1 - gone), band.y * (1 - gone)
            band.shares = 0.0 if gone == 1 else band.shares - part * share
        row.loan = None if part == 1 else (c, first, share - part * share)
        return x, y

    # --- 5.1

    def ask_bands(self, row, q):
        """A request of who owes or borrows: None if refused, else no fee."""
        d, (x, y, _) = self.base, self.of_loan(row)
        owed = row.debt[d] * self.B[d]
        if q.borrow < 0 and owed == 0:
            return None
        if q.borrow < 0:
            self.repay(row, d, min(-q.borrow, owed))
            if row.debt[d] == 0 or -q.borrow >= owed:
                row.debt[d] = 0.0
                self.lift(row, 1.0)
                row.basis = 0.0
            elif x == 0:
                self.lay(row, row.loan[0], y, owed + q.borrow)
            return 0.0
        c = row.loan[0] if row.loan else q.currency
        if x > 0 or self.stale[self.currency_asset[c]] or self.stale[self.currency_asset[d]]:
            return None
        self.near(q.borrow - self.liquidity[d], q.borrow)
        if q.borrow > self.liquidity[d] or not self.may_owe(row, d, q.borrow):
            return None
        if not self.lay(row, c, y + q.tokens, owed + q.borrow):
            return None
        row.debt[d] += q.borrow / self.B[d]
        self.pool(d, -q.borrow)
        row.basis += q.tokens * self.index[self.currency_asset[c]]
        return 0.0

    # --- arbitrage

    def band_traders(self, t):
        found = []
        for c in range(len(self.currencies) if self.keepers else 0):
            if self.ever_laid[c]:
                tau = 0.0
                if self.keepers.latency > 0:
                    tau = -self.keepers.latency * math.log(uniform(self.latency_key, t, self.N + c, self.world.path, 0))
                    self.near(tau - self.world.dt, self.world.dt)
                if tau < self.world.dt:
                    found.append((tau, self.N + c))
        return found

    def traded(self, c, q, upward):
        """[(band, new x, new y)] of the bands that trade towards q, with the fee in, and the sums of what moves of d and of c."""
        k, p, found, of_d, of_c = 1 - self.fee_in_bands(c), self.p(c), [], 0.0, 0.0
        for n, band in self.band[c].items():
            if (band.y if upward else band.x) <= 0:
                continue
            price = band.price(p, self.up(c, n), self.A_band)
            if price < q if upward else price > q:
                x, y = band.at(q, p, self.up(c, n), self.A_band)
                x, y = (band.x + (x - band.x) / k, y) if upward else (x, band.y + (y - band.y) / k)
                found.append((band, x, y))
                of_d, of_c = of_d + abs(x - band.x), of_c + abs(y - band.y)
        return found, of_d, of_c

    def trade_bands(self, c):
        if self.room < 1 or not self.ever_laid[c]:
            return False
        d, k = self.base, 1 - self.fee_in_bands(c)
        a, b = self.currency_asset[c], self.currency_asset[d]
        m, p = self.spot_price(a) / self.spot_price(b), self.p(c)
        prices = [(n, band, band.price(p, self.up(c, n), self.A_band)) for n, band in self.band[c].items() if band.shares > 0]
        cheap = min((price for _, band, price in prices if band.y > 0), default=math.inf)
        dear = max((price for _, band, price in prices if band.x > 0), default=0.0)
        if cheap < m * k:
            upward, start, end = True, cheap, m * k
        elif dear > m / k:
            upward, start, end = False, dear, m / k
        else:
            return False

        def worth_it(q):
            _, of_d, of_c = self.traded(c, q, upward)
            sign = 1 if upward else -1
            after = self.price_after(a, -sign * of_c) / self.price_after(b, sign * of_d)
            cost = of_d * self.index[b] if upward else of_c * self.index[a]
            return (q / k <= after if upward else q * k >= after) and cost <= self.capacity

        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            if worth_it(start * (end / start) ** middle):
                low = middle
            else:
                high = middle
        found, of_d, of_c = self.traded(c, start * (end / start) ** low, upward)
        spent, given = of_d * self.index[b], of_c * self.index[a]
        x = spent if upward else given
        self.near(x - LEAST_TRADE, LEAST_TRADE)
        if x < LEAST_TRADE:
            return False
        done = self.two_trades(a, of_c, b, of_d, x) if upward else self.two_trades(b, of_d, a, of_c, x)
        if not done:
            return False
        for band, new_x, new_y in found:
            band.x, band.y = max(new_x, 0.0), max(new_y, 0.0)
        self.count("user_cost", given - spent if upward else spent - given)
        self.room -= 1
        self.post(self.special["KEEPER"], -self.gas_cost)
        self.count("gas", self.gas_cost)
        return True

    def price_after(self, a, tokens):
        s = self.spot_price(a)
        return s * math.exp(tokens * s / self.spot[a].depth) if self.spot[a].is_linear else s

    def two_trades(self, a, sold, b, bought, x):
        """A keeper sells of asset a and buys of asset b (sells, where negative), if that pays."""
        quote = [self.spot[e].quote(n, self.spot_price(e))[0] * n for e, n in ((b, bought), (a, -sold))]
        profit = -sum(quote) - self.gas_cost
        if self.keepers.acts == "at-a-profit":
            self.near(profit - self.keepers.minimum_profit, x)
            if profit < self.keepers.minimum_profit:
                return False
        for e, n in ((b, bought), (a, -sold)):
            self.post(self.special["KEEPER"], -n * self.spot[e].trade(n, self.spot_price(e)))
        self.capacity -= x
        return True

    # --- liquidation

    def liquidate_loan(self, row):
        d, (x, y, _) = self.base, self.of_loan(row)
        owed = row.debt[d] * self.B[d]
        if row.loan is None or owed <= 0:
            return False
        c, discount = row.loan[0], self.force["liquidation"]["loans"]["liquidation_discount"]
        price, share, part = self.index[self.currency_asset[d]], 1.0, 1.0
        self.near((owed - x) * price - self.capacity, self.capacity)
        if (owed - x) * price > self.capacity:
            share = self.capacity / (owed * price)
            part = ((1 + discount / 2) / (1 + discount) * (1 - share) + share) * share
        if share * owed * price < LEAST_TRADE:
            return False
        need = share * owed - part * x
        if not self.two_trades(self.currency_asset[c], part * y, self.currency_asset[d], need, max(need, 0.0) * price):
            return False
        gone_x, gone_y = self.lift(row, part)
        self.repay(row, d, share * owed)
        if share == 1:
            row.debt[d] = 0.0
        taken = gone_x * price + gone_y * self.index[self.currency_asset[c]]
        self.count("liquidated_notional", share * owed * price)
        self.count("user_cost", max(taken - share * owed * price, 0.0))
        return True
