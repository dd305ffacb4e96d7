"""The declarations of the registered methods, as the page shows them."""

from benchmark.show.declared import Declarations, Declared
from benchmark.show.method_cards import settings_of
from methods.base import MethodSpec
from methods.registry import all_methods


def declarations() -> Declarations:
    """Of every method that can be imported."""
    return {name: _declared(spec) for name, spec in all_methods().items()}


def _declared(spec: MethodSpec) -> Declared:
    return Declared(
        citation=spec.citation,
        needs=tuple(spec.sides),
        departures=spec.departures,
        settings=tuple((name, str(own), str(paper)) for name, own, paper in settings_of(spec)),
        delta=tuple((name, str(value)) for name, value in spec.delta.items()),
    )
