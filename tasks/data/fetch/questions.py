"""The labels that are asked of open cohorts: mutated genes, histology, stage, grade."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from tasks.data.cohort import MUTATED, LabelKind
from tasks.data.fetch.catalogue import RemoteFile, Sources
from tasks.data.fetch.parts import CLINICAL_TABLE, label_keys, write_table
from tasks.data.fetch.source_tables import read_mutations
from tasks.data.formats.tables import read_column, read_text_table, require_columns
from tasks.errors import InputError

_TABLE = "labels.csv"


@dataclass(frozen=True)
class Question:
    """A label whose classes are words in columns of the cohort's own tables.

    Attributes:
        name: Of the label.
        table: File in the cohort's folder.
        id: Its column of patients.
        columns: Of a patient's, the first that has one of the words says the class.
        classes: The words of each class.
        called_from: Who called it, from what.
        derived_from: `clinical` if it is a covariate that methods may see; else nothing.
    """

    name: str
    table: str
    id: str
    columns: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    called_from: str
    derived_from: str = ""

    def answers(self, folder: Path) -> dict[str, str]:
        """The class of each patient that has one."""
        table = read_text_table(folder / self.table)
        require_columns(folder / self.table, table, (self.id, *self.columns))
        class_of = {word: name for name, words in self.classes.items() for word in words}
        found: dict[str, str] = {}
        for patient, *cells in zip(
            table[self.id], *(table[column] for column in self.columns), strict=True
        ):
            known = [class_of[cell] for cell in cells if cell in class_of]
            if known:
                found[patient] = known[0]
        return found


@dataclass(frozen=True)
class Labels:
    """What is asked of a cohort; its other parts are written before this one.

    Attributes:
        files: Tables of mutation calls, a row a sample, each of some genes.
        genes: Those whose mutation is asked for.
        genes_called_from: Who called mutations, from what.
        questions: The other labels.
    """

    files: tuple[RemoteFile, ...]
    genes: tuple[str, ...]
    genes_called_from: str
    questions: tuple[Question, ...]
    packed: ClassVar[bool] = False

    def write(self, cohort: str, sources: Sources, folder: Path) -> dict[str, Any]:
        """Write one table of all labels, a row a patient of the clinical table."""
        patients = read_column(folder / CLINICAL_TABLE, "bcr_patient_barcode")
        columns = self._mutations(sources, patients)
        labels = {
            gene: label_keys(_TABLE, gene, MUTATED)
            | {"kind": str(LabelKind.MUTATION), "called_from": self.genes_called_from}
            for gene in self.genes
        }
        for question in self.questions:
            answers = question.answers(folder)
            columns[question.name] = [answers.get(patient, "") for patient in patients]
            labels[question.name] = label_keys(_TABLE, question.name, tuple(question.classes))
            labels[question.name]["called_from"] = question.called_from
            if question.derived_from:
                labels[question.name]["derived_from"] = question.derived_from
        write_table(folder / _TABLE, pd.DataFrame({"case_id": patients, **columns}))
        return {"labels": labels}

    def _mutations(self, sources: Sources, patients: tuple[str, ...]) -> dict[str, list[str]]:
        """Wild-type, mutated or nothing (not sequenced) of each gene and patient."""
        tables = [sources.shared(file, read_mutations) for file in self.files]
        wild_type, mutated = MUTATED
        columns = {}
        for gene in self.genes:
            table = next((table for table in tables if gene in table), None)
            if table is None:
                names = " or ".join(file.name for file in self.files)
                raise InputError(f"{names}: expected a column {gene!r}, found none")
            calls = table[gene].reindex(patients, fill_value="NS")
            columns[gene] = [
                "" if call == "NS" else wild_type if call == "WT" else mutated for call in calls
            ]
        return columns
