"""Sibling cohorts as one: NSCLC of LUAD and LUSC, RCC of KIRC, KIRP and KICH, COADREAD.

Which of the members a patient comes from is a label, `project`: the field's subtyping task. It is
to be read with care. A tissue-source site of TCGA belongs to one project, so that whatever marks a
site, or one project's processing, marks the class as well (Howard et al., Nat Commun 12:4423,
2021).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tasks.data.cohort import BagModality, Cohort, Endpoint, Label, Modality, VectorModality
from tasks.data.fold_expression import MOST_TIED
from tasks.data.gene_sets import FEWEST_GENES, restricted
from tasks.data.manifest import Manifest
from tasks.data.precomputed import joined as joined_embeddings
from tasks.data.splits import Split
from tasks.errors import InputError

PROJECT = "project"
"""The label that says which member a patient comes from."""


def united(file: Path, manifest: Manifest, members: Sequence[Cohort]) -> Cohort:
    """One cohort of several, with the label that says which member a patient comes from.

    Args:
        file: The union's cohort.toml, for messages.
        manifest: What it says.
        members: The cohorts, two or more, in their declared order.

    Raises:
        InputError: As of `together`; or a member has a label of that name.
    """
    names = [member.name for member in members]
    where = f"{file}: union"
    notes = [f"note: {manifest.provenance.note}"] if manifest.provenance.note else []
    notes.append(
        f"union of {', '.join(names)}: a site belongs to one of them, so that label {PROJECT} is "
        "confounded with site and processing; folds keep sites whole unless --split says otherwise"
    )
    if all(PROJECT in member.labels for member in members):
        raise InputError(
            f"{where}: expected members without a label {PROJECT!r}, which is to say which member "
            f"a patient comes from, found it in {', '.join(names)}"
        )
    whole = within_members(together(where, manifest.name, members, _projects(members)), members)
    return replace(
        whole,
        source=manifest.provenance.source or whole.source,
        licence=manifest.provenance.licence or whole.licence,
        notes=(*notes, *whole.notes),
        members=tuple(names),
    )


def together(
    where: str, name: str, members: Sequence[Cohort], labels: Mapping[str, Label] | None = None
) -> Cohort:
    """The patients of several cohorts with what all of these have.

    Modalities must be of one kind, bags of one width; vectors keep the features that all members
    have. An endpoint or label that not all members have is left out: to have it would tell the
    member. So are planted factors, since those of two cohorts only share their names.

    Args:
        where: For messages.
        name: Of all of them.
        members: The cohorts, two or more.
        labels: Labels to have before the shared ones.

    Raises:
        InputError: Members have one name, patients in common, or modalities that do not fit.
    """
    for one, n in Counter(member.name for member in members).items():
        if n > 1:
            raise InputError(f"{where}: expected cohorts of different names, found {one} {n}x")
    _check_patients(where, members)
    notes: list[str] = []
    modalities: dict[str, Modality] = {}
    for side in dict.fromkeys(side for member in members for side in member.modalities):
        lacking = [member.name for member in members if side not in member.modalities]
        if lacking:
            raise InputError(
                f"{where}: expected modality {side} in every member or in none, found none in "
                f"{', '.join(lacking)}"
            )
        parts = {member.name: member.modalities[side] for member in members}
        modalities[side], facts = _joined(f"{where}: {side}", side, parts)
        notes += facts
    joined = dict(labels or {})
    for label in _shared(members, [member.labels for member in members], "label", notes):
        one_of_all = _label([member.labels[label] for member in members])
        if one_of_all is None:
            notes.append(f"label {label}: left out, members declare different classes")
        else:
            joined[label] = one_of_all
    _check_selection(where, modalities, joined)
    endpoints = {
        endpoint: _endpoint([member.endpoints[endpoint] for member in members])
        for endpoint in _shared(
            members, [member.endpoints for member in members], "endpoint", notes
        )
    }
    clinical = [member.clinical for member in members if member.clinical is not None]
    pairs = [patient for member in members for patient in member.complete()]
    embeddings, facts = joined_embeddings(where, members, pairs)
    notes += facts
    notes += [f"{member.name}: {note}" for member in members for note in member.notes]
    return Cohort(
        name,
        tuple(sorted(patient for member in members for patient in member.patients)),
        modalities,
        endpoints,
        joined,
        _vectors(clinical, clinical[0].features) if len(clinical) == len(members) else None,
        source=_each(members, [member.source for member in members]),
        licence=_each(members, [member.licence for member in members]),
        notes=tuple(notes),
        planted=any(member.planted for member in members),
        encoder=_encoder(where, members),
        sites={patient: site for member in members for patient, site in member.sites.items()},
        pretrained_on=tuple(dict.fromkeys(seen for m in members for seen in m.pretrained_on)),
        embeddings=embeddings,
    )


def within_members(whole: Cohort, members: Sequence[Cohort]) -> Cohort:
    """What `together` gave, with z-scores to become ranks within the members that they are of."""
    modalities, notes = dict(whole.modalities), []
    for side, modality in whole.modalities.items():
        if isinstance(modality, VectorModality) and modality.zscores:
            parts = [(member.name, member.modalities[side].patients) for member in members]
            whose = {patient: name for name, patients in parts for patient in patients}
            modalities[side] = replace(modality, members=whose)
            notes.append(
                f"{side}: standardised by somebody else within each member, which by itself tells "
                "the members apart: so each gene becomes ranks among the training patients of its "
                f"own member, fold by fold; genes of which over {MOST_TIED:.0%} have one value in "
                "a member are left out. Shift and scale of members go; how genes correlate stays"
            )
    return replace(whole, modalities=modalities, notes=(*notes, *whole.notes))


def member_notes(cohort: Cohort, splits: Sequence[Split], *, whole: bool) -> tuple[str, ...]:
    """What a reader must know of a union's folds: where a member is not on both sides.

    Args:
        cohort: A union.
        splits: Its folds.
        whole: Whether they keep sites whole.

    Raises:
        InputError: A member has patients in one fold alone, so that no fold can both learn of it
            and be asked for it.
    """
    notes = []
    if not whole:
        notes.append(
            f"{cohort.name}: folds of patients: a site's patients are on both sides of a fold, and "
            "site says the project, so that scores are too good"
        )
    project = cohort.labels[PROJECT].values
    tested = [{project[patient] for patient in split.test} for split in splits]
    for member in cohort.members:
        n = sum(member in test for test in tested)
        if n < 2:
            raise InputError(
                f"{cohort.name}: folds by site: expected two tissue-source sites or more of each "
                f"member, found one of {member}; --split patient deals patients"
            )
        if n < len(splits):
            notes.append(
                f"{cohort.name}: {len(splits) - n} of {len(splits)} folds test no patient of "
                f"{member}: they have no AUROC of {PROJECT}"
            )
    return tuple(notes)


def _encoder(where: str, members: Sequence[Cohort]) -> str:
    """The slide encoder of all members; nothing where not all of them name one."""
    encoders = {member.name: member.encoder for member in members if member.encoder}
    if len(set(encoders.values())) > 1:
        listed = _listed(encoders)
        raise InputError(f"{where}: expected slides of one encoder, found {listed}")
    return members[0].encoder if len(encoders) == len(members) else ""


def _check_patients(where: str, members: Sequence[Cohort]) -> None:
    owner: dict[str, str] = {}
    twice: dict[str, str] = {}
    for member in members:
        for patient in member.patients:
            if patient in owner:
                twice[patient] = f"{owner[patient]} and {member.name}"
            owner.setdefault(patient, member.name)
    if twice:
        patient, where = next(iter(sorted(twice.items())))
        raise InputError(
            f"{where}: expected each patient in one member, found {len(twice)} in several, "
            f"such as {patient} in {where}"
        )


def _joined(
    where: str, side: str, parts: Mapping[str, Modality]
) -> tuple[Modality, tuple[str, ...]]:
    """One modality of all members' ones, and notes."""
    bags = {name: part for name, part in parts.items() if isinstance(part, BagModality)}
    vectors = {name: part for name, part in parts.items() if isinstance(part, VectorModality)}
    if bags and vectors:
        raise InputError(
            f"{where}: expected one kind in every member, found bags in {', '.join(bags)} and "
            f"vectors in {', '.join(vectors)}"
        )
    if bags:
        widths = {name: part.width for name, part in bags.items()}
        if len(set(widths.values())) > 1:
            raise InputError(f"{where}: expected bags of one width, found {_listed(widths)}")
        slides = {patient: own for part in bags.values() for patient, own in part.slides.items()}
        return BagModality(slides, next(iter(widths.values()))), ()
    for what in ("ranked", "selection", "zscores"):
        declared = {name: getattr(part, what) for name, part in vectors.items()}
        if any(value != next(iter(declared.values())) for value in declared.values()):
            raise InputError(
                f"{where}: expected the same declaration in every member, found "
                f"{what} {_listed(declared)}"
            )
    first = next(iter(vectors.values()))
    common = set(first.features).intersection(*(part.features for part in vectors.values()))
    if not common:
        raise InputError(f"{where}: expected features in common, found none")
    features = tuple(feature for feature in first.features if feature in common)
    others = {name: part.width - len(features) for name, part in vectors.items()}
    joined = replace(
        _vectors(tuple(vectors.values()), features),
        gene_sets=_gene_sets(vectors, common),
        members={},
    )
    note = f"{side}: {len(features)} features that all members have"
    if any(others.values()):
        note += f"; others left out: {_listed(others)}"
    return joined, (note,)


def _vectors(parts: Sequence[VectorModality], features: tuple[str, ...]) -> VectorModality:
    """The rows of all parts in the order of their patients, with these features alone."""
    patients = [patient for part in parts for patient in part.patients]
    blocks = [part.columns(features) for part in parts]
    order = sorted(range(len(patients)), key=patients.__getitem__)
    return replace(
        parts[0],
        patients=tuple(patients[row] for row in order),
        values=np.concatenate(blocks)[order],
        features=features,
    )


def _gene_sets(
    vectors: Mapping[str, VectorModality], common: set[str]
) -> dict[str, tuple[str, ...]]:
    """Sets that all members have, of the features that all have."""
    first, *rest = (part.gene_sets for part in vectors.values())
    shared = {name: genes for name, genes in first.items() if all(name in one for one in rest)}
    return restricted(shared, common, FEWEST_GENES)


def _check_selection(
    where: str, modalities: Mapping[str, Modality], labels: Mapping[str, Label]
) -> None:
    for side, modality in modalities.items():
        selection = modality.selection if isinstance(modality, VectorModality) else None
        if selection is not None and selection.label not in labels:
            raise InputError(
                f"{where}: {side}: expected features to be selected by one of the shared labels, "
                f"{', '.join(labels)}, found {selection.label!r}"
            )


def _projects(members: Sequence[Cohort]) -> dict[str, Label]:
    values = {patient: member.name for member in members for patient in member.patients}
    return {PROJECT: Label(values, tuple(member.name for member in members))}


def _shared(
    members: Sequence[Cohort], having: Sequence[Mapping[str, object]], what: str, notes: list[str]
) -> list[str]:
    """The names that all members have; the others are noted."""
    shared = []
    for name in dict.fromkeys(name for names in having for name in names):
        lacking = [
            member.name for member, names in zip(members, having, strict=True) if name not in names
        ]
        if lacking:
            notes.append(f"{what} {name}: left out, {', '.join(lacking)} has none")
        else:
            shared.append(name)
    return shared


def _label(labels: Sequence[Label]) -> Label | None:
    """One label of all, or None if their classes are not the same."""
    first = labels[0]
    if any(
        set(label.classes) != set(first.classes) or label.kind is not first.kind for label in labels
    ):
        return None
    values = {patient: name for label in labels for patient, name in label.values.items()}
    derived = next((label.derived_from for label in labels if label.derived_from), None)
    return replace(first, values=values, derived_from=derived)


def _endpoint(parts: Sequence[Endpoint]) -> Endpoint:
    patients = [patient for part in parts for patient in part.patients]
    order = sorted(range(len(patients)), key=patients.__getitem__)
    return Endpoint(
        tuple(patients[row] for row in order),
        np.concatenate([part.time for part in parts])[order],
        np.concatenate([part.event for part in parts])[order],
    )


def _each(members: Iterable[Cohort], texts: Iterable[str]) -> str:
    """What is said of each member; once, if it is the same of all."""
    by_name = {member.name: text for member, text in zip(members, texts, strict=True) if text}
    if len(set(by_name.values())) == 1 and len(by_name) > 1:
        return next(iter(by_name.values()))
    return "; ".join(f"{name}: {text}" for name, text in by_name.items())


def _listed(found: Mapping[str, object]) -> str:
    return ", ".join(f"{value} in {name}" for name, value in found.items())
