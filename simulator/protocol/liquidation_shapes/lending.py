"""Liquidating a loan: what may be repaid, what is seized for it, what is left as bad debt. All amounts in dollars.

Sources: aave-v3-origin @fd1fbd9 (LiquidationLogic), comet @d5a30b0a (absorb, buyCollateral), morpho-blue (liquidation incentive),
Euler vault kit (liquidation). They differ in who sets the price: a fixed bonus (Aave, Comet), a bonus set by the threshold
(Morpho), the account's own health (Euler).
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import small_rule


@small_rule
def repayable(debts, debt, collateral, health, close_factor, full_below_health, full_below_value):
    """Aave v3: the most of one `debt` that may be repaid for one `collateral`, of an account owing `debts` in all."""
    if health <= full_below_health or debt < full_below_value or collateral < full_below_value:
        return debt
    return min(debt, close_factor * debts)


@small_rule
def seized_for(repaid, collateral, incentive):
    """(repaid, seized): value x `incentive` for what is repaid, at most what there is."""
    seized = repaid * incentive
    if seized > collateral:
        return collateral / incentive, collateral
    return repaid, seized


@small_rule
def repay_and_seize(repaid, debt, collateral, bonus, least_leftover):
    """Aave v3: (repaid, seized) of the largest repayment up to `repaid` that leaves no dust.

    Unless the debt or the collateral is used up, both must keep `least_leftover`; (0, 0) where no size does.
    """
    incentive = 1.0 + bonus
    repaid, seized = seized_for(repaid, collateral, incentive)
    if repaid < debt and seized < collateral and min(debt - repaid, collateral - seized) < least_leftover:
        repaid = max(min(debt - least_leftover, (collateral - least_leftover) / incentive), 0.0)
        seized = repaid * incentive
    return repaid, seized


@small_rule
def bonus_split(seized, bonus, protocol_share):
    """(to the liquidator, to the protocol) of what was seized: the protocol's share is of the bonus alone."""
    fee = protocol_share * (seized - seized / (1.0 + bonus))
    return seized - fee, fee


@small_rule
def deficit(debt_left, collateral_left):
    """What is written off: all that is still owed once no collateral is left."""
    return debt_left if collateral_left <= 0.0 else 0.0


@small_rule
def absorb(credited, debt):
    """Comet: (left to the account as cash, bad debt paid by reserves), `credited` = sum of value x liquidation factor."""
    return max(credited - debt, 0.0), max(debt - credited, 0.0)


@small_rule
def resale_price(price, storefront_factor, liquidation_factor):
    """Comet: the price at which absorbed collateral is sold: the buyer gets the storefront's share of the penalty."""
    return price * (1.0 - storefront_factor * (1.0 - liquidation_factor))


@small_rule
def collateral_quote(paid, price, storefront_factor, liquidation_factor):
    """Comet: the amount of collateral [asset] that `paid` dollars buy."""
    return paid / resale_price(price, storefront_factor, liquidation_factor)


@small_rule
def resale_is_open(reserves, target):
    """Comet: collateral is for sale while reserves are below their target."""
    return reserves < target


@small_rule
def incentive_factor(threshold, cursor, most):
    """Morpho: min(most, 1 / (1 - cursor (1 - threshold))): the lower the threshold, the more room, the more is paid."""
    return min(most, 1.0 / (1.0 - cursor * (1.0 - threshold)))


@small_rule
def discount_factor(adjusted, liability, most_discount):
    """Euler: price paid per dollar of collateral: the health score, at least 1 - most discount."""
    return max(adjusted / liability, 1.0 - most_discount)


@small_rule
def reverse_dutch(repaid, liability, collateral, factor):
    """Euler: (repaid, seized) at a discount `factor`, up to the whole liability and the whole collateral."""
    return seized_for(min(repaid, liability), collateral, 1.0 / factor)


@small_rule
def health_of(collateral, threshold, debt):
    """Collateral x threshold over debt; infinite without debt."""
    return collateral * threshold / debt if debt > 0.0 else np.inf
