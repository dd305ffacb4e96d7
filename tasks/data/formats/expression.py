"""What a manifest declares of its genes -> the expression as cohorts carry it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Selection, VectorModality
from tasks.data.formats.genes import (
    columns_by_gene,
    matched,
    read_gene_list,
    read_gmt,
    read_probemap,
)
from tasks.data.manifest import GeneSource, Scale, SelectionSource, Transform
from tasks.errors import InputError

MILLION = 1e6
_FEW_NEGATIVE = 0.05  # of the cells
_LITTLE_NEGATIVE = 0.01  # of the highest value
HIGHEST_LOG2 = 64.0
"""2 to this is more reads than any sequencer has given."""


def as_declared(
    name: str, modality: VectorModality, source: GeneSource
) -> tuple[VectorModality, tuple[str, ...]]:
    """Put expression on a logarithmic scale, and attach what is done with its genes in each fold.

    Args:
        name: The modality's name, for the notes.
        modality: As its table has it.
        source: With what is declared.

    Returns:
        The modality, and notes.

    Raises:
        InputError: If the cells contradict the declared scale, a file of genes cannot be read, or
            none of its genes is a column of the table.
    """
    notes = []
    if source.scale is not None:
        values, note = _logarithms(modality, source.scale, source)
        modality = replace(modality, values=values, zscores=source.scale is Scale.ZSCORE)
        notes.append(f"{name}: {note}")
    if source.transform is Transform.RANK:
        modality = replace(modality, ranked=True)
        notes.append(f"{name}: genes become ranks among the training patients of a fold")
    probemap = {} if source.probemap is None else read_probemap(source.probemap)
    columns = columns_by_gene(modality.features, probemap)
    if source.pathways is not None:
        sets = read_gmt(source.pathways)
        found = {pathway: matched(members, columns) for pathway, members in sets.items()}
        pathways = {pathway: features for pathway, features in found.items() if features}
        if not pathways:
            raise _strangers(source, source.pathways, next(iter(sets.values()))[0])
        inside = set().union(*pathways.values())
        members = set().union(*sets.values())
        unknown = sum(not matched([gene], columns) for gene in members)
        notes.append(
            f"{name}: {len(pathways)} pathways of {len(sets)} have genes here; "
            f"{modality.width - len(inside)} genes of {modality.width} are in none, and {unknown} "
            f"of the pathways' {len(members)} genes are not here"
        )
        modality = replace(modality, pathways=pathways)
    if source.selection is not None:
        selection, facts = _selection(source.selection, columns, source)
        modality = replace(modality, selection=selection)
        notes += [f"{name}: {fact}" for fact in facts]
    return modality, tuple(notes)


def _logarithms(
    modality: VectorModality, scale: Scale, source: GeneSource
) -> tuple[NDArray[np.float32], str]:
    """The values on a logarithmic scale, and what was done."""
    values = modality.values
    if scale is Scale.ZSCORE:
        return values, (
            "z-scores, taken as they are: whoever made them used every patient, those of the test "
            "folds too"
        )
    if scale is Scale.LOG2:
        _refuse(modality, values > HIGHEST_LOG2, f"at most {HIGHEST_LOG2:g}", scale, source)
        return values, "log2, taken as it is"
    below = values < 0
    if scale is not Scale.TPM or not slightly_negative(values):
        _refuse(modality, below, "no negative value", scale, source)
    logarithms = np.empty(values.shape, np.float32)
    for row, patient in enumerate(modality.patients):  # one by one, in double precision
        amounts = np.where(below[row], 0.0, values[row].astype(np.float64))
        if scale is Scale.COUNTS:
            total = np.nansum(amounts)
            if total <= 0:
                place = f"{source.path}: patient {patient}"
                raise InputError(f"{place}: expected counts, found only zeros")
            amounts = MILLION * amounts / total
        logarithms[row] = np.log2(amounts + 1.0)
    if scale is Scale.COUNTS:
        text = "log2(counts per million + 1), the million being of the genes in the table"
        return logarithms, text
    adjusted = f", {below.sum():,} cells below zero taken for zero" if below.any() else ""
    return logarithms, f"log2(x + 1) of what the table has{adjusted}"


def slightly_negative(values: NDArray[np.floating]) -> bool:
    """Whether amounts fall below zero as a correction of batches leaves them: seldom, and little.

    Args:
        values: Of any shape; NaN is a missing cell.
    """
    below = values < 0
    return bool(
        below.mean() <= _FEW_NEGATIVE and np.nanmin(values) >= -_LITTLE_NEGATIVE * np.nanmax(values)
    )


def _refuse(
    modality: VectorModality,
    wrong: NDArray[np.bool_],
    expected: str,
    scale: Scale,
    source: GeneSource,
) -> None:
    if wrong.any():
        row, column = (int(k) for k in np.argwhere(wrong)[0])
        raise InputError(
            f"{source.path}: patient {modality.patients[row]}, {modality.features[column]}: "
            f'expected {expected} on the declared scale "{scale}", found '
            f"{modality.values[row, column]:g}"
        )


def _selection(
    declared: SelectionSource, columns: Mapping[str, tuple[str, ...]], source: GeneSource
) -> tuple[Selection, list[str]]:
    notes = [
        f"genes are selected by recursive elimination with the label {declared.label}, on the "
        "training patients of a fold: no method that sees them is self-supervised"
    ]
    always: tuple[str, ...] = ()
    if declared.always is not None:
        listed = read_gene_list(declared.always)
        always = tuple(sorted(matched(listed, columns)))
        if not always:
            raise _strangers(source, declared.always, listed[0])
        unknown = sum(not matched([gene], columns) for gene in listed)
        notes.append(
            f"{len(always)} features are kept whatever is selected; {unknown} of the {len(listed)} "
            f"genes in {declared.always.name} are not here"
        )
    return Selection(declared.label, always), notes


def _strangers(source: GeneSource, path: object, example: str) -> InputError:
    return InputError(
        f"{path}: expected genes of {source.path.name}, found none of them (for example "
        f"{example!r}); a probemap with columns id and gene translates identifiers"
    )
