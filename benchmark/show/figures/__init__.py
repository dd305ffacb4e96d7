"""The figures: pure functions from what was recorded to a matplotlib figure, and one that saves it.

None uses the global state of pyplot or needs a display, and none imports torch or a method.
"""

from benchmark.show.figures.calibration import calibration, calibration_groups
from benchmark.show.figures.compute import compute, pareto_front
from benchmark.show.figures.critical_difference import critical_difference_diagram, diagram_of_many
from benchmark.show.figures.differences import differences
from benchmark.show.figures.embedding_map import Projection, embedding_map, principal_axes
from benchmark.show.figures.forest import forest
from benchmark.show.figures.heatmaps import ablations, scores
from benchmark.show.figures.kaplan_meier import RiskGroups, kaplan_meier, risk_groups
from benchmark.show.figures.look import caption_of, save, title_of
from benchmark.show.figures.of_survival import Predicted, survival_figures, survival_predictions
from benchmark.show.figures.optimism_gap import optimism
from benchmark.show.figures.retention import Tradeoff, retention, tradeoffs

__all__ = [
    "Predicted",
    "Projection",
    "RiskGroups",
    "Tradeoff",
    "ablations",
    "calibration",
    "calibration_groups",
    "caption_of",
    "compute",
    "critical_difference_diagram",
    "diagram_of_many",
    "differences",
    "embedding_map",
    "forest",
    "kaplan_meier",
    "optimism",
    "pareto_front",
    "principal_axes",
    "retention",
    "risk_groups",
    "save",
    "scores",
    "survival_figures",
    "survival_predictions",
    "title_of",
    "tradeoffs",
]
