"""docs/training_curves.py, whose looking changes no training, and the page that shows it."""

from dataclasses import replace
from pathlib import Path
from runpy import run_path

from methods.base import Budget, Context
from methods.registry import all_methods
from tasks.data.splits import make_splits
from tasks.registry import select_tasks
from tasks.seeds import derive_seed
from tests.helpers.planted import planted

DOCS = Path(__file__).parents[2] / "docs"
SCRIPT = run_path(str(DOCS / "training_curves.py"))


def test_scores_along_the_way_are_those_of_shorter_fits() -> None:
    cohort, spec = planted(bags=True), all_methods()["contrastive"]
    spec = replace(spec, delta={"width": 24, "tokens": 16})
    split = make_splits(cohort, 5)[0]
    tasks = "survival/*/os"
    found = SCRIPT["curves"](spec, cohort, split, [0, 1, 3], tasks, ["own", "head"])
    scores = found[found.what.str.endswith("harrell_c")].set_index(["epoch", "readout"]).value
    assert [*scores.index] == [(e, r) for e in (0, 1, 3) for r in ("own", "head")]
    assert len(found[found.what == "loss"]) == 3
    assert len(found[found.what == "effective_rank"]) == 4
    (task,) = select_tasks(tasks, [cohort])
    for epochs in (0, 1):
        length: dict[str, object] = {"epochs": epochs, "min_gain": 0.0}
        method = spec.build(replace(spec.config_for(Budget.DEFAULT), **length))
        seed = derive_seed("curves", spec.name, cohort.name, split.fold)
        method.fit(cohort.subset(split.train), Context(seed))
        embeddings = method.embed(cohort.subset(cohort.complete()))
        score = task.evaluate(embeddings, cohort, split).scores[0].value
        assert score == scores[epochs, "own"]


def test_the_page_has_the_table_of_what_was_measured() -> None:
    drawing = run_path(str(DOCS / "draw_training_curves.py"))
    rows = drawing["read"](DOCS / "training-curves.csv.gz")
    page = (DOCS / "findings.md").read_text()
    lines = [*drawing["table"](rows)]
    assert len(lines) > 20
    assert "\n".join(lines) in page
