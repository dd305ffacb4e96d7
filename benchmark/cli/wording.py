"""How the commands that check data word what was found: one finding, on the screen and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape

from tasks.checks.finding import Finding, Severity, by_severity

STYLES = {Severity.PROBLEM: "red", Severity.WARNING: "yellow", Severity.NOTE: ""}


@dataclass(frozen=True)
class Wording:
    """A command's words for findings.

    Attributes:
        words: What it calls each severity.
        keys: Keys of a finding's JSON object -> the attributes of `Finding` that they show.
        most_examples: How many examples it shows.
    """

    words: Mapping[Severity, str]
    keys: Mapping[str, str]
    most_examples: int

    def as_dict(self, finding: Finding) -> dict[str, object]:
        """A finding as JSON."""
        values = {
            **vars(finding),
            "severity": self.words[finding.severity],
            "check": str(finding.check),
            "examples": list(finding.examples[: self.most_examples]),
        }
        return {key: values[attribute] for key, attribute in self.keys.items()}

    def counts(self, findings: Sequence[Finding]) -> dict[str, int]:
        """How many findings there are by severity."""
        return {self.words[severity]: n for severity, n in by_severity(findings).items()}

    def examples(self, finding: Finding) -> str:
        """Some examples as markup; nothing if there are none."""
        if not finding.examples:
            return ""
        examples = finding.examples[: self.most_examples]
        more = ", ..." if finding.n > len(examples) else ""
        return f"[dim]for example {escape(', '.join(examples))}{more}[/]"
