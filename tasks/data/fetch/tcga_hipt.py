"""The catalogue `tcga-hipt`: thirteen cohorts of TCGA with bags of regions, and what is asked."""

import csv
import gzip
from collections.abc import Mapping
from importlib.resources import files
from io import StringIO

from tasks.data.fetch.catalogue import Catalogue, Recipe, RemoteFile, Repository
from tasks.data.fetch.parts import CLINICAL_TABLE, SLIDE_TABLE, BagSlides, Expression, Outcomes
from tasks.data.fetch.publishers import CLINICAL, EXPRESSION, HALLMARKS
from tasks.data.fetch.questions import Labels, Question

HIPT = Repository(
    "mahmoodlab/HIPT",
    "c22f0ecf40fe6bba965e7c79d48808d1cf6a66c8",
    "diagnostic slides as bags: of every region of 4,096 x 4,096 pixels at 20x, the 192 features "
    "of HIPT's region-level transformer (Chen et al., CVPR 2022)",
    "Apache-2.0 with Commons Clause (not to be sold); its README adds: for non-commercial academic "
    "use.",
)
KATHERLAB = Repository(
    "KatherLab/cancer-metadata",
    "d77b1bae2549a8a312681c7e3e41c0fd954481cd",
    "mutation calls of the TCGA PanCancer Atlas, 194 genes",
    "MIT.",
)

_FOLDER = "3-Self-Supervised-Eval/embeddings_slide_lib/vit256mean_tcga_slide_embeddings"
_MUTATIONS = (
    RemoteFile(
        KATHERLAB,
        "tcga/tcga-mutations-part1.txt",
        3562961,
        "40457fca7500869ffabb8c3bf99ef5049c6644f1c62be7ed1313aea281c5f065",
    ),
    RemoteFile(
        KATHERLAB,
        "tcga/tcga-mutations-part2.txt",
        3544564,
        "c90519501ed974db7e4bac3fdf0fab5ef582e40d5ecf2029a7831fb9ae6e1f80",
    ),
)
_PROJECTS = {"COADREAD": ("COAD", "READ"), "GBMLGG": ("GBM", "LGG")}
"""TCGA's projects in a cohort, where they are not the cohort's name."""

_GENES = {
    # FGFR3 is what erdafitinib is given for, and marks papillary tumours; TP53 and RB1 are lost in
    # the basal and neuroendocrine-like ones
    "BLCA": ("FGFR3", "RB1", "TP53"),
    # TP53 marks the basal-like; alpelisib is given for PIK3CA; CDH1 is lost in lobular carcinoma;
    # GATA3 marks the luminal
    "BRCA": ("CDH1", "GATA3", "PIK3CA", "TP53"),
    # BRAF and KRAS decide whether EGFR is blocked; TP53 separates the chromosomally unstable
    "COADREAD": ("BRAF", "KRAS", "TP53"),
    # IDH1 defines the entities of today's WHO classification, ATRX and TP53 the astrocytic ones,
    # CIC comes with 1p/19q codeletion, EGFR with glioblastoma
    "GBMLGG": ("ATRX", "CIC", "EGFR", "IDH1", "TP53"),
    # TP53 and CDKN2A are lost where papillomavirus is absent; NOTCH1 in squamous differentiation
    "HNSC": ("CDKN2A", "NOTCH1", "TP53"),
    # three neighbours on 3p: BAP1 and SETD2 go with grade and a poor course, PBRM1 with a good one
    "KIRC": ("BAP1", "PBRM1", "SETD2"),
    # MET drives type 1 and is a target; SETD2 goes with type 2
    "KIRP": ("MET", "SETD2"),
    # the two classes of hepatocellular carcinoma: well-differentiated with CTNNB1, the others TP53
    "LIHC": ("CTNNB1", "TP53"),
    # EGFR and KRAS have drugs; STK11 and KEAP1 predict that immunotherapy fails; TP53 is in both
    "LUAD": ("EGFR", "KEAP1", "KRAS", "STK11", "TP53"),
    # TP53 in most; NFE2L2 resists radiation; PTEN and CDKN2A are the other losses that recur
    "LUSC": ("CDKN2A", "NFE2L2", "PTEN", "TP53"),
    # the four drivers of ductal adenocarcinoma; SMAD4 goes with spread
    "PAAD": ("CDKN2A", "KRAS", "SMAD4", "TP53"),
    # BRAF is what targeted therapy is given for; NRAS and NF1 are the other genomic classes
    "SKCM": ("BRAF", "NF1", "NRAS"),
    # ARID1A and PIK3CA go with microsatellite instability and EBV, CDH1 with diffuse growth, TP53
    # with chromosomal instability
    "STAD": ("ARID1A", "CDH1", "PIK3CA", "TP53"),
}
_GENES_CALLED_FROM = (
    "tumour DNA: exome calls of the TCGA PanCancer Atlas as KatherLab/cancer-metadata has them; "
    "any change of the protein counts, gains and losses of copies do not"
)

_HISTOLOGY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "BRCA": {"IDC": ("IDC",), "ILC": ("ILC",)},
    "COADREAD": {"adenocarcinoma": ("COAD", "READ"), "mucinous": ("MACR",)},
    # PORPOISE's AOAST are TCGA's oligodendrogliomas of grade 3, one and all
    "GBMLGG": {
        "astrocytoma": ("ASTR", "AASTR"),
        "oligoastrocytoma": ("OAST",),
        "oligodendroglioma": ("ODG", "AOAST"),
        "glioblastoma": ("GBM",),
    },
    # Lauren's types; adenocarcinoma "not otherwise specified" (STAD) is none of them
    "STAD": {"intestinal": ("TSTAD", "PSTAD", "MSTAD"), "diffuse": ("DSTAD", "SSRCC")},
}
_HISTOLOGY_CALLED_FROM = "slides, by the pathologist of the submitting site; OncoTree of PORPOISE"

_EARLY_AND_LATE = {
    "early": tuple(f"Stage {stage}" for stage in ("I", "IA", "IB", "II", "IIA", "IIB", "IIC")),
    "late": tuple(
        f"Stage {stage}" for stage in ("III", "IIIA", "IIIB", "IIIC", "IV", "IVA", "IVB", "IVC")
    ),
}
_STAGED = {
    "COADREAD",  # III against II decides on chemotherapy
    "KIRC",  # the strongest predictor, and visible: grade, necrosis, veins
    "KIRP",  # as KIRC; it has no grade in the table
    "LIHC",  # invasion of vessels
    "LUAD",  # decides on chemotherapy
    "LUSC",  # as LUAD
}
# Not BLCA (muscle-invasive: II against III asks for the depth of invasion), BRCA and STAD (a matter
# of lymph nodes), HNSC (mostly IVA), PAAD (nearly all II), SKCM (of the primary tumour, while most
# slides are of metastases); gliomas have none.
_STAGE_CALLED_FROM = "the resected specimen and the clinic (AJCC, by the submitting site); TCGA-CDR"

_LOW_AND_HIGH = {"low": ("G1", "G2"), "high": ("G3", "G4")}
_GRADES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "GBMLGG": {"G2": ("G2",), "G3": ("G3",), "G4": ("GBM",)},  # glioblastoma is of grade 4
    "HNSC": _LOW_AND_HIGH,  # differentiation
    "KIRC": _LOW_AND_HIGH,  # nucleoli, Fuhrman's
    "LIHC": _LOW_AND_HIGH,  # Edmondson and Steiner's
    "PAAD": _LOW_AND_HIGH,  # differentiation
    "STAD": _LOW_AND_HIGH,  # differentiation
}
# Not BLCA (muscle-invasive carcinoma is of high grade by and large); the table has none of others.
_GRADE_CALLED_FROM = "slides, by the pathologist of the submitting site; TCGA-CDR"


def _questions(project: str) -> tuple[Question, ...]:
    asked = []
    if classes := _HISTOLOGY.get(project):
        code, text = ("oncotree_code",), _HISTOLOGY_CALLED_FROM
        asked.append(Question("histology", SLIDE_TABLE, "case_id", code, classes, text))
    table, patient = CLINICAL_TABLE, "bcr_patient_barcode"
    if project in _STAGED:
        column, text = "ajcc_pathologic_tumor_stage", _STAGE_CALLED_FROM
        asked.append(
            Question("stage", table, patient, (column,), _EARLY_AND_LATE, text, "clinical")
        )
    if classes := _GRADES.get(project):
        grade, text = ("histological_grade", "type"), _GRADE_CALLED_FROM
        asked.append(Question("grade", table, patient, grade, classes, text))
    return tuple(asked)


def _slides() -> dict[str, tuple[RemoteFile, ...]]:
    """The slides of each cohort, those of patients that PORPOISE has, in the order of their names.

    The table is package data: `project`, `slide`, `bytes`, `sha256`.
    """
    packed = (files("tasks.data.fetch") / "hipt_slides.tsv.gz").read_bytes()
    found: dict[str, list[RemoteFile]] = {}
    for row in csv.DictReader(StringIO(gzip.decompress(packed).decode()), delimiter="\t"):
        path = f"{_FOLDER}/{row['slide']}.pt"
        file = RemoteFile(HIPT, path, int(row["bytes"]), row["sha256"])
        found.setdefault(row["project"], []).append(file)
    return {project: tuple(slides) for project, slides in found.items()}


def _recipes() -> tuple[Recipe, ...]:
    return tuple(
        Recipe(
            f"TCGA-{project}",
            (
                BagSlides(slides, "HIPT (ViT-256, ViT-4096)", ("TCGA",)),
                Expression(EXPRESSION[project], scale="zscore", gene_sets=HALLMARKS),
                Outcomes(CLINICAL, _PROJECTS.get(project, (project,))),
                Labels(_MUTATIONS, _GENES[project], _GENES_CALLED_FROM, _questions(project)),
            ),
        )
        for project, slides in _slides().items()
    )


TCGA_HIPT = Catalogue(
    "tcga-hipt",
    "HIPT (slide features), PORPOISE (expression), TCGA-CDR (endpoints), PanCancer Atlas "
    "(mutations)",
    "non-commercial academic use (HIPT: Apache-2.0 with Commons Clause; PORPOISE: GPL-3.0)",
    "expression z-scores were made within this cohort: never report cohorts told apart by them "
    "(LUAD against LUSC), the processing alone separates the two",
    _recipes(),
    unions={"NSCLC": ("TCGA-LUAD", "TCGA-LUSC"), "RCC": ("TCGA-KIRC", "TCGA-KIRP")},
)
