"""The parts of which the parameters of a vote are made: families of rules whose every number a vote may change."""
