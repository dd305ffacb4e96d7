"""How identifiers are read: as TCGA's barcodes, as they stand, or by patterns of their owner's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tasks.data.barcode import Barcode, Tissue, parse_barcode, quantity_in, rows_of_tcga
from tasks.data.formats.cells import shown
from tasks.errors import InputError

_SUFFIX = re.compile(
    r"\.(h5|hdf5|pt|pth|svs|tiff?|ndpi|mrxs|scn|vms|bif|czi|dcm|parquet)$", re.IGNORECASE
)
_FLOAT = re.compile(r"(\d+)\.0")  # a whole number that a missing cell in its column made a float
_NORMAL = re.compile(r"(?<![a-z])(normal|nat)(?![a-z])", re.IGNORECASE)
_NORMAL_SAMPLE = re.compile(rf"{_NORMAL.pattern}|[._ -]N$", re.IGNORECASE)


class Scheme(StrEnum):
    """What identifiers are.

    Attributes:
        TCGA: Barcodes: patient, tissue-source site, sample type and preparation.
        PLAIN: Patients' as they stand; of slides, their names.
        REGEX: A pattern finds the patient in each.
    """

    TCGA = "tcga"
    PLAIN = "plain"
    REGEX = "regex"


def without_suffix(name: str) -> str:
    """A slide's name without the endings of features and images: `A.svs.h5` is A."""
    while (bare := _SUFFIX.sub("", name)) != name:
        name = bare
    return name


def _whole(text: str) -> str:
    number = _FLOAT.fullmatch(text)
    return number[1] if number else text


@dataclass(frozen=True)
class Identifiers:
    """How identifiers are read.

    Attributes:
        scheme: What they are.
        patient: Finds the patient in an identifier, by its first group if it has one.
        slide: Slides that it does not find are left out; its first group is the slide's name.
        sample: The same of samples of a table.
        owners: Slide or sample -> patient, where a table says so; slides it lacks are left out.
        sites: Patient -> the site that it comes from.
        known: The only patients there are, None where anything may be one.
    """

    scheme: Scheme = Scheme.TCGA
    patient: re.Pattern[str] | None = None
    slide: re.Pattern[str] | None = None
    sample: re.Pattern[str] | None = None
    owners: Mapping[str, str] | None = None
    sites: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] | None = None

    @property
    def what(self) -> str:
        """What an identifier is, for messages."""
        if self.scheme is Scheme.TCGA:
            return "TCGA barcode"
        named = f"ids.patient = {self.patient.pattern!r}" if self.patient else "the cohort"
        return f"identifier of {named}"

    def read(self, text: str, where: str, *, slide: bool = False) -> Barcode:
        """Whose an identifier is.

        Args:
            text: The identifier, or a slide's file name.
            where: File and row, for the error.
            slide: Whether it is a slide's.

        Raises:
            InputError: It is no identifier.
        """
        if self.scheme is Scheme.TCGA and self.owners is None:
            return parse_barcode(text, where)
        name = without_suffix(text.strip()) if slide else _whole(text.strip())
        pattern = self.slide if slide else self.sample
        matched = pattern.search(name) if pattern else None
        if matched and matched.groups():
            name = matched[1]
        owned = None if self.owners is None else self.owners.get(without_suffix(name))
        if owned is None and slide and self.owners is not None:
            return Barcode("", "", None, name, left_out="not in ids.table")
        patient = self._patient(owned or name, where)
        rest = name.replace(patient, "", 1)
        left_out = ""
        if pattern and not matched:
            left_out = f"not found by ids.{'slide' if slide else 'sample'}"
        elif not pattern and (_NORMAL if slide else _NORMAL_SAMPLE).search(rest):
            left_out = Tissue.NORMAL
        quantity = "" if slide else quantity_in(rest)
        name = name.replace(quantity, "") if quantity else name
        return Barcode(patient, self.sites.get(patient, ""), None, name, None, quantity, left_out)

    def find(self, text: str, *, slide: bool = False) -> Barcode | None:
        """As `read`; None where it is no identifier."""
        try:
            return self.read(text, "", slide=slide)
        except InputError:
            return None

    def owner(self, text: str) -> str:
        """The patient of an identifier; the identifier itself where it is none."""
        found = self.find(text)
        return found.patient if found else text

    def own(self, names: Sequence[str]) -> list[int]:
        """Positions of samples that are not another programme's, in joint matrices of TCGA."""
        return rows_of_tcga(names) if self.scheme is Scheme.TCGA else list(range(len(names)))

    def _patient(self, text: str, where: str) -> str:
        if self.scheme is Scheme.TCGA:
            return parse_barcode(text, where).patient
        if self.patient is None:
            found = text
        else:
            # R's make.names turns hyphens into dots
            match = self.patient.search(text) or self.patient.search(text.replace(".", "-"))
            found = "" if match is None else match[1] if match.groups() else match[0]
        if not found or (self.known is not None and found not in self.known):
            raise InputError(f"{where}: expected an {self.what}, found {shown(text)}")
        return found


TCGA = Identifiers()
