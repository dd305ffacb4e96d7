"""Cards of cohorts as one page of Markdown: what each is, and what it is not good for."""

from collections.abc import Iterator, Sequence

from benchmark.show.encoders import slide_encoder
from benchmark.show.escape import markdown as escape
from benchmark.show.markdown import bullets, grid
from benchmark.show.numbers import count, number, whole
from benchmark.show.tables import Column, View, numeric, table
from tasks.checks.card import FEW, Bags, Card, EndpointFacts, LabelFacts

_HEAD = f"""# Cohorts

Written by `mirror-bench data cards` from the files of the cohorts; not to be edited. Events,
classes and follow-up are those of the patients with both sides. Follow-up is its median in months
by the reverse Kaplan-Meier estimator. Of fewer than {FEW} events, or patients of a class, a C-index
or AUROC is too uncertain to tell methods apart by (Collins et al., Stat Med 35:214, 2016).

"""


def page(cards: Sequence[Card]) -> str:
    """All cards, an overview before them."""
    columns: tuple[Column[Card], ...] = (
        Column("cohort", lambda card: card.name, kind="name"),
        numeric("patients with both sides", lambda card: card.n_complete, whole),
        numeric("deaths", lambda card: os.n_events if (os := _os(card)) else None, whole),
        numeric("follow-up", lambda card: os.follow_up if (os := _os(card)) else None, _months),
        numeric("slides", lambda card: card.bags.n_slides if card.bags else None, whole),
        numeric("instances", lambda card: card.bags.n_instances if card.bags else None, whole),
        numeric("genes", lambda card: rna.width if (rna := card.sides.get("rna")) else None, whole),
        numeric("labels", lambda card: len(card.labels), whole),
    )
    of_all = [line for line in _limits(cards[0]) if all(line in _limits(card) for card in cards)]
    shared = of_all if len(cards) > 1 else []
    parts = [_HEAD, grid(table("Cohorts", columns, cards), View.MARKDOWN)]
    if shared:
        parts.append(f"\nWhat none of them is good for:\n\n{bullets(shared)}")
    return "".join([*parts, *(part for card in cards for part in _card(card, shared))])


def _card(card: Card, shared: Sequence[str]) -> Iterator[str]:
    yield f"\n## {escape(card.name)}\n\n"
    yield bullets(list(_facts(card)))
    if card.endpoints:
        endpoints: tuple[Column[EndpointFacts], ...] = (
            Column("endpoint", lambda one: one.name, kind="name"),
            numeric("patients", lambda one: one.n_patients, whole),
            numeric("events", lambda one: one.n_events, whole),
            numeric("follow-up", lambda one: one.follow_up, _months),
        )
        yield f"\n{grid(table('Endpoints', endpoints, card.endpoints), View.MARKDOWN)}"
    if card.labels:
        labels: tuple[Column[LabelFacts], ...] = (
            Column("label", lambda one: one.name, kind="name"),
            Column("patients", _classes),
        )
        yield f"\n{grid(table('Labels', labels, card.labels), View.MARKDOWN)}"
    if callers := _callers(card):
        yield f"\nWho called them from what:\n\n{bullets(callers)}"
    if limits := [line for line in _limits(card) if line not in shared]:
        yield f"\nWhat it is not good for:\n\n{bullets(limits)}"


def _facts(card: Card) -> Iterator[str]:
    of = f", a union of {', '.join(card.members)}" if card.members else ""
    yield f"{card.n_patients:,} patients, {card.n_complete:,} with both sides{of}"
    if slides := card.sides.get("wsi"):
        sizes = "one vector a slide" if card.bags is None else _sizes(card.bags)
        yield f"slides of {slides.n_patients:,} patients, {sizes}; {slides.width:,} features"
    if card.left_out:
        listed = ", ".join(f"{n} {why}" for why, n in card.left_out.items())
        yield f"slides left out: {listed}"
    if encoder := slide_encoder(card.encoder, card.pretrained_on):
        yield f"slide encoder: {encoder}"
    if genes := card.sides.get("rna"):
        yield f"expression of {genes.n_patients:,} patients, {genes.width:,} genes"
    yield f"source: {card.source or 'not declared'}"
    yield f"licence: {card.licence or 'not declared'}"


def _sizes(bags: Bags) -> str:
    return (
        f"{count(bags.n_slides, 'slide')} with {bags.n_instances:,} instances: {bags.fewest:,} to "
        f"{bags.most:,} a slide, {bags.median:,.0f} in the median"
    )


def _os(card: Card) -> EndpointFacts | None:
    return next((one for one in card.endpoints if one.name == "os"), None)


def _months(time: float) -> str:
    return number(time, 1)


def _classes(label: LabelFacts) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in label.counts.items())


def _callers(card: Card) -> list[str]:
    """One line for all labels that somebody called from the same."""
    by_caller: dict[str, list[str]] = {}
    for label in card.labels:
        if label.called_from:
            by_caller.setdefault(label.called_from, []).append(label.name)
    return [f"{', '.join(labels)}: {caller}" for caller, labels in by_caller.items()]


def _limits(card: Card) -> list[str]:
    """One line for all that share an advice; what whoever made the cohort says, last."""
    by_advice: dict[str, list[str]] = {}
    for one in card.limits:
        by_advice.setdefault(one.advice, []).append(f"{one.where}: {one.summary}")
    lines = [f"{'; '.join(limits)} ({advice})" for advice, limits in by_advice.items()]
    return lines + [card.note] * bool(card.note)
