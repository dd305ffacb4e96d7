"""Charts of the page: what they draw and say is what independent estimators say."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from benchmark.analysis.deduplicate import deduplicate
from benchmark.analysis.standings import standings
from benchmark.show.figures import risk_groups
from benchmark.show.html.charts import LEFT, RIGHT, TOP, WIDTH, Plane
from benchmark.show.html.scatter import compute_chart
from benchmark.show.html.survival_chart import survival_chart
from tests.benchmark.test_figures import predictions
from tests.helpers.frames import records

HOSTILE = "<script>\"'&x"


def drawn(svg: str) -> ET.Element:
    """The drawing, well-formed, all of it inside its edges."""
    root = ET.fromstring(svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for path in root.iter("path"):
        at = path.attrib["d"]
        for command, x, y in re.findall(r"([ML])([-\d.]+) ([-\d.]+)", at):
            assert 0 <= float(x) <= width, (command, at)
            assert 0 <= float(y) <= height, (command, at)
        assert all(0 <= float(x) <= width for x in re.findall(r"H([-\d.]+)", at))
        assert all(0 <= float(y) <= height for y in re.findall(r"V([-\d.]+)", at))
    return root


def titles(root: ET.Element) -> list[str]:
    return [str(title.text) for title in root.iter("title")]


def test_months_say_what_lifelines_says() -> None:
    rows = predictions(200, 5, 1)
    groups = risk_groups(rows)
    chart = survival_chart(rows, "mirror", "survival/COHORT/os")
    said = titles(drawn(chart.svg))
    assert len(said) > 10
    for name, chosen in (("low", ~groups.high), ("high", groups.high)):
        time = groups.time[chosen]
        fitted = KaplanMeierFitter().fit(time, groups.event[chosen])
        found = 0
        for text in said:
            month = float(text.split(" months")[0])
            value = re.search(
                rf"{name} risk ([\d.]+) \(([\d.]+) to ([\d.]+)\), (\d+) at risk", text
            )
            if value is None:
                assert f"{name} risk followed no longer" in text or f"{name} risk 1.00" in text
                continue
            found += 1
            expected = float(fitted.survival_function_at_times(month).iloc[0])
            assert float(value[1]) == pytest.approx(expected, abs=0.00501)
            assert float(value[2]) <= float(value[1]) <= float(value[3])
            assert int(value[4]) == (time >= month).sum()
        assert found >= 5
    shown = f"p = {groups.p:.3f}" if groups.p >= 0.001 else "p <0.001"
    assert f"Log-rank {shown}" in chart.text


def test_curves_step_where_the_estimate_does() -> None:
    rows = predictions(90, 3, 1)
    groups = risk_groups(rows)
    root = drawn(survival_chart(rows, "mirror", "survival/COHORT/os").svg)
    for style, chosen in (("low", ~groups.high), ("high", groups.high)):
        curve = next(p for p in root.iter("path") if p.attrib.get("class") == f"steps {style}")
        deaths = np.unique(groups.time[chosen & groups.event])
        last = groups.time[chosen].max()
        assert curve.attrib["d"].count("H") == len({*deaths.tolist(), float(last)})


@pytest.mark.parametrize("event", [0, 1])
def test_nothing_happened_or_all_are_one_group(event: int) -> None:
    rows = predictions(30, 3, 1).assign(event=event)
    drawn(survival_chart(rows, "mirror", "survival/COHORT/os").svg)
    alone = survival_chart(rows.assign(risk=1.0), "mirror", "survival/COHORT/os")
    assert "No log-rank test" in alone.text
    assert "high risk" not in "".join(titles(drawn(alone.svg)))


def test_points_say_their_values_and_lead_to_methods() -> None:
    values = {"mirror": [[0.6, 0.7, 0.8]], HOSTILE: [[0.5, 0.6, 0.7]]}
    frame = pd.concat(
        [records(values), records({"age": [[0.5, 0.5, 0.6]]}, role="control", fit_seconds=0.0)]
    )
    (table,) = standings(deduplicate(frame))
    chart = compute_chart(table, "../")
    assert chart is not None
    root = drawn(chart.svg)
    said = titles(root)
    assert len(said) == 3
    assert said[0].startswith("mirror: 0.700 (0.")
    assert said[0].endswith("1.2 s a fit (self-supervised methods)")
    assert said[1].startswith(HOSTILE)
    links = [link.attrib["href"] for link in root.iter("a")]
    assert links[0] == "../methods/mirror.html"
    assert [link.attrib["class"] for link in root.iter("a")] == ["reference", "ranked", "beside"]


def test_nothing_to_compare_is_no_chart() -> None:
    (table,) = standings(deduplicate(records({"mirror": [[0.6, 0.7]]})))
    assert compute_chart(table, "") is None


@given(st.floats(0, 1), st.floats(0, 1))
def test_planes_keep_order_and_edges(one: float, other: float) -> None:
    plane = Plane((0.0, 1.0), (0.0, 1.0), 300)
    assert LEFT <= plane.x(one) <= WIDTH - RIGHT
    assert TOP <= plane.y(one) <= 300
    if one + 0.01 < other:
        assert plane.x(one) < plane.x(other)
        assert plane.y(one) > plane.y(other)
