"""What a trade pays for being a trade. The parts are those of `simulator.terms.fees`: a vote may change their numbers."""

from simulator.terms.fees import BinFee, FeeRule, LinearFee, MakerTakerFee, OneSidedFee, SigmoidFee, SlidingFee

__all__ = ["BinFee", "FeeRule", "LinearFee", "MakerTakerFee", "OneSidedFee", "SigmoidFee", "SlidingFee"]
