"""`mirror-bench rerun TRIAL`: a recorded trial computed again, and whether the numbers agree."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console, JustifyMethod
from rich.table import Table

from benchmark.engine.cohorts import Loaded, asked_as, pool_members, pretraining
from benchmark.engine.folds import Folds, outer_folds
from benchmark.engine.overrides import recorded_config
from benchmark.engine.plan import Request, Trial, data_fingerprint, make_plan
from benchmark.engine.trial import run_trial
from benchmark.records.protocol import FileFolds, HeldOutCohort
from benchmark.records.schema import ScoreRecord, TaskRecord, TrialRecord
from benchmark.records.segments import read_records
from benchmark.records.store import Store, existing_store
from methods.base import Budget
from methods.precomputed import FAMILY
from methods.registry import all_methods, find_method, select_methods
from tasks.base import Status
from tasks.cache_dir import cache_dir
from tasks.data.cohort import Cohort
from tasks.data.load import find_cohorts, load_cohort
from tasks.data.manifest import read_manifest
from tasks.data.precomputed import Given
from tasks.data.splits import split_fingerprint
from tasks.data.synthetic import embedded_cohorts
from tasks.errors import InputError
from tasks.names import covered_parts, transfer_parts
from tasks.registry import all_tasks, under
from tasks.seeds import derive_seed


@dataclass(frozen=True)
class Recorded:
    """What the records say of a trial.

    Attributes:
        line: Its last attempt, without the tasks.
        tasks: The last result of each task, by name.
    """

    line: TrialRecord
    tasks: Mapping[str, TaskRecord]

    def __str__(self) -> str:
        line = self.line
        return f"{line.trial}: {line.method} on {line.cohort}, fold {line.fold}, seed {line.seed}"


@dataclass(frozen=True)
class Comparison:
    """One score, as recorded and as computed again; a reason where there is no value."""

    task: str
    metric: str
    recorded: float | str
    again: float | str

    @property
    def agrees(self) -> bool:
        """To the last bit; two reasons agree if they are the same words."""
        return self.recorded == self.again


def rerun(
    trial: str,
    results: Path,
    data: Path | None,
    split: str | None,
    console: Console,
    embeddings: Given = (),
) -> int:
    """Compute a recorded trial again in this process, and show both.

    A method or library that has changed since is run all the same, and said to have changed: the
    table then shows whether the change mattered. Other data or another split are another question,
    and refused.

    Args:
        trial: A trial's key, or the beginning of one.
        results: The results folder, which is only read.
        data: A folder of cohorts, or None for the embedded ones.
        split: As given to `run`, needed only where the folds came from a file.
        console: Where to show it.
        embeddings: As given to `run`.

    Returns:
        0 if every score agrees to the last bit, 1 if not.

    Raises:
        InputError: The records do not name one such trial, or what it was computed from is not
            there: its method, cohort, data or split.
    """
    recorded = find_trial(existing_store(results), trial)
    console.print(
        f"{recorded}, {recorded.line.protocol}, budget {recorded.line.budget}", highlight=False
    )
    comparisons, changes = _again(recorded, _folders(data), split, console, embeddings)
    console.print(_table(comparisons))
    for change in changes:
        console.print(f"changed since: {change}", highlight=False)
    different = [c for c in comparisons if not c.agrees]
    if different:
        console.print(f"{len(different)} of {len(comparisons)} scores differ", highlight=False)
        return 1
    console.print(f"all {len(comparisons)} scores agree to the last bit", highlight=False)
    return 0


def rerun_sample(
    n: int,
    seed: int | None,
    results: Path,
    data: Path | None,
    split: str | None,
    console: Console,
    embeddings: Given = (),
) -> int:
    """Compute some recorded trials again, drawn by lot from those whose cohorts are at hand.

    Args:
        n: How many.
        seed: Of the lot; None for one that the store's content gives: the same records, the same
            trials. Whoever judges another's records takes a number that they could not know.
        results: As of `rerun`; `data`, `split` and `console` likewise.
        data: Cohorts.
        split: A split file.
        console: Where to show it.
        embeddings: As of `rerun`.

    Returns:
        0 if every score of them agrees to the last bit, 1 if one differs or a trial cannot be
        computed again.

    Raises:
        InputError: There is no trial of the cohorts at hand.
    """
    store, folders = existing_store(results), _folders(data)
    needs = {
        line.trial: _cohorts_of(line)
        for line in read_records(results)
        if any(task.status is Status.OK for task in line.tasks)
    }
    there = [trial for trial, names in sorted(needs.items()) if folders.keys() >= set(names)]
    if not there:
        wanted = ", ".join(sorted({name for names in needs.values() for name in names}))
        raise InputError(
            f"{data or 'the embedded cohorts'}: expected cohorts of {results}, "
            f"{wanted or 'which has no scores'}, found {', '.join(sorted(folders))}; "
            "--data DIR says where they are"
        )
    lot = derive_seed(*sorted(needs)) if seed is None else seed
    sample = drawn(there, n, lot)
    pairs = store.attempted(tuple(sample))
    agreeing = 0
    for trial in sample:
        recorded = _recorded([pair for pair in pairs.values() if pair[0].trial == trial])
        try:
            comparisons, changes = _again(recorded, folders, split, console, embeddings)
        except InputError as error:
            console.print(f"{recorded}: not computed again: {error}", highlight=False, markup=False)
            continue
        different = [c for c in comparisons if not c.agrees]
        agreeing += not different
        what = (
            f"{len(different)} of {len(comparisons)} scores differ"
            if different
            else (f"all {len(comparisons)} scores agree")
        )
        because = f" (changed since: {'; '.join(changes)})" if different and changes else ""
        console.print(f"{recorded}: {what}{because}", highlight=False, markup=False)
    console.print(
        f"{agreeing} of {len(sample)} trials agree to the last bit, drawn from {len(there):,} of "
        f"{len(needs):,} whose cohorts are here, by lot {lot}",
        highlight=False,
    )
    return int(agreeing < len(sample))


def drawn(trials: Iterable[str], n: int, lot: int) -> list[str]:
    """So many of these, whatever their order; another number draws others."""
    return sorted(trials, key=lambda trial: derive_seed(str(lot), trial))[:n]


def _again(
    recorded: Recorded,
    folders: Mapping[str, Path],
    split: str | None,
    console: Console,
    embeddings: Given,
) -> tuple[list[Comparison], list[str]]:
    """A trial computed again: score by score, and what has changed since."""
    line = recorded.line
    again = _planned(recorded, _loaded(line, folders, embeddings), split, embeddings)
    device = line.device or "cpu"  # a lost worker's device is not known
    if not device.startswith("cpu") and not torch.cuda.is_available():
        raise InputError(f"{line.trial}: expected {device}, on which it ran, found cpu alone")
    with (
        console.status(f"computing {line.trial} again"),
        tempfile.TemporaryDirectory(prefix="mirror-bench-") as nothing_cached,
    ):
        repeated, _ = run_trial(again, Path(nothing_cached), device)
    return compare(recorded, repeated), _changes(recorded, repeated)


def find_trial(store: Store, beginning: str) -> Recorded:
    """The trial whose key begins so.

    Raises:
        InputError: There is none, or more than one.
    """
    pairs = store.attempted(beginning).values()
    keys = sorted({line.trial for line, _ in pairs})
    if not keys:
        raise InputError(
            f"{store.folder}: expected the key of a recorded trial or its beginning, "
            f"found {beginning!r}"
        )
    if len(keys) > 1:
        shown = ", ".join(keys[:3])
        raise InputError(
            f"{store.folder}: expected the beginning of one trial's key, found {beginning!r}, "
            f"with which {len(keys)} begin: {shown}{', ...' if len(keys) > 3 else ''}"
        )
    return _recorded(list(pairs))


def _recorded(pairs: Sequence[tuple[TrialRecord, TaskRecord]]) -> Recorded:
    """What the last attempts of one trial's tasks say."""
    last = max((line for line, _ in pairs), key=lambda line: (line.attempt, line.finished))
    return Recorded(last, {task.task: task for _, task in pairs})


def compare(recorded: Recorded, repeated: TrialRecord) -> list[Comparison]:
    """Score by score, in the order of the records.

    Args:
        recorded: What the records say.
        repeated: The record of the same trial, computed again.
    """
    again = {
        (task.task, score.metric): _shown(score) for task in repeated.tasks for score in task.scores
    }
    return [
        Comparison(
            name,
            score.metric,
            _shown(score),
            again.get((name, score.metric), "no such score any more"),
        )
        for name, task in sorted(recorded.tasks.items())
        for score in task.scores
    ]


def _shown(score: ScoreRecord) -> float | str:
    if score.value is None:
        return f"{score.status}: {score.reason}"
    return score.value


def _folders(data: Path | None) -> dict[str, Path]:
    """The cohorts at hand by name."""
    folders = embedded_cohorts(cache_dir()) if data is None else find_cohorts(data)
    return {read_manifest(folder).name: folder.resolve() for folder in folders}


def _cohorts_of(line: TrialRecord) -> list[str]:
    """What a trial was computed from: its own cohort, or two, and those of a pool."""
    whole, _ = covered_parts(line.cohort) or (line.cohort, "")
    return list(dict.fromkeys((*(transfer_parts(line.cohort) or (whole,)), *line.protocol.pool)))


def _loaded(line: TrialRecord, folders: Mapping[str, Path], embeddings: Given) -> Loaded:
    for name in _cohorts_of(line):
        if name not in folders:
            raise InputError(
                f"{line.trial}: expected the cohort {name}, found {', '.join(sorted(folders))}; "
                "--data DIR says where it is"
            )
    return [(folders[name], load_cohort(folders[name], embeddings)) for name in _cohorts_of(line)]


def _planned(recorded: Recorded, loaded: Loaded, split: str | None, embeddings: Given) -> Trial:
    """The trial as `run` would plan it now."""
    line = recorded.line
    if line.method not in all_methods() and line.family != FAMILY:
        select_methods(line.method)  # raises, with what is near
    spec = find_method(line.method, asked_as(line.cohort, loaded)[1])
    spec = replace(spec, config=recorded_config(spec, line.config), budgets={}, delta={})
    protocol = line.protocol
    source, cohort = asked_as(line.cohort, loaded)
    members = pool_members(",".join(protocol.pool) or None, loaded)
    folds = _folds(line, split, cohort, [member for _, member in members])
    together = pretraining(members, folds)
    found = data_fingerprint(cohort.fingerprint(), together)
    if found != line.data:
        raise InputError(
            f"{', '.join(str(folder) for folder, _ in loaded)}: expected the data of trial "
            f"{line.trial}, fingerprint {line.data[:16]}, found {found[:16]}"
        )
    tasks = [t for t in under(protocol.protocol, all_tasks((cohort,))) if t.name in recorded.tasks]
    request = Request(
        [spec],
        tasks,
        [(source, cohort)],
        folds,
        (line.seed,),
        Budget(line.budget),
        protocol.control,
        protocol.protocol,
        protocol.tuning,
        protocol.readout,
        together,
        embeddings,
    )
    plan = make_plan(request, {}, overwrite=False, retry_failed=False)
    trials = [t for t in plan.trials if t.split.fold == line.fold]
    # A supervised reference has a trial for each label; under this key are the tasks of one.
    if not tasks or len(trials) != 1:
        raise InputError(
            f"{line.cohort}: expected fold {line.fold} and "
            f"{', '.join(sorted(recorded.tasks))}, found {len(folds.splits[cohort.name])} splits "
            f"and {len(tasks)} of these tasks"
        )
    (trial,) = trials
    if "content" in trial.config and trial.config["content"] != line.config["content"]:
        raise InputError(
            f"{line.cohort}: expected the embeddings of trial {line.trial}, fingerprint "
            f"{line.config['content']}, found {trial.config['content'] or 'none'}; --embeddings "
            "NAME=FILE says where they are, where no cohort.toml does"
        )
    if split_fingerprint((trial.split,)) != line.split:
        raise InputError(
            f"{line.trial}: expected the patients of its fold {line.fold}, found others: "
            "folds are dealt otherwise now"
        )
    return trial


def _folds(
    line: TrialRecord, split: str | None, cohort: Cohort, members: Sequence[Cohort]
) -> Folds:
    """The outer folds of a trial, dealt again or read from the file."""
    origin = line.protocol.folds
    if split is not None:
        folds = outer_folds(split, line.n_folds, (cohort,))
    elif isinstance(origin, HeldOutCohort):
        folds = outer_folds(None, line.n_folds, (cohort,))
    elif isinstance(origin, FileFolds):
        raise InputError(
            f"{line.trial}: expected --split FILE, whose folds it ran on ({origin}), found none"
        )
    else:
        cohorts = {one.name: one for one in (cohort, *members)}.values()
        folds = outer_folds(origin.dealing, line.n_folds, cohorts, origin.repeats)
    if (dealt := folds.origins[cohort.name]) != origin:
        raise InputError(
            f"--split {split}: expected the folds that trial {line.trial} ran on, "
            f"{str(origin) or 'patient'}, found {str(dealt) or 'patient'}"
        )
    return folds


def _changes(recorded: Recorded, repeated: TrialRecord) -> list[str]:
    """What may explain a difference: everything of the trial that is not as it was."""
    line = recorded.line
    changes = []
    if line.code != repeated.code:
        changes.append(f"source of {line.method} ({line.code} to {repeated.code})")
    again = {task.task: task.version for task in repeated.tasks}
    changes += [
        f"version of {name} ({task.version} to {again[name]})"
        for name, task in sorted(recorded.tasks.items())
        if name in again and task.version != again[name]
    ]
    before, now = line.versions, repeated.versions
    changes += [
        f"{name} ({before.get(name, 'none')} to {now.get(name, 'none')})"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    return changes


def _table(comparisons: list[Comparison]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("task", "metric", "recorded", "again", "difference"):
        justify: JustifyMethod = "left" if name in ("task", "metric") else "right"
        table.add_column(name, justify=justify, overflow="fold")
    for c in comparisons:
        numbers = isinstance(c.recorded, float) and isinstance(c.again, float)
        difference = f"{c.again - c.recorded:+.3g}" if numbers else ""  # type: ignore[operator]
        table.add_row(
            c.task,
            c.metric,
            *(f"{v:.6f}" if isinstance(v, float) else v for v in (c.recorded, c.again)),
            "" if c.agrees else difference or "differs",
        )
    return table
