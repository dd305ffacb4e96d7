"""What tuning found, in lines for the terminal."""

from collections.abc import Iterator

from benchmark.analysis.tuning import Gain, Searched
from benchmark.show.markdown import interval, number


def gain_sentence(gain: Gain) -> str:
    """One line for the terminal: whether the search was worth it, and how sure that is."""
    e = gain.difference
    verdict = "improved" if e.low > 0 else "made worse" if e.high < 0 else "not shown to improve"
    return (
        f"{gain.method} on {gain.task}: {verdict}, {gain.metric} "
        f"{number(e.mean, sign=True)} {interval(e.low, e.high, sign=True)} over {gain.cells} "
        "folds x seeds"
    )


def search_sentences(found: Searched) -> Iterator[str]:
    """Lines for the terminal: history, importance, cost."""
    path = " ".join(number(value) for value in found.best)
    yield (
        f"{found.method}, judged on {found.criterion} in {found.searches} searches, "
        f"{found.seconds:.0f} s: best so far {path}"
    )
    if found.importance:
        shares = ", ".join(f"{name} {number(x, 2)}" for name, x in found.importance.items())
        yield f"  importance over {found.judged} configurations (fANOVA): {shares}"
