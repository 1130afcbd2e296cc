"""LLAMMA: collateral that turns into the debt asset band by band while its price falls, and back while it rises (crvUSD).

A liquidation is not an event here but what arbitrage does to the bands; what a scenario may name is `Bands` of
simulator.terms.loan_liquidation. `band` is one band, `loan` a loan alone along a path; `table`, `market` and `requests` are
the bands of a whole protocol. docs/model.md 5.9.
"""
