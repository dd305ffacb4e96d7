"""A small catalogue of generated files in the sources' formats, and a server that misbehaves."""

import contextlib
import hashlib
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdata
import torch

from tasks.data.fetch.catalogue import Catalogue, Recipe, RemoteFile, Repository
from tasks.data.fetch.parts import (
    CLINICAL_TABLE,
    SLIDE_TABLE,
    BagSlides,
    Expression,
    Outcomes,
    VectorSlides,
)
from tasks.data.fetch.questions import Labels, Question

FEATURES = (
    "AREA (MM2) OF [TUMOR] IN [TISSUE]",
    "REGION PROPERTIES: AREA (MM2) OF LARGEST REGION OF TUMOR",
    "AREA PROP [[STROMA] OVER [TUMOR]] IN [TISSUE]",
    "DENSITY [PLASMA CELLS] IN [TUMOR]",
)
NORMALISED = (
    "AREA_MM2_OF_TUMOR_IN_TISSUE",
    "REGION_PROPERTIES_AREA_MM2_OF_LARGEST_REGION_OF_TUMOR",
    "AREA_PROP_STROMA_OVER_TUMOR_IN_TISSUE",
    "DENSITY_PLASMA_CELLS_IN_TUMOR",
)
GENES = ("TP53", "EGFR", "MKI67", "ESR1", "ERBB2")
PATIENTS = {
    "AAA": tuple(f"TCGA-Q1-A0{i:02d}" for i in range(12)),
    "BBB": tuple(f"TCGA-Q2-B0{i:02d}" for i in range(12)),
    "CCC": tuple(f"TCGA-Q3-C0{i:02d}" for i in range(12)),
}
BAGS = (
    *(f"{patient}-01Z-00-DX1.{i:04d}.pt" for i, patient in enumerate(PATIENTS["CCC"][:10])),
    f"{PATIENTS['CCC'][0]}-01Z-00-DX2.0100.pt",
    f"{PATIENTS['CCC'][1]}-06Z-00-DX1.0101.pt",  # beside a primary one: left out
    f"{PATIENTS['CCC'][10]}-06Z-00-DX1.0102.pt",  # the only one: taken
    f"{PATIENTS['CCC'][11]}-11Z-00-DX1.0103.pt",  # normal tissue: never
)
"""The slides of CCC; a bag has three regions and one more for each slide before it."""
SLIDES = Repository("lab/slides", "a" * 40, "slide features", "nobody may sell them")
EXPRESSION = Repository("lab/expression", "b" * 40, "expression", "anything goes")


class Fault(Enum):
    """How the server gets a file wrong."""

    TAMPERED = auto()
    TRUNCATED = auto()
    BROKEN_OFF = auto()
    ENDLESS = auto()
    BUSY = auto()
    LIMITED = auto()
    HELD = auto()


class _Handler(SimpleHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        name = Path(self.path).name
        self.server.asked.append(name)
        self.server.times.append(time.monotonic())
        fault = self.server.faults.get(name)
        if fault is None:
            super().do_GET()
            return
        if fault is Fault.HELD:
            self.server.holding.set()
            self.server.released.wait()
            return
        if fault is Fault.BUSY:
            self.send_error(503)
            return
        if fault is Fault.LIMITED:  # once
            del self.server.faults[name]
            self.server.limited.append(time.monotonic())
            self.send_response(429)
            self.send_header("Retry-After", self.server.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        length = len(content)
        if fault is Fault.TAMPERED:
            content = content[:-1] + bytes([content[-1] ^ 1])
        elif fault is Fault.TRUNCATED:
            content = content[: length // 2]
            length = len(content)
        elif fault is Fault.BROKEN_OFF:
            content = content[: length // 2]
        elif fault is Fault.ENDLESS:
            content, length = content * 1000, 10**12
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # whoever asked may have heard enough
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Tests are silent."""


class Server(ThreadingHTTPServer):
    """Serves a folder on loopback, and remembers what it was asked for.

    Attributes:
        faults: What to get wrong, by a file's name.
        asked: Names of the files asked for, in their order.
        times: When, on the monotonic clock.
        limited: When it said that it was asked too often.
        retry_after: What it says then.
        holding: Set when somebody waits for a file that is held.
        released: Ends the wait.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        self.times: list[float] = []
        self.limited: list[float] = []
        self.retry_after = "1"
        self.holding = threading.Event()
        self.released = threading.Event()

    @property
    def address(self) -> str:
        """What `--source` takes."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server of `folder`, until the block is left."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


def _values(seed: int, rows: int, columns: int) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, columns)) * 1e4


def _slides(folder: Path) -> None:
    """AAA as csv, BBB as two R files with the names that R makes of the same ones."""
    patients = [*PATIENTS["AAA"], PATIENTS["AAA"][0]]
    table = pd.DataFrame(_values(1, len(patients), 4), columns=[f"{n}_FFPE" for n in FEATURES])
    table.insert(0, "CASE_ID", range(len(patients)))
    table["bcr_patient_barcode"] = patients
    table["os_time"] = 1.0
    table.to_csv(folder / "aaa.hifs.csv", index=False)
    order = sorted(range(4), key=FEATURES.__getitem__)
    for part, rows in (("USE", slice(0, 8)), ("HOLDOUT", slice(8, 12))):
        some = PATIENTS["BBB"][rows]
        names = [f"{FEATURES[i]}_HE".translate(str.maketrans(" ()[]:", "......")) for i in order]
        table = pd.DataFrame(_values(len(some), len(some), 4), columns=names)
        table.insert(0, "bcr_patient_barcode", some)
        table["HRD_Score_Binarized"] = np.arange(len(some)) % 2 * 1.0
        rdata.write_rds(folder / f"bbb.{part}.rds", table)


def bag(slide: str) -> torch.Tensor:
    """The regions of a slide of CCC, float32 [regions, 5]."""
    seed = BAGS.index(slide)
    values = np.random.default_rng(seed).normal(size=(3 + seed, 5))
    return torch.from_numpy(values.astype(np.float32))


def _mutations(folder: Path) -> None:
    """TP53 in the one table, KRAS in the other; a metastasis that says something else."""
    samples = [f"{patient}-01" for patient in PATIENTS["CCC"][:10]]
    samples = ["P-0000001-IM5", f"{PATIENTS['CCC'][0]}-06", *samples, f"{PATIENTS['CCC'][10]}-06"]
    calls = {
        "TP53": ["R175H", "R175H", *["WT", "R175H R248Q"] * 4, "WT", "NS", "X1_splice"],
        "KRAS": ["WT", "WT", *["WT"] * 9, "G12D", "WT"],
    }
    for part, (gene, cells) in enumerate(calls.items(), start=1):
        table = pd.DataFrame({"STUDY_ID": "ccc", "SAMPLE_ID": samples, gene: cells})
        table.to_csv(folder / f"mutations{part}.txt", sep="\t", index=False)


def write_expression(path: Path, project: str, member: str = "./all_clean.csv.zip") -> None:
    """A PORPOISE archive: a csv with a row a slide, and what macOS adds."""
    patients = PATIENTS[project][1:]
    table = pd.DataFrame(
        _values(3, len(patients), len(GENES)), columns=[f"{g}_rnaseq" for g in GENES]
    )
    table.insert(0, "case_id", patients)
    table = pd.concat([table, table.iloc[:1]], ignore_index=True)
    table.insert(1, "slide_id", [f"{p}-01Z-00-DX{i}.svs" for i, p in enumerate(table["case_id"])])
    table["site"], table["age"], table["is_female"] = "05", 50.0, 1.0
    table["oncotree_code"] = [*["IDC", "ILC"] * 5, "IDC", "IDC"]
    table["survival_months"], table["censorship"] = 10.5, 1.0
    table["TP53_mut"] = 1.0
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, table.to_csv())
        archive.writestr("__MACOSX/._all_clean.csv", b"\x00\x05")


def _outcomes(path: Path) -> None:
    rows = [
        {
            "bcr_patient_barcode": patient,
            "type": project,
            "age_at_initial_pathologic_diagnosis": 60,
            "gender": "FEMALE",
            "OS": i % 2,
            "OS.time": 100 + i,
            "histological_grade": ["G1", "G2", "[Discrepancy]", "G3"][i % 4],
            "Redaction": "Redacted" if i == 5 else None,
        }
        for project, patients in PATIENTS.items()
        for i, patient in enumerate(patients)
    ]
    pd.DataFrame(rows).to_excel(path, sheet_name="TCGA-CDR")


def describe(raw: Path) -> Catalogue:
    """The catalogue of what `write_sources` wrote, with the hashes that the files have now."""

    def remote(repository: Repository, path: str) -> RemoteFile:
        content = (raw / repository.name / repository.commit / path).read_bytes()
        return RemoteFile(repository, path, len(content), hashlib.sha256(content).hexdigest())

    def archive(project: str) -> RemoteFile:
        return remote(EXPRESSION, f"{project.lower()}.zip")

    def outcomes(project: str) -> Outcomes:
        return Outcomes(remote(EXPRESSION, "cdr.xlsx"), (project,))

    codes = {"ductal": ("IDC",), "lobular": ("ILC",), "other": ("MDLC",)}
    grades = {"low": ("G1", "G2"), "high": ("G3", "CCC")}
    patient = "bcr_patient_barcode"
    questions = (
        Question("histology", SLIDE_TABLE, "case_id", ("oncotree_code",), codes, "slides"),
        Question(
            "grade",
            CLINICAL_TABLE,
            patient,
            ("histological_grade", "type"),
            grades,
            "slides",
            "clinical",
        ),
    )
    mutations = (
        remote(EXPRESSION, "mutations1.txt"),
        remote(EXPRESSION, "mutations2.txt"),
    )
    aaa, *bbb = (
        remote(SLIDES, f"data/{name}")
        for name in ("aaa.hifs.csv", "bbb.USE.rds", "bbb.HOLDOUT.rds")
    )
    bags = tuple(remote(SLIDES, f"bags/{name}") for name in sorted(BAGS))
    recipes = (
        Recipe(
            "TCGA-AAA",
            (VectorSlides((aaa,)), Expression(archive("AAA"), "rna.csv.gz"), outcomes("AAA")),
        ),
        Recipe(
            "TCGA-BBB",
            (
                VectorSlides(tuple(bbb)),
                Expression(archive("BBB"), "rna.csv.gz", ("IDC", "ILC")),
                outcomes("BBB"),
            ),
        ),
        Recipe(
            "TCGA-CCC",
            (
                BagSlides(bags, "an encoder", ("TCGA",)),
                Expression(
                    archive("CCC"), scale="zscore", gene_sets=remote(EXPRESSION, "sets.csv")
                ),
                outcomes("CCC"),
                Labels(mutations, ("KRAS", "TP53"), "DNA", questions),
            ),
        ),
    )
    unions = {"AB": ("TCGA-AAA", "TCGA-BBB")}
    return Catalogue("small", "generated", "free", 'mind the "scales"', recipes, unions, fewest=3)


def write_sources(raw: Path) -> Catalogue:
    """Write the files of three cohorts below `raw`, as a server of raw files has them."""
    slides = raw / SLIDES.name / SLIDES.commit / "data"
    slides.mkdir(parents=True)
    _slides(slides)
    bags = slides.with_name("bags")
    bags.mkdir()
    for name in BAGS:
        torch.save(bag(name), bags / name)
    expression = raw / EXPRESSION.name / EXPRESSION.commit
    expression.mkdir(parents=True)
    for project in PATIENTS:
        write_expression(expression / f"{project.lower()}.zip", project)
    lines = ["HALLMARK,FEW", *(f"{gene},{gene * (gene == 'TP53')}" for gene in GENES)]
    (expression / "sets.csv").write_text("\n".join(lines))
    _outcomes(expression / "cdr.xlsx")
    _mutations(expression)
    return describe(raw)
