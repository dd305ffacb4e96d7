"""The catalogue `tcga-hif`: five cohorts of TCGA with slide features, expression and endpoints."""

from tasks.data.fetch.catalogue import Catalogue, Recipe, RemoteFile, Repository

HIF2GENE = Repository(
    "Path-AI/hif2gene",
    "a45219b73233af35e0b43f757263e6b90ef836d6",
    "607 human-interpretable features (HIF) of every slide (Diao et al., Nature Communications "
    "2021); homologous recombination deficiency of TCGA-BRCA",
    "Its README says CC BY-SA 4.0, its LICENSE.md says CC BY-NC-SA 4.0. Take the stricter one: "
    "name the source, no commercial use, share alike.",
)
PORPOISE = Repository(
    "mahmoodlab/PORPOISE",
    "3390dc40e15995ba852d7a561faf0e996cf20501",
    "expression as z-scores within each cohort, OncoTree codes (Chen et al., Cancer Cell 2022)",
    "GPL-3.0, for non-commercial academic use. The data derive from TCGA's open-access tier.",
)
HISTOTME = Repository(
    "spatkar94/HistoTME",
    "e2ed6fc406b0254a9c86bfe0008b99c3ce4e3d59",
    "a copy of the TCGA Clinical Data Resource: OS, DSS, DFI, PFI (Liu et al., Cell 2018)",
    "BSD 3-Clause. Cite Liu et al. for the endpoints.",
)


_PATHS = {
    "HRD": (HIF2GENE, "data/genetic_data/HRD/datasets/{}"),
    "HIF": (HIF2GENE, "data/hifs/{}"),
    "RNA": (PORPOISE, "datasets_csv_mutsig/{}"),
    "CDR": (HISTOTME, "example_data/{}"),
}

# Project, where it is, name, bytes, SHA-256.
_FILES = """
BRCA HRD brca.HRD_Score.joined.USE.rds 2919324
  2d6cd5ea3e5e17bddb4e18b12fbacce22e55b9c5142b423378f274ee82c34cf3
BRCA HRD brca.HRD_Score.joined.HOLDOUT.rds 883593
  e6f289bc26be3db2a2cd852fc98e7038eee97575ae378d0e01f67555a529e373
BRCA RNA tcga_brca_all_clean.csv.zip 4081277
  4bc9de58ef6e8f8f7566fef6512c6c7db62cb827e4117b6f356d679e26e3e5f8
LUAD HIF luad.hifs.csv 3499645
  c4939c8d8aa677c5c6496307bab253538bf5a69489b2dca600b0e07c0f1968cd
LUAD RNA tcga_luad_all_clean.csv.zip 1998986
  75da300c70de2c3aa59ecf03bcf3ed66bae2a96731413c4188b24a5314259403
LUSC HIF lusc.hifs.csv 3109189
  ea30a7cf7c6cd7cd0481c54fc57202064c8de7f98bf8c759eb184fb9b3394e88
LUSC RNA tcga_lusc_all_clean.csv.zip 1958324
  fbbdf5e3c9b467084e216ca9cc4a8bedc4c6e6f5493d3c1b7b17ae38418a478d
SKCM HIF skcm.hifs.csv 2477882
  cb3b393445d6587bd35c061cfe4c86e99fc8cdd0f74ff150baf843e3c99cdd5c
SKCM RNA tcga_skcm_all_clean.csv.zip 1028309
  99e02653fd3ad70df54a7137975817357d68f1bfacb5c514dba4b40b78e969f2
STAD HIF stad.hifs.csv 2852862
  510ee332162fc99336f84e8d5dd1c203ac24338a46c6aa48c085a110fc1f20f4
STAD RNA tcga_stad_all_clean.csv.zip 1524616
  c8e5987e2ad24b8b95a065d5f44338bf9176651b53d8a17a98ce7aa9e904220d
TCGA CDR TCGA-CDR-SupplementalTableS1.xlsx 2945129
  ea594c0fbb6731477c7ac511fab449ca9c38b0d42d269591ed9f5c4090e75a5a
"""
_HISTOLOGY = {"BRCA": ("IDC", "ILC"), "STAD": ("STAD", "DSTAD", "TSTAD")}


def _recipes() -> tuple[Recipe, ...]:
    files: dict[tuple[str, str], tuple[RemoteFile, ...]] = {}
    words = iter(_FILES.split())
    for project, where, name, size, sha256 in zip(*[words] * 5, strict=True):
        repository, path = _PATHS[where]
        remote = RemoteFile(repository, path.format(name), int(size), sha256)
        files[project, where] = (*files.get((project, where), ()), remote)
    (clinical,) = files["TCGA", "CDR"]
    recipes = []
    for (project, where), (remote, *_) in files.items():
        if where == "RNA":
            slides = files.get((project, "HRD"), ()) + files.get((project, "HIF"), ())
            histology = _HISTOLOGY.get(project, ())
            recipes.append(Recipe(f"TCGA-{project}", project, slides, remote, clinical, histology))
    return tuple(recipes)


TCGA_HIF = Catalogue(
    "tcga-hif",
    "hif2gene (slide features), PORPOISE (expression), TCGA-CDR (endpoints)",
    "non-commercial (CC BY-NC-SA 4.0)",
    "expression z-scores were made within this cohort: never report cohorts told apart by them "
    "(LUAD against LUSC), the processing alone separates the two",
    _recipes(),
)
