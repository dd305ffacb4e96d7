"""`mirror-bench run --dry-run`: what a run would do, and how long that takes."""

from datetime import timedelta

from rich.console import Console
from rich.table import Table

from benchmark.cli.console import Voice
from benchmark.cli.run import on_console
from benchmark.cli.sweep_file import as_toml
from benchmark.engine.machine import usable_cpus
from benchmark.engine.plan import make_plan
from benchmark.engine.runner import RunOptions, resolve
from benchmark.records.store import Store


def forecast(options: RunOptions, console: Console, voice: Voice = Voice.NORMAL) -> int:
    """Show what the run would do; nothing is computed, and nothing written.

    Args:
        options: Those of the run.
        console: Where to show it.
        voice: How much is said beside the table.

    Returns:
        The exit code, 0.

    Raises:
        InputError: As the run would.
    """
    with on_console(console, voice) as listener:
        request = resolve(options, listener)
    history = Store(options.results.resolve()).history()
    plan = make_plan(
        request,
        history.attempts,
        overwrite=options.overwrite,
        retry_failed=options.retry_failed,
    )
    # A fit that several trials share is made once.
    fits = {trial.fit: (trial.method, trial.cohort, trial.budget) for trial in plan.trials}
    known = {fit: history.seconds[kind] for fit, kind in fits.items() if kind in history.seconds}
    table = Table("method", "trials", "fits", "expected")
    for spec in request.methods:
        trials = [trial for trial in plan.trials if trial.method == spec.name]
        own = {trial.fit for trial in trials}
        told = [known[fit] for fit in own if fit in known]
        expected = _clock(sum(told)) if len(told) == len(own) else "?"
        table.add_row(spec.name, str(len(trials)), str(len(own)), expected if own else "")
    console.print(table)
    console.print(
        f"{plan.n_done} results recorded before, {len(plan.trials)} trials to run.", highlight=False
    )
    if known:
        workers = options.workers or usable_cpus()
        console.print(
            f"By records of the same methods, cohorts and budget, fits and embeddings of "
            f"{len(known)} of {len(fits)} take {_clock(sum(known.values()) / workers)} on "
            f"{workers} workers; heads come on top.",
            highlight=False,
        )
    if voice is not Voice.QUIET:
        console.print("This sweep as a file, for --config:\n", highlight=False)
        console.print(as_toml(options), markup=False, highlight=False, soft_wrap=True, end="")
    return 0


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))
