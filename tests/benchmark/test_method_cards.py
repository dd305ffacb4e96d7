"""The cards of methods: of every one, and the committed page is what they say."""

from pathlib import Path

from benchmark.show.method_cards import page
from methods.base import Budget, Role
from methods.registry import all_methods

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


def test_the_page_is_up_to_date() -> None:
    expected = page(all_methods().values())
    assert PAGE.read_text() == expected, "mirror-bench list methods --markdown > docs/methods.md"


def test_every_method_and_every_departure_stands_on_it() -> None:
    text = PAGE.read_text()
    for spec in all_methods().values():
        assert f"### {spec.name}\n" in text or f"| {spec.name} |" in text
        if spec.role is not Role.ABLATION:
            card = text.split(f"### {spec.name}\n")[1].split("\n### ")[0]
            assert card.count("\n- ") >= 2 + len(spec.departures)


def test_settings_that_differ_are_those_of_the_budgets() -> None:
    clip = all_methods()["clip"]
    card = PAGE.read_text().split("### clip\n")[1].split("\n### ")[0]
    for budget, column in ((Budget.DEFAULT, 2), (Budget.PAPER, 3)):
        rows = [line.split("|") for line in card.splitlines() if line.startswith("| ")][2:]
        assert rows
        for row in rows:
            value = getattr(clip.config_for(budget), row[1].strip())
            assert row[column].strip() == str(value)
