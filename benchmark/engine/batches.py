"""Which trials a worker is given next: long ones alone, short ones by the batch."""

from collections import defaultdict, deque
from collections.abc import Sequence

from benchmark.engine.plan import Trial

STARTS = 3
"""How often a trial is started whose worker dies."""

SECONDS = 1.0
"""Of work in a batch: enough that handing it over costs little beside it."""

SHARE = 4
"""A batch is at most this part of what each worker has left, so that all end at about one time."""


class Batches:
    """Hands out the trials of a plan in their order.

    How long a trial takes is learnt from the first of its method and cohort, which is handed out
    alone. So is, after all the others, what a worker died of: what ate all memory has more of it
    then, and takes no other trial with it.

    Args:
        plan: The trials, longest first.
        gpus: The share of a GPU that each needs; those of a batch need the same.
        workers: How many share them.

    Attributes:
        given_up: Places in the plan of the trials whose worker died at every start.
    """

    def __init__(self, plan: Sequence[Trial], gpus: Sequence[float], workers: int) -> None:
        self.given_up: list[int] = []
        self._plan, self._gpus = plan, gpus
        self._workers = workers
        self._waiting = deque(range(len(plan)))
        self._again: deque[int] = deque()
        self._out: set[int] = set()
        self._starts: dict[int, int] = defaultdict(int)
        self._seconds: dict[tuple[str, str], float] = {}

    @property
    def over(self) -> bool:
        """Whether nothing waits and nobody works."""
        return not (self._waiting or self._again or self._out)

    def take(self) -> list[int]:
        """Places in the plan of the trials that one worker is to run, in this order.

        Empty if nothing waits; something may again, if a worker dies.
        """
        waiting = self._waiting or self._again
        if not waiting:
            return []
        batch = [waiting.popleft()]
        if waiting is self._waiting:
            most = (len(waiting) + 1) // (SHARE * self._workers)
            while waiting and self._plan[waiting[0]].fit == self._plan[batch[0]].fit:
                batch.append(waiting.popleft())  # of the embeddings that the first one leaves
            share, total = self._gpus[batch[0]], self._expected(batch[0])
            while waiting and len(batch) < most and self._gpus[waiting[0]] == share:
                total += self._expected(waiting[0])
                if total > SECONDS:
                    break
                batch.append(waiting.popleft())
        self._out.update(batch)
        return batch

    def finished(self, place: int, seconds: float) -> bool:
        """A trial was recorded after so many seconds; false if it had been before."""
        if place not in self._out:
            return False
        self._out.remove(place)
        self._seconds[self._kind(place)] = seconds
        return True

    def lost(self, batch: Sequence[int]) -> None:
        """A worker died: the first unfinished trial of its batch was running, the rest were not."""
        left = [place for place in batch if place in self._out]
        self._out.difference_update(left)
        for place in left[:1]:
            self._starts[place] += 1
            if self._starts[place] >= STARTS:
                self.given_up.append(place)
                left.remove(place)
        self._again.extend(left)

    def _expected(self, place: int) -> float:
        return self._seconds.get(self._kind(place), float("inf"))

    def _kind(self, place: int) -> tuple[str, str]:
        return self._plan[place].method, self._plan[place].cohort
