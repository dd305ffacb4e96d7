"""A sweep as a file: what a run writes is read as the same run, and what is wrong is named."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import typer

from benchmark.cli.main import app
from benchmark.cli.options import MethodsOption, Sweep, TasksOption, with_sweep
from benchmark.cli.sweep_file import as_toml, write_sweep
from benchmark.engine.runner import RunOptions
from tasks.errors import InputError

EVERYTHING = (
    "--methods pca,mirror --tasks survival,subtyping/*/histology --cohorts A,B --data some/where "
    "--folds 4 --repeats 2 --split site --test-cohort B --pretrain-on all --seeds 3,1 "
    "--budget smoke --set pca.components=3 --set mirror.width=8 --control permuted-labels "
    "--protocol paper --tune 4 --pruner asha --readout wsi-64 --results elsewhere --device cuda"
)
OF_THE_MOMENT = "--workers 3 --address auto --tracking-uri http://u:p@x --overwrite --retry-failed"


def parsed(*words: str) -> RunOptions:
    """What the words of a command mean, with the options of `run`."""
    found: list[RunOptions] = []
    probe = typer.Typer()

    @probe.command()
    @with_sweep
    def command(methods: MethodsOption, tasks: TasksOption, sweep: Sweep) -> None:
        found.append(sweep.options(methods, tasks))

    probe(words, standalone_mode=False)
    return found[0]


def file(folder: Path, text: str) -> str:
    path = folder / "sweep.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("words", [EVERYTHING, "--methods all --tasks all"])
def test_what_a_run_writes_is_the_same_run(tmp_path: Path, words: str) -> None:
    options = parsed(*words.split())
    assert parsed("--config", file(tmp_path, as_toml(options))) == options


def test_every_option_is_in_the_file_but_those_of_the_moment(tmp_path: Path) -> None:
    options = parsed(*EVERYTHING.split(), *OF_THE_MOMENT.split())
    keys = tomllib.loads(as_toml(options)).keys()
    assert keys == {word[2:] for word in EVERYTHING.split() if word.startswith("--")}
    again = parsed("--config", file(tmp_path, as_toml(options)), *OF_THE_MOMENT.split())
    assert again == options


def test_the_same_sweep_has_one_file(tmp_path: Path) -> None:
    options = replace(parsed("--methods", "pca", "--tasks", "survival"), results=tmp_path)
    path = write_sweep(options)
    assert write_sweep(replace(options, workers=3, overwrite=True)) == path
    assert write_sweep(replace(options, seeds=(1,))) != path
    assert parsed("--config", str(path)) == options


def test_what_is_typed_wins(tmp_path: Path) -> None:
    config = file(
        tmp_path, 'methods = ["pca", "cca"]\ntasks = "survival"\nfolds = 3\nseeds = [0, 1]'
    )
    options = parsed("--folds", "7", "--config", config, "--tasks", "retrieval")
    assert (options.methods, options.tasks) == ("pca,cca", "retrieval")
    assert (options.folds, options.seeds) == (7, (0, 1))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "method = 'pca'",
            r"method: expected one of .*found no such option \(did you mean methods",
        ),
        ("config = 'x'", "config: expected one of"),
        ("folds = 'many'", "folds: .*many"),
        ("folds = 1", "folds: .*1"),
        ("folds = true", "folds: expected a text, a whole number or a list of them, found True"),
        ("folds = 2.5", "folds: expected a text, a whole number"),
        ("methods = {a = 1}", "methods: expected a text"),
        ("overwrite = 1", "overwrite: expected true or false, found 1"),
        ("budget = 'small'", "budget: .*small"),
        ("folds =", "expected TOML in UTF-8, found"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, found: str) -> None:
    config = file(tmp_path, text)
    with pytest.raises(InputError, match=found) as error:
        parsed("--methods", "pca", "--tasks", "survival", "--config", config)
    assert str(error.value).startswith(f"{config}: ")
    assert "\n" not in str(error.value)


def test_ablate_takes_what_run_takes() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    run, ablate = ({param.name for param in commands[name].params} for name in ("run", "ablate"))
    assert run - ablate == {"methods"}
    assert ablate - run == {"method", "metrics"}


def test_little_and_much_at_once_is_refused() -> None:
    with pytest.raises(InputError, match="--quiet"):
        _ = Sweep(quiet=True, verbose=True).voice
