"""What methods declare of themselves, on their pages."""

from pathlib import Path

from benchmark.cli.declarations import declarations
from benchmark.show.declared import Declared
from benchmark.show.html import write_report
from benchmark.show.page_names import method_page
from methods.registry import all_methods
from tests.helpers.frames import records
from tests.helpers.stores import write_store


def test_every_registered_method_is_declared() -> None:
    found = declarations()
    assert set(found) == set(all_methods())
    mirror = found["mirror"]
    assert mirror.needs == ("wsi", "rna")
    assert ("width", "192", "768") in mirror.settings
    assert dict(found["mirror-detached"].delta)


def test_a_page_says_how_its_method_differs_from_its_paper(tmp_path: Path) -> None:
    store = write_store(tmp_path / "results", records({"a": [[0.6, 0.7]], "b": [[0.5, 0.6]]}))
    told = Declared("Somebody 2020", ("wsi",), ("no <warm-up>",), (("width", "192", "768"),))
    write_report(store, tmp_path / "page", declared={"a": told})
    page = (tmp_path / "page" / method_page("a")).read_text()
    for words in ("Somebody 2020", "no &lt;warm-up&gt;", "192; published 768"):
        assert words in page
    assert "How it differs" not in (tmp_path / "page" / method_page("b")).read_text()
