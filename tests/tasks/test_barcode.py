"""Barcodes: found in what tools write around them, and refused where there is none."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.data.barcode import parse_barcode
from tasks.errors import InputError

CODE = st.text(string.ascii_uppercase + string.digits, min_size=4, max_size=4)


@pytest.mark.parametrize(
    ("text", "sample_type"),
    [
        ("TCGA-3C-AALI", None),
        ("TCGA-3C-AALI-01A", "01"),
        ("TCGA-3C-AALI-11", "11"),
        ("tcga-3c-aali-01a-11r-a41b-07", "01"),
        ("TCGA-3C-AALI-01Z-00-DX1.F6E9A5DF-D8FB-45CF-B4BD-C6B76294C291.svs", "01"),
        ("TCGA-3C-AALI-06A-01-TS1.h5", "06"),
        ("TCGA.3C.AALI.01A", "01"),
        ("features_TCGA-3C-AALI.pt", None),
    ],
)
def test_barcode_is_found(text: str, sample_type: str | None) -> None:
    barcode = parse_barcode(text, "here")
    assert (barcode.patient, barcode.site) == ("TCGA-3C-AALI", "3C")
    assert barcode.sample_type == sample_type


def test_name_leaves_out_the_uuid() -> None:
    name = parse_barcode("TCGA-3C-AALI-01Z-00-DX1.F6E9A5DF-D8FB.svs", "here").name
    assert name == "TCGA-3C-AALI-01Z-00-DX1"


@pytest.mark.parametrize(
    "text",
    ["", "P001", "TCGA-3C-AAL", "TCGA-3C-AALIX", "XTCGA-3C-AALI", "TCGA-3C-AALI TCGA-3C-AALJ"],
)
def test_no_barcode_is_an_error_that_names_the_place(text: str) -> None:
    with pytest.raises(InputError, match=r"table\.csv: row 3: expected a TCGA barcode"):
        parse_barcode(text, "table.csv: row 3")


@given(
    site=st.text(string.ascii_uppercase, min_size=2, max_size=2), code=CODE, kind=st.integers(1, 29)
)
def test_parts_survive_the_writing(site: str, code: str, kind: int) -> None:
    barcode = parse_barcode(f"TCGA-{site}-{code}-{kind:02}A-01-TS1.0a1b.svs", "here")
    assert barcode.patient == f"TCGA-{site}-{code}"
    assert barcode.sample_type == f"{kind:02}"
    assert barcode.is_tumour == (kind < 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TCGA-3C-AALI-01Z-00-DX1.F6E9A5DF-D8FB-45CF-B4BD-C6B76294C291.svs", "diagnostic (DX)"),
        ("TCGA-3C-AALI-01Z-00-DX12.h5", "diagnostic (DX)"),
        ("tcga.3c.aali.01z.00.dx1.f6e9a5df.d8fb", "diagnostic (DX)"),
        ("TCGA-3C-AALI-01A-01-TSA.h5", "frozen (TS, BS, MS)"),
        ("TCGA-3C-AALI-06A-01-BS1.1b2c.h5", "frozen (TS, BS, MS)"),
        ("TCGA-3C-AALI-11A-02-MS3", "frozen (TS, BS, MS)"),
        ("TCGA-3C-AALI", None),
        ("TCGA-3C-AALI-01A-11R-A41B-07", None),
        ("TCGA-3C-AALI-01A-11R-TS12B-07", None),
        ("TCGA-3C-AALI-01A.DX1.h5", None),
        ("TCGA-DX-AALI-01A", None),
    ],
)
def test_a_slide_says_how_it_was_made(text: str, expected: str | None) -> None:
    assert parse_barcode(text, "here").preparation == expected
