"""The command lines that compute again what is shown."""

import shlex
from urllib.parse import urlencode

from benchmark.analysis.standings import Standing
from benchmark.records.protocol import DealtFolds, FileFolds, TrialProtocol
from benchmark.records.schema import TrialRecord
from benchmark.show.page_names import method_page
from tasks.data.splits import Dealing

DATA, SPLIT = ("--data", "FOLDER-OF-COHORTS"), ("--split", "SPLIT-FILE")
"""Where the records cannot know a place on the reader's disk, a word in capitals stands for it."""


def rerun(line: TrialRecord) -> str:
    """The command that computes a trial again and compares every score."""
    words = ["mirror-bench", "rerun", line.trial, "--results", "RESULTS"]
    words += [] if line.planted else DATA
    words += SPLIT if isinstance(line.protocol.folds, FileFolds) else []
    return shlex.join(words)


def run_again(table: Standing, method: str) -> str:
    """The command that computes a mean from nothing, into a results folder of its own.

    With the configuration that the method has today; the method's page has the recorded one.
    """
    of = TrialProtocol.parse(table.protocol)
    words = ["mirror-bench", "run", "--methods", method, "--tasks", table.task]
    words += [*_folds(of, table), "--seeds", ",".join(map(str, table.seeds))]
    words += ["--protocol", str(of.protocol), "--budget", table.budget]
    if of.pool:
        words += ["--pretrain-on", ",".join(of.pool)]
    if of.readout:
        words += ["--readout", str(of.readout)]
    if of.tuning:
        words += ["--tune", str(of.tuning.n)]
        words += ["--pruner", str(of.tuning.pruner)] if of.tuning.pruner else []
    if of.control:
        words += ["--control", str(of.control)]
    words += [] if table.planted else DATA
    return shlex.join([*words, "--results", "NEW-RESULTS"])


def _folds(of: TrialProtocol, table: Standing) -> list[str]:
    """Of a transfer the task itself names who trains and who is tested."""
    if not isinstance(of.folds, DealtFolds):
        return [*SPLIT] if isinstance(of.folds, FileFolds) else []
    words = ["--folds", str(table.n_folds), "--repeats", str(of.folds.repeats)]
    return words if of.folds.dealing is Dealing.PATIENT else [*words, "--split", of.folds.dealing]


def trials_of(table: Standing, method: str) -> str:
    """Where the trials of a mean are, relative to the root of the report."""
    wanted = {"words": table.task, "protocol": table.protocol, "budget": table.budget}
    return f"{method_page(method)}#?{urlencode({f'trials.{k}': v for k, v in wanted.items()})}"
