"""Margin of perpetual positions: equal to the slow reference on hundreds of portfolios, and what every rule must obey."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from simulator.protocol.margin_ratio import (
    CollateralFactorRatio,
    FlatRatio,
    MarginRatio,
    OpenInterestScaledRatio,
    SkewScaledRatio,
    TieredRatio,
)
from simulator.protocol.margin_ratio.requirement import (
    collateral_haircut,
    fill_ratio,
    requirement,
    requirements,
    row_of,
    tiered_liquidation_price,
    volatility_factor,
)
from simulator.protocol.price_impact.fill import skew_fill

sys.path.insert(0, str(Path(__file__).parent))
import reference_rules as reference
from protocol_vectors import LAW

RULES = (
    ("skew-scaled margin of an account over four markets' prices", "Synthetix v3", "Synthetixio/synthetix-v3 @23585f7",
     "synthetix_v3_perps.json"),
    ("tiered margin and liquidation price", "Hyperliquid", "documentation of margin tiers", "parameter_tables.json#btc_tiers"),
    ("collateral-factor margin", "GMX v2", "gmx-io/gmx-synthetics @a5c0c88", "parameter_tables.json#gmx_v2"),
)  # fmt: skip

PART = TypeAdapter(MarginRatio)
TIERS = [{"lower_bound": 0.0, "greatest_leverage": 40.0}, {"lower_bound": 150e6, "greatest_leverage": 20.0}]

# field: (least legal, greatest legal, usual); related fields are drawn together by `drawn`
FIELDS = {
    "flat": {"initial_margin_ratio": (1e-6, 1.0, 0.1), "maintenance_margin_ratio": (1e-6, 1.0, 0.05)},
    "open-interest-scaled": {
        "initial_margin_ratio": (1e-6, 1.0, 0.1), "maintenance_fraction": (0.0, 1.0, 0.5),
        "lower_open_interest": (0.0, 1e12, 2e7), "upper_open_interest": (0.0, 1e12, 5e7),
    },
    "size-scaled": {
        "initial_margin_ratio": (1e-6, 1.0, 0.1), "maintenance_margin_ratio": (1e-6, 1.0, 0.05), "size_factor": (0.0, 10.0, 1e-4),
    },
    "skew-scaled": {
        "skew_scale": (1e-3, 1e12, 1e5), "scaled_ratio": (0.0, 100.0, 2.0), "minimum_ratio": (0.0, 1.0, 0.01),
        "maintenance_scalar": (0.0, 1.0, 0.5), "minimum_margin": (0.0, 1e6, 50.0),
    },
    "collateral-factor": {
        "minimum_factor": (1e-6, 1.0, 0.01), "minimum_factor_liquidation": (1e-6, 1.0, 0.005),
        "open_interest_factor": (0.0, 1.0, 1e-10), "minimum_collateral": (0.0, 1e6, 1.0),
    },
    "tiered": {"maintenance_share": (1e-6, 1.0, 0.5)},
    "volatility-scaled": {
        "initial_margin_ratio": (1e-6, 1.0, 0.1), "maintenance_margin_ratio": (1e-6, 1.0, 0.05),
        "reference_volatility": (1e-6, 20.0, 0.6), "half_life": (0.0, 1e9, 86_400.0), "buffer": (0.0, 1.0, 0.25),
        "stressed_weight": (0.0, 1.0, 0.25), "stressed_volatility": (1e-6, 20.0, 1.5), "floor": (1e-6, 100.0, 0.5),
        "cap": (1e-6, 100.0, 4.0),
    },
}  # fmt: skip
ORDERED = (
    ("maintenance_margin_ratio", "initial_margin_ratio"),
    ("minimum_factor_liquidation", "minimum_factor"),
    ("lower_open_interest", "upper_open_interest"),
    ("reference_volatility", "stressed_volatility"),
    ("floor", "cap"),
)


def drawn(kind, rng, pinned=None, value=None):
    """The fields of a legal part: usual values times 1/2 to 2, one pinned, and what it is related to moved along."""
    fields = {name: float(usual * 2 ** rng.uniform(-1, 1)) for name, (_, _, usual) in FIELDS[kind].items()}
    fields = {name: min(max(x, FIELDS[kind][name][0]), FIELDS[kind][name][1]) for name, x in fields.items()}
    if pinned:
        fields[pinned] = value
    for low, high in ORDERED:
        if low in fields and fields[low] > fields[high]:
            fields[low if pinned == high else high] = fields[high if pinned == high else low]
    if kind == "tiered":
        bounds = np.cumsum(rng.exponential(1e6, int(rng.integers(0, 12))))
        leverages = np.sort(rng.uniform(1, 100, len(bounds) + 1))[::-1]
        fields["tiers"] = [
            {"lower_bound": float(low), "greatest_leverage": float(leverage)}
            for low, leverage in zip([0.0, *bounds], leverages, strict=True)
        ]
    return {"kind": kind, **fields}


def portfolios():
    """(fields, seed): forty of each kind, and every field at its least and at its greatest."""
    rng = np.random.default_rng(7)
    for kind, fields in FIELDS.items():
        for _ in range(40):
            yield drawn(kind, rng)
        for name, (least, greatest, _) in fields.items():
            yield drawn(kind, rng, name, least)
            yield drawn(kind, rng, name, greatest)


def test_every_rule_equals_the_slow_reference():
    rng = np.random.default_rng(8)
    compared = 0
    for fields in portfolios():
        part = PART.validate_python(fields)
        size = np.concatenate([rng.normal(0, 1, 6) * 10.0 ** rng.uniform(-3, 5, 6), [0.0]])
        price, interest = 10.0 ** rng.uniform(-2, 5, 7), 10.0 ** rng.uniform(0, 12, 7)
        initial, maintenance = requirements(part, size, price, interest)
        slow = [reference.margin(fields, *position) for position in zip(size, price, interest, strict=True)]
        assert initial == pytest.approx([a for a, _ in slow], rel=1e-12)
        assert maintenance == pytest.approx([b for _, b in slow], rel=1e-12, abs=1e-9)
        assert float(initial.sum()) == pytest.approx(sum(a for a, _ in slow), rel=1e-12)
        compared += 1
    assert compared >= 240 + 2 * sum(map(len, FIELDS.values()))


@st.composite
def parts(draw):
    kind = draw(st.sampled_from(list(FIELDS)))
    return PART.validate_python(drawn(kind, np.random.default_rng(draw(st.integers(0, 10**6)))))


SIZES = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-9)
PRICES = st.floats(1e-3, 1e6)
INTERESTS = st.floats(0, 1e12)


@LAW
@given(part=parts(), size=SIZES, price=PRICES, interest=INTERESTS)
def test_maintenance_is_at_most_initial_and_a_sign_changes_nothing(part, size, price, interest):
    row = row_of(part)
    initial, maintenance = requirement(row, size, price, interest)
    assert 0 <= maintenance <= initial * (1 + 1e-12)
    assert requirement(row, -size, price, interest) == (initial, maintenance)
    assert requirement(row, 0.0, price, interest) == (0.0, 0.0)


@LAW
@given(part=parts(), one=SIZES, two=SIZES, price=PRICES, interest=INTERESTS)
def test_a_larger_position_never_needs_less(part, one, two, price, interest):
    small, large = sorted((abs(one), abs(two)))
    least, most = (requirement(row_of(part), size, price, interest) for size in (small, large))
    assert least[0] <= most[0] * (1 + 1e-12)
    assert least[1] <= most[1] * (1 + 1e-9) + 1e-9


@LAW
@given(part=parts().filter(lambda part: part.kind != "volatility-scaled"), size=SIZES, price=PRICES, one=INTERESTS, two=INTERESTS)
def test_open_interest_raises_initial_margin_and_never_maintenance(part, size, price, one, two):
    least, most = (requirement(row_of(part), size, price, interest) for interest in sorted((one, two)))
    assert least[0] <= most[0]
    assert least[1] == most[1]


@pytest.mark.parametrize(
    (
        "guard",
        "at",
    ),  # the factor at half, once, 1.1, 1.25 and 3 times the long-run volatility, by hand from RTS 153/2013, art. 28
    [
        ({"floor": 0.1}, (0.5, 1.0, 1.1, 1.25, 3.0)),
        ({"floor": 0.1, "buffer": 0.25}, (0.625, 1.25, 1.25, 1.25, 3.0)),  # (a): built in calm, used up by 1.25
        (
            {"floor": 0.1, "stressed_weight": 0.25, "stressed_volatility": 2.0},  # (b): a quarter of 2^2 is 1
            (math.sqrt(1.1875), math.sqrt(1.75), math.sqrt(1.9075), math.sqrt(2.171875), math.sqrt(7.75)),
        ),
        ({"floor": 1.0}, (1.0, 1.0, 1.1, 1.25, 3.0)),  # (c): never below the long look-back
        ({"floor": 1.0, "cap": 1.0}, (1.0, 1.0, 1.0, 1.0, 1.0)),  # a flat margin
        ({"floor": 0.1, "cap": 2.0}, (0.5, 1.0, 1.1, 1.25, 2.0)),
    ],
)
def test_the_factor_is_held_back_as_regulators_say(guard, at):
    ratios = {"initial_margin_ratio": 0.05, "maintenance_margin_ratio": 0.03, "reference_volatility": 1.0}
    part = PART.validate_python({"kind": "volatility-scaled", **ratios, **guard})
    variances = [x * x for x in (0.5, 1.0, 1.1, 1.25, 3.0)]
    assert [part.factor(v) for v in variances] == pytest.approx(at, rel=1e-15)
    assert [volatility_factor(row_of(part), v) for v in variances] == pytest.approx(at, rel=1e-15)
    initial, maintenance = requirements(part, -2.0, 100.0, at)
    assert initial == pytest.approx(200 * 0.05 * np.array(at), rel=1e-15)
    assert maintenance == pytest.approx(200 * 0.03 * np.array(at), rel=1e-15)
    assert part.least_initial_ratio == 0.05 * part.factor(1.0)
    assert part.least_maintenance_ratio == 0.03 * part.factor(1.0)


@LAW
@given(size=st.floats(-1e4, 1e4).filter(lambda x: abs(x) > 1e-3), price=st.floats(1, 1e5), leverage=st.floats(1.1, 40))
def test_tiered_liquidation_price_is_where_equity_meets_maintenance(size, price, leverage):
    part = TieredRatio(kind="tiered", tiers=TIERS)
    row, equity = row_of(part), abs(size) * price / leverage
    found = tiered_liquidation_price(row, size, price, equity)
    fields = {"kind": "tiered", "tiers": TIERS, "maintenance_share": 0.5}
    assert found == pytest.approx(reference.liquidation_price(fields, size, price, equity), rel=1e-9)
    maintenance = requirement(row, size, found, 0.0)[1]
    assert equity + size * (found - price) == pytest.approx(maintenance, rel=1e-9, abs=1e-9 * abs(size) * price)


def test_liquidation_price_in_one_tier_is_the_published_formula():
    """price - side x available / size / (1 - l x side), l = 1 / maintenance leverage: 80, at 10 x and 40 x at most."""
    row = row_of(TieredRatio(kind="tiered", tiers=TIERS[:1]))
    for size in (2.0, -2.0):
        side, equity = np.sign(size), 2.0 * 50_000 / 10
        available = equity - 2.0 * 50_000 / 80
        expected = 50_000 - side * available / 2.0 / (1 - side / 80)
        assert tiered_liquidation_price(row, size, 50_000.0, equity) == pytest.approx(expected, rel=1e-12)
    assert tiered_liquidation_price(row, 2.0, 50_000.0, 200_000.0) == 0.0


@pytest.mark.shared_data
def test_synthetix_account_at_every_set_of_prices(shared_data):
    told = json.loads((shared_data / "vectors/synthetix_v3_perps.json").read_text())["account"]
    for step in told["steps"]:
        available, initial, maintenance = told["collateral"], 0.0, 0.0
        for n, (market, price) in enumerate(zip(told["markets"], step["prices"], strict=True)):
            entry = skew_fill(market["open_price"], 0.0, market["size"], market["skewScale"])
            gain = market["size"] * (price - entry)
            assert gain == pytest.approx(step["pnl"][n], rel=1e-12)
            part = SkewScaledRatio(
                kind="skew-scaled", skew_scale=float(market["skewScale"]), scaled_ratio=float(market["initialMarginFraction"]),
                minimum_ratio=market["minimumInitialMarginRatio"], maintenance_scalar=market["maintenanceMarginScalar"],
            )  # fmt: skip
            needed = requirements(part, market["size"], price)
            available, initial, maintenance = available + gain, initial + needed[0], maintenance + needed[1]
        assert available == pytest.approx(step["available"], rel=1e-12, abs=1e-9)
        assert initial == pytest.approx(step["computed_initial_margin"], rel=1e-12)
        assert maintenance == pytest.approx(step["computed_maintenance_margin"], rel=1e-12)
        if step["liquidatable"] is not None:
            assert (maintenance > available) == step["liquidatable"]


@pytest.mark.shared_data
def test_real_tables_load_into_the_parts(shared_data):
    tables = json.loads((shared_data / "vectors/parameter_tables.json").read_text())
    for tier in tables["dydx_v4"]["liquidity_tiers"]:
        part = OpenInterestScaledRatio(
            kind="open-interest-scaled", initial_margin_ratio=tier["imf"], maintenance_fraction=tier["mm_fraction"],
            lower_open_interest=float(tier["oi_lower_usdc"]), upper_open_interest=float(tier["oi_upper_usdc"]),
        )  # fmt: skip
        initial, maintenance = requirements(part, 1.0, 1000.0, [0.0, 1e12])
        assert maintenance == pytest.approx(1000 * tier["imf"] * tier["mm_fraction"])
        assert initial[1] == (1000.0 if tier["oi_upper_usdc"] else pytest.approx(1000 * tier["imf"]))
    gmx = tables["gmx_v2"]
    CollateralFactorRatio(
        kind="collateral-factor", minimum_factor=gmx["min_collateral_factor"],
        minimum_factor_liquidation=gmx["min_collateral_factor_liquidation"], minimum_collateral=float(gmx["min_collateral_usd"]),
    )  # fmt: skip
    for name, (initial_, maintenance_) in {"derive.srm": ("perp_im", "perp_mm"), "perp_curie": ("im", "mm")}.items():
        table = tables
        for key in name.split("."):
            table = table[key]
        FlatRatio(kind="flat", initial_margin_ratio=table[initial_], maintenance_margin_ratio=table[maintenance_])
    tiers = [{"lower_bound": float(low), "greatest_leverage": float(most)} for low, most in tables["hyperliquid"]["btc_tiers"]]
    initial, maintenance = requirements(TieredRatio(kind="tiered", tiers=tiers), 1.0, [150e6 - 1, 150e6 + 1])
    assert maintenance == pytest.approx(150e6 / 80, rel=1e-7)
    assert initial[1] / initial[0] == pytest.approx(2.0, rel=1e-7)


def test_haircut_of_collateral_and_margin_of_a_fill():
    assert collateral_haircut(100.0, 1000.0, 0.5, 0.01, 0.2) == pytest.approx(0.05)
    assert collateral_haircut(1e9, 1000.0, 0.5, 0.01, 0.2) == 0.2
    assert collateral_haircut(0.0, 1000.0, 0.5, 0.01, 0.2) == 0.01
    assert fill_ratio(0.1, 0.05) == pytest.approx(0.075)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "flat", "initial_margin_ratio": 0.05, "maintenance_margin_ratio": 0.1}, "0.1 and 0.05"),
        ({"kind": "size-scaled", "initial_margin_ratio": 0.05, "maintenance_margin_ratio": 0.1}, "0.1 and 0.05"),
        ({"kind": "collateral-factor", "minimum_factor": 0.01, "minimum_factor_liquidation": 0.02}, "0.02 and 0.01"),
        (
            {
                "kind": "open-interest-scaled",
                "initial_margin_ratio": 0.1,
                "maintenance_fraction": 0.5,
                "lower_open_interest": 5e6,
            },
            "5e.06 and 0",
        ),
        (
            {
                "kind": "volatility-scaled",
                "initial_margin_ratio": 0.05,
                "maintenance_margin_ratio": 0.03,
                "reference_volatility": 0.6,
                "floor": 2.0,
                "cap": 1.5,
            },
            "2 and 1.5",
        ),
        (
            {
                "kind": "volatility-scaled",
                "initial_margin_ratio": 0.05,
                "maintenance_margin_ratio": 0.03,
                "reference_volatility": 0.6,
                "stressed_weight": 0.25,
            },
            "0.6 and 0",
        ),
        ({"kind": "tiered", "tiers": TIERS[1:]}, "must be 0, but got 1.5e.08"),
        ({"kind": "tiered", "tiers": [TIERS[0], TIERS[0]]}, "0 and then 0"),
        ({"kind": "tiered", "tiers": [{**TIERS[0], "greatest_leverage": 10.0}, TIERS[1]]}, "10 and then 20"),
    ],
)
def test_bad_relations_are_named_with_both_values(fields, said):
    with pytest.raises(ValueError, match=said):
        PART.validate_python(fields)


def test_positions_broadcast():
    part = FlatRatio(kind="flat", initial_margin_ratio=0.1, maintenance_margin_ratio=0.05)
    initial, maintenance = requirements(part, np.ones((2, 1)), np.array([100.0, 200.0, 300.0]))
    assert initial.shape == maintenance.shape == (2, 3)
    assert initial[1].tolist() == pytest.approx([10.0, 20.0, 30.0])


def test_an_offset_leaves_nothing_to_margin():
    row = row_of(PART.validate_python({"kind": "flat", "initial_margin_ratio": 0.1, "maintenance_margin_ratio": 0.05}))
    assert requirement(row, 3.0 - 3.0, 100.0, 0.0) == (0.0, 0.0)
