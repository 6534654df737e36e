"""Where a report comes from: so that it can be made again, and told from another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from skillscale.files import versions
from skillscale.posterior.fingerprint import fingerprint
from skillscale.report.blocks import Section, Terms
from skillscale.report.findings import Findings


@dataclass(frozen=True)
class Origin:
    """How a report came to be made.

    Attributes:
        command: the command, if it was one.
        files: files that it read, by what they are.
        made: when, as people read it.
    """

    command: str = ""
    files: Mapping[str, Path] | None = None
    made: str = ""

    def entries(self) -> dict[str, str]:
        """Terms that every report has."""
        made = self.made or f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        found = {"made": made}
        found |= {name: _named(path) for name, path in (self.files or {}).items()}
        if self.command:
            found["command"] = self.command
        found["made with"] = ", ".join(f"{name} {v}" for name, v in versions().items())
        return found


def provenance_section(found: Findings, origin: Origin) -> Section:
    """Date, versions, seeds and hashes of a report of a fit.

    Args:
        found: what was found.
        origin: how it came to be made.

    Returns:
        The section.
    """
    law = found.plain
    of_fit = law.provenance
    entries = origin.entries()
    entries |= {
        "seed of this report": str(found.asked.seed),
        "fit": repr(found.fit),
        "form of the law": law.spec.form,
        "fitted": f"{of_fit.get('date', 'unknown')}, method {of_fit.get('method', 'unknown')}, "
        f"seed {of_fit.get('seed', 'unknown')}",
        "fitted with": _versions(of_fit.get("versions")),
        "hash of the fit": fingerprint(law),
        "hash of the data": str(of_fit.get("data_hash", law.table.hash)),
    }
    for name, frame in (("plan", found.asked.plan), ("observed", found.asked.observed)):
        if frame is not None:
            entries[f"hash of the {name}"] = _hash(frame)
    return Section("provenance", "Provenance", [Terms(entries)])


def _named(path: Path) -> str:
    """A file, with the beginning of its SHA-256."""
    return f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()})"


def _hash(frame: pd.DataFrame) -> str:
    text = (
        frame.dropna(axis=1, how="all").drop(columns="source", errors="ignore").to_csv(index=False)
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _versions(known: object) -> str:
    if not isinstance(known, Mapping):
        return "unknown"
    return ", ".join(f"{name} {number}" for name, number in known.items())
