"""Patient-level folds: they belong to the cohort and are shared by methods, tasks and seeds."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tasks.data.barcode import parse_barcode
from tasks.data.cohort import Cohort
from tasks.errors import InputError
from tasks.seeds import derive_seed, generator
from tasks.short_repr import short_repr

Stratum = tuple[str, str, str]

_UNKNOWN, _PARTIAL, _NO_CLASS = "2-unknown", "partial", ""

_DIGITS = 9  # costs that differ by less are ties, which a permutation breaks
_GAIN = 1e-9  # a smaller gain is rounding
_MAX_PASSES = 100


class Dealing(StrEnum):
    """What is dealt into folds whole."""

    PATIENT = "patient"
    SITE = "site"


@short_repr
@dataclass(frozen=True)
class Split:
    """One outer fold at patient level; train and test share nobody."""

    fold: int
    train: tuple[str, ...]
    test: tuple[str, ...]


def make_splits(
    cohort: Cohort, n_folds: int, by: Dealing = Dealing.PATIENT, repeats: int = 1
) -> tuple[Split, ...]:
    """Deal the patients of a cohort into outer folds, stratified by what tasks ask for.

    A stratum is (overall survival: event, censored or unknown; complete pair or not; class of the
    first label).

    By patient: the patients of a stratum are ordered by survival time and dealt in blocks of
    `n_folds`, one to each fold, so that long and short survivors spread as well; the last, partial
    block goes to the folds that are smallest so far. Hence every stratum is within one patient of
    proportion, and so are the folds as a whole. Strata with an event come first, which holds the
    number of events to within one as well. Who of a block goes where evens out the events of the
    other endpoints and the classes of the other labels.

    By site: no tissue-source site is on both sides of a fold (preserved-site cross-validation,
    Howard et al., Nat Commun 12:4423, 2021), and folds are as alike in size, complete pairs, and
    events and classes of every endpoint and label as a greedy search makes them.

    Args:
        cohort: Every one of its patients is dealt, whatever modalities or outcomes it has.
        n_folds: Number of folds, at least 2.
        by: Whether patients or whole sites are dealt.
        repeats: How often everybody is dealt anew. The folds of repeat r are numbered from
            r x n_folds; the first repeat is the same whatever their number.

    Returns:
        One split per fold and repeat; its patients are sorted. The same for any order of rows.

    Raises:
        InputError: There are fewer patients, or sites, than folds, or fewer than two folds; or by
            site, a patient's identifier is no TCGA barcode.
    """
    if not 2 <= n_folds <= len(cohort.patients):
        raise InputError(
            f"{cohort.name}: --folds must lie between 2 and the number of patients "
            f"({len(cohort.patients)}), found {n_folds}"
        )
    deal = _deal_patients if by is Dealing.PATIENT else _deal_sites
    everyone = sorted(cohort.patients)
    return tuple(
        Split(
            repeat * n_folds + fold,
            train=tuple(patient for patient in everyone if patient not in test),
            test=tuple(patient for patient in everyone if patient in test),
        )
        for repeat in range(repeats)
        for fold, test in enumerate(deal(cohort, n_folds, repeat))
    )


def held_out_split(cohort: Cohort) -> Split:
    """The one split of a transfer: its first cohort trains, its second is tested."""
    test = frozenset(cohort.held_out)
    train = tuple(patient for patient in sorted(cohort.patients) if patient not in test)
    return Split(0, train, tuple(sorted(test)))


def inner_folds(patients: Sequence[str], strata: Sequence[int], n_folds: int) -> NDArray[np.intp]:
    """Folds inside the training patients, by which a head chooses its penalty.

    They follow from the patients alone, not from an initialisation's seed, so every method and
    repeat is tuned on the same ones.

    Args:
        patients: The training patients.
        strata: Event (0, 1) or class number of each; every fold gets its share within one.
        n_folds: Number of folds.

    Returns:
        The fold of each patient, [n_patients].
    """
    hashes = [derive_seed("inner-fold", patient) for patient in patients]
    order = sorted(range(len(patients)), key=lambda row: (strata[row], hashes[row]))
    folds = np.empty(len(patients), dtype=np.intp)
    folds[order] = np.arange(len(patients)) % n_folds
    return folds


def split_fingerprint(splits: Sequence[Split]) -> str:
    """SHA-256 of who is in which part of which fold."""
    rows = [(split.fold, split.train, split.test) for split in splits]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _deal_patients(cohort: Cohort, n_folds: int, repeat: int) -> list[set[str]]:
    """The test patients of each fold, stratum by stratum."""
    members = [set[str]() for _ in range(n_folds)]
    asked = _asked(cohort)
    share = np.sum(list(asked.values()), axis=0) / n_folds
    totals = np.zeros((n_folds, len(share)))
    # the first repeat is the split that is made without repeats
    again = ("repeat", repeat) if repeat else ()
    for stratum, patients in sorted(_strata(cohort).items()):
        rng = generator("folds", cohort.name, n_folds, *again, *stratum)
        for start in range(0, len(patients), n_folds):
            block = patients[start : start + n_folds]
            folds = [int(fold) for fold in rng.permutation(n_folds)]
            if len(block) < n_folds:  # sorted() is stable: the permutation still breaks ties
                folds.sort(key=lambda fold: len(members[fold]))
            # what each would add to the chi-square of the folds' totals against equal shares
            excess = (totals[folds[: len(block)]] - share) / share
            rows = np.stack([asked[patient] for patient in block])
            # of what all of them have, none adds more than another
            cost = (rows - rows.mean(axis=0)) @ excess.T
            for row, place in zip(*linear_sum_assignment(cost.round(_DIGITS)), strict=True):
                members[folds[place]].add(block[row])
                totals[folds[place]] += asked[block[row]]
    return members


def site_of(cohort: Cohort, patient: str) -> str:
    """Where a patient comes from: as the cohort says, or the barcode.

    Raises:
        InputError: Neither says it.
    """
    if cohort.sites:
        if patient not in cohort.sites:
            raise InputError(f"{cohort.name}: ids.sites: expected a site of {patient}, found none")
        return cohort.sites[patient]
    try:
        return parse_barcode(patient, "").site
    except InputError:
        raise InputError(
            f"{cohort.name}: expected the site of each patient, found none of {patient}; "
            "[ids.sites] in cohort.toml names the column that says it"
        ) from None


def _deal_sites(cohort: Cohort, n_folds: int, repeat: int) -> list[set[str]]:
    """The test patients of each fold, whole sites."""
    by_site: dict[str, list[str]] = defaultdict(list)
    for patient in cohort.patients:
        by_site[site_of(cohort, patient)].append(patient)
    if len(by_site) < n_folds:
        raise InputError(
            f"{cohort.name}: folds by site: expected {n_folds} tissue-source sites or more, "
            f"found {len(by_site)}: {', '.join(sorted(by_site))}"
        )
    # Largest first, so that small ones even out. That order leads to one balance only: a repeat
    # begins with another.
    sites = sorted(
        by_site,
        key=lambda site: (
            0 if repeat else -len(by_site[site]),
            derive_seed("sites", cohort.name, n_folds, repeat, site),
        ),
    )
    asked = _asked(cohort)
    counts = np.array(
        [[len(by_site[s]), *np.sum([asked[p] for p in by_site[s]], axis=0)] for s in sites]
    )
    members = [set[str]() for _ in range(n_folds)]
    for site, fold in zip(sites, _balanced(counts, n_folds), strict=True):
        members[fold].update(by_site[site])
    return members


def _balanced(counts: NDArray[np.float64], n_folds: int) -> NDArray[np.intp]:
    """Fold of each group, such that folds have nearly equal totals of every column.

    What is made small is the chi-square of the folds' totals against equal shares: groups are put
    where it grows least, in their order, then moved and swapped as long as it falls.

    Args:
        counts: What each group has of each column, [n_groups, n_columns]; no column is empty.
        n_folds: At most as many as groups; every fold gets one.

    Returns:
        [n_groups].
    """
    target = counts.sum(axis=0) / n_folds

    def misfit(totals: NDArray[np.float64]) -> NDArray[np.float64]:
        off: NDArray[np.float64] = ((totals - target) ** 2 / target).sum(axis=-1)
        return off

    n = len(counts)
    folds = np.empty(n, dtype=np.intp)
    totals = np.zeros((n_folds, counts.shape[1]))
    sizes = np.zeros(n_folds, dtype=np.intp)
    for group in range(n):
        growth = misfit(totals + counts[group]) - misfit(totals)
        if n - group <= np.count_nonzero(sizes == 0):  # the rest is needed to leave none empty
            growth[sizes > 0] = np.inf
        fold = int(np.argmin(growth))
        folds[group] = fold
        totals[fold] += counts[group]
        sizes[fold] += 1
    for _ in range(_MAX_PASSES):
        changed = False
        for group in range(n):
            here, own = folds[group], counts[group]
            left = misfit(totals[here] - own) - misfit(totals[here])
            moves = left + misfit(totals + own) - misfit(totals)
            moves[here] = 0.0
            if sizes[here] == 1:
                moves[:] = 0.0
            swapped = totals[here] - own + counts
            taken = totals[folds] + own - counts
            swaps = misfit(swapped) + misfit(taken) - misfit(totals[here]) - misfit(totals[folds])
            swaps[folds == here] = 0.0
            if min(moves.min(), swaps.min()) > -_GAIN:
                continue
            changed = True
            if moves.min() <= swaps.min():
                there = int(np.argmin(moves))
                sizes[here] -= 1
                sizes[there] += 1
            else:
                other = int(np.argmin(swaps))
                there = int(folds[other])
                folds[other] = here
                totals[here] += counts[other]
                totals[there] -= counts[other]
            folds[group] = there
            totals[here] -= own
            totals[there] += own
        if not changed:
            break
    return folds


def _strata(cohort: Cohort) -> dict[Stratum, list[str]]:
    """The patients of each stratum by survival time; ties and unknown times by hash."""
    survival: dict[str, tuple[str, float]] = {}
    if "os" in cohort.endpoints:
        os = cohort.endpoints["os"]
        for patient, time, event in zip(os.patients, os.time, os.event, strict=True):
            survival[patient] = ("0-event" if event else "1-censored", float(time))
    complete = set(cohort.complete())
    classes = next(iter(cohort.labels.values())).values if cohort.labels else {}
    strata: dict[Stratum, list[tuple[float, int, str]]] = defaultdict(list)
    for patient in cohort.patients:
        status, time = survival.get(patient, (_UNKNOWN, 0.0))
        pair = "complete" if patient in complete else _PARTIAL
        key = (status, pair, classes.get(patient, _NO_CLASS))
        strata[key].append((time, derive_seed("order", patient), patient))
    return {key: [patient for _, _, patient in sorted(rows)] for key, rows in strata.items()}


def _asked(cohort: Cohort) -> dict[str, NDArray[np.float64]]:
    """Of each patient whether it counts among what folds share evenly, [n_columns].

    That is events and the censored of every endpoint, complete pairs, and classes of every label;
    what nobody has is no column.
    """
    columns: dict[str, set[str]] = {"complete": set(cohort.complete())}
    for name, endpoint in cohort.endpoints.items():
        for patient, event in zip(endpoint.patients, endpoint.event, strict=True):
            columns.setdefault(f"{name} {bool(event)}", set()).add(patient)
    for name, label in cohort.labels.items():
        for patient, its in label.values.items():
            columns.setdefault(f"{name} {its}", set()).add(patient)
    everyone = set(cohort.patients)
    filled = [of for _, column in sorted(columns.items()) if (of := column & everyone)]
    return {
        patient: np.array([patient in column for column in filled], dtype=np.float64)
        for patient in everyone
    }
