"""What a manifest declares of its genes -> the expression as cohorts carry it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data.cohort import Selection, VectorModality
from tasks.data.formats.genes import (
    columns_by_gene,
    matched,
    read_gene_list,
    read_gene_sets,
    read_probemap,
)
from tasks.data.gene_sets import FEWEST_GENES, restricted
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
    if source.gene_sets is not None:
        sets, note = _gene_sets(source.gene_sets, columns, modality, source)
        modality = replace(modality, gene_sets=sets)
        notes.append(f"{name}: {note}")
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


def _gene_sets(
    path: Path,
    columns: Mapping[str, tuple[str, ...]],
    modality: VectorModality,
    source: GeneSource,
) -> tuple[dict[str, tuple[str, ...]], str]:
    """The sets of a file as columns of the table, by name, and what was left out."""
    listed = read_gene_sets(path)
    # by name, so that the order of a file is of no consequence
    found = {name: matched(listed[name], columns) for name in sorted(listed)}
    largest = max(found, key=lambda name: len(found[name]))
    if not found[largest]:
        raise _strangers(source, path, listed[largest][0])
    sets = restricted(found, modality.features, FEWEST_GENES)
    if not sets:
        raise InputError(
            f"{path}: expected sets of at least {FEWEST_GENES} genes of {source.path.name}, found "
            f"at most {len(found[largest])}, in {largest}"
        )
    small = [name for name in found if name not in sets]
    dropped = f" ({len(small)} left out: {', '.join(small[:3])}{', ...' * (len(small) > 3)})"
    inside = set().union(*sets.values())
    members = set().union(*listed.values())
    unknown = sum(not matched([gene], columns) for gene in members)
    return sets, (
        f"{len(sets)} gene sets of {len(found)} have at least {FEWEST_GENES} genes here"
        f"{dropped * bool(small)}; {modality.width - len(inside)} genes of {modality.width} are in "
        f"none of them, and {unknown} of the sets' {len(members)} genes are not here"
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
