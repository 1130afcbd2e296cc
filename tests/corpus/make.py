"""The corpus of bad scenarios: each a sound one (`good-*.toml`) with one thing wrong. Run this file to write it again.

Every case is a whole file, so that a person can try it: `simulator validate tests/corpus/CASE.toml`. Beside it stands
CASE.expected: the exit code, then what is printed on stderr. Expected messages are read and corrected by people, never
generated; a new case without one is written with the message `?`.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
PERPETUAL, LENDING, OPTIONS = "good-perpetual.toml", "good-lending.toml", "good-options.toml"

ETH_PROCESS = (
    'process = { kind = "garch", volatility = 0.8, alpha = 0.05, beta = 0.9, volatility_today = 0.7, '
    'innovation = { kind = "student-t", degrees_of_freedom = 3.6 } }'
)
KOU = 'jumps = { kind = "kou", intensity = 10, up_probability = 0.4, eta_up = 25, eta_down = 20 }'
SEARCH = 'parameter = "perpetuals.ETH.initial_margin_ratio"\nlow = 0.04\nhigh = 0.2\nstep = 0.005\n'
ETH_ONLY = "depth = 1e9, half_life = 900 }"


def garch(**changes: float) -> str:
    values = {"volatility": 0.8, "alpha": 0.05, "beta": 0.9, "volatility_today": 0.7} | changes
    return 'process = { kind = "garch", ' + ", ".join(f"{key} = {value}" for key, value in values.items()) + " }"


def law(names: str, covariance: str) -> str:
    return f"{KOU}\nparameter_law = {{ names = {names}, covariance = {covariance} }}"


def regime(text: str, name: str = "other") -> str:
    return f'[[regime]]\nname = "{name}"\nrole = "confirm"\n{text}\n'


def overlay(text: str) -> str:
    return f"[[overlays]]\n{text}\n"


def gas(text: str) -> str:
    own = "" if "spread" in text else "spread = 0.5\n"
    return f'[gas]\nkind = "mean-reverting"\nasset = "ETH"\nlevel = 20\nhalf_life = 864000\n{own}{text}\n'


def filtered(filters: str) -> str:
    return replay('"prices.csv"').replace("replay", "filtered-history") + f"filters = [{filters}]\n"


def replay(file: str) -> str:
    return f'kind = "replay"\nfile = {file}\nfrom = 2025-01-01T00:00:00Z\nuntil = 2025-02-01T00:00:00Z\nassets = ["ETH", "BTC"]\n'


BACKTEST = "[backtest]\npaths = 8\n[backtest.market]\n" + replay('"later.csv"')
POPULATION = "accounts = 200\nwealth = { median = 5000, sigma = 1.2 }\nleverage = { low = 1, high = 15 }"
TRADERS = f'[[cohorts]]\nkind = "perp-traders"\nname = "traders"\nmarket = "ETH"\n{POPULATION}\n'
KEEPERS = '[[cohorts]]\nkind = "keepers"\nlatency = 600\n'
OTHER_MARKET = (
    '[regime.market]\nkind = "model"\n[[regime.market.assets]]\nname = "ETH"\nprice = 2500\n'
    'process = { kind = "geometric-brownian", volatility = 0.6 }\n'
)
GRID = '[protocol.options.margin]\nkind = "scenario-grid"\nscenarios = [{ spot = 0.9, volatility = "up" }]\n'
P = PERPETUAL
L = LENDING
O = OPTIONS  # noqa: E741
MARKET_OF_P = (
    """kind = "model"
start = "today"
correlation = [[1.0, 0.8], [0.8, 1.0]]

[[market.assets]]
name = "ETH"
price = 2500
"""
    + ETH_PROCESS
    + "\n"
    + KOU
    + """

[[market.assets]]
name = "BTC"
price = 60000
process = { kind = "geometric-brownian", volatility = 0.6 }
"""
)

CORRELATION = "correlation = [[1.0, 0.8], [0.8, 1.0]]\n"
DYNAMICS = "correlation_dynamics = "
BTC_PROCESS = 'process = { kind = "geometric-brownian", volatility = 0.6 }'
HESTON = 'kind = "heston", volatility = 0.8, volatility_today = 0.7, mean_reversion = 1, volatility_of_variance = 2.0'
PEG = 'kind = "ornstein-uhlenbeck", volatility = 0.1, half_life = 86400'


def process(text: str) -> str:
    return f"process = {{ {text} }}"


FACTORS = "[parameters.collateral.USDC]\n"
SLOPES = "slope_below = 0.04\nslope_above = 0.6\noptimal_utilisation = 0.9\nreserve_factor = 0.1\n"
SHAPE = "[parameters.liquidation.loans]\n{}\n\n"
ABSORB = 'kind = "absorb-and-resale"'
CATEGORY = "[parameters.categories.ether]\ncollateral_factor = 0.9\nliquidation_threshold = 0.93\n\n"

# name of the case: (the sound file, what is replaced, by what, and so on); an empty "what is replaced" adds at the end
CASES: dict[str, tuple[str, *tuple[str, ...]]] = {
    # syntax
    "syntax-not-toml": (P, "seed = 7", "seed: 7"),
    "syntax-unclosed-bracket": (P, "correlation = [[1.0, 0.8], [0.8, 1.0]]", "correlation = [[1.0, 0.8], [0.8, 1.0]"),
    "syntax-unclosed-quote": (P, 'name = "good"', 'name = "good'),
    "syntax-duplicate-key": (P, "seed = 7", "seed = 7\nseed = 8"),
    "syntax-duplicate-table": (P, "[parameters.fees]", "[parameters.collateral.BTC]"),
    "syntax-huge-number": (P, "seed = 7", "seed = 1" + "0" * 5000),
    # names
    "names-unknown-key": (P, "maintenance_margin_ratio", "maintenence_margin"),
    "names-unknown-section": (P, "[grid]", "[gird]"),
    "names-nothing-like-it": (P, "burn_in = 1", "burn_in = 1\nspeed = 3"),
    "names-missing-key": (P, "price = 2500\n", ""),
    "names-missing-section": (P, "[grid]\nmarket_step = 3600\nsubsteps = 12\nburn_in = 1\ntransition = 1\nhorizon = 3\n", ""),
    "names-not-built": (P, "[calibration]\n", "[[stress]]\nshock = 0.5\n\n[calibration]\n"),
    # kinds
    "kinds-misspelt": (P, 'kind = "kou"', 'kind = "ku"'),
    "kinds-unknown": (P, 'kind = "garch"', 'kind = "stochastic"'),
    "kinds-known-as": (P, 'kind = "garch"', 'kind = "bates"'),
    "kinds-missing": (P, 'backstop = { kind = "vault", capital = 1e6 }', "backstop = { capital = 1e6 }"),
    "kinds-number": (P, 'kind = "keepers"', "kind = 3"),
    "kinds-choice": (P, 'start = "today"', 'start = "tomorrow"'),
    # types
    "types-percent": (P, "initial_margin_ratio = 0.05", 'initial_margin_ratio = "5%"'),
    "types-quoted-number": (P, "initial_margin_ratio = 0.05", 'initial_margin_ratio = "0.05"'),
    "types-decimal-comma": (P, "initial_margin_ratio = 0.05", 'initial_margin_ratio = "0,05"'),
    "types-true-for-a-number": (P, "price = 60000", "price = true"),
    "types-half-a-path": (P, "paths = 1000", "paths = 1.5"),
    "types-nan": (P, "price = 60000", "price = nan"),
    "types-infinite": (P, "price = 60000", "price = inf"),
    "types-too-large-for-a-float": (P, "price = 60000", "price = 1e400"),
    "types-huge-integer": (P, "price = 60000", "price = 1" + "0" * 400),
    "types-number-for-text": (P, 'name = "traders"', "name = 5"),
    "types-number-for-a-choice": (P, 'kind = "model"\n', 'kind = "model"\nparameter_law_off = 1\n'),
    "types-date-for-a-number": (P, "price = 60000", "price = 2026-11-20"),
    "types-number-for-a-table": (P, "wealth = { median = 5000, sigma = 1.2 }", "wealth = 5000"),
    "types-list-for-a-table": (P, "[parameters.liquidation]\npenalty = 0.01", "[[parameters.liquidation]]\npenalty = 0.01"),
    "types-table-for-a-list": (P, "[[calibration.search]]", "[calibration.search]"),
    "types-day": (P, "seed = 7", 'seed = 7\ndata_until = "30 June"'),
    "types-planned": (P, "confirmation_paths = 2000", 'confirmation_paths = "plan"'),
    # ranges
    "ranges-negative-volatility": (P, "volatility = 0.6 }", "volatility = -0.6 }"),
    "ranges-haircut": (P, "haircut = 0.1", "haircut = 1.2"),
    "ranges-fee": (P, "flat = 0.0005", "flat = 1.5"),
    "ranges-confidence": (P, "confidence = 0.95", "confidence = 99"),
    "ranges-probability": (P, "probability = 0.05", "probability = 5"),
    "ranges-seed": (P, "seed = 7", "seed = -7"),
    "ranges-no-paths": (P, "paths = 1000", "paths = 0"),
    "ranges-depth": (P, ETH_ONLY, "depth = 0, half_life = 900 }"),
    "ranges-close-factor": (
        L,
        "[parameters.collateral.USDC]",
        "[parameters.liquidation]\nclose_factor = 0\n\n[parameters.collateral.USDC]",
    ),
    "ranges-percentile": (P, 'start = "today"', "start = 1.5"),
    "ranges-no-cohorts": (P, "paths = 1000", "paths = 1000\ncohorts = []", TRADERS, "", KEEPERS, ""),
    "ranges-kink-at-zero": (L, "optimal_utilisation = 0.9", "optimal_utilisation = 0"),
    "ranges-kink-at-one": (L, "optimal_utilisation = 0.9", "optimal_utilisation = 1"),
    # relations
    "relations-maintenance-above-initial": (P, "maintenance_margin_ratio = 0.03", "maintenance_margin_ratio = 0.06"),
    "relations-threshold-below-factor": (L, "liquidation_threshold = 0.8", "liquidation_threshold = 0.7"),
    "relations-threshold-and-bonus": (L, "liquidation_bonus = 0.05", "liquidation_bonus = 0.3"),
    "relations-fee-cap": (P, "flat = 0.0005", "flat = 0.0005\ncap = 0.0001"),
    "relations-horizon": (P, "horizon = 3", "horizon = 3.01"),
    "relations-overflow": (P, "market_step = 3600", "market_step = 1e-320"),
    "relations-transition": (P, "transition = 1", "transition = 4"),
    "relations-leverage": (P, "leverage = { low = 1, high = 15 }", "leverage = { low = 1, high = 25 }"),
    "relations-leverage-order": (P, "leverage = { low = 1, high = 15 }", "leverage = { low = 15, high = 1 }"),
    "relations-elasticity": (
        P,
        "accounts = 200\n",
        "accounts = 200\nleverage_elasticity = { low = 1, central = 0.5, high = 2 }\n",
    ),
    "relations-substep": (P, "substeps = 12", "substeps = 1"),
    "relations-substep-against-keepers": (P, "latency = 600", "latency = 12"),
    "relations-holding": (P, "accounts = 200\n", "accounts = 200\nactivity = 0.1\n"),
    "relations-entry": (P, "accounts = 200\n", "accounts = 200\nactivity = 1\nholding_days = 1\nopen_share = 0.9\n"),
    "relations-entry-in-the-search": (
        P,
        "accounts = 200\n",
        "accounts = 200\nactivity = 0.4\nentry_margin_elasticity = { low = 0, central = 1, high = 2 }\n",
    ),
    "relations-factor-in-a-perpetual-book": (P, "haircut = 0.1", "haircut = 0.1\ncollateral_factor = 0.9"),
    "relations-haircut-in-a-pool": (L, "liquidation_bonus = 0.05", "liquidation_bonus = 0.05\nhaircut = 0.05"),
    "relations-two-populations": (P, "accounts = 200\n", 'accounts = 200\nfile = "accounts.csv"\n'),
    "relations-no-population": (P, "accounts = 200\n", ""),
    "relations-use": (L, "high = 0.95", "high = 1.5"),
    "relations-same-debt": (L, 'debt = "USDC"', 'debt = "ETH"'),
    "relations-search-order": (P, "low = 0.04\nhigh = 0.2", "low = 0.2\nhigh = 0.04"),
    "relations-regime-both": (P, "", regime("volatility_multiplier = 2") + OTHER_MARKET),
    "relations-regime-nothing": (P, "", regime("volatility_multiplier = 1")),
    "relations-regime-without-jumps": (P, f"{KOU}\n", "", "", regime("jump_multiplier = 2")),
    "relations-no-objective": (
        P,
        "confirmation_paths = 2000",
        "confirmation_paths = 2000\nobjective = { capital_efficiency = 0 }",
    ),
    # processes
    "processes-integrated": (P, ETH_PROCESS, garch(alpha=0.1)),
    "processes-gjr-negative": (P, ETH_PROCESS, garch(gamma=-0.1)),
    "processes-two-degrees": (P, "degrees_of_freedom = 3.6", "degrees_of_freedom = 2"),
    "processes-max-move": (P, "degrees_of_freedom = 3.6", "degrees_of_freedom = 3.6, max_move = 1"),
    "processes-egarch-beta": (
        P,
        ETH_PROCESS,
        process('kind = "egarch", volatility = 0.8, alpha = 0.1, beta = 1, volatility_today = 0.7'),
    ),
    "processes-skew": (
        P,
        'kind = "student-t", degrees_of_freedom = 3.6',
        'kind = "skewed-t", degrees_of_freedom = 3.6, skew = -1',
    ),
    "processes-skewed-degrees": (
        P,
        'kind = "student-t", degrees_of_freedom = 3.6',
        'kind = "skewed-t", degrees_of_freedom = 1.9, skew = -0.1',
    ),
    "processes-heston-leverage": (P, ETH_PROCESS, process(HESTON + ", leverage = -1.2")),
    "warning-feller": (P, ETH_PROCESS, process(HESTON)),
    "processes-no-premium": (P, ETH_PROCESS, process(HESTON) + '\nmeasure = "risk-neutral"'),
    "processes-no-jump-premium": (P, ETH_PROCESS, process(HESTON) + '\nmeasure = "risk-neutral"\nvariance_premium = 1.2'),
    "processes-premium-of-returns": (P, "price = 60000", "price = 60000\nvariance_premium = 1.2"),
    "processes-garch-of-options": (P, "price = 2500", 'price = 2500\nmeasure = "risk-neutral"\nvariance_premium = 1.2'),
    "processes-peg-to-nothing": (P, BTC_PROCESS, process(PEG + ', base = "SOL"')),
    "processes-peg-to-itself": (P, BTC_PROCESS, process(PEG + ', base = "BTC"')),
    "processes-peg-to-a-peg": (P, BTC_PROCESS, process(PEG + ', base = "ETH"'), ETH_PROCESS, process(PEG)),
    "processes-peg-that-drifts": (P, BTC_PROCESS, process(PEG) + "\ndrift = 0.1"),
    "processes-dcc": (P, CORRELATION, CORRELATION + DYNAMICS + '{ kind = "dcc", alpha = 0.1, beta = 0.9 }\n'),
    "processes-dcc-without-correlation": (P, CORRELATION, DYNAMICS + '{ kind = "dcc", alpha = 0.1, beta = 0.8 }\n'),
    "processes-converging-order": (
        P,
        CORRELATION,
        CORRELATION + DYNAMICS + '{ kind = "converging", starts_at = 4, full_at = 2, level = 0.5, half_life = 7200 }\n',
    ),
    "processes-converging-without-variance": (
        P,
        CORRELATION,
        CORRELATION + DYNAMICS + '{ kind = "converging", starts_at = 1, full_at = 2, level = 0.5, half_life = 7200 }\n',
        ETH_PROCESS,
        process('kind = "geometric-brownian", volatility = 0.8'),
    ),
    "processes-copula-degrees": (P, CORRELATION, CORRELATION + 'copula = { kind = "student-t", degrees_of_freedom = 0.5 }\n'),
    "processes-copula-asymmetry": (
        P,
        CORRELATION,
        CORRELATION + 'copula = { kind = "student-t", degrees_of_freedom = 4, asymmetry = -9 }\n',
    ),
    "processes-converging-fully": (
        P,
        CORRELATION,
        CORRELATION + DYNAMICS + '{ kind = "converging", starts_at = 1, full_at = 4, level = 1, half_life = 3600 }\n',
    ),
    "processes-dcc-negative": (P, CORRELATION, CORRELATION + DYNAMICS + '{ kind = "dcc", alpha = -0.1, beta = 0.8 }\n'),
    "processes-heston-negative": (P, ETH_PROCESS, process(HESTON.replace("mean_reversion = 1", "mean_reversion = -1"))),
    "processes-peg-half-life": (P, BTC_PROCESS, process(PEG.replace("half_life = 86400", "half_life = 0"))),
    "processes-infinite-mean": (P, "eta_up = 25", "eta_up = 1"),
    "processes-too-many-jumps": (P, "intensity = 10", "intensity = 900000"),
    "processes-jumps-in-every-step": (
        P,
        "market_step = 3600\nsubsteps = 12",
        "market_step = 86400\nsubsteps = 288",
        "intensity = 10",
        "intensity = 90000",
    ),
    "processes-correlation-size": (P, "[[1.0, 0.8], [0.8, 1.0]]", "[[1.0]]"),
    "processes-correlation-asymmetric": (P, "[[1.0, 0.8], [0.8, 1.0]]", "[[1.0, 0.8], [0.7, 1.0]]"),
    "processes-correlation-diagonal": (P, "[[1.0, 0.8], [0.8, 1.0]]", "[[1.0, 0.8], [0.8, 0.9]]"),
    "processes-correlation-above-one": (P, "[[1.0, 0.8], [0.8, 1.0]]", "[[1.0, 1.8], [1.8, 1.0]]"),
    "processes-law-unknown": (P, KOU, law('["log_vol"]', "[[0.01]]")),
    "processes-law-not-there": (P, KOU, law('["log_jump_deviation"]', "[[0.01]]")),
    "processes-law-not-definite": (P, KOU, law('["log_volatility", "log_jump_intensity"]', "[[0.01, 0.02], [0.02, 0.01]]")),
    "processes-regime-not-definite": (
        P,
        "",
        regime("volatility_multiplier = 20\njump_multiplier = 100\ncorrelation = -0.999999999999"),
    ),
    # references
    "references-collateral": (P, "[parameters.collateral.BTC]", "[parameters.collateral.WBTC]"),
    "references-asset-twice": (P, 'name = "BTC"', 'name = "ETH"'),
    "references-no-venue": (P, '[protocol.venues.BTC]\nspot = { kind = "linear", depth = 2e9 }\n', ""),
    "references-no-perpetual-venue": (P, 'perpetual = { kind = "linear", depth = 1e9, half_life = 900 }\n', ""),
    "references-venue-of-nothing": (P, "", '[protocol.venues.SOL]\nspot = { kind = "linear", depth = 1e8 }\n'),
    "references-cohort-market": (P, 'market = "ETH"', 'market = "BTC"'),
    "references-debt": (L, 'debt = "USDC"', 'debt = "USDT"'),
    "references-supplied": (L, 'asset = "USDC"', 'asset = "ETH"'),
    "references-bands-of-nothing": (L, 'debt = "USDC"', 'debt = "USDC"\nbands = 12'),
    "references-borrowing": (L, "[parameters.borrowing.USDC]", "[parameters.borrowing.USDT]"),
    "references-fund": (L, "USDC = 10000", "DAI = 10000"),
    "guards-allocation": (P, 'kind = "vault", capital = 1e6', 'kind = "vault", capital = 1e6, allocation = "pro-rate"'),
    "guards-fund-cap": (P, "fund = { cash = 1e5, fee_share = 0.2 }", "fund = { cash = 1e5, fee_share = 0.2, most_per_day = -1 }"),
    "guards-breaker": (P, "[parameters.fees]", "[protocol.venues.ETH.breaker]\nmove = 0\n\n[parameters.fees]"),
    "guards-caution-of-nothing": (P, "[parameters.fees]", "[protocol.venues.ETH.oracle]\ncaution = 2\n\n[parameters.fees]"),
    "guards-most-move": (P, "[parameters.fees]", "[protocol.venues.ETH.oracle]\nmost_move = 0\n\n[parameters.fees]"),
    "guards-residual": (P, "[protocol]\n", '[protocol]\nresidual = "funding"\n'),
    "guards-fill-band": (P, "[parameters.fees]", "[protocol.venues.ETH.fill_band]\nwidth = 5\n\n[parameters.fees]"),
    "guards-fill-band-beyond": (
        P,
        "[parameters.fees]",
        '[protocol.venues.ETH.fill_band]\nwidth = 0.05\nbeyond = "cap"\n\n[parameters.fees]',
    ),
    "guards-fill-band-of-nothing": (P, "[parameters.fees]", "[protocol.venues.BTC.fill_band]\nwidth = 0.05\n\n[parameters.fees]"),
    "guards-overdraft": (
        P,
        "[parameters.fees]",
        "[parameters.overdraft]\nslope = -0.2\njump = 1\nkink = 0.8\n\n[parameters.fees]",
    ),
    "guards-overdraft-cap": (
        P,
        "[parameters.fees]",
        "[parameters.overdraft]\nslope = 0.2\njump = 1\nkink = 0.8\nborrow_cap = 5\n\n[parameters.fees]",
    ),
    "guards-oracle-window": (P, "[parameters.fees]", "[protocol.venues.ETH.oracle]\nwindow = 0\n\n[parameters.fees]"),
    "references-same-cohort": (L, 'name = "suppliers"', 'name = "borrowers"'),
    "references-two-keepers": (P, "", '[[cohorts]]\nkind = "keepers"\nname = "more"\n'),
    "references-search": (P, "perpetuals.ETH.initial_margin_ratio", "perpetuals.ETH.initial_margin"),
    "references-search-twice": (P, "", "[[calibration.search]]\n" + SEARCH),
    "references-regime-twice": (P, "", regime("jump_multiplier = 2") + "\n" + regime("jump_multiplier = 3")),
    "references-regime-assets": (
        P,
        "",
        regime("") + OTHER_MARKET,
    ),
    "references-nothing-to-judge": (
        P,
        "[parameters.perpetuals.ETH]\ninitial_margin_ratio = 0.05\nmaintenance_margin_ratio = 0.03\n",
        "",
    ),
    # goals
    "goals-too-few-paths": (P, "probability = 0.05", "probability = 0.0001"),
    "goals-unknown-quantity": (P, "threshold = 0.01", 'quantity = "bad_debt"\nthreshold = 0.01'),
    "goals-window": (P, "threshold = 0.01", 'quantity = "newly_liquidatable"\nwindow = "steady"\nthreshold = 0.01'),
    "goals-share-of-nothing": (P, "threshold = 0.01", 'of = "borrowed"\nthreshold = 0.01'),
    "goals-share-of-an-empty-fund": (
        P,
        "fund = { cash = 1e5, fee_share = 0.2 }\n",
        "",
        "threshold = 0.01",
        'of = "fund"\nthreshold = 0.01',
    ),
    "goals-no-appetite": (
        P,
        '[appetite]\nconfidence = 0.95\n\n[[appetite.limits]]\nkind = "probability"\nthreshold = 0.01\nprobability = 0.05\n',
        "",
    ),
    "goals-preset-unknown": (P, "confidence = 0.95", 'preset = "bold"'),
    "goals-preset-horizon": (P, "confidence = 0.95", 'preset = "emir-otc"'),
    "goals-front-of-one": (P, "confirmation_paths = 2000", 'confirmation_paths = 2000\nfront = ["revenue"]'),
    "goals-front-unknown": (P, "confirmation_paths = 2000", 'confirmation_paths = 2000\nfront = ["revenue", "profit"]'),
    "goals-outside-the-range": (P, "low = 0.04\nhigh = 0.2", "low = 0.06\nhigh = 0.2"),
    "goals-bounds": (P, "high = 0.2", "high = 1.2"),
    "goals-no-vote-on-depth": (
        P,
        SEARCH,
        SEARCH.replace("perpetuals.ETH.initial_margin_ratio", "protocol.venues.ETH.spot.depth"),
    ),
    "goals-rule-too-short-for-steps": (
        P,
        SEARCH,
        'parameter = "protocol.volatility_half_life"\nlow = 60\nhigh = 172800\nstep = 60\n',
    ),
    "goals-rule-out-of-range": (P, SEARCH, 'parameter = "protocol.fund.fee_share"\nlow = 0\nhigh = 2\nstep = 0.1\n'),
    "goals-no-step": (P, "low = 0.04\nhigh = 0.2\nstep = 0.005", "low = 0.041\nhigh = 0.059\nstep = 0.04"),
    "goals-tiny-step": (P, "step = 0.005", "step = 1e-12"),
    "goals-fixed-factor": (
        P,
        SEARCH,
        SEARCH.replace("perpetuals.ETH.initial_margin_ratio", "collateral.BTC.collateral_factor").replace("0.2", "1"),
    ),
    # memory
    "memory-paths": (P, "paths = 1000", "paths = 1_000_000_000_000"),
    # paths
    "paths-absolute": (P, MARKET_OF_P, replay('"/etc/passwd"')),
    "paths-above": (P, MARKET_OF_P, replay('"../secret.csv"')),
    "paths-address": (P, MARKET_OF_P, replay('"https://example.org/prices.csv"')),
    "paths-missing": (P, MARKET_OF_P, replay('"prices.csv"')),
    "filters-unknown-kind": (
        P,
        MARKET_OF_P,
        filtered('{ alpha = 0.1, beta = 0.8 }, { kind = "egarhc", alpha = 0.1, beta = 0.9 }'),
    ),
    "filters-egarch-beta": (P, MARKET_OF_P, filtered('{ alpha = 0.1, beta = 0.8 }, { kind = "egarch", alpha = 0.1, beta = 1 }')),
    "paths-missing-accounts": (P, POPULATION, 'file = "accounts.csv"'),
    # text
    "text-script": (P, 'name = "good"', 'name = "<script>alert(1)</script>"'),
    "text-formula": (P, 'name = "traders"', 'name = "=cmd|calc"'),
    "text-escape": (P, 'name = "traders"', 'name = "\\u001b[31mred"'),
    "text-right-to-left": (P, 'name = "BTC"', 'name = "\\u202ECTB"'),
    "text-newline": (P, 'name = "traders"', 'name = "two\\nlines"'),
    "text-in-a-key": (P, "[parameters.fees]", '["\\u001b[2Jfees"]'),
    # several
    "several-at-once": (
        P,
        "initial_margin_ratio = 0.05\nmaintenance_margin_ratio = 0.03",
        'initial_margin_ratio = "5%"\nmaintenence_margin_ratio = 0.03',
    ),
    "several-more-than-twenty": (P, "", "".join(f'[[cohorts]]\nkind = "keepers"\nname = "k{i}"\nspeed = 1\n' for i in range(25))),
    # options
    "options-premium": (O, "premium = 1.05", "premium = 0"),
    "options-skew": (O, "premium = 1.05", "skew = -1.0"),
    "options-curvature": (O, "premium = 1.05", "curvature = 1.5"),
    "options-unknown-surface": (O, "[surfaces.ETH]", "[surfaces.ETC]"),
    "options-falling-strikes": (O, "strikes = [0.9, 1.0, 1.1]", "strikes = [1.1, 1.0, 0.9]"),
    "options-no-strikes": (O, "strikes = [0.9, 1.0, 1.1]", "strikes = []"),
    "options-too-many": (
        O,
        "strikes = [0.9, 1.0, 1.1]",
        f"strikes = {[round(0.5 + 0.05 * i, 2) for i in range(24)]}",
        "listed = 2",
        "listed = 12",
    ),
    "options-broken-substeps": (O, "interval = 1,", "interval = 0.99,"),
    "options-none-listed": (O, "listed = 2", "listed = 0"),
    "options-parameters-missing": (O, "[parameters.options.ETH]", "[parameters.options.USDC]"),
    "options-margin-order": (O, "initial_spot = 0.15", "initial_spot = 0.1"),
    "options-call-order": (O, "maintenance_call = 0.09", "maintenance_call = 0.14"),
    "options-slow-substep": (O, "depth = 1e6", "depth = 1e6\nhalf_life = 1800"),
    "options-no-depth": (O, "depth = 1e6", "depth = 0"),
    "options-unknown-underlying": (O, 'name = "buyers"\nunderlying = "ETH"', 'name = "buyers"\nunderlying = "ETHER"'),
    "options-no-strike-chosen": (O, "lowest = 1.0", "lowest = 1.5"),
    "options-choice-order": (O, "lowest = 1.0", "lowest = 1.5, highest = 1.2"),
    "options-unknown-collateral": (O, 'collateral = "ETH"', 'collateral = "DAI"'),
    "options-hedgers-without-perpetual": (
        O,
        "[parameters.perpetuals.ETH]\ninitial_margin_ratio = 0.1\nmaintenance_margin_ratio = 0.065\n",
        "",
        'perpetual = { kind = "linear", depth = 1e8 }\n',
        "",
    ),
    "options-portfolio-missing": (O, "[protocol.options.writer]", f"{GRID}\n[protocol.options.writer]"),
    "options-portfolio-without-grid": (O, "[parameters.collateral.ETH]", "[parameters.portfolio]\n[parameters.collateral.ETH]"),
    "options-portfolio-order": (
        O,
        "[protocol.options.writer]",
        f"{GRID}\n[protocol.options.writer]",
        "[parameters.collateral.ETH]",
        "[parameters.portfolio]\nmaintenance_factor = 1.2\n[parameters.collateral.ETH]",
    ),
    "options-margin-without-risk": (
        O,
        "[protocol.options.writer]",
        '[protocol.options.margin]\nkind = "delta-gamma"\nmarkets.SOL = { long_run_volatility = 0.6, stressed_volatility = 1.2 }\n'
        "[protocol.options.writer]",
    ),
    "options-margin-confidence-order": (
        O,
        "[protocol.options.writer]",
        '[protocol.options.margin]\nkind = "parametric"\ninitial_confidence = 0.98\n'
        "markets.ETH = { long_run_volatility = 0.6, stressed_volatility = 1.2 }\n[protocol.options.writer]",
    ),
    "options-unpaired-order": (
        O,
        "[protocol.options.writer]",
        '[protocol.options.margin]\nkind = "standard"\nmaintenance_unpaired = 1.5\n[protocol.options.writer]',
    ),
    "options-portfolio-other-perpetual": (
        O,
        "[protocol.options.writer]",
        f"{GRID}\n[protocol.options.writer]",
        "[parameters.collateral.ETH]",
        "[parameters.portfolio]\n[parameters.perpetuals.USDC]\ninitial_margin_ratio = 0.1\nmaintenance_margin_ratio = 0.05\n[parameters.collateral.ETH]",
        'spot = { kind = "linear", depth = 1e9 }\n\n[protocol.options.m',
        'spot = { kind = "linear", depth = 1e9 }\nperpetual = { kind = "linear", depth = 1e8 }\n\n[protocol.options.m',
    ),
    "options-limit": (O, "initial_spot = 0.15", "initial_spot = 0.15\nmost_vega = -1"),
    "options-limit-that-is-none": (
        O,
        "",
        '[appetite]\n[[appetite.limits]]\nkind = "probability"\nof = "usd"\nthreshold = 1e4\nprobability = 0.05\n\n'
        '[[calibration.search]]\nparameter = "options.ETH.most_open"\nlow = 10\nhigh = 90\nstep = 10\n',
    ),
    "options-limit-unknown": (O, "initial_spot = 0.15", "initial_spot = 0.15\nmost_delta = 1"),
    "options-elasticity": (
        O,
        "spending = { low = 0.02, high = 0.2 }",
        "spending = { low = 0.02, high = 0.2 }\nprice_elasticity = { low = 1, central = 0.5, high = 2 }",
    ),
    "options-auction-order": (
        O,
        "[protocol.options.writer]",
        '[protocol.options]\nliquidation = { kind = "dutch-auction", start = 0.6 }\n[protocol.options.writer]',
    ),
    "options-spending-order": (O, "spending = { low = 0.02, high = 0.2 }", "spending = { low = 0.2, high = 0.02 }"),
    "options-too-frequent": (
        O,
        "spending = { low = 0.02, high = 0.2 }",
        "spending = { low = 0.02, high = 0.2 }\nholding_days = 0.1",
    ),
    # accepted, but suspicious
    "warning-percent-volatility": (P, "volatility = 0.6 }", "volatility = 60 }"),
    "warning-no-keepers": (P, KEEPERS, ""),
    "warning-maker-without-capital": (P, "capital = 1e7", "capital = 0"),
    "overlays-unknown-kind": (P, "", overlay('kind = "flash-crash"\nat = 0')),
    "overlays-unknown-asset": (P, "", overlay('kind = "price-shock"\nassets = ["SOL"]\nsize = -0.3\nat = 0')),
    "overlays-all-the-price": (P, "", overlay('kind = "price-shock"\nassets = ["ETH"]\nsize = -1\nat = 0')),
    "overlays-nothing": (P, "", overlay('kind = "price-shock"\nassets = ["ETH"]\nsize = 0\nat = 0')),
    "overlays-before-the-vote": (P, "", overlay('kind = "price-shock"\nassets = ["ETH"]\nsize = -0.3\nat = -60')),
    "overlays-after-the-horizon": (P, "", overlay('kind = "price-shock"\nassets = ["ETH"]\nsize = -0.3\nat = 300000')),
    "overlays-no-peg": (P, "", overlay('kind = "depeg"\nassets = ["BTC"]\nsize = -0.1\nat = 0')),
    "overlays-too-short": (P, "", overlay('kind = "volatility-spike"\nmultiplier = 2\nat = 0\nduration = 600')),
    "overlays-halt-too-short": (P, "", overlay('kind = "oracle-halt"\nassets = ["ETH"]\nat = 0\nduration = 60')),
    "overlays-no-drought": (P, "", overlay('kind = "liquidity-drought"\ndepth_multiplier = 1.0\nat = 0\nduration = 3600')),
    "overlays-no-gas": (P, "", overlay('kind = "gas-spike"\nprice_multiplier = 9\nat = 0\nduration = 3600')),
    "overlays-no-room-to-take": (
        P,
        "",
        gas("") + overlay('kind = "gas-spike"\ncapacity_multiplier = 0.5\nat = 0\nduration = 3600'),
    ),
    "overlays-of-a-regime": (P, "", regime('[[regime.overlays]]\nkind = "price-shock"\nassets = ["SOL"]\nsize = -0.3\nat = 0')),
    "gas-unknown-asset": (P, "", gas("").replace("ETH", "SOL")),
    "gas-percent": (P, "", gas("spread = 50\n")),
    "gas-no-capacity": (P, "", gas("capacity = 0\n")),
    "gas-twice": (P, "latency = 600", "latency = 600\ngas = 5.0", "", gas("")),
    # loans
    "loans-unknown-curve": (L, "slope_below = 0.04", 'kind = "jump-rat"\nslope_below = 0.04'),
    "loans-kink-of-no-curve": (L, "optimal_utilisation = 0.9", 'optimal_utilisation = 0.9\nkind = "flat"\nrate = 0.05'),
    "loans-rates-in-no-order": (L, SLOPES, 'kind = "adaptive-curve"\ninitial_rate = 0.04\nleast_rate = 0.1\n'),
    "loans-unknown-shape": (L, FACTORS, SHAPE.format('kind = "absorb"') + FACTORS),
    "loans-dust": (L, FACTORS, "[parameters.liquidation]\nleast_leftover = 1000\nfull_below_value = 500\n\n" + FACTORS),
    "loans-absorbed-at-a-loss": (L, "liquidation_bonus = 0.05", "liquidation_factor = 0.7"),
    "loans-absorbed-in-two-currencies": (L, FACTORS, SHAPE.format(ABSORB) + "[parameters.borrowing.ETH]\n" + SLOPES + FACTORS),
    "loans-absorbed-beside-perpetuals": (
        P,
        "[parameters.fees]",
        SHAPE.format(ABSORB) + "[parameters.borrowing.BTC]\n" + SLOPES + "[parameters.fees]",
        "[parameters.liquidation]\npenalty = 0.01\n",
        "",
    ),
    "loans-bands-discounts": (L, FACTORS, SHAPE.format('kind = "bands"\nliquidation_discount = 0.1') + FACTORS),
    "loans-bands-with-factors": (L, FACTORS, SHAPE.format('kind = "bands"') + FACTORS),
    "loans-category-of-nothing": (L, FACTORS, CATEGORY + FACTORS),
    "loans-category-without-numbers": (L, "fund = {", 'lending = { categories = { ether = ["ETH"] } }\nfund = {'),
    "loans-category-of-strangers": (
        L,
        "fund = {",
        'lending = { categories = { ether = ["ETHER"] } }\nfund = {',
        FACTORS,
        CATEGORY + FACTORS,
    ),
    "loans-category-twice": (
        L,
        "fund = {",
        'lending = { categories = { ether = ["ETH"], other = ["ETH"] } }\nfund = {',
        FACTORS,
        CATEGORY + CATEGORY.replace("ether", "other") + FACTORS,
    ),
    "loans-category-worse": (
        L,
        "fund = {",
        'lending = { categories = { ether = ["ETH"] } }\nfund = {',
        FACTORS,
        CATEGORY.replace("0.9", "0.7") + FACTORS,
    ),
    "loans-category-threshold": (
        L,
        "fund = {",
        'lending = { categories = { ether = ["ETH"] } }\nfund = {',
        FACTORS,
        CATEGORY.replace("0.93", "0.89") + FACTORS,
    ),
    "loans-isolation": (L, "fund = {", 'lending = { borrowable_in_isolation = ["ETH"] }\nfund = {'),
    "loans-siloed": (L, "fund = {", 'lending = { siloed = ["USDT"] }\nfund = {'),
    "loans-debts-twice": (L, 'debt = "USDC"', 'debt = "USDC"\nalso = ["USDC"]'),
    "loans-unknown-debt": (L, 'debt = "USDC"', 'debt = "USDC"\nalso = ["USDT"]'),
    "cohorts-unknown-market": (P, 'market = "ETH"', 'market = "ETH"\nalso = ["SOL"]'),
    "loans-reserves": (L, "fund = {", "lending = { reserves = { DAI = 1000 } }\nfund = {"),
    "loans-cap": (L, "liquidation_bonus = 0.05", "liquidation_bonus = 0.05\nsupply_cap = -1"),
    "loans-unknown-accrual": (L, "fund = {", 'lending = { accrual = "daily" }\nfund = {'),
    "loans-search-of-another-shape": (
        P,
        SEARCH,
        SEARCH.replace("perpetuals.ETH.initial_margin_ratio", "liquidation.loans.cursor"),
    ),
    "warning-unused-asset": (P, "[parameters.collateral.BTC]\nhaircut = 0.1\n", ""),
    "warning-unused-venue": (
        P,
        'spot = { kind = "linear", depth = 2e9 }',
        'spot = { kind = "linear", depth = 2e9 }\nperpetual = { kind = "linear", depth = 2e9 }',
    ),
}
FLAT = "initial_margin_ratio = 0.05\nmaintenance_margin_ratio = 0.03"
TIERS = 'kind = "tiered"\ntiers = [{ lower_bound = 0, greatest_leverage = %s }, { lower_bound = %s, greatest_leverage = %s }]'
BY_INTEREST = (
    'kind = "open-interest-scaled"\ninitial_margin_ratio = 0.05\nmaintenance_fraction = 0.6\nlower_open_interest = %s\n'
    "upper_open_interest = 1e8"
)
FUND = "fund = { cash = 1e5, fee_share = 0.2 }\n"
FEED = 'volatility_feed = { estimator = { %s = { kind = "ewma", volatility_today = 0.7 } } }\n'
REFIT = (
    'volatility_feed = { estimator = { ETH = { kind = "garch-refit", volatility = 0.7, volatility_today = 0.7, alpha = %s, '
    "beta = 0.9, window = %s } } }\n"
)
BY_VOLATILITY = f'kind = "volatility-scaled"\n{FLAT}\nreference_volatility = 0.8\n'
CASES |= {  # rules of perpetual markets
    "margin-unknown": (P, FLAT, f'kind = "stepped"\n{FLAT}'),
    "margin-of-another-rule": (P, FLAT, f"{FLAT}\nsize_factor = 0.001"),
    "margin-interest-order": (P, FLAT, BY_INTEREST % "2e8"),
    "margin-size-order": (P, FLAT, f'kind = "size-scaled"\n{FLAT.replace("0.03", "0.06")}'),
    "margin-tiers-rise": (
        P,
        FLAT,
        TIERS % (20, "1e6", 40),
        SEARCH,
        SEARCH.replace("initial_margin_ratio", "tiers.1.greatest_leverage"),
    ),
    "margin-tiers-first": (P, FLAT, 'kind = "tiered"\ntiers = [{ lower_bound = 1e6, greatest_leverage = 20 }]'),
    "margin-no-such-tier": (
        P,
        FLAT,
        TIERS % (20, "1e6", 10),
        SEARCH,
        'parameter = "perpetuals.ETH.tiers.2.greatest_leverage"\nlow = 5\nhigh = 20\nstep = 1\n',
    ),
    "margin-leverage": (
        P,
        FLAT,
        TIERS % (10, "1e6", 5),
        SEARCH,
        SEARCH.replace("initial_margin_ratio", "maintenance_share").replace("0.2", "0.6"),
    ),
    "margin-factor-order": (P, FLAT, f"{BY_VOLATILITY}floor = 5"),
    "margin-stressed": (P, FLAT, f"{BY_VOLATILITY}stressed_weight = 0.25"),
    "margin-correlation": (P, FLAT, f"{BY_VOLATILITY}reference_correlation = 1.5"),
    "feed-unknown-asset": (P, FUND, f"{FUND}{FEED % 'SOL'}"),
    "feed-two-sources": (P, FUND, f'{FUND}volatility_source = "conditional"\n{FEED % "ETH"}'),
    "feed-refit-never": (P, FUND, FUND + REFIT % ("0.05", "2592000")),
    "feed-refit-short": (P, FUND, FUND + REFIT % ("0.05", "86400")),
    "feed-refit-integrated": (P, FUND, FUND + REFIT % ("0.1", "259200")),
    "feed-unknown-estimator": (P, FUND, f"{FUND}{FEED % 'ETH'}".replace("ewma", "ema")),
    "goals-margin-that-rests": (P, "threshold = 0.01", 'threshold = 0.5\nquantity = "margin_rise_1_day"\nof = "one"'),
    "goals-margin-in-dollars": (P, "threshold = 0.01", 'threshold = 0.5\nquantity = "margin_rise_1_day"\nof = "usd"'),
    "margin-memory": (P, FLAT, f"{BY_VOLATILITY}half_life = 300"),
    "margin-two-scales": (
        P,
        FLAT,
        BY_VOLATILITY,
        SEARCH,
        f'{SEARCH}\n[[calibration.search]]\nparameter = "perpetuals.ETH.reference_volatility"\nlow = 0.4\nhigh = 1\nstep = 0.1\n',
    ),
    "margin-no-bound": (
        P,
        FLAT,
        'kind = "skew-scaled"\nskew_scale = 1e5\nscaled_ratio = 0\nminimum_ratio = 0\nmaintenance_scalar = 0.5',
    ),
}
FEES = "[parameters.fees]\nflat = 0.0005"
PERPETUAL_VENUE = 'perpetual = { kind = "linear", depth = 1e9, half_life = 900 }'
CASES |= {
    "fees-unknown": (P, FEES, '[parameters.fees]\nkind = "maker-take"\nmaker = 0.0002\ntaker = 0.0005'),
    "fees-of-another-rule": (P, FEES, f"{FEES}\ntaker = 0.0005"),
    "fees-rebate": (P, FEES, '[parameters.fees]\nkind = "maker-taker"\nmaker = -0.001\ntaker = 0.0005'),
    "fees-heights": (P, FEES, '[parameters.fees]\nkind = "two-sigmoid"\nheight_1 = 0.6\nheight_2 = 0.6'),
    "fees-periods": (
        P,
        FEES,
        '[parameters.fees]\nkind = "liquidity-book"\nbin_step = 0.001\nbase = 0.0001\ncontrol = 1\nfilter_period = 900',
    ),
    "funding-velocity-without-a-scale": (P, FUND, f'{FUND}funding = {{ kind = "velocity", greatest_velocity = 3 }}\n'),
    "funding-adaptive-order": (
        P,
        FUND,
        f'{FUND}funding = {{ kind = "adaptive", increase = 1e-10, decrease = 1e-11, least = 1e-6, greatest = 1e-7 }}\n',
    ),
    "funding-unknown": (P, FUND, f'{FUND}funding = {{ kind = "premia", hourly_cap = 0.01 }}\n'),
    "venue-earns": (
        P,
        PERPETUAL_VENUE,
        'perpetual = { kind = "power", positive_factor = 2e-7, negative_factor = 1e-7, positive_exponent = 2 }',
    ),
    "funding-more-than-the-fees": (P, FUND, f'{FUND}funding = {{ kind = "premium", most_of_fees = 33 }}\n'),
    "liquidation-growing-keeper": (P, FUND, f'{FUND}liquidation = {{ kind = "growing-fee", keeper_share = 0.5 }}\n'),
    "liquidation-growing-shrinks": (P, FUND, f'{FUND}liquidation = {{ kind = "growing-fee", most_fee_multiple = 0.5 }}\n'),
    "liquidation-window": (P, FUND, f'{FUND}liquidation = {{ kind = "window-cap", window = 900 }}\n'),
    "liquidation-unpaid": (
        P,
        FUND,
        f'{FUND}liquidation = {{ kind = "fillable-price" }}\n',
        "latency = 600",
        "latency = 600\ngas = 1",
    ),
    "liquidation-pays-nobody": (
        P,
        FUND,
        f'{FUND}liquidation = {{ kind = "fillable-price", keeper_share = 0.5 }}\n',
        "latency = 600",
        'latency = 600\nacts = "always"',
    ),
    "rare-events-percent": (P, "[appetite]\n", "[rare_events]\nfar_share = 50\n\n[appetite]\n"),
    "rare-events-of-history": (
        P,
        MARKET_OF_P,
        replay('"prices.csv"'),
        "[appetite]\n",
        "[rare_events]\n\n[appetite]\n",
    ),
    "rare-events-rarer": (P, "[appetite]\n", "[rare_events]\njumps = 0.01\n\n[appetite]\n"),
    "rare-events-everywhere": (P, "[appetite]\n", "[rare_events]\njumps = 90\n\n[appetite]\n"),
    "rare-events-no-shift": (P, "[appetite]\n", "[rare_events]\nshifts = []\n\n[appetite]\n"),
    "rare-events-far-shift": (P, "[appetite]\n", "[rare_events]\nshifts = [-2, 40]\n\n[appetite]\n"),
    "preamble-address": (P, "", '[proposal]\ndiscussion = "forum.example.org/t/1"\n'),
    "preamble-misspelt": (P, "", '[proposal]\nlicense = "CC0-1.0"\n'),
    "backtest-without-its-file": (P, "", BACKTEST),
    "backtest-of-other-assets": (P, "", BACKTEST.replace(', "BTC"', "")),
    "backtest-on-data-of-the-scenario": (P, "seed = 7\n", "seed = 7\ndata_until = 2025-06-30\n", "", BACKTEST),
    "backtest-that-is-no-history": (P, "", BACKTEST.replace("replay", "bootstrap")),
    "venue-spot-by-skew": (P, 'spot = { kind = "linear", depth = 1e9 }', 'spot = { kind = "skew-fill", skew_scale = 1e6 }'),
}
RAW: dict[str, bytes] = {
    "syntax-empty": b"",
    "syntax-nothing-but-space": b" \n\n",
    "syntax-not-utf8": b'name = "good"\ndescription = "caf\xe9"\n',
    "syntax-utf16": 'name = "good"\n'.encode("utf-16"),
    "syntax-nul": b'name = "good"\n\0seed = 7\n',
}


def main() -> None:
    """Write every case, and an expectation to fill in where there is none."""
    good = {name: (HERE / name).read_text() for name in (P, L, O)}
    for case, (base, *changes) in CASES.items():
        text = good[base]
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            if old and text.count(old) != 1:
                raise ValueError(f"{case}: {text.count(old)} places to change")
            text = text.replace(old, new) if old else f"{text}\n{new}"
        _write(case, text.encode())
    for case, content in RAW.items():
        _write(case, content)
    _write("good-bom-and-crlf", b"\xef\xbb\xbf" + good[P].replace("\n", "\r\n").encode())


def _write(case: str, content: bytes) -> None:
    (HERE / f"{case}.toml").write_bytes(content)
    expected = HERE / f"{case}.expected"
    if not expected.exists():
        expected.write_text("exit 2\n?\n")


if __name__ == "__main__":
    main()
