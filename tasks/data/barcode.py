"""TCGA barcodes: parsed, never sliced.

TCGA-<site>-<participant>[-<sample type><vial>[-<portion>-<slide or plate>...]]; what follows (UUID,
file ending) is tolerated. Sample types are those of the GDC code table
(https://gdc.cancer.gov/resources-tcga-users/tcga-code-tables/sample-type-codes).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tasks.data.formats.cells import shown
from tasks.errors import InputError

# R's make.names turns hyphens into dots, so the separator may be another, used throughout.
_BARCODE = re.compile(
    r"(?<![A-Z0-9])TCGA(?P<sep>[-._])(?P<site>[A-Z0-9]{2})(?P=sep)(?P<participant>[A-Z0-9]{4})"
    r"(?:(?P=sep)(?P<type>\d{2})(?P<vial>[A-Z])?(?P<rest>(?:(?P=sep)[A-Z0-9]+)*))?(?![A-Z0-9])",
    re.IGNORECASE | re.ASCII,
)

# Other programmes whose samples stand beside TCGA's in joint matrices, as UCSC Xena's of TOIL.
_ELSEWHERE = re.compile(r"(GTEX[-._]|TARGET[-._]\d{2}[-._]|K[-.]562[-._])", re.IGNORECASE)
FROM_ELSEWHERE = "of GTEx or TARGET, not of TCGA"

# Slides end in how they were made and a digit or letter: DX1 of paraffin, TSA of the frozen top.
_SLIDE = re.compile(
    r"(?<![A-Z0-9])(DX|TS|BS|MS)[A-Z0-9]{1,2}(?![A-Z0-9])", re.IGNORECASE | re.ASCII
)

_QUANTITY = re.compile(
    r"(?<![A-Z0-9])(?:(?:raw|norm\w*|expected)[._-])?(?:counts?|tpm|[fr]pkm(?:[._-]uq)?|cpm|rsem|tmm|"
    r"log2?|z-?scores?)(?![A-Z0-9])",
    re.IGNORECASE,
)

PRIMARY = frozenset({"01", "03", "05", "09"})
OTHER_TUMOUR = frozenset({"02", "04", "06", "07", "08", "40"})


class Tissue(StrEnum):
    """What a sample is, as far as this benchmark cares."""

    PRIMARY = "primary tumour"
    OTHER_TUMOUR = "other tumour"
    NORMAL = "normal tissue"
    CONTROL = "control"
    OTHER = "cell line, xenograft or unknown tissue"


class Preparation(StrEnum):
    """How a slide was made, as its barcode says it."""

    DIAGNOSTIC = "diagnostic (DX)"
    FROZEN = "frozen (TS, BS, MS)"


@dataclass(frozen=True)
class Barcode:
    """A parsed barcode.

    Attributes:
        patient: `TCGA-A1-B2C3`.
        site: Tissue-source site, `A1`.
        sample_type: Two digits such as `01`, or None for a patient's barcode.
        name: The barcode in capitals and hyphens, without what follows it (UUID, file ending).
        preparation: Of a slide; None where the barcode does not say.
        left_out: Why it is not taken, whatever it is of; empty if it may be.
        prefix: What stands before it, as a quantity does before each sample of a joint matrix, or
            a quantity behind it.
    """

    patient: str
    site: str
    sample_type: str | None
    name: str
    preparation: Preparation | None = None
    prefix: str = ""
    left_out: str = ""

    @property
    def type_code(self) -> str:
        """Its sample type; a patient's barcode stands for the primary tumour, 01."""
        return self.sample_type or "01"

    @property
    def tissue(self) -> Tissue:
        """What the sample is; a patient's barcode stands for the primary tumour."""
        if self.type_code in PRIMARY:
            return Tissue.PRIMARY
        if self.type_code in OTHER_TUMOUR:
            return Tissue.OTHER_TUMOUR
        return {"1": Tissue.NORMAL, "2": Tissue.CONTROL}.get(self.type_code[0], Tissue.OTHER)

    @property
    def is_tumour(self) -> bool:
        """Whether the sample is of a tumour; a patient's barcode counts as one."""
        return self.tissue in (Tissue.PRIMARY, Tissue.OTHER_TUMOUR)

    @property
    def is_primary(self) -> bool:
        """Whether the sample is of a primary tumour; a patient's barcode counts as one."""
        return self.tissue is Tissue.PRIMARY


def quantity_in(text: str) -> str:
    """What a name says that its numbers are, such as `TPM`; empty if it does not."""
    found = _QUANTITY.search(text)
    return found[0] if found else ""


def is_of(name: str, quantity: str) -> bool:
    """Whether a sample's name begins or ends with a quantity."""
    return name.startswith(f"{quantity}_") or name.endswith(
        tuple(f"{mark}{quantity}" for mark in "._-")
    )


def parse_barcode(text: str, where: str) -> Barcode:
    """Find the TCGA barcode in an identifier or a file name.

    Args:
        text: For example `TCGA-3C-AALI-01Z-00-DX1.F6E9A5DF-D8FB-45CF-B4BD-C6B76294C291.svs`.
        where: File and row, for the error.

    Raises:
        InputError: If there is none, or there are those of two patients.
    """
    found = list(_BARCODE.finditer(text))
    patients = {f"TCGA-{match['site']}-{match['participant']}".upper() for match in found}
    if len(patients) != 1:
        raise InputError(
            f"{where}: expected a TCGA barcode such as TCGA-AB-1234-01A, found {shown(text)}"
        )
    match = found[0]
    name = match.group().upper().replace(match["sep"], "-")
    slide = _SLIDE.search(match["rest"] or "")
    preparation = None
    if slide:
        dx = slide[1].upper() == "DX"
        preparation = Preparation.DIAGNOSTIC if dx else Preparation.FROZEN
    prefix = text[: match.start()].rpartition("/")[2] + quantity_in(text[match.end() :])
    return Barcode(patients.pop(), match["site"].upper(), match["type"], name, preparation, prefix)


def rows_of_tcga(names: Sequence[str]) -> list[int]:
    """Positions of identifiers that are not those of other programmes; all, if none is left."""
    rows = [row for row, name in enumerate(names) if not _ELSEWHERE.match(name)]
    return rows or list(range(len(names)))
