"""The tables on the terminal: within their width, and the same standings as the leaderboard."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmark.analysis.board import Board
from benchmark.show.terminal import show
from tests.helpers.frames import SCHEMA, fake, records, rendered


def shown(frame: pd.DataFrame, width: int = 100) -> str:
    out = io.StringIO()
    show(Board(frame), Console(file=out, width=width))
    return out.getvalue()


@pytest.mark.parametrize("width", [100, 160])
def test_lines_stay_within_100_columns(width: int) -> None:
    frame = fake().replace({"method": {"contrastive": "mirror-without-style-clustering"}})
    lines = shown(frame, width).splitlines()
    assert max(len(line) for line in lines) <= 100


def test_every_number_is_whole() -> None:
    """Nothing is cut: rich marks a cut cell by an ellipsis."""
    text = shown(fake())
    assert "…" not in text
    for part in ("0.624 ± 0.029", "0.568 to 0.678", "-0.088", "<0.001", "⚠ 14/15", "uno_c ↑"):
        assert part in text


def test_other_metrics_give_way_to_the_width() -> None:
    assert "uno_c ↑" not in shown(fake(), 85)
    assert "0.568 to 0.678" in shown(fake(), 85)


def test_a_narrow_terminal_shows_names_and_scores_whole() -> None:
    text = shown(fake(), 60)
    assert "…" not in text
    assert "0.624 ± 0.029" in text
    assert "mirror" in text
    assert max(map(len, text.splitlines())) <= 60


def test_titles_of_groups_take_part_in_the_width() -> None:
    """Short names under long titles: nothing is cut, at any width that the first columns have."""
    frame = fake()
    frame = frame[frame["method"].isin(["pca", "random-init"])]
    frame = frame.assign(role=frame["role"].where(frame["method"] == "pca", "control"))
    for width in (70, 80, 90, 100):
        text = shown(frame, width)
        assert "Self-supervised methods" in text
        assert "…" not in text


def test_protocol_circularity_and_gaps_are_said() -> None:
    text = " ".join(shown(fake()).split())
    assert "protocol strict · budget default" in text
    assert "circular: the label was called from rna" in text
    assert "failed: contrastive on survival/TCGA-LUAD/os" in text
    assert "licence: non-commercial" in text


SEEN = "slide encoder HIPT, pre-trained on TCGA, CPTAC slides (without labels)"


def test_what_the_slide_encoder_has_seen_stands_with_every_table() -> None:
    frame = fake()
    ours = frame["cohort"] == "TCGA-BRCA"
    assert "slide encoder" not in shown(frame)
    frame.loc[ours, "encoder"] = "HIPT"
    frame.loc[ours, "pretrained_on"] = "TCGA\nCPTAC"
    text = " ".join(shown(frame).split())
    assert text.count(SEEN) == frame.loc[ours, "task"].nunique() == 2
    pages = rendered(frame)
    assert "| slide encoder |" in pages
    assert pages.count(SEEN) == 2  # with each table in full
    assert SEEN.removeprefix("slide encoder ") not in rendered(fake())


def test_markup_in_a_reason_is_text() -> None:
    frame = records({"mirror": [[0.5, np.nan]]}).replace(
        {"reason": {"too few events": "[red]x[/]"}}
    )
    assert "[red]x[/]" in shown(frame)


def test_order_of_rows_does_not_matter() -> None:
    frame = fake()
    assert shown(frame.iloc[::-1]) == shown(frame)


def test_no_records() -> None:
    assert "no records" in shown(pd.DataFrame(columns=list(SCHEMA)).astype(SCHEMA))
