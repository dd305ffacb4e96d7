"""Slides that were prepared in another way than those beside them."""

from tasks.checks.finding import Check, Finding, Severity, clean, some
from tasks.data.barcode import Preparation
from tasks.data.samples import SampleRule, Selection, SlideChoice


def audit_preparations(where: str, selection: Selection, rule: SampleRule) -> Finding:
    """Whether diagnostic and frozen slides lie together, and what becomes of them.

    Ice crystals of frozen sections show in every feature, and who has only such slides is often of
    a few sites: taken together, how a slide was made may stand for what its patient has.

    Args:
        where: In what.
        selection: All slides, and those that are taken.
        rule: By which.
    """
    others = next((kind for kind in Preparation if kind in selection.left_out), None)
    if others is not None:
        rows = selection.left_out[others]
        summary = f"{others} slides beside others, left out"
        if lost := selection.lost(others):
            summary += f" with {len(lost)} patients who have no other"
        severity, advice = Severity.NOTE, "as declared"
        if rule.slides is None:
            severity = Severity.WARNING
            advice = f'slides = "{SlideChoice.DX}" beside their path says that this is meant'
    elif selection.spared:
        rows = selection.prepared(Preparation.FROZEN)
        summary = f"{Preparation.FROZEN} slides taken, since {len(selection.spared)} patients have "
        summary += "no other"
        severity = Severity.WARNING
        advice = f'slides = "{SlideChoice.ALL}" or "{SlideChoice.FROZEN}" says that this is meant'
    else:
        if not all(selection.prepared(kind) for kind in Preparation):
            return clean(where, Check.PREPARATIONS)
        rows = selection.prepared(Preparation.FROZEN)
        summary = f"{Preparation.FROZEN} slides taken together with {Preparation.DIAGNOSTIC} ones"
        severity = Severity.WARNING
        advice = "a score may be of how slides were made: take one kind of them"
    return Finding(
        where,
        Check.PREPARATIONS,
        severity,
        summary,
        len(rows),
        len(selection.barcodes),
        "slides",
        some(selection.barcodes[i].name for i in rows),
        advice,
    )
