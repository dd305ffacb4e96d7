"""The page: a static folder made of the records alone, which works from disk without a network."""

from benchmark.show.html.folder import MANIFEST, write_report

__all__ = ["MANIFEST", "write_report"]
