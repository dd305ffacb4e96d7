"""Which cohorts a run asks: one by one, fitted on one and tested on another, or fitted together."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchmark.engine.folds import Folds
from benchmark.engine.plan import Pretraining
from tasks.data.cohort import Cohort
from tasks.data.formats.cells import near
from tasks.data.precomputed import covered
from tasks.data.sources import Covered, Pool, Source, Transfer, pooled, transferred
from tasks.data.splits import Split
from tasks.errors import InputError
from tasks.names import covered_parts, transfer_name, transfer_parts

Loaded = Sequence[tuple[Path, Cohort]]
"""Cohorts with their folders."""


def needed(
    names: str | None, test_cohort: str | None, pretrain_on: str | None, tasks: str, known: set[str]
) -> set[str]:
    """The cohorts that have to be read for a run, of those that are known.

    Args:
        names: As of `asked`; `test_cohort` and `tasks` likewise.
        test_cohort: Its name.
        pretrain_on: As of `pool_members`.
        tasks: Patterns of tasks between commas.
        known: The names of all.

    Raises:
        InputError: A name is unknown.
    """
    wanted = _named("--cohorts", _whole(names), known)
    if test_cohort is not None:
        wanted |= _named("--test-cohort", test_cohort, known)
    if pretrain_on is not None:
        wanted |= _named("--pretrain-on", None if pretrain_on == "all" else pretrain_on, known)
    tasks = ",".join(_whole_task(pattern) for pattern in tasks.split(","))
    for _, second in _transfers_in(tasks):
        wanted |= {name for name in known if fnmatchcase(name, second)}
    for pattern in (part.strip() for part in tasks.split(",")):
        parts = pattern.split("/")
        for name in (transfer_parts(parts[1]) or parts[1:2]) if len(parts) == 3 else ():
            if not any(fnmatchcase(one, name) for one in known):
                raise InputError(
                    f"--tasks: unknown cohort {name!r} in {pattern!r}; found: "
                    f"{', '.join(sorted(known))}{near(name, known)}"
                )
    return wanted


def _whole(names: str | None) -> str | None:
    """Names between commas, each of a cohort as a whole."""
    if names is None:
        return None
    return ",".join((covered_parts(name.strip()) or (name,))[0] for name in names.split(","))


def _whole_task(pattern: str) -> str:
    """A pattern of tasks, asked of the cohort as a whole."""
    kind, slash, rest = pattern.partition("/")
    cohort, label, end = rest.partition("/")
    return f"{kind}{slash}{(covered_parts(cohort) or (cohort,))[0]}{label}{end}"


def _parts_in(names: str | None, loaded: Loaded) -> Iterator[tuple[Source, Cohort]]:
    """The cohorts `COHORT@EMBEDDINGS` of names between commas: patients who have embeddings."""
    for name in (names or "").split(","):
        if covered_parts(name.strip()) is not None:
            yield asked_as(name.strip(), loaded)


def _named(option: str, names: str | None, known: set[str]) -> set[str]:
    """Names between commas; None means all.

    Raises:
        InputError: One is not known.
    """
    if names is None:
        return set(known)
    wanted = {name.strip() for name in names.split(",")}
    if unknown := sorted(wanted - known):
        raise InputError(
            f"{option}: unknown cohort {unknown[0]!r}; found: {', '.join(sorted(known))}"
            f"{near(unknown[0], known)}"
        )
    return wanted


def _chosen(option: str, names: str | None, loaded: Loaded) -> Loaded:
    wanted = _named(option, names, {cohort.name for _, cohort in loaded})
    return [(folder, cohort) for folder, cohort in loaded if cohort.name in wanted]


def _transfers_in(tasks: str) -> Iterator[tuple[str, str]]:
    """The pairs of globs `A->B` of patterns between commas, `KIND/A->B/LABEL`."""
    for pattern in tasks.split(","):
        parts = transfer_parts(f"{pattern.strip()}//".split("/")[1])
        if parts is not None:
            yield parts


def asked(
    names: str | None, test_cohort: str | None, tasks: str, members: Loaded, loaded: Loaded
) -> list[tuple[Source, Cohort]]:
    """The cohorts of a run: those of these names, and transfers from them.

    Args:
        names: Between commas; None for all.
        test_cohort: As of `transfers`; nothing but transfers is run then.
        tasks: As of `transfers`.
        members: Of a pool, beside which no other cohort can be asked.
        loaded: All that there are.

    Raises:
        InputError: A name is unknown, or outside of the pool; or as of `transfers`.
    """
    wholes = [one for one in (names or "").split(",") if covered_parts(one.strip()) is None]
    own = (
        []
        if names is not None and not wholes
        else _chosen("--cohorts", None if names is None else ",".join(wholes), loaded)
    )
    parts = list(_parts_in(names, loaded))
    if parts and (members or test_cohort is not None):
        raise InputError(
            "--cohorts: expected whole cohorts with --pretrain-on and --test-cohort, found "
            f"{parts[0][1].name}"
        )
    between = transfers(test_cohort, tasks, own, loaded)
    if not members:
        return [*(own if test_cohort is None else ()), *parts, *between]
    if between:
        raise InputError(
            f"--pretrain-on: expected tasks of single cohorts, found {between[0][1].name}"
        )
    pool = [cohort.name for _, cohort in members]
    outside = [cohort.name for _, cohort in own if cohort.name not in pool]
    if outside and names is not None:
        raise InputError(
            f"--cohorts: expected some of those that methods are fitted on, {', '.join(pool)}, "
            f"found {outside[0]}"
        )
    return [(folder, cohort) for folder, cohort in own if cohort.name in pool]


def transfers(
    test_cohort: str | None, tasks: str, train: Loaded, loaded: Loaded
) -> list[tuple[Source, Cohort]]:
    """The transfers that are asked: to one cohort from the others, or as tasks name them.

    Args:
        test_cohort: The name of that one, or of several between commas.
        tasks: Patterns of tasks between commas; `KIND/A->B/LABEL` is of a transfer.
        train: The cohorts that may be fitted on.
        loaded: All that there are.

    Raises:
        InputError: The test cohort is unknown or has patients of all others, or two cohorts do not
            fit together.
    """
    pairs: dict[tuple[str, str], None] = {}
    if test_cohort is not None:
        for _, tested in _chosen("--test-cohort", test_cohort, loaded):
            pairs |= dict.fromkeys(_matching("*", tested.name, train, loaded))
        if not pairs:
            raise InputError(
                f"--test-cohort {test_cohort}: expected another cohort to fit on, without a patient"
                " of it, found none"
            )
    for first, second in _transfers_in(tasks):
        pairs |= dict.fromkeys(_matching(first, second, train, loaded))
    return [asked_as(transfer_name(*pair), loaded) for pair in pairs]


def asked_as(name: str, loaded: Loaded) -> tuple[Source, Cohort]:
    """The cohort of this name: one of those that were loaded, a part of one, a transfer of two.

    Raises:
        InputError: The two do not fit together, or there are no embeddings that make the part.
    """
    named = {cohort.name: (folder, cohort) for folder, cohort in loaded}
    if (of := covered_parts(name)) is not None:
        folder, whole = named[of[0]]
        return Covered(folder, of[1]), covered(whole, of[1])
    parts = transfer_parts(name)
    if parts is None:
        return named[name]
    (train, first), (test, second) = (named[part] for part in parts)
    return Transfer(train, test), transferred(first, second)


def _matching(first: str, second: str, train: Loaded, test: Loaded) -> Iterator[tuple[str, str]]:
    """The pairs that two globs mean and that share no patient, as unions and members do."""
    for _, a in train:
        for _, b in test:
            fits = fnmatchcase(a.name, first) and fnmatchcase(b.name, second)
            if fits and not set(a.patients) & set(b.patients):
                yield a.name, b.name


def pool_members(names: str | None, loaded: Loaded) -> Loaded:
    """The cohorts that methods are fitted on together, by name; none where each has its own fit.

    Args:
        names: `all`, which leaves out unions of the others, or names between commas.
        loaded: All that there are.

    Raises:
        InputError: A name is unknown or a union's, or there are fewer than two.
    """
    if names is None:
        return []
    members = _chosen("--pretrain-on", None if names == "all" else names, loaded)
    unions = [cohort.name for _, cohort in members if cohort.members]
    if unions and names != "all":
        raise InputError(
            f"--pretrain-on: expected the members of a union, found {unions[0]} itself"
        )
    members = [(folder, cohort) for folder, cohort in members if not cohort.members]
    if len(members) < 2:
        raise InputError(f"--pretrain-on: expected two cohorts or more, found {len(members)}")
    return sorted(members, key=lambda member: member[1].name)


def pretraining(members: Loaded, folds: Folds) -> dict[int, Pretraining]:
    """What to fit on in each fold: that fold's training patients of every member.

    Raises:
        InputError: The members do not fit together.
    """
    if not members:
        return {}
    source = Pool(tuple(folder for folder, _ in members))
    names = tuple(cohort.name for _, cohort in members)
    data = pooled([cohort for _, cohort in members]).fingerprint()
    return {
        of_fold[0].fold: Pretraining(names, source, data, _joined(of_fold))
        for of_fold in zip(*(folds.splits[name] for name in names), strict=True)
    }


def _joined(splits: Sequence[Split]) -> Split:
    train = sorted(patient for split in splits for patient in split.train)
    test = sorted(patient for split in splits for patient in split.test)
    return Split(splits[0].fold, tuple(train), tuple(test))
