"""JSON documents with a hash inside, so that a change is found.

The hash is SHA-256 of all else as canonical JSON: sorted keys, no spaces, UTF-8.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skillscale.errors import SkillscaleError
from skillscale.files import write_text

HASH = "sha256"


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as it will be read, with its hash.

    Args:
        document: plain values; a hash in it is replaced.

    Returns:
        The same, with ``sha256``.

    Raises:
        ValueError: a number is not finite, which JSON can't hold.

    Example:
        >>> sealed({"schema": 1})["sha256"][:8]
        '67d6291b'
    """
    plain = json.loads(json.dumps({k: value for k, value in document.items() if k != HASH}))
    return plain | {HASH: _hash(plain)}


def write_sealed(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document with its hash, whole or not at all.

    Args:
        path: the file, in a folder that exists; one that is there is replaced.
        document: as `sealed` gives it.

    Raises:
        FitFileError: the file can't be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> write_sealed(path, sealed({"schema": 1, "forecasts": []}))
        >>> read_sealed(path, 1)["forecasts"]
        []
    """
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_sealed(path: Path, schema: int) -> dict[str, Any]:
    """Read a document, and verify that it is the one that was written.

    Args:
        path: the file.
        schema: the schema that is read.

    Returns:
        The document, with its hash.

    Raises:
        SkillscaleError: the file is missing, no such file or of another schema, or was changed.

    Example:
        >>> read_sealed(Path("/no/such/forecasts.json"), 1)
        Traceback (most recent call last):
        skillscale.errors.SkillscaleError: /no/such/forecasts.json can't be read as frozen ...
    """
    try:
        document = json.loads(path.read_text("utf-8"), parse_constant=_refuse)
        found, its_schema = document[HASH], document["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SkillscaleError(
            f"{path} can't be read as frozen forecasts ({type(error).__name__}). Name a file that "
            "skillscale forecast --save or skillscale backtest --freeze wrote."
        ) from error
    expected = _hash({key: value for key, value in document.items() if key != HASH})
    if found != expected:
        raise SkillscaleError(
            f"{path} was changed after it was frozen: its content has SHA-256 {expected}, "
            f"it names {found}. Take the file as it was published."
        )
    if its_schema != schema:
        raise SkillscaleError(
            f"{path} has schema {its_schema}, this version of skillscale reads schema {schema}. "
            "Install the version that wrote it."
        )
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _hash(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()
