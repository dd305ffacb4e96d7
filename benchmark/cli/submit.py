"""`mirror-bench submit`: results of one's own, checked and made ready for a pull request."""

import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import tomlkit
from rich.console import Console

from benchmark.cli.sweep_file import FOLDER as SWEEPS
from benchmark.records.merge import merge
from benchmark.records.schema import TaskRecord, TrialRecord
from benchmark.records.segments import read_predictions, read_records
from benchmark.records.store import existing_store
from benchmark.show.escape import markdown, markdown_code
from methods.registry import all_methods
from tasks.base import Status
from tasks.errors import InputError
from tasks.registry import classes_of

README = "README.md"

Pairs = Sequence[tuple[TrialRecord, TaskRecord]]

_PLACES = ("data", "results")
"""Options whose values are folders of whoever ran it."""


def reasons(results: Path, board: Path | None) -> list[str]:
    """Why results cannot stand beside those of a board; nothing if they can.

    Args:
        results: A results folder.
        board: The board's, whose cohorts must have the same data; None to compare with nothing.

    Raises:
        InputError: A folder has no records.
    """
    store = existing_store(results)
    try:
        pairs = store.results()
        for _ in read_predictions(results):
            pass  # each is checked against its checksum
    except InputError as error:
        return [str(error)]
    if not pairs:
        return [f"{results}: expected results, found none"]
    return [*_unknown(pairs), *_incomplete(pairs), *_of_other_data(pairs, board)]


def submit(results: Path, output: Path, who: str) -> int:
    """Write results, checked before, as a folder for a pull request, as a whole or not at all.

    Args:
        results: A results folder.
        output: A new folder: a compressed file a cohort and method, and a page that says who ran
            what, and how.
        who: Name of whoever ran it.

    Returns:
        The number of trials.

    Raises:
        InputError: There is something at `output`, or it cannot be written.
    """
    if output.exists():
        raise InputError(f"{output}: expected no such folder yet, found one")
    pairs = existing_store(results).results()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".submit-", dir=output.parent) as scratch:
            made = Path(scratch) / output.name
            merge([results], made, Console(quiet=True))
            page = _page(pairs, results, output, who)
            (made / README).write_text(page, encoding="utf-8")
            made.rename(output)
    except OSError as error:
        raise InputError(
            f"{output}: expected a folder that can be written, found: {error.strerror}"
        ) from error
    return len({trial.trial for trial, _ in pairs})


def _unknown(pairs: Pairs) -> Iterator[str]:
    """Kinds, their versions and metrics that this version does not have."""
    asked = {
        (trial.protocol.protocol, task.task.partition("/")[0], task.version, score.metric)
        for trial, task in pairs
        for score in task.scores
    }
    told = set()
    for protocol, kind, version, metric in sorted(asked):
        classes = classes_of(protocol, kind)
        current = sorted({one.version for one in classes})
        metrics = {known.name for one in classes for known in one.metrics}
        if not classes:
            reason = f"{kind}: expected a kind of task of protocol {protocol}, found none"
        elif version not in current:
            reason = f"{kind}: expected version {current[-1]}, found {version}; run it again"
        elif metric not in metrics:
            reason = f"{kind}: expected one of its metrics, found {metric!r}"
        else:
            continue
        if reason not in told:
            told.add(reason)
            yield reason


def _incomplete(pairs: Pairs) -> Iterator[str]:
    """Methods of which folds are missing: a mean over the others is another number."""
    folds: dict[tuple[str, str, str, str, int, int], dict[int, set[int]]] = defaultdict(
        lambda: defaultdict(set)
    )
    for trial, task in pairs:
        whole = trial.protocol.n_splits(trial.n_folds)
        setting = (str(trial.protocol), trial.budget, trial.n_folds, whole)
        folds[trial.method, task.task, *setting][trial.seed].add(trial.fold)
    for (method, name, protocol, budget, _, whole), of_seeds in sorted(folds.items()):
        for seed, found in sorted(of_seeds.items()):
            if len(found) < whole:
                yield (
                    f"{method} on {name}, {protocol}, budget {budget}, seed {seed}: expected "
                    f"{whole} folds, found {len(found)}"
                )


def _of_other_data(pairs: Pairs, board: Path | None) -> Iterator[str]:
    """Cohorts that the board has of other data, under the same name."""
    if board is None:
        return
    known: dict[str, set[str]] = defaultdict(set)
    for line in read_records(existing_store(board).folder):
        if not line.protocol.pool:
            known[line.cohort].add(line.data)
    found = {(trial.cohort, trial.data) for trial, _ in pairs if not trial.protocol.pool}
    for cohort, data in sorted(found):
        if cohort in known and data not in known[cohort]:
            theirs = ", ".join(sorted(one[:16] for one in known[cohort]))
            yield (
                f"{cohort}: expected the data of {board}, fingerprint {theirs}, found {data[:16]}; "
                "another name for other data, or the same data"
            )


def _page(pairs: Pairs, results: Path, output: Path, who: str) -> str:
    """Who ran what, on what, with which command."""
    methods: dict[tuple[str, str, str, int], set[str]] = defaultdict(set)
    for trial, _ in pairs:
        setting = (trial.cohort, str(trial.protocol), trial.budget, trial.n_folds)
        methods[setting].add(trial.method)
    failed = sum(task.status is Status.FAILED for _, task in pairs)
    strange = sorted({name for names in methods.values() for name in names} - {*all_methods()})
    versions = sorted({f"{k} {v}" for trial, _ in pairs for k, v in trial.versions.items()})
    devices = sorted({trial.device for trial, _ in pairs if trial.device})
    n_trials = len({trial.trial for trial, _ in pairs})
    lines = [
        f"# Results of {markdown(who)}\n",
        f"{n_trials:,} trials, {len(pairs):,} results, of which {failed:,} failed; on "
        f"{markdown(', '.join(devices) or 'devices that are not known')}; "
        f"{markdown(', '.join(versions))}.\n",
        "| cohort | protocol | budget | folds | methods |",
        "|---|---|---|---|---|",
    ]
    for place, names in sorted(methods.items()):
        cells = (*map(str, place), ", ".join(sorted(names)))
        lines.append(f"| {' | '.join(map(markdown, cells))} |")
    if strange:
        listed = ", ".join(map(markdown_code, strange))
        lines.append(f"\nNot in this version, so to be added with the results: {listed}.")
    lines.append("\nTo be checked by computing some of it again:\n")
    again = f"mirror-bench rerun --sample 3 --seed N --data DIR --results {output.name}"
    lines.append(f"```console\n{again}\n```")
    for file in sorted((results / SWEEPS).glob("*.toml")):
        sweep = tomllib.loads(file.read_text(encoding="utf-8"))
        shared = {key: value for key, value in sweep.items() if key not in _PLACES}
        lines.append("\nRun by `mirror-bench run --config` with\n")
        lines.append(f"```toml\n{tomlkit.dumps(shared)}```")
    return "\n".join(lines) + "\n"
