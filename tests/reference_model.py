"""The plain reference model: docs/model.md written a second time, one Mesa agent an account, one path, loops and floats only.

Nothing here is fast or clever; section numbers are those of docs/model.md. `reference_run(world)` is the entry.
Where the law leaves a choice, the choice is marked READING.
"""

from __future__ import annotations

import copy
import math
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import mesa
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import reference_liquidation
import reference_margin
import reference_oracles
import reference_rules_of_markets

from simulator.agents import Borrowers, Keepers, PerpTraders, Suppliers
from simulator.kernel import stream, uniform, uniform_pair
from simulator.parameters import DAY, YEAR, RiskParameters
from simulator.protocol import Protocol

sys.path.insert(0, str(Path(__file__).parent))
from reference_lending import Lending

SPECIAL = ("MAKER", "VAULT", "FUND", "KEEPER", "TREASURY")
SUMS = (
    "realised_bad_debt", "fund_draw", "adl_haircut", "socialised_loss", "uncovered_loss", "time_under_water",
    "liquidations", "takeovers", "liquidated_notional", "penalties", "fees", "gas", "user_cost", "adl_volume", "refusals",
)  # fmt: skip
MEANS = ("open_interest", "borrowed", "basis")
DUST = 1e-12  # of what was there: what is left below it is nothing


@dataclass
class World:
    """Everything one path depends on; `prices` and `volatility` are nested lists (or arrays) of this path alone."""

    assets: list
    prices: list  # [step + 1][asset]
    volatility: list  # [market step][asset]
    substeps: int
    dt: float
    reference_volatility: dict
    path: int
    seed: int
    purpose: str
    burn_in_steps: int
    transition_steps: int
    steps: int
    protocol: Protocol
    current: RiskParameters
    candidate: RiskParameters
    cohorts: list
    populations: list
    elasticity: str = "central"
    gas: object = None  # the section [gas]
    gas_price: list = None  # [substep], gwei
    block_capacity: list = None  # [substep], liquidations
    depth_share: list = None  # [substep][asset]
    oracle_halted: list = None  # [substep][asset]
    correlation: list = None  # [market step]
    cash: list = ()  # [account], usd that they have at load beside what their cohort puts in
    voted_protocol: Protocol = None  # as the vote wants it
    voted_gas_limit: float = None  # [usd]


@dataclass
class Row:
    """Section 1: an account, or a special record."""

    deposit: list
    debt: list
    position: list
    cost: list
    cash: float = 0.0
    basis: float = 0.0
    loan: tuple = None  # 5.9: (currency, first band, share)
    closed_at: float = 0.0  # 5.2: when it was last closed in part
    up_since: int = None  # 5.2, growing-fee: steps
    up_last: int = None
    freed: float = 0.0  # [usd]
    bands: int = 0  # 5.9: of its loan


@dataclass
class Request:
    """Section 5.1: what an account asks for. `reduce_only`: it was against the position when it was decided (READING)."""

    arrival: float
    market: int = -1
    quantity: float = 0.0
    cash: float = 0.0
    currency: int = -1
    tokens: float = 0.0
    debt_currency: int = -1
    borrow: float = 0.0
    exit: bool = False
    reduce_only: bool = False

    def does_nothing(self):
        return not (self.quantity or self.cash or self.tokens or self.borrow or self.exit)


def slope(x):
    """g(x) of section 2."""
    return 1 + x / 2 if abs(x) < 1e-8 else math.expm1(x) / x


def sign(x):
    return 1.0 if x > 0 else -1.0


def between(x, low, high):
    return min(max(x, low), high)


def shrink(amounts, k, part):
    """Takes `part` out of a scaled deposit or debt. READING: the 1e-12 rule of 5.5 holds here too."""
    left = amounts[k] - part
    amounts[k] = 0.0 if left < DUST * amounts[k] else left


def mixed(a, b, weight):
    """a + weight x (b - a) for every number of two nested dicts of the same shape."""
    if isinstance(a, dict):
        return {name: mixed(a[name], b[name], weight) for name in a}
    if isinstance(a, (list, tuple)):
        return [mixed(x, y, weight) for x, y in zip(a, b, strict=True)]
    if a is None or isinstance(a, (str, int)):
        return b
    return b if weight == 1 else a + weight * (b - a)  # a cap that nothing reaches would swallow what it becomes


class Venue:
    """Section 2: a place where trades are filled."""

    def __init__(self, part):
        self.part = part
        self.is_linear = part.kind == "linear"
        self.permanent = self.transient = self.flow = 0.0
        self.depth, self.share = part.depth, 1.0

    @property
    def factor(self):
        return math.exp(self.permanent + self.transient)

    def set_depth(self, volatility, reference, share):
        self.depth = self.part.depth * share
        if self.is_linear:
            elasticity, ratio = self.part.depth_elasticity, volatility / reference
            stretch = ratio**-elasticity if ratio > 0 or elasticity == 0 else math.inf
            self.depth *= between(stretch, self.part.depth_floor, 1.0)

    def recover(self, dt):
        if self.is_linear:
            self.transient *= 2 ** (-dt / self.part.half_life)

    def quote(self, n, s):
        """The average fill of `n` at price `s`, and the log impact it leaves."""
        if not self.is_linear:
            return s, 0.0
        x = n * s / self.depth
        return s * slope(x), x

    def trade(self, n, s):
        fill, x = self.quote(n, s)
        if self.is_linear:
            self.permanent += self.part.permanent_share * x
            self.transient += (1 - self.part.permanent_share) * x
        else:
            self.flow += n * s
        return fill

    def move(self):
        """4.10. READING: the factor, not its logarithm, is floored at 1e-3."""
        if not self.is_linear:
            self.permanent += math.log(max(1 + self.part.coefficient * self.flow / self.depth, 1e-3))
            self.flow = 0.0


# --- section 6: one Mesa agent an account -----------------------------------------------------------------------------


class Account(mesa.Agent):
    """What all accounts of the cohorts share: a place in the protocol (`index`), one in the cohort (`j`), and traits."""

    def __init__(self, model, part, j, index, wealth, appetite, side, is_open):
        super().__init__(model)
        self.part, self.j, self.index = part, j, index
        self.wealth, self.appetite, self.side, self.is_open = wealth, appetite, side, is_open
        # Where nobody ever looks there are no probabilities.
        self.p_close = self.p_enter = 0.0
        if part.activity > 0 and not isinstance(part, Suppliers):
            self.p_close = 1 / (part.holding_days * part.activity)
            self.p_enter = self.p_close * part.open_share / (1 - part.open_share)
            if self.p_close > 1 or self.p_enter > 1:
                raise ValueError(f"{part.name}: close and entry probabilities must not exceed 1")

    @property
    def row(self):
        return self.model.rows[self.index]

    def elasticity(self, name):
        return getattr(self.part, name).at(self.model.world.elasticity)

    def below(self, u, p):
        """Whether u < p, and how near it was."""
        self.model.near(u - p, p)
        return u < p


class Trader(Account):
    """Perp traders: one margin for all their markets."""

    def ratios(self, name, capital, at_load=False):
        """IM in force and IM0 of a position of their appetite on `capital`."""
        w, worth = self.model, self.appetite * capital / len(self.part.markets)
        m = w.markets.index(name)
        return [reference_margin.ratio_of_worth(w, m, worth, p, at_load) for p in (w.force, w.current)]

    def leverage(self, name, capital, at_load=False):
        part, w = self.part, self.model
        now, before = self.ratios(name, capital, at_load)
        wanted = self.appetite * (now / before) ** -self.elasticity("leverage_elasticity")
        a = w.market_asset[w.markets.index(name)]
        sigma, usual = float(w.world.volatility[w.t // w.world.substeps][a]), w.world.reference_volatility[w.assets[a]]
        if part.leverage_volatility_elasticity and not at_load and sigma > 0 and usual > 0:
            wanted *= (sigma / usual) ** -self.elasticity("leverage_volatility_elasticity")
        credit = 1.0
        if part.collateral is not None:
            terms = w.force["collateral"][part.collateral]
            credit = (1 - terms["haircut"]) * terms["collateral_factor"]
        return min(wanted, (1 - part.margin_buffer) * credit / now)

    def response(self, name):
        w = self.model
        now, before = self.ratios(name, self.wealth)
        change = w.fee(w.markets.index(name), w.force) - w.fee(w.markets.index(name), w.current)
        return (now / before) ** -self.elasticity("entry_margin_elasticity") * math.exp(
            -self.elasticity("entry_fee_sensitivity") * change
        )

    def sides(self):
        """The side in each market at load; a lone number is that of the first."""
        if isinstance(self.side, (list, tuple)):
            return list(self.side)
        return [self.side if self.is_open else 0.0] + [0.0] * len(self.part.also)

    def load(self):
        w, part, row = self.model, self.part, self.row
        if not any(self.sides()):
            return
        if part.collateral is None:
            w.post(row, self.wealth)
        else:
            k = w.currencies.index(part.collateral)
            w.put(row, k, self.wealth / w.index[w.currency_asset[k]])
        row.basis = self.wealth
        for side, name in zip(self.sides(), part.markets, strict=True):
            m = w.markets.index(name)
            price = w.external[w.market_asset[m]]
            n = side * self.wealth / len(part.markets) * self.leverage(name, self.wealth, at_load=True) / price
            for who, amount in ((row, n), (w.special["MAKER"], -n)):
                who.position[m] += amount
                who.cost[m] += amount * price

    def putting_in(self, amount):
        """The fields of a request that puts in `amount` USD, in cash or in their currency."""
        w, part = self.model, self.part
        if amount <= 0:
            return {}
        if part.collateral is None:
            return {"cash": amount}
        k = w.currencies.index(part.collateral)
        return {"currency": k, "tokens": amount / w.index[w.currency_asset[k]]}

    def decide(self, arrival, uc, us, uz):
        w, part, row = self.model, self.part, self.row
        count = len(part.markets)
        name = part.markets[int(uz * count)] if count > 1 else part.market
        m = w.markets.index(name)
        q, M = row.position[m], w.M[m]
        E = w.equity(row)
        notional = sum(abs(row.position[i]) * w.M[i] for i in range(len(w.markets)))
        L = self.leverage(name, self.wealth if notional == 0 else max(E, 0.0))
        if q != 0:
            need = w.requirement(row)
            w.near(E - part.top_up_below * need, abs(E) + need)
            if part.top_up_below * need > E:
                if self.below(uc, part.top_up_probability) and notional / L - E > 0:
                    return Request(arrival, **self.putting_in(notional / L - E))
                return None
            if self.below(1 - uc, self.p_close):
                alone = all(row.position[i] == 0 for i in range(len(w.markets)) if i != m)
                return Request(arrival, market=m, quantity=-q, exit=alone, reduce_only=True)
            if E > 0:
                n = sign(q) * E / count * L / M - q
                w.near(abs(n) - part.rebalance_band * abs(q), abs(q))
                if abs(n) > part.rebalance_band * abs(q):
                    return Request(arrival, market=m, quantity=n, reduce_only=n * q < 0)
            return None
        if self.below(uc, self.p_enter * self.response(name)):
            w.near(us - part.long_share, 1.0)
            capital = self.wealth if notional == 0 else max(E, 0.0)
            n = capital / count * L / M * (1.0 if us < part.long_share else -1.0)
            fields = {}
            if notional == 0:
                held = row.cash
                if part.collateral is not None:
                    k = w.currencies.index(part.collateral)
                    held += row.deposit[k] * w.X[k]
                fields = self.putting_in(self.wealth - held)
            return Request(arrival, market=m, quantity=n, **fields)
        return None


class Borrower(Account):
    """Borrowers of one asset, or several in equal shares, against another."""

    def target(self, value, name, at_load=False):
        """T(C) of one debt for a deposit worth `value`. READING: at load the rate is the reference rate."""
        w, part = self.model, self.part
        k, d = w.currencies.index(part.collateral), w.currencies.index(name)
        now = w.force["collateral"][part.collateral]
        counted = value * (1 - now["haircut"]) / (1 + w.force["collateral"][name]["borrow_weight"]) / len(part.debts)
        e = self.elasticity("factor_elasticity")
        cf, cf0 = (
            w.factor_in_bands(each, self.row.bands) if w.in_bands else w.credit_against(k, part.debts, each, "collateral_factor")
            for each in (w.force, w.current)
        )
        blend = cf**e * cf0 ** (1 - e) if cf0 > 0 or e <= 1 else cf
        debt = self.appetite * min(blend, cf) * counted
        if not at_load:
            debt *= math.exp(-self.elasticity("rate_sensitivity") * (w.rates(d)[0] - part.reference_rate))
        return k, d, min(debt, 0.999 * cf * counted)

    def load(self):
        w, part, row = self.model, self.part, self.row
        if not self.is_open:
            return
        k, d, debt = self.target(self.wealth, part.debt, at_load=True)
        w.put(row, k, self.wealth / w.index[w.currency_asset[k]])
        row.basis = self.wealth
        row.debt[d] = debt / w.index[w.currency_asset[d]]
        w.liquidity[d] -= row.debt[d]
        w.outside_tokens[d] += row.debt[d]

    def decide(self, arrival, uc, us, uz):
        w, part, row = self.model, self.part, self.row
        n, u = len(part.debts), uz * len(part.debts)
        if n > 1:
            w.near(u - round(u), 1.0)
        name = part.debts[int(u) if n > 1 else 0]
        k, d = w.currencies.index(part.collateral), w.currencies.index(name)
        value, owed = row.deposit[k] * w.X[k] + w.loan_worth(row), row.debt[d] * w.Y[d]
        price_k, price_d = w.index[w.currency_asset[k]], w.index[w.currency_asset[d]]
        now = w.force["collateral"]
        if row.debt[d] > 0:
            T = self.target(value, name)[2]
            health = w.loan_credit(row) if w.in_bands else value * (1 - now[part.collateral]["haircut"])
            health *= 1.0 if w.in_bands else w.credit_against(k, part.debts, w.force, "liquidation_threshold")
            weighed = 0.0
            for each in part.debts:
                place = w.currencies.index(each)
                weighed += row.debt[place] * w.Y[place] * (1 + now[each]["borrow_weight"])
            health /= weighed
            w.near(health - part.top_up_below, part.top_up_below)
            if health < part.top_up_below:
                if self.below(uc, part.top_up_probability):
                    return Request(arrival, debt_currency=d, borrow=-max(owed - T, 0.0) / price_d)
                return None
            if self.below(1 - uc, self.p_close):
                return Request(arrival, debt_currency=d, borrow=-row.debt[d] * w.B[d], exit=self.owes_only(d))
            w.near(T - (1 + part.rebalance_band) * owed, owed)
            if (1 + part.rebalance_band) * owed < T:
                return Request(arrival, debt_currency=d, borrow=(T - owed) / price_d)
            return None
        if not self.below(uc, self.p_enter):
            return None
        if value > 0:
            return Request(arrival, debt_currency=d, borrow=self.target(value, name)[2] / price_d)
        borrow = self.target(self.wealth, name)[2] / price_d
        return Request(arrival, currency=k, tokens=self.wealth / price_k, debt_currency=d, borrow=borrow)

    def owes_only(self, d):
        return not any(owed for other, owed in enumerate(self.row.debt) if other != d)


class Supplier(Account):
    """Suppliers of one pool."""

    def load(self):
        k = self.model.currencies.index(self.part.asset)
        self.model.put(self.row, k, self.wealth / self.model.index[self.model.currency_asset[k]])
        self.row.basis = self.wealth

    def decide(self, arrival, uc, us, uz):
        w, part, row = self.model, self.part, self.row
        k = w.currencies.index(part.asset)
        _, utilisation = w.rates(k)
        value, price = row.deposit[k] * w.X[k], w.index[w.currency_asset[k]]
        w.near(utilisation - part.run_utilisation, 1.0 if utilisation < 1 else 0.0)
        if utilisation > part.run_utilisation or w.A[k] < w.greatest[k]:
            return Request(arrival, currency=k, tokens=-row.deposit[k] * w.A[k])
        supply_rate = w.supply_rate(k, utilisation)
        target = self.wealth * between((supply_rate / part.reference_rate) ** self.elasticity("rate_elasticity"), 0.0, 2.0)
        w.near(abs(target - value) - part.rebalance_band * max(value, target), max(value, target))
        if abs(target - value) > part.rebalance_band * max(value, target):
            return Request(arrival, currency=k, tokens=(target - value) / price)
        return None


KINDS = {PerpTraders: Trader, Borrowers: Borrower, Suppliers: Supplier}


# --- the protocol and its path ----------------------------------------------------------------------------------------


@dataclass
class Crowd:
    """A cohort: its part, its accounts and the keys of its draws."""

    part: object
    accounts: list
    activity: np.uint64
    decision: np.uint64


@dataclass
class Record:
    """What section 7 keeps."""

    now: dict = field(default_factory=lambda: dict.fromkeys(SUMS, 0.0))  # of the present step
    windows: dict = field(default_factory=dict)
    series: dict = field(default_factory=dict)
    liquidations: int = 0


class ReferenceModel(Lending, mesa.Model):
    """One path. The state is section 1's; `step` is section 4."""

    def __init__(self, world):
        super().__init__(rng=0)
        self.world, self.protocol, self.t = world, world.protocol, 0
        self.assets = list(world.assets)
        self.current, self.candidate = world.current.model_dump(), world.candidate.model_dump()
        self.force = self.current
        self.currencies, self.markets = list(self.current["collateral"]), list(self.current["perpetuals"])
        self.currency_asset = [self.assets.index(k) for k in self.currencies]
        self.market_asset = [self.assets.index(m) for m in self.markets]
        self.nearest, self.newly_liquidatable = math.inf, 0
        K, n = len(self.currencies), len(self.assets)
        self.spot = [Venue(self.protocol.venues[a].spot) for a in self.assets]
        self.perpetual = [reference_rules_of_markets.venue(self, m, Venue) for m in range(len(self.markets))]
        self.rates_kept = [0.0] * len(self.markets)
        self.fee_pools = [getattr(self.protocol.funding, "fees_at_load", 0.0)] * len(self.markets)
        self.oracle = [self.protocol.venues[a].oracle for a in self.assets]
        self.external = [float(x) for x in world.prices[0]]
        self.index, self.age = list(self.external), [0.0] * n
        self.memories = [reference_oracles.Memory(self.protocol.venues[name], price, world.dt)
                         for name, price in zip(self.assets, self.external, strict=True)]  # fmt: skip
        self.spent, self.dues = 0.0, {}
        self.v = [world.reference_volatility[a] ** 2 for a in self.assets]
        self.estimates = reference_margin.Estimates(self)
        if self.estimates.are_read:
            self.v = [self.estimates.variance(a, 0) for a in range(n)]
        self.W = [self.v[a] for a in self.market_asset]
        self.ratios = [reference_margin.small_ratios(self)]
        self.windows = reference_liquidation.Windows()
        self.fee_memory = reference_rules_of_markets.FeeMemory(self)
        self.F, self.hedge = [0.0] * len(self.markets), [0.0] * len(self.markets)
        self.A, self.B, self.greatest = [1.0] * K, [1.0] * K, [1.0] * K
        self.liquidity, self.reserve, self.hole, self.outside_tokens = [0.0] * K, [0.0] * K, [0.0] * K, [0.0] * K
        self.outside, self.deficit, self.rows, self.crowds = 0.0, 0.0, [], []
        self.record, self.most = Record(), {}
        self.load_lending()
        self.keepers = next((c for c in world.cohorts if isinstance(c, Keepers)), None)
        self.gas_limit = self.keepers.gas_limit if self.keepers else 0.0
        self._load()

    # Section 6, load.
    def _load(self):
        w = self.world
        parts = [c for c in w.cohorts if not isinstance(c, Keepers)]
        sizes = [len(traits["wealth"]) for traits in w.populations]
        K, m = len(self.currencies), len(self.markets)
        self.N = sum(sizes)
        for _ in range(self.N + len(SPECIAL)):
            self.rows.append(Row([0.0] * K, [0.0] * K, [0.0] * m, [0.0] * m))
        index = 0
        for part, traits in zip(parts, w.populations, strict=True):
            accounts = []
            for j in range(len(traits["wealth"])):
                own = [traits[name][j] if traits.get(name) is not None else default
                       for name, default in (("wealth", 0.0), ("appetite", 0.0), ("side", 0.0))]  # fmt: skip
                is_open = bool(traits["is_open"][j]) if traits.get("is_open") is not None else True
                accounts.append(KINDS[type(part)](self, part, j, index, *own, is_open))
                index += 1
            keys = [stream(w.seed, w.purpose, part.name, name) for name in ("activity", "decision")]
            self.crowds.append(Crowd(part, accounts, *keys))
        for crowd in self.crowds:
            for account in crowd.accounts:
                if self.in_bands:
                    account.row.bands = getattr(crowd.part, "bands", None) or self.N_band
                account.load()
        for row, amount in zip(self.rows, w.cash, strict=False):
            self.post(row, amount)
        p = self.protocol
        if p.counterparty.kind == "maker":
            self.post(self.special["MAKER"], p.counterparty.capital)
        self._hedge()
        if p.backstop.kind == "vault":
            self.post(self.special["VAULT"], p.backstop.capital)
        self.post(self.special["FUND"], p.fund.cash)
        self.outside -= sum(getattr(venue, "pool", 0.0) for venue in self.perpetual)
        for name, tokens in p.fund.tokens.items():
            self.put(self.special["FUND"], self.currencies.index(name), tokens)
        self.capacity, self.gas_cost = 0.0, self.keepers.gas if self.keepers else 0.0
        self.room, self.stale = (math.inf if w.block_capacity is None else 0.0), [False] * len(self.assets)
        if self.keepers:
            self.post(self.special["KEEPER"], self.keepers.capital)
            self.capacity = self.keepers.capital
            self.latency_key = stream(w.seed, w.purpose, self.keepers.name, "latency")
        if self.in_bands:
            self.lay_loans()
        if min(self.liquidity, default=0.0) < -1e-9:
            raise ValueError("more is borrowed than deposited at load")
        self.refresh()
        self.check()

    @property
    def special(self):
        return {name: self.rows[self.N + n] for n, name in enumerate(SPECIAL)}

    def near(self, distance, scale):
        """Remembers how near a decision came to its threshold; scale 0: nothing to decide."""
        if scale > 0:
            self.nearest = min(self.nearest, abs(distance) / scale)

    def count(self, name, amount):
        self.record.now[name] += amount

    # --- double entry: every amount that enters a row leaves OUTSIDE, every token that enters a pool leaves OUTSIDE

    def post(self, row, amount):
        row.cash += amount
        self.outside -= amount

    def pool(self, k, tokens):
        self.liquidity[k] += tokens
        self.outside_tokens[k] -= tokens

    def put(self, row, k, tokens):
        row.deposit[k] += tokens / self.A[k]
        self.pool(k, tokens)

    def take(self, row, k, tokens):
        if tokens > 0:
            shrink(row.deposit, k, tokens / self.A[k])
            self.pool(k, -tokens)

    def repay(self, row, k, tokens):
        shrink(row.debt, k, tokens / self.B[k])
        self.pool(k, tokens)

    # --- section 2: prices and values

    def spot_price(self, a):
        return self.external[a] * self.spot[a].factor

    def mark(self, m):
        return self.index[self.market_asset[m]] * self.perpetual[m].factor

    def observe(self, dt):
        """4.3 with dt; the re-observation of 4.7 without. READING: that one leaves ages alone altogether."""
        if dt is not None:
            self.before_observation = list(self.index)
        for a, oracle in enumerate(self.oracle):
            raw = oracle.oracle_weight * self.external[a] + (1 - oracle.oracle_weight) * self.spot_price(a)
            raw = self.memories[a].believed(raw, dt, self.before_observation[a])
            previous, move = self.index[a], abs(raw / self.index[a] - 1)
            if oracle.deviation > 0:
                self.near(move - oracle.deviation, oracle.deviation)
            if dt is not None:
                self.age[a] += dt
            halted = self.world.oracle_halted is not None and self.world.oracle_halted[self.t][a]
            if oracle.width > 0:
                if dt is not None:
                    width = oracle.width * math.sqrt(self.v[a])
                    self.near(width - oracle.widest, oracle.widest)
                    self.memories[a].doubts = width > oracle.widest
                    self.memories[a].doubt = min(oracle.caution * width, 1.0)
                halted = halted or self.memories[a].doubts
            if not halted and (self.age[a] >= oracle.heartbeat or move >= oracle.deviation):
                self.index[a] = raw
                if dt is not None:
                    self.age[a] = 0.0
            if dt is not None:
                keep, r = 2 ** (-dt / self.protocol.volatility_half_life), math.log(self.index[a] / previous)
                self.v[a] = keep * self.v[a] + (1 - keep) * r * r / (dt / YEAR)
                if self.estimates.are_read:
                    self.v[a] = self.estimates.variance(a, self.t // self.world.substeps)
                self.stale[a] = oracle.stale_after is not None and self.age[a] > oracle.stale_after
                self.stale[a] |= self.memories[a].breaks(self, self.index[a], dt)
        if dt is not None:
            reference_margin.learn(self)
            if self.in_bands:
                self.note_moves(self.before_observation)

    def refresh(self):
        index = self.index
        self.X = [self.A[k] * index[a] for k, a in enumerate(self.currency_asset)]
        self.Y = [self.B[k] * index[a] for k, a in enumerate(self.currency_asset)]
        at_mark = self.protocol.valuation_price == "mark"
        self.M = [self.mark(m) if at_mark else index[a] for m, a in enumerate(self.market_asset)]
        self.P = [M - F for M, F in zip(self.M, self.F, strict=True)]

    # --- section 3: health

    def gain(self, row):
        return sum(q * P - c for q, P, c in zip(row.position, self.P, row.cost, strict=True))

    def debts(self, row):
        return sum(b * Y for b, Y in zip(row.debt, self.Y, strict=True))

    def equity(self, row):
        own = row.cash + sum(d * X for d, X in zip(row.deposit, self.X, strict=True)) - self.debts(row) + self.gain(row)
        return own + self.loan_worth(row)

    def notional(self, row):
        return sum(abs(q) * M for q, M in zip(row.position, self.M, strict=True))

    def requirement(self, row, parameters=None, which="maintenance"):
        rules, total = (parameters or self.force)["perpetuals"], 0.0
        for m, market in enumerate(self.markets):
            q, known = row.position[m], (0.0, 0.0)
            if which == "initial" and q != 0 and rules[market]["kind"] in ("open-interest-scaled", "collateral-factor"):
                known = reference_margin.interest(self, m, sign(q))
            initial, maintenance = reference_margin.needs(rules[market], q, self.M[m], *known, variance=self.W[m])
            total += initial if which == "initial" else maintenance
        return total

    def health(self, row, parameters, credit, margin):
        total = row.cash
        for k, name in enumerate(self.currencies):
            c = parameters["collateral"][name]
            d = self.memories[self.currency_asset[k]].doubt
            total += row.deposit[k] * self.X[k] * (1 - d) * (1 - c["haircut"]) * self.credit(row, k, parameters, credit)
            total -= row.debt[k] * self.Y[k] * (1 + d) * (1 + c["borrow_weight"])
        for m, a in enumerate(self.market_asset):
            total -= self.memories[a].doubt * abs(row.position[m]) * self.M[m]
        if self.in_bands and credit == "liquidation_threshold":
            total += self.loan_credit(row, parameters)
        gain = self.gain(row)
        gains = self.protocol.gains
        total += gain if gain <= 0 else min(gains.weight * gain, gains.cap)
        total -= self.requirement(row, parameters, margin)
        gross = abs(row.cash) + self.notional(row) + self.debts(row)
        gross += sum(d * X for d, X in zip(row.deposit, self.X, strict=True))
        # An account that owes nothing cannot be short.
        self.near(total, gross if row.cash < 0 or any(row.debt) or any(row.position) else 0.0)
        return total

    def maintenance(self, row, parameters=None):
        return self.health(row, parameters or self.force, "liquidation_threshold", "maintenance")

    def initial(self, row):
        return self.health(row, self.force, "collateral_factor", "initial")

    def liquidatable(self, i):
        return self.maintenance(self.rows[i]) < 0

    def frozen(self, row):
        """Section 3: it holds something whose oracle is stale."""
        lent = any(self.stale[a] and (row.deposit[k] or row.debt[k]) for k, a in enumerate(self.currency_asset))
        return lent or any(self.stale[a] and row.position[m] for m, a in enumerate(self.market_asset))

    # --- section 4: a step

    def step(self):
        w, t = self.world, self.t
        if t == w.burn_in_steps:
            moved = [r for r in self.rows[: self.N] if self.maintenance(r, self.current) >= 0]
            self.protocol = w.voted_protocol or w.protocol
            self.newly_liquidatable = sum(self.maintenance(r, self.candidate) < 0 for r in moved)
            self.protocol = w.protocol
        self._put_in_force(t)
        if t % max(round(DAY / w.dt), 1) == 0:
            self.spent = 0.0
        self._market(t)  # 4.1
        for venue in self.spot + self.perpetual:  # 4.2
            venue.recover(w.dt)
        self.observe(w.dt)  # 4.3
        self._accrue(t)  # 4.4
        self._unwind()  # 4.5
        requests = self._decisions(t)  # 4.6
        self._rounds(t, requests)  # 4.7
        self._deficits()  # 4.8
        self._backstop()  # 4.9
        for venue in self.spot + self.perpetual:  # 4.10
            venue.move()
        self.refresh()
        self._record(t)
        self.ratios.append(reference_margin.small_ratios(self))
        self.check()
        self.t += 1

    def _put_in_force(self, t):
        """A vote: section 4."""
        world, change = self.world, self.world.protocol.change
        since = (t - world.burn_in_steps) * world.dt
        w = 0.0
        if since >= max(change.notice, 0.0):
            x = 1.0 if change.phase_in == 0 else between((since - change.notice) / change.phase_in, 0.0, 1.0)
            w = float(int(change.steps * x + 1e-9)) / change.steps
        self.force = mixed(self.current, self.candidate, w)
        if world.voted_gas_limit is not None:
            self.gas_limit = self.keepers.gas_limit + w * (world.voted_gas_limit - self.keepers.gas_limit)
        if world.voted_protocol is None:
            return
        before, after = world.protocol.model_dump(), world.voted_protocol.model_dump()
        now, fund = Protocol.model_validate(mixed(before, after, w)), self.special["FUND"]
        given = max(now.fund.cash - self.protocol.fund.cash, -max(fund.cash, 0.0))
        fund.cash += given
        self.special["TREASURY"].cash -= given
        self.protocol = now
        self.oracle = [now.venues[a].oracle for a in self.assets]

    def _market(self, t):
        w = self.world
        self.former, self.external = self.external, [float(x) for x in w.prices[t + 1]]
        volatility = w.volatility[t // w.substeps]
        share = w.depth_share[t] if w.depth_share is not None else [1.0] * len(self.assets)
        for a, name in enumerate(self.assets):
            self.spot[a].set_depth(float(volatility[a]), w.reference_volatility[name], share[a])
        for m, a in enumerate(self.market_asset):
            self.perpetual[m].set_depth(float(volatility[a]), w.reference_volatility[self.assets[a]], share[a])
        if w.gas is not None:
            coin = self.external[self.assets.index(w.gas.asset)]
            self.gas_cost = w.gas_price[t] * 1e-9 * w.gas.gas_per_liquidation * coin
        if w.block_capacity is not None:
            self.room = min(self.room + w.block_capacity[t], max(w.block_capacity[t], 1.0))

    def totals(self, k):
        """(borrowed, supplied) tokens."""
        return sum(r.debt[k] for r in self.rows) * self.B[k], sum(r.deposit[k] for r in self.rows) * self.A[k]

    def rates(self, k):
        """(borrow rate, utilisation) now; (0, 0) where nothing can be borrowed."""
        part = self.force["borrowing"].get(self.currencies[k])
        borrowed, supplied = self.totals(k)
        u = between(borrowed / supplied, 0.0, 1.0) if supplied > 0 else 0.0
        if part is None:
            return 0.0, u
        return self.curve_rate(k, u), u

    def _accrue(self, t):
        year, funding = self.world.dt / YEAR, self.protocol.funding
        self.fee_memory.learn(self)
        for m, a in enumerate(self.market_asset):
            if funding.kind != "interval":
                paid = reference_rules_of_markets.funding(self, m) * self.index[a]
                self.F[m] += paid
                if funding.kind == "premium" and funding.most_of_fees is not None:
                    reference_rules_of_markets.spare_maker(self, m, paid)
                continue
            rate = (self.mark(m) / self.index[a] - 1) * YEAR / funding.interval
            self.F[m] += between(rate, -funding.cap, funding.cap) * year * self.index[a]
        for k, name in enumerate(self.currencies):
            if name not in self.force["borrowing"]:
                continue
            self.accrue_pool(k)
            self.greatest[k] = max(self.greatest[k], self.A[k])
        self.charge_overdrafts()
        for m, a in enumerate(self.market_asset):
            self.post(self.special["MAKER"], self.hedge[m] * (self.external[a] - self.former[a]))
        self._hedge()
        if self.keepers:
            capital = self.keepers.capital
            self.capacity = min(capital, self.capacity + capital * self.world.dt / self.keepers.turnover)
        self.refresh()

    def _hedge(self):
        ratio = self.protocol.counterparty.hedge_ratio if self.protocol.counterparty.kind == "maker" else 0.0
        self.hedge = [-ratio * q for q in self.special["MAKER"].position]

    def _unwind(self):
        if self.protocol.backstop.kind != "vault":
            return
        share, vault = 1 - 2 ** (-self.world.dt / self.protocol.backstop.unwind_half_life), self.special["VAULT"]
        for m in range(len(self.markets)):
            q = vault.position[m]
            if q != 0:
                self.near(abs(q) * self.M[m] - 1, 1.0)
                self.trade(vault, m, -q if abs(q) * self.M[m] < 1 else -share * q)
        for k, a in enumerate(self.currency_asset):
            tokens = vault.deposit[k] * self.A[k]
            if tokens > 0:
                self.near(tokens * self.index[a] - 1, 1.0)
                # READING: no more than the pool has.
                self.sell(vault, k, min(tokens if tokens * self.index[a] < 1 else share * tokens, self.liquidity[k]))
        for k, a in enumerate(self.currency_asset):
            tokens = vault.debt[k] * self.B[k]
            if tokens > 0:
                self.near(tokens * self.index[a] - 1, 1.0)
                tokens = tokens if tokens * self.index[a] < 1 else share * tokens
                self.post(vault, -tokens * self.spot[a].trade(tokens, self.spot_price(a)))
                self.repay(vault, k, tokens)

    def sell(self, row, k, tokens):
        """Deposited tokens to cash in the spot venue."""
        if tokens > 0:
            a = self.currency_asset[k]
            fill = self.spot[a].trade(-tokens, self.spot_price(a))
            self.take(row, k, tokens)
            self.post(row, tokens * fill)

    def _decisions(self, t):
        """4.6 and the head of section 6: [(account index, request)]."""
        w, found = self.world, []
        for crowd in self.crowds:
            rate = crowd.part.activity * w.dt / DAY  # = -ln(1 - p)
            j, n = -1, 0
            while rate > 0:
                gap = math.log(uniform(crowd.activity, t, 0, w.path, n)) / -rate
                self.near(gap - round(gap), max(gap, 1.0))
                j, n = j + 1 + math.floor(gap), n + 1
                if j >= len(crowd.accounts):
                    break
                ua, uc = uniform_pair(crowd.decision, t, j, w.path, 0)
                us, uz = uniform_pair(crowd.decision, t, j, w.path, 1)
                request = crowd.accounts[j].decide(ua * w.dt, uc, us, uz)
                if request is not None and not request.does_nothing():
                    found.append((crowd.accounts[j].index, request))
        return found

    def _rounds(self, t, requests):
        w = self.world
        for number in range(self.protocol.max_rounds):
            queue = [(request.arrival, i, 1, request) for i, request in requests] if number == 0 else []
            if self.protocol.liquidation.kind == "growing-fee" and self.keepers:
                reference_liquidation.note_up(self, [i for i in range(self.N) if self.liquidatable(i)])
            for i in range(self.N if self.keepers and self.gas_cost <= self.gas_limit else 0):
                if self.liquidatable(i):
                    tau = 0.0
                    if self.keepers.latency > 0:
                        tau = -self.keepers.latency * math.log(uniform(self.latency_key, t, i, w.path, 0))
                        self.near(tau - w.dt, w.dt)
                    if tau < w.dt:
                        queue.append((tau, i, 0, None))
            if self.gas_cost <= self.gas_limit:
                queue += [(tau, i, 0, None) for tau, i in self.buyers(t)]
            liquidated = bought = 0
            queue.sort(key=lambda entry: entry[:3])
            for earlier, later in pairwise(queue):
                self.near(later[0] - earlier[0], w.dt if later[0] > earlier[0] else 0.0)
            for _, i, _, request in queue:
                if request is None and i >= self.N:
                    bought += self.buy(i - self.N)
                elif request is None:
                    liquidated += self.liquidate(i)
                else:
                    self.grant(i, request)
            self.observe(None)
            self.refresh()
            self.record.liquidations += liquidated
            self.count("liquidations", liquidated)
            if not liquidated + bought:
                break

    def _deficits(self):
        """4.8."""
        rest, self.deficit = self.deficit, 0.0
        if rest <= 0:
            return
        paid = self.fund_pays(rest)
        rest -= paid
        self.outside += paid
        if rest > 0 and self.protocol.residual == "socialised":
            rich = [row for row in self.rows[: self.N] if row.cash > 0]
            total = sum(row.cash for row in rich)
            borne = min(rest, total)
            for row in rich:
                self.post(row, -row.cash if rest >= total else -rest * row.cash / total)
            self.count("socialised_loss", borne)
            rest -= borne
        if self.protocol.residual in ("funding-index", "opposite-side"):
            borne = reference_liquidation.pay_by_position(self, rest + paid, rest)
            self.outside += borne
            self.count("socialised_loss", borne)
            rest -= borne
        self.count("uncovered_loss", rest)

    def _backstop(self):
        """4.9."""
        if self.protocol.backstop.kind != "vault":
            return
        for i in range(self.N):
            row = self.rows[i]
            need, N = self.requirement(row), self.notional(row)
            if N > 0 and self.liquidatable(i) and not self.frozen(row):
                gap = self.equity(row) - self.protocol.backstop.threshold * need
                self.near(gap, N)
                if gap < 0:
                    self.take_over(i)
        self._deficits()

    # --- section 5: what changes accounts

    def fee(self, m, parameters, n=None):
        """The fee per unit of notional, of 5.1; n is None: of a trade whose side is not known."""
        part = parameters["fees"]
        if part["kind"] != "linear-in-volatility":
            return self.fee_memory.fee(self, m, part, n)
        return min(part["cap"], part["flat"] + part["volatility_slope"] * math.sqrt(self.v[self.market_asset[m]]))

    def grant(self, i, request):
        """5.1: worked out, then kept or put back."""
        places = [i] + [self.N + SPECIAL.index(name) for name in ("MAKER", "FUND", "TREASURY")]
        before = [copy.deepcopy(self.rows[place]) for place in places]
        venues = [copy.copy(venue) for venue in self.perpetual]
        pools = list(self.liquidity), list(self.outside_tokens), self.outside, list(self.fee_pools)
        fee = self._work_out(self.rows[i], request)
        if fee is None:
            for place, row in zip(places, before, strict=True):
                self.rows[place] = row
            self.perpetual = venues
            self.liquidity, self.outside_tokens, self.outside, self.fee_pools = pools
        else:
            self.count("fees", fee)
            self.count("user_cost", fee)

    def _work_out(self, row, q):
        """The fee paid, or None if the request is refused."""
        if self.in_bands and q.debt_currency >= 0:
            return self.ask_bands(row, q)
        if q.quantity != 0 and not reference_rules_of_markets.keeps_to_band(self, row, q):
            self.count("refusals", 1)
            return None
        must_be_safe, fee = False, 0.0
        before, self.held_before = self.category(row), list(row.deposit)
        if q.cash > 0:  # 1
            self.post(row, q.cash)
            row.basis += q.cash
        if q.tokens > 0:  # 2
            if self.A[q.currency] <= 0 or not self.may_deposit(q.currency, q.tokens):
                return None
            self.put(row, q.currency, q.tokens)
            row.basis += q.tokens * self.index[self.currency_asset[q.currency]]
        if q.borrow < 0 and row.debt[q.debt_currency] > 0:  # 3
            self.repay(row, q.debt_currency, min(-q.borrow, row.debt[q.debt_currency] * self.B[q.debt_currency]))
        if q.borrow > 0:  # 4
            self.near(q.borrow - self.liquidity[q.debt_currency], q.borrow)
            if q.borrow > self.liquidity[q.debt_currency] or not self.may_owe(row, q.debt_currency, q.borrow):
                return None
            row.debt[q.debt_currency] += q.borrow / self.B[q.debt_currency]
            self.pool(q.debt_currency, -q.borrow)
            must_be_safe = True
        if q.quantity != 0:  # 5
            held, n = row.position[q.market], q.quantity
            if n * held < 0 or q.reduce_only:
                against = abs(held) if n * held < 0 else 0.0
                n = sign(n) * min(abs(n), against)
            else:
                must_be_safe = True
            if n != 0:
                rate = self.fee(q.market, self.force, n)
                fill = self.trade(row, q.market, n)
                fee = abs(n) * fill * rate
                share = self.protocol.fund.fee_share if fee > 0 else 0.0
                row.cash -= fee
                self.special["FUND"].cash += share * fee
                self.special["TREASURY"].cash += (1 - share) * fee
                self.fee_pools[q.market] += (1 - share) * fee
        if q.tokens < 0:  # 6
            k = q.currency
            tokens = min(-q.tokens, row.deposit[k] * self.A[k], self.liquidity[k])
            if tokens > 0:
                equity = self.equity(row)
                if equity > 0:
                    row.basis *= 1 - min(1.0, tokens * self.index[self.currency_asset[k]] / equity)
                self.take(row, k, tokens)
                must_be_safe = must_be_safe or not q.exit
        if q.exit and not any(row.debt):  # 7
            for k in range(len(self.currencies)):
                self.take(row, k, min(row.deposit[k] * self.A[k], self.liquidity[k]))
            self.post(row, -max(row.cash, 0.0))
            row.basis = 0.0
        if not q.exit and before is not None and self.category(row) != before:
            must_be_safe = True
        if must_be_safe and (self.frozen(row) or self.initial(row) < 0):
            return None
        if q.exit and self.maintenance(row) < 0:
            return None
        return fee

    def liquidate(self, i):
        """A keeper at account i: 5.2 or 5.3, then 5.4. True if something changed."""
        row = self.rows[i]
        maintenance = self.maintenance(row)
        if maintenance >= 0 or self.room < 1 or self.frozen(row):
            return False
        held, owed = list(row.position), self.deficit
        acted = self._close_positions(row, maintenance) if any(row.position) else self.serve_debt(row)
        if acted:
            self.room -= 1
            self.post(self.special["KEEPER"], -self.gas_cost)
            self.count("gas", self.gas_cost)
            self._write_off(row)
            reference_liquidation.owe(self, held, self.deficit - owed)
        return acted

    def _close_positions(self, row, maintenance):
        """5.2."""
        rule, keepers = self.protocol.liquidation, self.keepers
        need, N, penalty = self.requirement(row), self.notional(row), self.force["liquidation"]["penalty"]
        f, sizes = 1.0, None
        if rule.kind == "fillable-price":
            return reference_liquidation.fillable(self, row)
        if rule.kind == "growing-fee":
            return reference_liquidation.growing(self, row)
        if rule.kind == "staged-close":
            f = reference_liquidation.stage(self, row, N)
        if rule.kind == "window-cap":
            sizes = [abs(self.closable(m, math.copysign(size, -q)))
                     for m, (q, size) in enumerate(zip(row.position, self.windows.sizes(self, row), strict=True))]  # fmt: skip
            left = sum(size * M for size, M in zip(sizes, self.M, strict=True))
            self.near(left - 1, 1.0)
            if left < 1:
                return False
            f = left / N
        if rule.kind == "partial":
            self.near(N - rule.minimum_notional, N)
            below = need * (1 + rule.buffer) - penalty * N
            if below > 0 and rule.minimum_notional < N:
                f = min(1.0, (rule.buffer * need - maintenance) / below)
        part = f
        banded = any(self.band_for_keepers(m) for m in range(len(self.markets)))
        if banded and rule.kind in ("whole", "partial", "staged-close"):
            sizes = [abs(self.closable(m, -f * q)) for m, q in enumerate(row.position)]
            f = sum(size * M for size, M in zip(sizes, self.M, strict=True)) / N
            self.near(f * N - min(1.0, N), 1.0 if N > 1 else 0.0)
            if f * N < min(1.0, N):
                return False
        due = penalty * f * N
        if keepers.acts == "at-a-profit":
            pay = rule.keeper_share * (due if rule.guaranteed else min(due, max(self.equity(row), 0.0)))
            self.near(pay - self.gas_cost - keepers.minimum_profit, pay + self.gas_cost)
            if pay - self.gas_cost < keepers.minimum_profit:
                return False
        if rule.kind == "staged-close" and part < 1:
            row.closed_at = reference_liquidation.clock(self)
        for m in range(len(self.markets)):
            q = row.position[m]
            if q != 0 and sizes is None:
                self.trade(row, m, -f * q)
            elif q != 0 and sizes[m] > 0:
                if rule.kind == "window-cap":
                    self.windows.use(m, sizes[m])
                self.trade(row, m, -sign(q) * sizes[m])
        available = max(self.equity(row), 0.0)
        paid = min(due, available)
        row.cash -= paid
        if rule.guaranteed and available < due:
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

    def band_for_keepers(self, m):
        band = self.protocol.venues[self.markets[m]].fill_band
        return band is not None and band.liquidations

    def closable(self, m, n):
        """5.1: what a fill band leaves of a keeper's trade of n."""
        return reference_rules_of_markets.in_band(self, m, n) if n and self.band_for_keepers(m) else n

    def _write_off(self, row):
        """5.4."""
        worth = sum(row.deposit[k] * self.A[k] * self.index[a] for k, a in enumerate(self.currency_asset))
        if any(row.position) or worth > 1e-9 or row.loan:
            return
        for k, a in enumerate(self.currency_asset):
            paid = min(max(row.cash, 0.0), row.debt[k] * self.B[k] * self.index[a])
            if paid > 0:
                self.post(row, -paid)
                self.repay(row, k, paid / self.index[a])
        if row.cash < 0:
            self.deficit -= row.cash
            self.count("realised_bad_debt", -row.cash)
            self.post(row, -row.cash)
        for k, a in enumerate(self.currency_asset):
            tokens, price = row.debt[k] * self.B[k], self.index[a]
            if tokens > 0:
                row.debt[k] = 0.0
                self.count("realised_bad_debt", tokens * price)
                paid = self.fund_pays(tokens * price)
                self.outside += paid
                self.pool(k, paid / price)
                missing, (_, supplied) = tokens - paid / price, self.totals(k)
                borne = min(missing, supplied)
                if borne > 0:
                    self.A[k] *= 1 - min(1.0, missing / supplied)
                self.hole[k] += missing - borne
                self.count("socialised_loss", borne * price)
                self.count("uncovered_loss", (missing - borne) * price)
        if row.cash <= 1e-9:
            row.basis = 0.0

    def trade(self, row, m, n):
        """5.5: `n` of market m for a row, the other side to MAKER. Returns the fill."""
        venue = self.perpetual[m]
        fill = venue.trade(n, self.mark(m))
        makers = venue.makers_fill(fill) if hasattr(venue, "makers_fill") else fill
        self.book(row, m, n, fill - self.F[m])
        self.book(self.special["MAKER"], m, -n, makers - self.F[m])
        return fill

    def book(self, row, m, n, price):
        """5.5 for one side, at `price` = fill - F."""
        q = row.position[m]
        if q * n < 0:
            f = min(abs(n) / abs(q), 1.0)
            row.cash += f * (q * price - row.cost[m])
            row.cost[m] *= 1 - f
            row.position[m], n = (q + n, 0.0) if abs(n) < abs(q) else (0.0, q + n)
            if f < 1 and abs(row.position[m]) < DUST * abs(q):
                row.position[m] = row.cost[m] = 0.0
            if abs(n) < DUST * abs(q):
                n = 0.0
        row.position[m] += n
        row.cost[m] += n * price

    def fund_pays(self, y):
        """5.6: takes what FUND can pay of `y` out of its cash, and returns it: the caller says who gets it."""
        fund, caps = self.special["FUND"], self.protocol.fund
        if caps.most_per_event is not None:
            y = min(y, caps.most_per_event)
        if caps.most_per_day is not None:
            y = min(y, max(caps.most_per_day - self.spent, 0.0))
        for k, a in enumerate(self.currency_asset):
            missing, s, venue = y - fund.cash, self.spot_price(a), self.spot[a]
            if missing <= 0:
                break
            tokens = min(fund.deposit[k] * self.A[k], self.liquidity[k])  # READING: no more than the pool has
            if not venue.is_linear:
                tokens = min(tokens, missing / s)
            elif missing < venue.depth:
                tokens = min(tokens, -venue.depth / s * math.log1p(-missing / venue.depth))
            self.sell(fund, k, tokens)
        paid = min(y, fund.cash)
        fund.cash -= paid
        self.spent += paid
        self.count("fund_draw", paid)
        return paid

    def take_over(self, i):
        """5.7."""
        row, vault = self.rows[i], self.special["VAULT"]
        N, equity, part = self.notional(row), self.equity(row), self.protocol.backstop
        loss = max(0.0, -equity)
        paid = self.fund_pays(loss)
        short = loss - paid
        room = self.equity(vault) - part.margin * (self.notional(vault) + N)
        self.near(room, N)
        can_take = room >= 0
        share = (short / loss if loss > 0 else 0.0) if can_take else 1.0
        haircut = unfound = 0.0
        held = list(row.position)
        for m in range(len(self.markets)):
            if row.position[m] != 0 and share > 0:
                borne, left = self.deleverage(i, m, share, (loss if can_take else short) * self.M[m] / N)
                haircut, unfound = haircut + borne, unfound + left
        row.cash += paid
        self.count("adl_haircut", haircut)
        if not can_take:  # the account keeps what remains
            self.count("realised_bad_debt", paid + haircut)
            owns = any(row.position) or any(row.deposit) or any(row.debt)
            if not owns and abs(row.cash) <= 1e-9 * max(1.0, N):  # READING: equity is 0 here, and so is cash
                self.post(row, -row.cash)
            return
        self.post(row, unfound)
        self.deficit += unfound
        reference_liquidation.owe(self, held, unfound)
        self.count("realised_bad_debt", loss)
        self.count("takeovers", 1)
        self.count("user_cost", max(0.0, equity))
        vault.cash += row.cash
        for name in ("deposit", "debt", "position", "cost"):
            theirs, own = getattr(vault, name), getattr(row, name)
            for n in range(len(own)):
                theirs[n] += own[n]
                own[n] = 0.0
        row.cash = row.basis = 0.0

    def deleverage(self, i, m, share, per_unit):
        """ADL of a share of one position of account i at P + sign x per_unit. (haircut borne, haircut that nobody bore)."""
        row = self.rows[i]
        side, wanted = sign(row.position[m]), share * abs(row.position[m])
        price, left = self.P[m] + side * per_unit, wanted
        queue = []
        for j in range(self.N):
            other = self.rows[j]
            equity = self.equity(other)
            if other.position[m] * side < 0:
                self.near(equity, self.notional(other))
                if equity > 0:
                    g = other.position[m] * self.P[m] - other.cost[m]
                    pct, lev = g / max(abs(other.cost[m]), 1e-12), self.notional(other) / max(equity, 1e-12)
                    queue.append((-(pct * lev if g > 0 else pct / max(lev, 1e-12)), j))
        queue.sort()
        for (first, _), (second, _) in pairwise(queue):
            self.near(second - first, abs(first) + abs(second) if second != first else 0.0)
        if self.protocol.backstop.allocation != "queue":
            rows = [self.rows[j] for _, j in queue]
            weights = [1.0] * len(rows)
            if self.protocol.backstop.allocation == "leverage-weighted":
                weights = [self.notional(r) / max(self.equity(r), 1e-12) for r in rows]
            parts = reference_oracles.in_proportion(wanted, [abs(r.position[m]) for r in rows], weights)
            for other, part in zip(rows, parts, strict=True):
                self.book(other, m, side * part, price)
            left, queue = wanted - sum(parts), []
        for j in [j for _, j in queue] + [self.N + SPECIAL.index("MAKER")]:
            other = self.rows[j]
            if left > DUST * wanted and other.position[m] * side < 0:
                n = min(abs(other.position[m]), left)
                self.book(other, m, side * n, price)
                left -= n
        left = left if left > DUST * wanted else 0.0
        closed = wanted - left
        self.book(row, m, -side * closed, price)
        self.count("adl_volume", closed * self.M[m])
        return closed * abs(per_unit), left * abs(per_unit)

    # --- section 7

    def _latent_at_values(self, sick):
        total = sum(max(0.0, -self.equity(row)) for row in [*sick, self.special["VAULT"]])
        if self.protocol.counterparty.kind == "maker":
            total += max(0.0, -self.equity(self.special["MAKER"]))
        return total

    def latent(self):
        """Liquidatable accounts wound down together in the venues."""
        sick = [self.rows[i] for i in range(self.N) if self.liquidatable(i)]
        mark, sale = [], []
        for m in range(len(self.markets)):
            net, s = sum(row.position[m] for row in sick), self.mark(m)
            mark.append(self.perpetual[m].quote(-net, s)[0] - self.F[m])
        owing = [row for row in sick if any(row.debt) or row.cash < 0]
        for k, a in enumerate(self.currency_asset):
            tokens = sum(row.deposit[k] for row in owing) * self.A[k]
            tokens += sum(self.of_loan(row)[1] for row in sick if row.loan and row.loan[0] == k)
            if self.shape_name == "absorb-and-resale" and self.currencies[k] not in self.force["borrowing"]:
                tokens += self.reserve[k]
            sale.append(self.A[k] * self.spot[a].quote(-tokens, self.spot_price(a))[0])
        total = self._latent_at_values([]) + self.unbacked([each / A for each, A in zip(sale, self.A, strict=True)])[0]
        for row in sick:
            values = sale if any(row.debt) or row.cash < 0 else self.X
            worth = row.cash + sum(d * X for d, X in zip(row.deposit, values, strict=True)) - self.debts(row)
            worth += sum(q * p - c for q, p, c in zip(row.position, mark, row.cost, strict=True))
            if row.loan:
                x, y, _ = self.of_loan(row)
                worth += x * self.index[self.currency_asset[self.base]] + y * sale[row.loan[0]] / self.A[row.loan[0]]
            total += max(0.0, -worth)
        return total

    def _record(self, t):
        w, now = self.world, self.record.now
        borne = now["fund_draw"] + now["adl_haircut"] + now["socialised_loss"] + now["uncovered_loss"]
        assert abs(borne - now["realised_bad_debt"]) <= 1e-9 * (1 + borne), "7: every unit of bad debt in one bucket"
        sick = [self.rows[i] for i in range(self.N) if self.liquidatable(i)]
        hole, cushion = self.unbacked()
        latent, fund = self._latent_at_values(sick) + hole, self.equity(self.special["FUND"]) + cushion
        self.near(latent - fund - 0.01, latent + fund)
        if latent > fund + 0.01:
            now["time_under_water"] = w.dt / 3600
        for m, a in enumerate(self.market_asset):
            longs = [max(row.position[m], 0.0) for row in self.rows], [max(row.position[m], 0.0) for row in sick]
            now["open_interest"] = now.get("open_interest", 0.0) + (sum(longs[0]) - sum(longs[1])) * self.index[a]
        now["borrowed"] = sum(self.debts(row) for row in self.rows)
        now["basis"] = sum(row.basis for row in self.rows[: self.N])
        vote, steady = w.burn_in_steps, w.burn_in_steps + w.transition_steps
        for name, begin, end in (("transition", vote, steady), ("steady", steady, w.steps), ("whole", vote, w.steps)):
            window = self.record.windows.setdefault(name, dict.fromkeys((*SUMS, *MEANS, "latent_bad_debt"), 0.0))
            if begin <= t < end:
                for key, amount in now.items():
                    window[key] += amount / (end - begin) if key in MEANS else amount
            if t == end - 1:
                window["latent_bad_debt"] = self.latent()
        self.record.now = dict.fromkeys(SUMS, 0.0)
        row = {
            "index": list(self.index),
            "mark": [self.mark(m) for m in range(len(self.markets))],
            "external": list(self.external),
            "spot": [self.spot_price(a) for a in range(len(self.external))],
            "funding": list(self.F),
            "deposit_index": list(self.A),
            "borrow_index": list(self.B),
            "fund_cash": self.special["FUND"].cash,
            "cash": sum(row.cash for row in self.rows),
            "liquidations": self.record.liquidations,
        }
        for key, value in row.items():
            self.record.series.setdefault(key, []).append(value)

    def check(self):
        """Double entry, to 1e-9 of the greatest gross so far. READING: cash less cost is what 5.5 conserves, not cash."""
        gross = 1 + abs(self.outside) + sum(abs(r.cash) + sum(map(abs, r.cost)) for r in self.rows)
        net = self.outside + sum(r.cash - sum(r.cost) for r in self.rows)
        net += sum(getattr(venue, "pool", 0.0) for venue in self.perpetual)
        assert abs(net) <= 1e-9 * gross, f"1, 5: cash less cost sums to {net} after step {self.t}"
        for m in range(len(self.markets)):
            sizes = [r.position[m] for r in self.rows]
            self.most["sizes", m] = max(self.most.get(("sizes", m), 0.0), sum(map(abs, sizes)))
            assert abs(sum(sizes)) <= 1e-9 * self.most["sizes", m], f"5.5: positions do not sum to zero, step {self.t}"
        for k in range(len(self.currencies)):
            borrowed, supplied = self.totals(k)
            self.most["pool", k] = max(self.most.get(("pool", k), 0.0), supplied + borrowed + self.hole[k] + self.laid_in(k))
            gap = supplied + self.reserve[k] - borrowed - self.hole[k] - self.liquidity[k]
            assert abs(gap) <= 1e-9 * self.most["pool", k], f"5.4: pool {k} is off by {gap}, step {self.t}"
            gap = self.liquidity[k] + self.outside_tokens[k]
            assert abs(gap) <= 1e-9 * self.most["pool", k], f"1: tokens of {k} are off by {gap}, step {self.t}"
            assert min(min(r.deposit[k], r.debt[k]) for r in self.rows) >= 0, f"1: negative deposit or debt, step {self.t}"
        assert self.special["FUND"].cash >= 0, "5.6: fund cash below zero"
        assert math.isfinite(net), f"not a number after step {self.t}"


def _plain(row):
    return {name: copy.copy(getattr(row, name)) for name in ("cash", "deposit", "debt", "position", "cost", "basis")}


def _variances(world, model):
    """Section 7: squared log returns of the market steps that end after the vote, by year."""
    series, found = model.record.series, {}
    ends = [t for t in range(world.burn_in_steps, world.steps) if (t + 1) % world.substeps == 0]
    years = (world.steps - world.burn_in_steps) * world.dt / (365 * 86400)
    for a, name in enumerate(world.assets):
        marks = [[row[m] for row in series["mark"]] for m, on in enumerate(model.market_asset) if on == a]
        observed = marks[0] if marks else [row[a] for row in series["spot"]]
        external = [row[a] for row in series["external"]]
        for side, path in (("external", external), ("observed", observed)):
            before = [path[t - world.substeps] if t >= world.substeps else world.prices[0][a] for t in ends]
            squares = sum(math.log(path[t] / was) ** 2 for t, was in zip(ends, before, strict=True))
            found[f"{side}_variance.{name}.whole"] = squares / years
    return found


def reference_run(world):
    """Runs one path and returns its series, its final rows and the outcomes of section 7 as "<quantity>.<window>"."""
    model = ReferenceModel(world)
    for _ in range(world.steps):
        model.step()
    outcomes = {"newly_liquidatable.transition": float(model.newly_liquidatable)}
    for name, window in model.record.windows.items():
        window["loss"] = window["realised_bad_debt"] + window["latent_bad_debt"]
        used = window["open_interest"] + window["borrowed"]
        window["capital_efficiency_used"] = used / window["basis"] if window["basis"] > 0 else 0.0
        if any(market.kind == "volatility-scaled" for market in world.current.perpetuals.values()):
            begin = world.burn_in_steps + (world.transition_steps if name == "steady" else 0)
            end = world.burn_in_steps + world.transition_steps if name == "transition" else world.steps
            window |= reference_margin.procyclicality(model.ratios[begin : end + 1], world.dt)
        for key, amount in window.items():
            outcomes[f"mean_{key}.{name}" if key in MEANS else f"{key}.{name}"] = amount
    outcomes |= _variances(world, model)
    return {
        **model.record.series,
        "accounts": [_plain(row) for row in model.rows[: model.N]],
        "special": {name: _plain(row) for name, row in model.special.items()},
        "outside": {
            "cash": model.outside,
            "clearing": -sum(sum(row.cost) for row in model.rows),
            "tokens": list(model.outside_tokens),
        },
        "pools": {"liquidity": list(model.liquidity), "reserve": list(model.reserve), "hole": list(model.hole)},
        "outcomes": outcomes,
        "worlds_near_threshold": model.nearest,
    }
