"""Repositories and files that several catalogues take from."""

from tasks.data.fetch.catalogue import RemoteFile, Repository

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
SURVPATH = Repository(
    "mahmoodlab/SurvPath",
    "3f73ddd6705ec67d643020c5bb04fb13f9f382cc",
    "the genes of MSigDB's 50 hallmark sets (Liberzon et al., Cell Systems 2015)",
    "the repository has no licence file; MSigDB's hallmark sets are CC BY 4.0.",
)
HALLMARKS = RemoteFile(
    SURVPATH,
    "datasets_csv/metadata/hallmarks_signatures.csv",
    46129,
    "d12450d83aea1d7a62d33782e4a46d19a2cc40d3db9cc39e54f6f8784fa284dd",
)
CLINICAL = RemoteFile(
    HISTOTME,
    "example_data/TCGA-CDR-SupplementalTableS1.xlsx",
    2945129,
    "ea594c0fbb6731477c7ac511fab449ca9c38b0d42d269591ed9f5c4090e75a5a",
)

_ARCHIVES = """
blca 1597311 d432e00dca23c4c7bc7ad574c69f67dd4e3a4656a2d695ac3420427569e52728
brca 4081277 4bc9de58ef6e8f8f7566fef6512c6c7db62cb827e4117b6f356d679e26e3e5f8
coadread 1480377 12121e5c92bf29bbd264bb3d2ed45fb115d0b87e9dbb57e9bf810c2e245b1d10
gbmlgg 2428634 2d07efeaecddd185c41f2186280f5900f69df381efb40efb59016d61a84eb635
hnsc 1772260 cf273fdb10a5d6027dd73113c80d8f4a77451e0d8245f127278a796037db5391
kirc 1459606 97c0748a8900af7723a199299ecc026e2ae83134400b359b1b2bf776c4d4d31b
kirp 1076868 066ad4897a24aa887d15e3167dd5fd42a98c068c66e6df07066d0f0dbc3d2825
lihc 1401163 2263a062cfa8fda38bfe6abcafe1ab05523cca74a4b1644379d812ab8af47fea
luad 1998986 75da300c70de2c3aa59ecf03bcf3ed66bae2a96731413c4188b24a5314259403
lusc 1958324 fbbdf5e3c9b467084e216ca9cc4a8bedc4c6e6f5493d3c1b7b17ae38418a478d
paad 701737 2f3be72e20f3376dc7b441571fca5489f053ddf72868c786844693a07cfa2e85
skcm 1028309 99e02653fd3ad70df54a7137975817357d68f1bfacb5c514dba4b40b78e969f2
stad 1524616 c8e5987e2ad24b8b95a065d5f44338bf9176651b53d8a17a98ce7aa9e904220d
"""


def _expression() -> dict[str, RemoteFile]:
    rows = (line.split() for line in _ARCHIVES.split("\n") if line)
    path = "datasets_csv_mutsig/tcga_{}_all_clean.csv.zip"
    return {
        name.upper(): RemoteFile(PORPOISE, path.format(name), int(size), sha256)
        for name, size, sha256 in rows
    }


EXPRESSION = _expression()
"""PORPOISE's archive of each cohort, `BRCA`."""
