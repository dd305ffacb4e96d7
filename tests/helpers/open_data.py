"""A small catalogue of generated files in the sources' formats, and a server that misbehaves."""

import contextlib
import hashlib
import threading
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

from tasks.data.fetch.catalogue import Catalogue, Recipe, RemoteFile, Repository

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
GENES = ("TP53", "EGFR", "MKI67")
PATIENTS = {
    "AAA": tuple(f"TCGA-Q1-A0{i:02d}" for i in range(12)),
    "BBB": tuple(f"TCGA-Q2-B0{i:02d}" for i in range(12)),
}
SLIDES = Repository("lab/slides", "a" * 40, "slide features", "nobody may sell them")
EXPRESSION = Repository("lab/expression", "b" * 40, "expression", "anything goes")


class Fault(Enum):
    """How the server gets a file wrong."""

    TAMPERED = auto()
    TRUNCATED = auto()
    BROKEN_OFF = auto()
    ENDLESS = auto()
    BUSY = auto()
    HELD = auto()


class _Handler(SimpleHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        name = Path(self.path).name
        self.server.asked.append(name)
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
        holding: Set when somebody waits for a file that is held.
        released: Ends the wait.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
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


def write_expression(path: Path, project: str, member: str = "./all_clean.csv.zip") -> None:
    """A PORPOISE archive: a csv with a row a slide, and what macOS adds."""
    patients = PATIENTS[project][1:]
    table = pd.DataFrame(_values(3, len(patients), 3), columns=[f"{g}_rnaseq" for g in GENES])
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

    clinical = remote(EXPRESSION, "cdr.xlsx")
    recipes = (
        Recipe(
            "TCGA-AAA",
            "AAA",
            (remote(SLIDES, "data/aaa.hifs.csv"),),
            remote(EXPRESSION, "aaa.zip"),
            clinical,
        ),
        Recipe(
            "TCGA-BBB",
            "BBB",
            (remote(SLIDES, "data/bbb.USE.rds"), remote(SLIDES, "data/bbb.HOLDOUT.rds")),
            remote(EXPRESSION, "bbb.zip"),
            clinical,
            histology=("IDC", "ILC"),
        ),
    )
    return Catalogue("small", "generated", "free", 'mind the "scales"', recipes)


def write_sources(raw: Path) -> Catalogue:
    """Write the files of two cohorts below `raw`, as a server of raw files has them."""
    slides = raw / SLIDES.name / SLIDES.commit / "data"
    slides.mkdir(parents=True)
    _slides(slides)
    expression = raw / EXPRESSION.name / EXPRESSION.commit
    expression.mkdir(parents=True)
    for project in PATIENTS:
        write_expression(expression / f"{project.lower()}.zip", project)
    _outcomes(expression / "cdr.xlsx")
    return describe(raw)
