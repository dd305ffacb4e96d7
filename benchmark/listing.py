"""What `mirror-bench list` shows: plain rows, for the screen and for JSON."""

from pathlib import Path

from methods.registry import all_methods
from tasks.cache_dir import cache_dir
from tasks.cohort import Cohort
from tasks.load import find_cohorts, load_cohort
from tasks.registry import all_tasks
from tasks.synthetic import embedded_cohorts

Row = dict[str, object]


def methods() -> list[Row]:
    """Name, family, parent and what differs from it, citation and summary of each method."""
    return [
        {
            "name": spec.name,
            "family": spec.family,
            "summary": spec.summary,
            "citation": spec.citation,
            "parent": spec.parent,
            "delta": ", ".join(f"{name}={value}" for name, value in spec.delta.items()),
        }
        for spec in all_methods().values()
    ]


def tasks(data: Path | None) -> list[Row]:
    """Every task instance of the cohorts."""
    return [
        {
            "name": task.name,
            "kind": task.kind,
            "cohort": task.cohort,
            "label": task.label,
            "version": task.version,
            "default": task.default,
            "primary_metric": task.metrics[0].name,
        }
        for task in all_tasks(_cohorts(data))
    ]


def cohorts(data: Path | None) -> list[Row]:
    """Sizes, modalities, endpoints and labels of each cohort."""
    return [
        {
            "name": cohort.name,
            "patients": len(cohort.patients),
            "complete": len(cohort.complete()),
            **{
                name: f"{modality.kind} of {modality.width}"
                for name, modality in sorted(cohort.modalities.items())
            },
            "endpoints": ", ".join(sorted(cohort.endpoints)),
            "labels": ", ".join(sorted(cohort.labels)),
            "licence": cohort.licence,
        }
        for cohort in _cohorts(data)
    ]


def _cohorts(data: Path | None) -> list[Cohort]:
    folders = embedded_cohorts(cache_dir()) if data is None else find_cohorts(data)
    return [load_cohort(folder) for folder in folders]
