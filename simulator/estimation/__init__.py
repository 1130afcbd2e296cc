"""Market models from data: returns, jumps, dependence, and how sure they are."""
