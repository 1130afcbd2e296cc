"""Rules as the chain computes them: integers in the protocol's own units, every rounding named.

The engine uses the float rules; these forms stand beside them so that a protocol's own numbers can be met exactly.
"""
