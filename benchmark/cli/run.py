"""`mirror-bench run`: the words of a run; `benchmark.engine.runner` does it."""

import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmark.analysis.board import Board
from benchmark.analysis.tuning import searched
from benchmark.analysis.variants import gains
from benchmark.cli.console import Voice
from benchmark.cli.sweep_file import write_sweep
from benchmark.engine import runner
from benchmark.engine.interrupt import Interrupted, first_interrupt_only
from benchmark.engine.plan import Plan, Request
from benchmark.engine.runner import Listener, Ran, RunOptions, rows_of
from benchmark.records.schema import TrialRecord
from benchmark.show.sentences import gain_sentence, search_sentences
from benchmark.show.terminal import show
from tasks.base import Protocol, Status
from tasks.data.cohort import Cohort


def run(
    options: RunOptions,
    console: Console,
    voice: Voice = Voice.NORMAL,
    then: Callable[[Ran], None] = lambda _: None,
) -> int:
    """Run what is missing, record it, and show the table.

    Args:
        options: What to run.
        console: Where to show it.
        voice: How much is said of how it goes on.
        then: What is shown after the table, where the run was not interrupted.

    Returns:
        The exit code: 0, 1 if a trial failed, 128 and the signal's number after Ctrl-C, SIGTERM
        and SIGHUP.

    Raises:
        InputError: If the user's input is wrong; nothing has been computed then.
        MachineError: If the disk took no more records, after the account of those it took, or if
            Ray did not start, or died.
    """
    with first_interrupt_only():
        try:
            with on_console(console, voice) as listener:
                ran = runner.run(options, listener)
            if ran.interrupted is not None and ran.interrupted.signal != signal.SIGINT:
                raise ran.interrupted  # what ends a job waits for no table
            code = _account(ran, console)
            if ran.interrupted is not None:
                raise ran.interrupted
        except Interrupted as stop:
            how = "Interrupted" if stop.signal == signal.SIGINT else "Terminated"
            console.print(f"{how}. What is finished is recorded; the same command goes on from it.")
            return stop.code
    if ran.error is not None:
        raise ran.error
    then(ran)
    sweep = write_sweep(options)
    if voice is not Voice.QUIET:
        console.print(f"This sweep as a file, for --config: {sweep}", highlight=False)
    return code


def on_console(console: Console, voice: Voice = Voice.NORMAL) -> AbstractContextManager[Listener]:
    """Shows on a console how a run goes on, until the block is left."""
    if voice is Voice.QUIET:
        return nullcontext(Listener())
    return _OnConsole(console, verbose=voice is Voice.VERBOSE)


class _OnConsole(Listener):
    """Shows on a console how a run goes on; leaving it ends what moves there."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        self._console = console
        self._verbose = verbose
        self._moving = ExitStack()
        self._bar: Progress | None = None

    def __enter__(self) -> "_OnConsole":
        return self

    def __exit__(self, *_: object) -> None:
        self._moving.close()

    def methods_unavailable(self, reasons: Mapping[str, str]) -> None:
        for name, reason in reasons.items():
            self._console.print(f"Methods of {name} are unavailable: {reason}", markup=False)

    def bfloat16_is_slow(self, methods: Sequence[str], device: str, cost: float) -> None:
        self._console.print(
            f"precision=bfloat16 ({', '.join(methods)}): this {device} computes it slowly, a matrix"
            f" product takes {cost:.0f} times as long as in float32.",
            highlight=False,
        )

    def embedded(self) -> None:
        self._console.print("No --data given: running on the embedded planted (synthetic) cohorts.")

    def reading(self, folder: Path) -> None:
        self._moving.close()
        self._moving.enter_context(self._console.status(f"reading {folder.name}"))

    def loaded(self, cohorts: Sequence[Cohort]) -> None:
        self._moving.close()
        for cohort in cohorts:
            self._console.print(f"[bold]{cohort.name}[/bold]", highlight=False)
            self._notes(cohort.notes)

    def not_asked(self, protocol: Protocol, kinds: Sequence[str]) -> None:
        self._console.print(f"Protocol {protocol} does not ask, so not run: {', '.join(kinds)}.")

    def waiting(self) -> None:
        self._console.print("Another run is using this results folder; waiting for it to end.")

    def planned(self, request: Request, plan: Plan) -> None:
        self._notes(request.folds.notes)
        self._console.print(
            f"{len(request.methods)} methods, {len(request.tasks)} tasks, {len(request.cohorts)} "
            f"cohorts, protocol {', '.join(request.protocols)}: {plan.n_done} results recorded "
            f"before, {len(plan.trials)} trials to run."
        )
        if plan.trials:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(elapsed_when_finished=False, compact=True),
            )
            self._bar = self._moving.enter_context(Progress(*columns, console=self._console))
            self._bar.add_task("starting workers", total=len(plan.trials))

    def finished(self, record: TrialRecord) -> None:
        if self._bar is not None:
            (bar,) = self._bar.task_ids
            self._bar.update(bar, advance=1, description=f"{record.method} {record.cohort}")
        if self._verbose:
            counts = Counter(task.status for task in record.tasks)
            ends = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
            spent = (record.fit_seconds or 0.0) + (record.embed_seconds or 0.0)
            self._notes(
                [
                    f"{record.method} on {record.cohort}, fold {record.fold}, seed {record.seed}: "
                    f"{ends}; fit and embeddings {spent:.1f} s",
                    *(f"  {t.task}: {t.reason}" for t in record.tasks if t.status is not Status.OK),
                ]
            )

    def _notes(self, notes: Sequence[str]) -> None:
        for note in notes:
            self._console.print(f"  {note}", highlight=False, markup=False)


def _account(ran: Ran, console: Console) -> int:
    """The tables and how the run ended; its exit code."""
    if ran.tracking_lost is not None:
        console.print(
            f"MLflow ({ran.tracking_uri}) lost part of this sweep; no record is lost: "
            f"{ran.tracking_lost}"
        )
    if ran.request.tuning is not None or ran.request.readout is not None:
        _show_gains(ran, console)
    show(Board(ran.records), console)
    if ran.superseded:
        console.print(
            f"{len(ran.superseded)} trials asked for were recorded before, but their methods, data "
            "or tasks have since run in another configuration or version, which is what the table "
            "shows; --overwrite does them again."
        )
    if len(ran.failed):
        console.print(f"{len(ran.failed)} results failed; --retry-failed tries them again:")
        for (method, reason), group in ran.failed.groupby(["method", "reason"]):
            console.print(f"  {method} ({len(group)}): {reason}", markup=False)
        return 1
    return 0


def _show_gains(ran: Ran, console: Console) -> None:
    """What a search or a readout adds to the same methods without, and what searches tell."""
    request = ran.request
    plain = replace(request, tuning=None, readout=None)
    both = pd.concat([ran.records, rows_of(plain, ran.store.records())])
    lines = [f"  {gain_sentence(gain)}" for gain in gains(both)]
    if not lines:
        lines.append("  not recorded yet; the same command without --tune and --readout does that")
    if request.tuning is not None:
        trials = set(ran.records["trial"])
        standing = {trial.trial: trial for trial, _ in ran.store.results() if trial.trial in trials}
        with_search = [trial for trial in standing.values() if trial.search is not None]
        lines.append("\nWhat the searches tell:")
        for of_method in searched(with_search, {spec.name: spec for spec in request.methods}):
            lines += [f"  {text}" for text in search_sentences(of_method)]
    what = [f"search among {request.tuning.n} configurations" if request.tuning else ""]
    what += [f"readout {request.readout}" if request.readout else ""]
    console.print(f"\nWhat it adds ({', '.join(filter(None, what))}), to the same without:")
    for line in lines:
        console.print(line, highlight=False, markup=False)
