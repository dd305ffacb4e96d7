"""Cards of methods as one page of Markdown: what each is, and how it differs from its paper."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import groupby

from benchmark.show.escape import markdown as escape
from benchmark.show.markdown import bullets, grid
from benchmark.show.tables import Column, View, table
from methods.base import Budget, Config, MethodSpec, Role

_HEAD = """# Methods

Written by `mirror-bench list methods --markdown` from the declarations of the methods; not to be
edited. Two settings are compared, and never in one table. **Equal** (budget `default`): the same
width, optimiser, batches and rule of convergence for every network. **Published** (budget `paper`):
each as its authors trained it, where that can be run. What differs from a paper in both is listed
as its departures.
"""

_SECTIONS = {
    Role.SELF_SUPERVISED: "Self-supervised",
    Role.ABLATION: "Ablations and repairs",
    Role.CONTROL: "Floors and controls",
    Role.SUPERVISED: "Supervised references",
}

_Setting = tuple[str, object, object]


def page(specs: Iterable[MethodSpec]) -> str:
    """The cards, by role and then by name; ablations in one table."""
    order = list(_SECTIONS)
    by_role = sorted(specs, key=lambda spec: (order.index(spec.role), spec.name))
    parts = [_HEAD]
    for role, group in groupby(by_role, key=lambda spec: spec.role):
        parts.append(f"\n## {_SECTIONS[role]}\n")
        of_role = list(group)
        if role is Role.ABLATION:
            parts.append(f"\n{_ablations(of_role)}")
        else:
            parts += [text for spec in of_role for text in _card(spec)]
    return "".join(parts)


def _ablations(specs: Sequence[MethodSpec]) -> str:
    columns: tuple[Column[MethodSpec], ...] = (
        Column("method", lambda spec: spec.name, kind="name"),
        Column("changes", lambda spec: _pairs(spec.delta.items())),
        Column("summary", lambda spec: spec.summary),
    )
    return grid(table("Ablations", columns, specs), View.MARKDOWN)


def _card(spec: MethodSpec) -> Iterator[str]:
    summary = f"{spec.summary[:1].upper()}{spec.summary[1:]}"
    yield f"\n### {escape(spec.name)}\n\n{escape(summary)}.\n\n"
    facts = [f"Source: {spec.citation}", f"Needs: {' and '.join(spec.sides) or 'nothing'}"]
    if spec.parent:
        facts.append(f"A variant of {spec.parent}: {_pairs(spec.delta.items())}")
    if spec.space:
        facts.append(f"A search may change: {', '.join(sorted(spec.space))}")
    yield bullets(facts)
    if spec.departures:
        yield f"\nDepartures:\n\n{bullets(spec.departures)}"
    if settings := settings_of(spec):
        columns: tuple[Column[_Setting], ...] = (
            Column("setting", lambda one: one[0], kind="name"),
            Column("equal", lambda one: str(one[1])),
            Column("published", lambda one: str(one[2])),
        )
        yield f"\n{grid(table('Settings', columns, settings), View.MARKDOWN)}"


def settings_of(spec: MethodSpec) -> list[_Setting]:
    """Where the published setting differs from the equal one."""
    equal, published = (spec.config_for(budget) for budget in (Budget.DEFAULT, Budget.PAPER))
    return [
        (name, getattr(equal, name), getattr(published, name))
        for name in _names(equal)
        if getattr(equal, name) != getattr(published, name)
    ]


def _names(config: Config) -> list[str]:
    return sorted(each.name for each in fields(config))


def _pairs(items: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in items)
