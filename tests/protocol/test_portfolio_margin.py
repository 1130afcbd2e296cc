"""Portfolio margin methods beside the scenario grid: the protocols' own numbers, and closed forms where there is no protocol."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from simulator.pricing.black_scholes import price
from simulator.pricing.option_kernel import black_price
from simulator.pricing.svi import RawSVI
from simulator.protocol.portfolio_margin import PortfolioMargin, presets
from simulator.protocol.portfolio_margin.account import account_margin, fill_sheet, margins, method_of, scratch, sheet_for
from simulator.protocol.portfolio_margin.covariance_requirement import cornish_fisher, multiple, one_factor
from simulator.protocol.portfolio_margin.expected_shortfall import LognormalRisk, lognormal_tail
from simulator.protocol.portfolio_margin.grid_requirement import TOTAL, grid_margin
from simulator.protocol.portfolio_margin.records import EQUITY, INITIAL, MAINTENANCE, Accounts, Market, instruments
from simulator.protocol.portfolio_margin.side_requirement import naked_call, naked_put, shortfall_margin
from simulator.protocol.portfolio_margin.span import Span
from simulator.protocol.portfolio_margin.standard import StandardMargin

sys.path.insert(0, str(Path(__file__).parent))
from protocol_vectors import FOLDER, cases

RULES = (
    ("standard margin of isolated options and perpetuals", "Derive SRM", "derivexyz/v2-core @7736900", "derive_srm.json"),
    ("margin by expected shortfall and slippage, with orders", "Vega", "vegaprotocol/vega @a50750c", "vega_margin.json"),
    ("Black-76 and the oracle's SVI volatility", "Derive", "derivexyz/lyra-utils @759e962",
     "pricing_and_risk_measures.json#rows"),
    ("lognormal VaR, ES and risk factors", "Vega", "vegaprotocol/quant @afa0c5d", "pricing_and_risk_measures.json#lognormal"),
    ("SPAN arrays", "McMillan, Options as a Strategic Investment, ch. 34", "book", "span_example.json"),
    ("naked option margin", "Opyn Gamma", "documentation", "by hand"),
)  # fmt: skip

PART = TypeAdapter(PortfolioMargin)
SRM, PRICING = "vectors/derive_srm.json", "vectors/pricing_and_risk_measures.json"
YEAR = 31_536_000.0
NAMES = {
    "initial_perpetual": "perpIM", "maintenance_perpetual": "perpMM", "greatest_option": "maxSpotReq",
    "least_option": "minSpotReq",
    "call": "mmCall", "put": "mmPut", "put_of_mark": "mmPutMtM", "put_scale": "off", "initial_unpaired": "unpIM",
    "maintenance_unpaired": "unpMM", "confidence_threshold": "thr", "confidence_factor": "oc", "depeg_threshold": "depT",
    "depeg_factor": "depF",
}  # fmt: skip


def rows(*values):
    return np.array([values], float)


def standard_account(case):
    """(equity, initial, maintenance) of one case of Derive's standard manager: every market of it is an underlying."""
    table = json.loads((FOLDER / SRM).read_text(encoding="utf-8"))["params"]
    markets = case["markets"]
    names = tuple(f"M{u}" for u in range(len(markets)))
    bases = {
        name: {"counted": float(m["bf"]), "initial_scale": float(m["ims"]), "underlying": name}
        for name, m in zip(names, markets, strict=True)
    }
    fields = {name: float(table[theirs]) for name, theirs in NAMES.items()}
    part = StandardMargin.model_validate({"kind": "standard", "collateral": bases, **fields})
    expiries = [(u, told) for u, m in enumerate(markets) for _, told in sorted(m["exp"].items())]
    chain, amounts, vols = [], [], []
    for e, (u, told) in enumerate(expiries):
        for strike, is_call, amount, vol, _ in sorted(told["ops"]):
            chain.append((u, e, strike, is_call))
            amounts.append(amount)
            vols.append(vol)
    columns = [list(column) for column in zip(*chain, strict=True)] if chain else [[], [], [], []]
    book = instruments(*columns, underlyings=len(markets), expiries=[u for u, _ in expiries])
    market = Market(
        spot=rows(*(m["spot"] for m in markets)), perpetual=rows(*(m["pp"] for m in markets)),
        spot_confidence=rows(*(m["sconf"] for m in markets)), perpetual_confidence=rows(*(m["pconf"] for m in markets)),
        volatility=rows(*(0.0 for _ in markets)), forward=rows(*(told["fwd"] for _, told in expiries)),
        fixed_forward=rows(*(0.0 for _ in expiries)), years=rows(*(told["ops"][0][4] / YEAR for _, told in expiries)),
        rate=rows(*(0.0 for _ in expiries)), expiry_confidence=rows(*(min(t["fconf"], t["vconf"]) for _, t in expiries)),
        implied=rows(*vols), collateral_price=rows(*(m["spot"] for m in markets)),
        collateral_confidence=rows(*(1.0 for _ in markets)), settlement=rows(case["stable"]),
    )  # fmt: skip
    held = Accounts(
        rows(case["cash"]), rows(amounts), rows([m["perp"] for m in markets]), rows([m["upnl"] for m in markets]),
        rows([m["base"] for m in markets]),
    )  # fmt: skip
    held = Accounts(held.cash, *(np.ascontiguousarray(x.reshape(1, 1, -1)) for x in held[1:]))
    return margins(method_of(part, names, names), book, market, held)[0, 0]


@pytest.mark.parametrize("case", cases(SRM, "exact_cases"))
def test_derive_standard_account(case):
    found, told = standard_account(case), case["expected"]
    assert found[EQUITY] == pytest.approx(told["mtm"], rel=1e-6, abs=1e-6)
    assert found[EQUITY] - found[INITIAL] == pytest.approx(told["im"], rel=1e-6, abs=1e-6)
    assert found[EQUITY] - found[MAINTENANCE] == pytest.approx(told["mm"], rel=1e-6, abs=1e-6)


def dollars(value):
    """Cut towards 0 as the source prints it, where rounding has not left a whole number just below itself."""
    return math.trunc(value + math.copysign(1e-9 * max(abs(value), 1.0), value))


@pytest.mark.parametrize("case", cases(SRM, "truncated_cases"))
def test_derive_standard_account_to_the_dollar(case):
    found, told = standard_account(case), case["expected_truncated"]
    assert dollars(found[EQUITY] - found[INITIAL]) == told["im"]
    assert dollars(found[EQUITY] - found[MAINTENANCE]) == told["mm"]


@pytest.mark.parametrize("case", cases("vectors/vega_margin.json", "cases", names=("party", "position", "buy_orders")))
def test_vega_margin_with_orders(case):
    table = json.loads((FOLDER / "vectors/vega_margin.json").read_text(encoding="utf-8"))
    terms = table["mark"], table["linear_slippage"], table["rf_long"], table["rf_short"]
    found = shortfall_margin(float(case["position"]), float(case["buy_orders"]), float(case["sell_orders"]), *map(float, terms))
    assert math.ceil(found - 1e-9) == case["expected"]


@pytest.mark.parametrize("case", cases(PRICING, "lognormal_var_es", "positive"))
def test_lognormal_tail_of_a_long(case):
    mean, deviation, tail, *told = case
    assert lognormal_tail(mean, deviation, tail) == pytest.approx(told, abs=1e-8)


@pytest.mark.parametrize("case", cases(PRICING, "lognormal_var_es", "negative"))
def test_lognormal_tail_of_a_short(case):
    mean, deviation, tail, *told = case
    assert lognormal_tail(mean, deviation, tail, upper=True) == pytest.approx(told, rel=1e-10, abs=1e-8)


@pytest.mark.shared_data
def test_vega_risk_factors_of_a_forward(shared_data):
    told = json.loads((shared_data / PRICING).read_text(encoding="utf-8"))["forward_risk_factors"]
    risk = LognormalRisk(volatility=float(told["sigma"]), drift=float(told["mu"]))
    found = risk.factors(told["lambda_"], told["tau_years"] * YEAR)
    assert found == pytest.approx((told["long"], told["short"]), abs=1e-8)


@pytest.mark.parametrize("case", cases(PRICING, "black76", "rows"))
def test_black_price(case):
    seconds, vol, forward, strike, discount, call, put, _ = map(float, case)
    for is_call, told in ((True, call), (False, put)):
        assert price(forward, strike, seconds / YEAR, vol, is_call, discount) == pytest.approx(told, abs=1e-8)
        found = discount * black_price(forward, strike, vol * math.sqrt(seconds / YEAR), is_call)
        assert found == pytest.approx(told, abs=1e-8)


@pytest.mark.parametrize("case", cases(PRICING, "svi", "rows", names=("tau", "strike")))
def test_svi_volatility_of_an_oracle(case):
    smile = RawSVI(case["a"], case["b"], case["rho"], case["m"], case["sigma"])
    found = smile.bounded_volatility(np.log(case["strike"] / case["F"]), case["tau"])
    assert found == pytest.approx(case["expected_vol"], abs=1e-8)


def one_underlying(part, options=(), amounts=(), perpetual=0.0, spot=100.0, volatility=0.8, rate=0.0, **more):
    """A book on one underlying: options (strike, is_call, years, volatility), sorted; (equity, initial, maintenance), scratch."""
    years = sorted({o[2] for o in options})
    chain = sorted(zip(options, amounts, strict=True), key=lambda pair: (pair[0][2], pair[0][0]))
    columns = [[0] * len(chain), [years.index(o[2]) for o, _ in chain], [o[0] for o, _ in chain], [o[1] for o, _ in chain]]
    book = instruments(*columns, underlyings=1, expiries=[0] * len(years))
    ones = rows(*(1.0 for _ in years))
    market = Market(
        spot=rows(spot), perpetual=rows(more.get("perpetual_price", spot)), spot_confidence=rows(more.get("confidence", 1.0)),
        perpetual_confidence=rows(more.get("confidence", 1.0)), volatility=rows(volatility), forward=ones * spot,
        fixed_forward=ones * 0, years=rows(*years), rate=ones * rate, expiry_confidence=ones * more.get("confidence", 1.0),
        implied=rows(*(o[3] for o, _ in chain)), collateral_price=rows(), collateral_confidence=rows(), settlement=rows(1.0),
    )  # fmt: skip
    method = method_of(part, ("ETH",))
    sheet, work, path = sheet_for(method, book), scratch(method, book), Market(*(x[0] for x in market))
    fill_sheet(method, book, path, sheet)
    held = np.array([a for _, a in chain], float), np.array([perpetual]), np.zeros(1), np.zeros(0)
    return account_margin(method, book, path, sheet, 0.0, *held, work), work


@pytest.mark.shared_data
def test_span_arrays_of_the_book(shared_data):
    """The future by the rule itself; the option's array is CME's, and a spread of both is the sum of the arrays."""
    told = json.loads((shared_data / "reference/span_example.json").read_text(encoding="utf-8"))["cases"]
    part = Span(kind="span", price_scan_range=20 / 400, volatility_scan_range=0.0, extreme_cover=0.35)
    found, work = one_underlying(part, perpetual=500.0, spot=400.0)
    future = next(case for case in told if case["position"] == "long 1 S&P future")
    assert work[TOTAL, :16] == pytest.approx(future["array"], abs=5.0)  # CME rounds to 10
    assert found[MAINTENANCE] == pytest.approx(future["requirement"])
    for case in told:
        assert max(-x for x in case["array"]) == pytest.approx(case["requirement"], abs=10)
    method = method_of(part, ("ETH",))
    covered = [case for case in told if case["position"].startswith("covered write")]
    call = next((case for case in told if "call" in case["position"] and case not in covered), None)
    for case in covered if call else ():
        book = instruments([0], [0], [410.0], [1], 1)
        sheet, work = sheet_for(method, book), scratch(method, book)
        sheet.shocked[0, :16] = np.array(call["array"], float) / method.scenario[:16, 2]  # the table has the cover in it
        sheet.expiry[0] = 1.0
        market = Market(*([np.array([400.0])] * 2), *([np.ones(1)] * 12))
        empty = np.zeros(0)
        got = grid_margin(method, book, market, sheet, np.array([-1.0]), np.array([500.0]), np.zeros(1), empty, work)
        assert work[TOTAL, :16] == pytest.approx(case["array"], abs=10)
        assert got[2] == pytest.approx(case["requirement"], abs=10)


def test_opyn_put_of_the_documentation():
    assert naked_put(100.0, 150.0, 0.1678, 0.75) == pytest.approx(16.78)
    assert naked_put(200.0, 150.0, 0.1678, 0.75) == pytest.approx(0.1678 * 112.5 + 87.5)
    assert naked_call(100.0, 150.0, 0.2, 0.75) == pytest.approx(0.2 * 0.5 + 0.5)
    assert naked_call(300.0, 150.0, 0.2, 0.75) == 0.2


def test_one_factor_delta_gamma_is_the_share_of_a_simulated_law():
    """Against a fine grid of the normal law, not the roots of the quadratic: VaR from the sorted losses, ES as a mean."""
    from scipy.special import ndtri

    z = ndtri((np.arange(200_000) + 0.5) / 200_000)
    for d, g in ((1.0, 0.5), (1.0, -0.5), (0.0, -1.0), (0.2, 2.0), (3.0, 1e-9), (0.5, -3.0)):
        loss = np.sort(-(d * z + 0.5 * g * z * z))
        for tail in (0.01, 0.05):
            quantile = multiple(1 - tail, None, False)
            beyond = loss[-round(tail * len(loss)) :]
            assert one_factor(d, g, tail, quantile, False) == pytest.approx(beyond[0], abs=2e-3)
            assert one_factor(d, g, tail, quantile, True) == pytest.approx(beyond.mean(), abs=2e-3)


def test_cornish_fisher_is_near_the_exact_law_of_several_factors():
    """Chi-square with n degrees (n equal short gammas, no delta): what the documents say of its error."""
    from scipy.stats import chi2

    for n, most in ((2, 0.05), (4, 0.03), (8, 0.02)):
        skew, excess = math.sqrt(8 / n), 12 / n
        for tail in (0.01, 0.005):
            z = multiple(1 - tail, None, False)
            exact = chi2.ppf(1 - tail, n)
            found = cornish_fisher(float(n), math.sqrt(2 * n), skew, excess, tail, z, False)
            assert abs(found / exact - 1) < most, (n, tail)
            shortfall = n * chi2.sf(exact, n + 2) / tail
            found = cornish_fisher(float(n), math.sqrt(2 * n), skew, excess, tail, z, True)
            assert abs(found / shortfall - 1) < 2 * most, (n, tail)


def test_multiples_are_the_published_ones():
    """VERIFICATION L24: Student-t with 4 degrees and unit variance at 99 %: VaR 2.6495, ES 3.6915."""
    assert multiple(0.99, 4.0, False) == pytest.approx(2.6495, abs=5e-5)
    assert multiple(0.99, 4.0, True) == pytest.approx(3.6915, abs=5e-5)
    assert multiple(0.99, None, False) == pytest.approx(2.326348, abs=1e-6)
    assert multiple(0.99, 1e6, True) == pytest.approx(multiple(0.99, None, True), rel=1e-5)


RISK = {"ETH": {"long_run_volatility": 0.6, "stressed_volatility": 1.5}}
PARAMETRIC = {"kind": "parametric", "markets": RISK, "measure": "var", "margin_period": YEAR / 100}


@pytest.mark.parametrize(
    ("guard", "now", "counts"),
    [
        ({"kind": "none"}, 0.3, 0.3),
        ({"kind": "buffer", "size": 0.25}, 0.3, 0.375),
        ({"kind": "buffer", "size": 0.25}, 0.7, 0.75),
        ({"kind": "buffer", "size": 0.25}, 1.2, 1.2),
        ({"kind": "floor"}, 0.3, 0.6),
        ({"kind": "floor"}, 0.9, 0.9),
        ({"kind": "stressed-weight", "weight": 0.25}, 0.3, math.sqrt(0.75 * 0.09 + 0.25 * 2.25)),
    ],
)
def test_anti_procyclical_rules_of_the_standard(guard, now, counts):
    found, _ = one_underlying(PART.validate_python({**PARAMETRIC, "anti_procyclical": guard}), perpetual=-2.0, volatility=now)
    assert found[MAINTENANCE] == pytest.approx(200 * counts * 0.1 * multiple(0.99, None, False), rel=1e-12)


@pytest.mark.parametrize("make", [presets.derive_pmrm2, presets.deribit, presets.deribit_older, presets.paradex])
def test_published_grids_margin_a_straddle(make):
    straddle = [(100.0, False, 0.1, 0.6), (100.0, True, 0.1, 0.6)]
    (equity, initial, maintenance), _ = one_underlying(make(), straddle, (-1.0, -1.0))
    assert equity < 0 < maintenance <= initial < 100


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "standard", "initial_perpetual": 0.05, "maintenance_perpetual": 0.06}, "0.06 and 0.05"),
        ({"kind": "standard", "call": 0.2}, "0.2 and 0.1"),
        ({"kind": "standard", "least_option": 0.16}, "0.16 and 0.15"),
        ({"kind": "standard", "maintenance_unpaired": 1.3}, "1.3 and 1.2"),
        ({"kind": "scenario-grid", "scenarios": [{}], "maintenance_factor": 1.5}, "1.5 and 1"),
        ({"kind": "scenario-grid", "scenarios": [{"spot": 1.1, "volatility": "linear-skew"}]}, "1.1"),
        (
            {"kind": "scenario-grid", "scenarios": [{}],
             "collateral": {"A": {"maintenance_haircut": 0.6, "initial_haircut": 0.5}}},
            "0.6 and 0.5",
        ),
        ({"kind": "naked", "bounds": [{"days": 7.0, "share": 0.1}, {"days": 7.0, "share": 0.2}]}, "7 and then 7"),
        ({"kind": "naked", "bounds": [{"days": 7.0, "share": 0.2}, {"days": 8.0, "share": 0.1}]}, "0.2 and then 0.1"),
        ({**PARAMETRIC, "initial_confidence": 0.98}, "0.99 and 0.98"),
        ({**PARAMETRIC, "correlation": [[1.0, 0.1], [0.1, 1.0]]}, "1 markets, but got 2"),
        (
            {**PARAMETRIC, "markets": {"A": RISK["ETH"], "B": RISK["ETH"]}, "correlation": [[1.0, 0.1], [0.2, 1.0]]},
            "0.1 and 0.2",
        ),
        (
            {**PARAMETRIC, "kind": "delta-gamma", "markets": {"A": RISK["ETH"], "B": RISK["ETH"]},
             "correlation": [[1.0, 1.0], [1.0, 1.0]]},
            "row 2",
        ),
        (
            {**PARAMETRIC, "markets": {"A": {"long_run_volatility": 0.9, "stressed_volatility": 0.5}}},
            "0.9 and 0.5",
        ),
    ],
)  # fmt: skip
def test_bad_relations_are_named_with_both_values(fields, said):
    with pytest.raises(ValidationError, match=said):
        PART.validate_python(fields)


def test_options_out_of_order_are_refused():
    with pytest.raises(ValueError, match="sorted"):
        instruments([0, 0], [0, 0], [110.0, 100.0], [1, 1])
    with pytest.raises(ValueError, match="numbered by underlying"):
        instruments([0, 1], [0, 0], [100.0, 110.0], [1, 1])
