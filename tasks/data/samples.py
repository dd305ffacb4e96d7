"""Which samples and slides stand for their patients: one rule for every reader and every check."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from tasks.data.barcode import Barcode, Preparation
from tasks.data.notes import Note, left_out_notes


class SlideChoice(StrEnum):
    """Which slides are taken, by how they were prepared; what a barcode does not say is taken."""

    DX = "dx"
    FROZEN = "frozen"
    ALL = "all"


_LEFT_OUT = {
    SlideChoice.DX: Preparation.FROZEN,
    SlideChoice.FROZEN: Preparation.DIAGNOSTIC,
    SlideChoice.ALL: None,
}


@dataclass(frozen=True)
class SampleRule:
    """Which samples are taken.

    Attributes:
        samples: Types such as `01`: of each patient those of the first one that it has. Without
            any, primary tumours, and another tumour of a patient without a primary one.
        slides: Which slides; None for diagnostic ones as nobody has declared otherwise, and for
            all where that would cost most patients.
    """

    samples: tuple[str, ...] = ()
    slides: SlideChoice | None = None

    def refusal(self, barcode: Barcode) -> str:
        """Why a sample is not taken whatever else its patient has; empty if it may be."""
        if barcode.left_out or not barcode.is_tumour:
            return barcode.left_out or barcode.tissue
        left_out = _LEFT_OUT[self.slides or SlideChoice.DX]
        if left_out is not None and barcode.preparation is left_out:
            return left_out
        if self.samples and barcode.type_code not in self.samples:
            return f"sample type {barcode.type_code}, declared are {', '.join(self.samples)}"
        return ""

    def rank(self, barcode: Barcode) -> int:
        """The place of a sample among its patient's; the lowest ones are taken."""
        if self.samples:
            return self.samples.index(barcode.type_code)
        return int(not barcode.is_primary)

    @property
    def outranked(self) -> str:
        """Why a sample is not taken because of another one of its patient."""
        if self.samples:
            return "sample of a patient with one of a type declared before"
        return "other tumour of a patient with a primary one"


@dataclass(frozen=True)
class Selection:
    """Which samples stand for their patients.

    Attributes:
        barcodes: Of all samples.
        kept: Positions, ascending.
        left_out: Why samples were left out -> their positions.
        spared: Patients who have frozen slides only and are most of them all, so that frozen ones
            are taken though nobody declared it.
        fault: What was expected and what is there, where a cohort cannot be made of what is kept;
            empty if it can.
    """

    barcodes: tuple[Barcode, ...]
    kept: tuple[int, ...]
    left_out: Mapping[str, tuple[int, ...]]
    spared: frozenset[str] = frozenset()
    fault: str = ""

    @property
    def patients(self) -> frozenset[str]:
        """Those of the samples that are kept."""
        return self._patients(self.kept)

    def lost(self, why: str) -> frozenset[str]:
        """The patients of what was left out for a reason, if nothing else is kept of them."""
        return self._patients(self.left_out.get(why, ())) - self.patients

    def prepared(self, how: Preparation) -> tuple[int, ...]:
        """Positions of the slides that are kept and say that they were prepared so."""
        return tuple(i for i in self.kept if self.barcodes[i].preparation is how)

    def unclear(self) -> int:
        """How many kept slides do not say how they were prepared, where others do."""
        said = [self.barcodes[i].preparation is not None for i in self.kept]
        known = any(said) or any(kind in self.left_out for kind in Preparation)
        return said.count(False) if known else 0

    def notes(self, part: str, unit: str, others: Mapping[str, int]) -> Iterator[Note]:
        """What was left out, for whoever looks at a cohort or a run.

        Args:
            part: The modality.
            unit: What its samples are, in the plural.
            others: What was left out before: reason -> how many.
        """
        counts = {why: len(positions) for why, positions in self.left_out.items()}
        yield from left_out_notes(part, unit, {**others, **counts})
        lost = {f"{kind} {unit} only": len(self.lost(kind)) for kind in Preparation}
        yield from left_out_notes(part, "patients", lost)
        if self.spared:
            text = (
                f"{Preparation.FROZEN} {unit} taken, {len(self.spared)} of {len(self.patients)} "
                'patients have no other; slides = "all" or "frozen" in cohort.toml says it is meant'
            )
            yield Note(part, text)
        if n := self.unclear():
            yield Note(part, f"{n} {unit} taken that do not say whether diagnostic or frozen")

    def _patients(self, positions: Sequence[int]) -> frozenset[str]:
        return frozenset(self.barcodes[i].patient for i in positions)


def select_samples(barcodes: Sequence[Barcode], rule: SampleRule) -> Selection:
    """Choose the samples that stand for their patients."""
    selection = _selected(barcodes, rule)
    spared = selection.lost(Preparation.FROZEN)
    if rule.slides is None and len(spared) > len(selection.patients):
        every = _selected(barcodes, replace(rule, slides=SlideChoice.ALL))
        selection = replace(every, spared=spared)
    if selection.kept:
        return replace(selection, fault=_several_quantities(selection))
    reasons = ", ".join(f"{len(rows)} of {why}" for why, rows in selection.left_out.items())
    return replace(selection, fault=f"expected tumour samples, found {reasons or 'none'}")


def _several_quantities(selection: Selection) -> str:
    """One sample under several names is not several samples, to be averaged; empty if none is."""
    prefixes: dict[str, set[str]] = defaultdict(set)
    for i in selection.kept:
        prefixes[selection.barcodes[i].name].add(selection.barcodes[i].prefix)
    name, found = max(prefixes.items(), key=lambda item: len(item[1]))
    if len(found) == 1:
        return ""
    listed = ", ".join(map(repr, sorted(found)))
    return (
        f"expected each sample once, found several things of one: {listed} of {name}; "
        'quantity = "..." beside the path of a table takes one of them'
    )


def _selected(barcodes: Sequence[Barcode], rule: SampleRule) -> Selection:
    left_out: dict[str, list[int]] = defaultdict(list)
    ranks: dict[int, int] = {}
    for position, barcode in enumerate(barcodes):
        if why := rule.refusal(barcode):
            left_out[why].append(position)
        else:
            ranks[position] = rule.rank(barcode)
    best: dict[str, int] = {}
    for position, rank in ranks.items():
        patient = barcodes[position].patient
        best[patient] = min(rank, best.get(patient, rank))
    kept = []
    for position, rank in ranks.items():
        if rank == best[barcodes[position].patient]:
            kept.append(position)
        else:
            left_out[rule.outranked].append(position)
    reasons = {why: tuple(left_out[why]) for why in sorted(left_out)}
    return Selection(tuple(barcodes), tuple(kept), reasons)
