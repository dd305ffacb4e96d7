"""The figures: pure functions from what was recorded to a matplotlib figure, and one that saves it.

None uses the global state of pyplot or needs a display, and none imports torch or a method.
"""

from benchmark.show.figures.ablation_deltas import Ablation, ablations, of_deltas
from benchmark.show.figures.compute import compute, pareto_front
from benchmark.show.figures.critical_difference import critical_difference_diagram, diagram_of_many
from benchmark.show.figures.embedding_map import Projection, embedding_map, principal_axes
from benchmark.show.figures.forest import forest
from benchmark.show.figures.kaplan_meier import RiskGroups, kaplan_meier, risk_groups
from benchmark.show.figures.look import caption_of, save, title_of
from benchmark.show.figures.optimism_gap import optimism
from benchmark.show.figures.retention import Tradeoff, retention, tradeoffs

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
