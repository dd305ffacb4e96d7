"""The figures: pure functions from what was recorded to a matplotlib figure, and one that saves it.

None uses the global state of pyplot or needs a display, and none imports torch or a method.
"""

from benchmark.figures.ablations import Ablation, ablations
from benchmark.figures.compute import compute, pareto_front
from benchmark.figures.critical_difference import critical_difference_diagram
from benchmark.figures.forest import forest
from benchmark.figures.kaplan_meier import RiskGroups, kaplan_meier, risk_groups
from benchmark.figures.look import caption_of, save
from benchmark.figures.optimism import optimism

__all__ = [
    "Ablation",
    "RiskGroups",
    "ablations",
    "caption_of",
    "compute",
    "critical_difference_diagram",
    "forest",
    "kaplan_meier",
    "optimism",
    "pareto_front",
    "risk_groups",
    "save",
]
