"""dYdX v4 and Drift v2 in their own integers: every case exact; and the float rules are the same rules."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.protocol.funding_rate.rates import funding_clamp
from simulator.protocol.integers import drift, dydx
from simulator.protocol.margin_ratio import requirement as ratios

sys.path.insert(0, str(Path(__file__).parent))
from protocol_vectors import LAW, cases

RULES = (
    ("open-interest-scaled margin, bankruptcy and fillable price, insurance, funding clamp", "dYdX v4",
     "dydxprotocol/v4-chain @84d4664", "dydx_v4.json"),
    ("size-scaled margin, partial liquidation with growing fee, loss by index", "Drift v2",
     "drift-labs/protocol-v2 @0ae3e3b", "drift.json"),
)  # fmt: skip

DYDX, DRIFT = "vectors/dydx_v4.json", "vectors/drift.json"
QUOTE_PER_BASE = {0: 500, 1: 3}  # quote quantums per base quantum: BTC at 50,000 USD, ETH at 3,000
SUBTICK_EXPONENT = {0: 8, 1: 9}


def account(case):
    """(cash [quote quantums], holdings, place of the one that is closed) of a case of the liquidation tests."""
    holdings = [
        dydx.Holding(
            position["quantums"] * QUOTE_PER_BASE[position["perpId"]],
            position["quantums"],
            case["perps"][str(position["perpId"])]["imf_ppm"],
            case["perps"][str(position["perpId"])]["mm_fraction_ppm"],
        )
        for position in case["positions"]
    ]
    closed = [position["perpId"] for position in case["positions"]].index(case["perpetualId"])
    return round(case["usdc"] * 1_000_000), holdings, closed


@pytest.mark.parametrize("case", cases(DYDX, "cases", "bankruptcy_price"))
def test_dydx_bankruptcy_price(case):
    assert dydx.bankruptcy_value(*account(case), case["deltaQuantums"]) == case["exp"]


@pytest.mark.parametrize("case", cases(DYDX, "cases", "fillable_price"))
def test_dydx_fillable_price(case):
    adjustment, spread = case.get("BankruptcyAdjustmentPpm", 1_000_000), case.get("SpreadToMaintenanceMarginRatioPpm", 100_000)
    assert dydx.fillable_price(*account(case), adjustment, spread) == Fraction(*case["exp"])


@pytest.mark.parametrize("case", cases(DYDX, "cases", "insurance_fund_delta"))
def test_dydx_insurance_fund_delta(case):
    direction = 1 if case["isBuy"] else -1
    quote = case["fillAmount"] * case["subticks"] // 10 ** SUBTICK_EXPONENT[case["perpetualId"]]
    bankruptcy = dydx.bankruptcy_value(*account(case), direction * case["fillAmount"])
    assert dydx.insurance_delta(-direction * quote, bankruptcy, case.get("MaxLiquidationFeePpm", 5_000)) == case["exp"]


@pytest.mark.parametrize("case", cases(DYDX, "cases", "oi_scaled_imf"))
def test_dydx_open_interest_scaled_ratio(case):
    bounds = case["openInterestLowerCap"], case["openInterestUpperCap"]
    exact = dydx.scaled_initial_ppm(case["initialMarginPpm"], *bounds, case["openInterestNotional"])
    assert exact == case["expectedPpm"]
    ratio = ratios.open_interest_scaled_ratio(case["initialMarginPpm"] / 1e6, *bounds, case["openInterestNotional"])
    assert ratio == pytest.approx(exact / 1e6, rel=1e-12, abs=1e-6)


@pytest.mark.parametrize("case", cases(DYDX, "cases", "initial_margin"))
def test_dydx_initial_margin(case):
    scaling = [case[key] or 0 for key in ("openInterestLowerCap", "openInterestUpperCap", "openInterestNotional")]
    ratio = dydx.scaled_initial_ppm(case["initialMarginPpm"], *scaling)
    assert dydx.initial_margin(case["bigQuoteQuantums"], ratio) == case["expectedInitialMarginQuoteQuantums"]


@pytest.mark.parametrize("case", cases(DYDX, "cases", "maintenance_margin_ppm"))
def test_dydx_maintenance_ratio(case):
    assert dydx.maintenance_ppm(case["initialMarginPpm"], case["maintenanceFractionPpm"]) == case["expectedMaintenanceMarginPpm"]


@pytest.mark.parametrize("case", cases(DYDX, "cases", "funding_clamp_ppm"))
def test_dydx_funding_clamp(case):
    ratios_of = case["initialMarginPpm"], case["maintenanceFractionPpm"]
    exact = dydx.funding_clamp_ppm(case["clampFactorPpm"], *ratios_of)
    assert exact == case["expectedUpperBoundPpm"]
    initial, fraction = ratios_of[0] / 1e6, ratios_of[1] / 1e6
    clamp = funding_clamp(case["clampFactorPpm"] / 1e6, initial, initial * fraction)
    assert clamp == pytest.approx(exact / 1e6, abs=1e-6 * (1 + case["clampFactorPpm"] / 1e6))


@pytest.mark.parametrize("case", cases(DYDX, "funding_index_delta"))
def test_dydx_funding_index_delta(case):
    exponent = case["exponent"] + case["atomicResolution"] + 6
    found = dydx.funding_index_delta(case["rate8h_ppm"], case["seconds"], case["price"], exponent)
    assert found == case["expected"]


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "size_discount_asset_weight"))
def test_drift_size_discount(case):
    exact = drift.size_discount(case["weight"], case["imf"], case["size_e9"])
    assert exact == case["expected"]
    weight = ratios.size_discount(case["weight"] / 1e4, case["imf"] / 1e6, case["size_e9"] / 1e9)
    assert weight == pytest.approx(exact / 1e4, abs=1e-4)


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "size_premium_liability_weight"))
def test_drift_size_premium(case):
    exact = drift.size_premium(case["weight"], case["imf"], case["size_e9"])
    assert exact == case["expected"]
    weight = ratios.size_premium(case["weight"] / 1e4, case["imf"] / 1e6, case["size_e9"] / 1e9)
    assert weight == pytest.approx(exact / 1e4, abs=2e-4)


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "perp_margin_ratio"))
def test_drift_margin_ratio(case):
    ratio = case.get(case["kind"])
    if ratio is None:  # a fill needs the mean of both
        ratio = (case["initial"] + case["maintenance"]) // 2
    assert drift.size_premium(ratio, case["imf"], case["size_e9"]) == case["expected"]


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "scaled_initial_asset_weight"))
def test_drift_deposit_scaled_weight(case):
    deposits = case["deposits"] * case["price"]
    exact = drift.deposit_scaled_weight(case["weight"], case["start_usd"], deposits)
    assert exact == case["expected"]
    weight = ratios.deposit_scaled_weight(case["weight"] / 1e4, case["start_usd"], deposits)
    assert weight == pytest.approx(exact / 1e4, abs=1e-4)


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "base_amount_to_cover_margin_shortage"))
def test_drift_base_to_cover(case):
    fees = case["liq_fee"], case["if_fee"]
    exact = drift.base_to_cover(case["shortage"], case["margin_ratio"], *fees, case["price"], case["quote_price"])
    assert exact == case["expected"]


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "liability_transfer_to_cover_margin_shortage"))
def test_drift_liability_to_cover(case):
    asset, debt = (case["asset_weight"], case["asset_mult"]), (case["liab_weight"], case["liab_mult"])
    found = drift.liability_to_cover(case["shortage"], *asset, *debt, case["decimals"], case["price"], case["if_fee"])
    assert found == case["expected"]


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "perp_if_fee"))
def test_drift_fund_fee(case):
    prices = case["price"], case["quote_price"]
    position = case["shortage"], case["base"], case["margin_ratio"], case["liq_fee"]
    assert drift.fund_fee(*position, *prices, case["max_if_fee"]) == case["expected"]


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "liquidation_fee_by_slot"))
def test_drift_fee_by_slot(case):
    assert drift.liquidator_fee(case["base"], case["max"], case["slots"]) == case["expected"]


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "funding_delta_to_resolve_perp_bankruptcy"))
def test_drift_loss_by_funding_index(case):
    assert drift.funding_index_loss(case["loss"], case["base_long"], case["base_short"]) == case["expected"]


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "deposit_interest_delta_to_socialise"))
def test_drift_loss_by_deposit_index(case):
    balance = case["deposit_balance"], case["cum_interest"], case["decimals"]
    assert drift.deposit_index_loss(case["loss"], *balance) == case["expected"]


@pytest.mark.parametrize("case", cases(DRIFT, "cases", "max_pct_to_liquidate"))
def test_drift_share_to_liquidate(case):
    waited = case.get("freed", 0), case.get("slots", 0), case.get("duration", 150), case.get("initial_pct", 0)
    assert drift.share_to_liquidate(case["shortage"], *waited) == case["expected_pct"]


PPM = st.integers(1, 1_000_000)


@LAW
@given(base=PPM, fraction=PPM, lower=st.integers(0, 10**12), width=st.integers(1, 10**12), interest=st.integers(0, 3 * 10**12))
def test_dydx_float_and_integer_rules_agree_up_to_the_rounding_unit(base, fraction, lower, width, interest):
    exact = dydx.scaled_initial_ppm(base, lower, lower + width, interest)
    ratio = ratios.open_interest_scaled_ratio(base / 1e6, float(lower), float(lower + width), float(interest))
    assert -1e-9 <= ratio - exact / 1e6 <= 1e-6 + 1e-9
    holding = dydx.Holding(interest, 1, base, fraction)
    margin = dydx.maintenance_margin(holding)
    assert -1e-3 <= margin - interest * base * fraction / 1e12 <= 2 + 1e-3
    assert margin <= dydx.initial_margin(interest, exact)


@LAW
@given(weight=st.integers(0, 20_000), factor=st.integers(0, 10**6), size=st.integers(0, 10**18))
def test_drift_float_and_integer_rules_agree_up_to_the_rounding_unit(weight, factor, size):
    premium = ratios.size_premium(weight / 1e4, factor / 1e6, size / 1e9)
    assert premium * 1e4 == pytest.approx(drift.size_premium(weight, factor, size), abs=2.0, rel=2e-5)
    discount = ratios.size_discount(weight / 1e4, factor / 1e6, size / 1e9)
    assert discount * 1e4 == pytest.approx(drift.size_discount(weight, factor, size), abs=1.01)


def test_a_price_below_bankruptcy_costs_the_fund_and_one_above_pays_it():
    cash, holdings = -5_100_000_000, [dydx.Holding(5_000_000_000, 10_000_000, 200_000, 500_000)]
    value = dydx.bankruptcy_value(cash, holdings, 0, -10_000_000)
    assert dydx.insurance_delta(value, value, 5_000) == 0
    assert dydx.insurance_delta(value - 7, value, 5_000) == -7
    assert dydx.insurance_delta(2 * value, value, 5_000) == 2 * value * 5_000 // 1_000_000
