"""What `mirror-bench list` shows: plain rows, for the screen and for JSON.

The JSON is a list of objects, their keys sorted, values as JSON has them:

* of methods: `name`, `family`, `role`, `supervised`, `modalities` (a list), `parameters`, `parent`
  and `delta` (of an ablation: fields that differ), `space` (fields that a search may change, each
  with its `values`, or `low` and `high`), `summary`, `citation`, `departures`, `available` and
  `reason` (why not);
* of tasks: `name`, `kind`, `cohort`, `label`, `version`, `default` (whether the kind's name alone
  means it) and `primary_metric`;
* of cohorts: `name`, `patients`, `complete` (with both sides), what each modality is, `endpoints`,
  `labels`, `embeddings` (those made elsewhere), `slide_encoder`, `licence` and `fetch`: the
  catalogue of `data fetch` that brings it, empty if none does. Of a results folder: `name`,
  `source`, `licence` and `fetch`.
"""

from dataclasses import asdict
from pathlib import Path

from benchmark.cli.fetch import fetched_by
from benchmark.engine.embeddings import declared_embeddings
from benchmark.records.segments import read_records
from benchmark.records.store import existing_store
from benchmark.show.encoders import slide_encoder
from methods.base import Budget, Role
from methods.precomputed import precomputed_specs
from methods.registry import registry
from tasks.cache_dir import cache_dir
from tasks.data.cohort import Cohort
from tasks.data.load import find_cohorts, load_cohort
from tasks.data.synthetic import embedded_cohorts
from tasks.registry import all_tasks

Row = dict[str, object]


PATCH_WIDTH, GENES = 1536, 4096
"""Widths of the inputs for which `list methods` counts parameters: UNI2-h patches, kept genes."""


METHOD_COLUMNS = ("name", "role", "modalities", "parameters", "summary")
"""What the table of `list methods` shows; the JSON has all."""

TASK_COLUMNS = ("name", "primary_metric", "default", "version")
"""What the table of `list tasks` shows: kind, cohort and label are in the name."""


def methods(data: Path | None = None) -> list[Row]:
    """Every method, and what could not be imported with its reason.

    With a folder of cohorts also those of the embeddings that it declares.

    `parameters` is the number of trainable parameters of the default configuration on bags of
    patches of width `PATCH_WIDTH` and `GENES` genes; None where nothing is trained by gradient.
    """
    registered = registry()
    made = [] if data is None else precomputed_specs(declared_embeddings(find_cohorts(data), ()))
    rows: list[Row] = [
        {
            "name": spec.name,
            "family": spec.family,
            "role": spec.role,
            "supervised": spec.role is Role.SUPERVISED,
            "modalities": list(spec.sides),
            "parameters": spec.build(spec.config_for(Budget.DEFAULT)).parameters_on(
                PATCH_WIDTH, GENES
            ),
            "parent": spec.parent,
            "delta": dict(spec.delta),
            "space": {name: asdict(values) for name, values in spec.space.items()},
            "summary": spec.summary,
            "citation": spec.citation,
            "departures": list(spec.departures),
            "available": True,
            "reason": "",
        }
        for spec in (*registered.methods.values(), *made)
    ]
    names = rows[0] if rows else ()
    for name, reason in registered.unavailable.items():
        absent = {"name": name, "available": False, "reason": reason}
        rows.append({**dict.fromkeys(names), **absent, "summary": f"unavailable: {reason}"})
    return rows


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
            "endpoints": sorted(cohort.endpoints),
            "labels": sorted(cohort.labels),
            "embeddings": [
                f"{name} ({one.side} of {one.vectors.width}, {one.covered} of {one.pairs} patients)"
                for name, one in sorted(cohort.embeddings.items())
            ],
            "slide_encoder": slide_encoder(cohort.encoder, cohort.pretrained_on),
            "licence": cohort.licence,
            "fetch": fetched_by(cohort.name, cohort.source),
        }
        for cohort in _cohorts(data)
    ]


def cohorts_of(results: Path) -> list[Row]:
    """The cohorts of a results folder, and the catalogue of `data fetch` that has each."""
    folder = existing_store(results).folder
    known = {(line.cohort, line.source, line.licence) for line in read_records(folder)}
    return [
        {"name": name, "source": source, "licence": licence, "fetch": fetched_by(name, source)}
        for name, source, licence in sorted(known)
    ]


def _cohorts(data: Path | None) -> list[Cohort]:
    folders = embedded_cohorts(cache_dir()) if data is None else find_cohorts(data)
    return [load_cohort(folder) for folder in folders]
