"""The figures: pure functions from what was recorded to a matplotlib figure, and one that saves it.

None uses the global state of pyplot or needs a display, and none imports torch or a method.
"""

from benchmark.figures.ablations import Ablation, ablations, of_deltas
from benchmark.figures.compute import compute, pareto_front
from benchmark.figures.critical_difference import critical_difference_diagram, diagram_of_many
from benchmark.figures.embedding_map import Projection, embedding_map, principal_axes
from benchmark.figures.forest import forest
from benchmark.figures.kaplan_meier import RiskGroups, kaplan_meier, risk_groups
from benchmark.figures.look import caption_of, save, title_of
from benchmark.figures.optimism import optimism
from benchmark.figures.retention import Tradeoff, retention, tradeoffs

__all__ = [
    "Ablation",
    "Projection",
    "RiskGroups",
    "Tradeoff",
    "ablations",
    "caption_of",
    "compute",
    "critical_difference_diagram",
    "diagram_of_many",
    "embedding_map",
    "forest",
    "kaplan_meier",
    "of_deltas",
    "optimism",
    "pareto_front",
    "principal_axes",
    "retention",
    "risk_groups",
    "save",
    "title_of",
    "tradeoffs",
]
