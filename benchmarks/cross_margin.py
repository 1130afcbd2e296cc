"""A cross-margin world with agents on both sides: two perpetual markets on one margin, two kinds of collateral, a hedged
maker, keepers, a vault, a fund, auto-deleveraging and a volatility fee."""


def scenario_text(volatility: float, activity: float, accounts: int, steps: int) -> str:
    """The scenario file; `activity` is the share of accounts that look, and so open or close, in a step of five minutes."""
    day = steps / 288
    process = f'kind = "garch", volatility = {volatility!r}, volatility_today = {volatility!r}, alpha = 0.05, beta = 0.94'
    process = f'{{ {process}, innovation = {{ kind = "student-t", degrees_of_freedom = 4.0, max_move = 20.0 }} }}'
    venue = '{ kind = "linear", depth = %r, permanent_share = 0.2, half_life = 900.0, depth_elasticity = 1.0 }'
    book = (venue % (1e6 * accounts),) * 2
    looks = activity * 288.0
    return f"""
name = "cross-margin"
seed = 7
paths = 1
[grid]
market_step = 300.0
burn_in = 0.0
transition = {day!r}
horizon = {day!r}
[market]
kind = "model"
correlation = [[1.0, 0.8], [0.8, 1.0]]
[[market.assets]]
name = "BTC"
price = 60000.0
process = {process}
[[market.assets]]
name = "ETH"
price = 2500.0
process = {process}
[protocol.venues.BTC]
spot = {book[0]}
perpetual = {book[1]}
[protocol.venues.ETH]
spot = {book[0]}
perpetual = {book[1]}
oracle = {{ oracle_weight = 0.95, source = "benchmark" }}
[protocol.liquidation]
kind = "partial"
[protocol.counterparty]
kind = "maker"
capital = {1e4 * accounts!r}
[protocol.fund]
cash = {20.0 * accounts!r}
fee_share = 0.2
[protocol.backstop]
kind = "vault"
capital = {1e3 * accounts!r}
[parameters.perpetuals.BTC]
initial_margin_ratio = 0.04
maintenance_margin_ratio = 0.02
[parameters.perpetuals.ETH]
initial_margin_ratio = 0.05
maintenance_margin_ratio = 0.025
[parameters.collateral.ETH]
haircut = 0.05
[parameters.fees]
flat = 0.0003
volatility_slope = 0.0002
[parameters.liquidation]
penalty = 0.005
[[cohorts]]
kind = "perp-traders"
name = "cash"
market = "ETH"
also = ["BTC"]
accounts = {accounts // 2}
wealth = {{ median = 2000.0, sigma = 1.2 }}
leverage = {{ low = 2.0, high = 15.0 }}
activity = {looks!r}
holding_days = {1.000001 / looks!r}
open_share = 0.499
rebalance_band = 0.0
top_up_probability = 0.3
[[cohorts]]
kind = "perp-traders"
name = "ether"
market = "BTC"
also = ["ETH"]
collateral = "ETH"
accounts = {accounts - accounts // 2}
wealth = {{ median = 2000.0, sigma = 1.2 }}
leverage = {{ low = 2.0, high = 12.0 }}
activity = {looks!r}
holding_days = {1.000001 / looks!r}
open_share = 0.499
rebalance_band = 0.0
[[cohorts]]
kind = "keepers"
latency = 600.0
gas = 1.0
"""
