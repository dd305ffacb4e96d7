"""The BibTeX of methods: whole entries, and this software's as CITATION.cff has it."""

import re
from pathlib import Path

import yaml

from benchmark.show.references import OURS, entries, keys, papers
from methods.registry import all_methods

ROOT = Path(__file__).parents[2]


def fields(entry: str) -> dict[str, str]:
    """The fields of an entry, a line each, as BibTeX is written."""
    head, *lines, tail = entry.strip().splitlines()
    assert re.fullmatch(r"@\w+\{[\w-]+,", head), head
    assert tail == "}"
    found = [re.fullmatch(r"  (\w+) = \{(.*)\},", line) for line in lines]
    assert all(found), entry
    return {one[1]: one[2].strip("{}") for one in found if one}


def test_own_entry_is_that_of_the_citation_file() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    own = fields(entries()[OURS])
    assert own == {
        "author": " and ".join(author["name"] for author in cited["authors"]),
        "title": cited["title"],
        "version": cited["version"],
        "license": cited["license"],
    }


def test_paper_of_the_citation_file_is_that_of_mirror() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"][0]
    (key,) = papers("mirror")
    own = fields(entries()[key])
    for theirs, ours in {
        "title": "title",
        "journal": "journal",
        "year": "year",
        "doi": "doi",
    }.items():
        assert own[ours] == str(cited[theirs])


def test_entries_are_whole_and_used() -> None:
    every = entries()
    used = {key for of in keys((name, None) for name in all_methods()).values() for key in of}
    assert used | {OURS} == set(every)
    for key, entry in every.items():
        assert entry.startswith("@")
        assert f"{{{key},\n" in entry
        assert {"author", "title"} <= set(fields(entry))
        for line in entry.splitlines():
            assert line.count("{") - line.count("}") == (line.startswith("@")) - (line == "}")


def test_variant_has_the_paper_of_its_parent() -> None:
    assert papers("mirror-no-style", "mirror") == papers("mirror")
    assert papers("of-somebody-else") == ()
