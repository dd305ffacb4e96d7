"""The catalogue `tcga-hif`: five cohorts of TCGA with slide features, expression and endpoints."""

from tasks.data.fetch.catalogue import Catalogue, Recipe, RemoteFile, Repository
from tasks.data.fetch.parts import Expression, Outcomes, VectorSlides
from tasks.data.fetch.publishers import CLINICAL, EXPRESSION

HIF2GENE = Repository(
    "Path-AI/hif2gene",
    "a45219b73233af35e0b43f757263e6b90ef836d6",
    "607 human-interpretable features (HIF) of every slide (Diao et al., Nature Communications "
    "2021); homologous recombination deficiency of TCGA-BRCA",
    "Its README says CC BY-SA 4.0, its LICENSE.md says CC BY-NC-SA 4.0. Take the stricter one: "
    "name the source, no commercial use, share alike.",
)

# Project, path, bytes, SHA-256.
_SLIDES = """
BRCA data/genetic_data/HRD/datasets/brca.HRD_Score.joined.USE.rds 2919324
  2d6cd5ea3e5e17bddb4e18b12fbacce22e55b9c5142b423378f274ee82c34cf3
BRCA data/genetic_data/HRD/datasets/brca.HRD_Score.joined.HOLDOUT.rds 883593
  e6f289bc26be3db2a2cd852fc98e7038eee97575ae378d0e01f67555a529e373
LUAD data/hifs/luad.hifs.csv 3499645
  c4939c8d8aa677c5c6496307bab253538bf5a69489b2dca600b0e07c0f1968cd
LUSC data/hifs/lusc.hifs.csv 3109189
  ea30a7cf7c6cd7cd0481c54fc57202064c8de7f98bf8c759eb184fb9b3394e88
SKCM data/hifs/skcm.hifs.csv 2477882
  cb3b393445d6587bd35c061cfe4c86e99fc8cdd0f74ff150baf843e3c99cdd5c
STAD data/hifs/stad.hifs.csv 2852862
  510ee332162fc99336f84e8d5dd1c203ac24338a46c6aa48c085a110fc1f20f4
"""
_HISTOLOGY = {"BRCA": ("IDC", "ILC"), "STAD": ("STAD", "DSTAD", "TSTAD")}


def _recipes() -> tuple[Recipe, ...]:
    slides: dict[str, tuple[RemoteFile, ...]] = {}
    words = iter(_SLIDES.split())
    for project, path, size, sha256 in zip(*[words] * 4, strict=True):
        file = RemoteFile(HIF2GENE, path, int(size), sha256)
        slides[project] = (*slides.get(project, ()), file)
    return tuple(
        Recipe(
            f"TCGA-{project}",
            (
                VectorSlides(files),
                Expression(EXPRESSION[project], "rna_zscores.csv.gz", _HISTOLOGY.get(project, ())),
                Outcomes(CLINICAL, (project,)),
            ),
        )
        for project, files in slides.items()
    )


TCGA_HIF = Catalogue(
    "tcga-hif",
    "hif2gene (slide features), PORPOISE (expression), TCGA-CDR (endpoints)",
    "non-commercial (CC BY-NC-SA 4.0)",
    "expression z-scores were made within this cohort: never report cohorts told apart by them "
    "(LUAD against LUSC), the processing alone separates the two",
    _recipes(),
)
