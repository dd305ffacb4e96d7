"""Loss, effective rank and scores along the training of a method: what docs/findings.md shows.

    python docs/training_curves.py OUT.csv COHORT_FOLDER --folds 3 --epochs 0,1,2,5,10,20,40,60 \
        --set mirror.width=48

A fit a fold to the last of the epochs, without the rule that ends training; at each of them
everybody is embedded, and every task is judged as in a run: the same heads on the same folds.
Epoch 0 is the untrained network. Rows are added to OUT.csv.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmark.engine.overrides import configured
from methods.base import Budget, Context, MethodSpec
from methods.registry import all_methods
from tasks.data.cohort import Cohort
from tasks.data.fold_expression import Expression
from tasks.data.load import load_cohort
from tasks.data.splits import Split, make_splits
from tasks.readouts import NoReadoutError, Readout
from tasks.registry import select_tasks
from tasks.seeds import derive_seed

COLUMNS = ("method", "cohort", "fold", "epoch", "what", "readout", "value")


def curves(
    spec: MethodSpec,
    cohort: Cohort,
    split: Split,
    epochs: Sequence[int],
    patterns: str,
    readouts: Sequence[str],
) -> pd.DataFrame:
    """A row an epoch and what was measured then, of one fit.

    Args:
        spec: A trained method under budget default, with what is set over it.
        cohort: Of which the split is.
        split: Whom to fit on, and whom the scores are of.
        epochs: After which the embeddings are judged; 0 is before the first.
        patterns: The tasks.
        readouts: As those of a run, `own` beside them.
    """
    expression = Expression.fit(cohort, split.train)
    cohort = cohort if expression is None else expression.of(cohort)
    tasks = select_tasks(patterns, [cohort])
    pairs = cohort.subset({*cohort.complete()} & {*split.train, *split.test})
    rows: list[tuple[object, ...]] = []
    length: dict[str, object] = {"epochs": max(epochs), "min_gain": 0.0}
    method = spec.build(replace(spec.config_for(Budget.DEFAULT), **length))
    losses: list[float] = []

    def tell(what: str, value: float | None, readout: str = "") -> None:
        rows.append((spec.name, cohort.name, split.fold, len(losses), what, readout, value))

    def log(_epoch: int, values: Mapping[str, float]) -> None:
        losses.append(values["total"])
        tell("loss", values["total"])

    def judge(values: Mapping[str, float]) -> None:
        for name, value in values.items():
            tell(name, value)
        if len(losses) not in epochs:
            return
        given = method.embed(pairs)
        for text in readouts:
            try:
                read = Readout() if text == "own" else Readout.parse(text)
                embeddings = read.of(given, split.train)
            except NoReadoutError:
                continue
            for task in tasks:
                score = task.evaluate(embeddings, cohort, split).scores[0]
                tell(f"{task.name} {score.metric.name}", score.value, text)

    seed = derive_seed("curves", spec.name, cohort.name, split.fold)
    method.fit(cohort.subset(split.train), Context(seed, log=log, watch=judge))
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    """The command of the module's docstring."""
    style = argparse.RawTextHelpFormatter
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    asked.add_argument("out", type=Path)
    asked.add_argument("cohort", type=Path)
    asked.add_argument("--method", default="mirror")
    asked.add_argument("--tasks", default="survival/*/os,subtyping")
    asked.add_argument("--folds", type=int, default=5, help="of five, the first so many")
    asked.add_argument("--epochs", default="0,1,2,5,10,20,40,60")
    asked.add_argument("--readouts", default="own")
    asked.add_argument("--set", action="append", default=[], metavar="METHOD.FIELD=VALUE")
    options = asked.parse_args()
    spec = configured([all_methods()[options.method]], options.set)[0]
    cohort = load_cohort(options.cohort)
    epochs = [int(epoch) for epoch in options.epochs.split(",")]
    for split in make_splits(cohort, 5)[: options.folds]:
        found = curves(spec, cohort, split, epochs, options.tasks, options.readouts.split(","))
        found.insert(1, "settings", " ".join(options.set))
        found.to_csv(options.out, mode="a", header=not options.out.exists(), index=False)


if __name__ == "__main__":
    main()
