"""Who bears what nobody pays for: deleveraging (`[protocol.backstop] allocation`), socialised loss (`[protocol] residual`).

Chitra 2025 separates how much is taken (severity) from whom it is taken (haircut), and shows that no static rule is solvent,
revenue-preserving and fair at once: the allocation rules here are what venues use.
"""
