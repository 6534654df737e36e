"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skillscale.errors import FitFileError


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        FitFileError: the file can't be written.
    """
    with whole_or_absent(path) as temporary:
        temporary.write_text(text, "utf-8")


@contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """A temporary file beside a path, which takes its place once it is written.

    Raises:
        FitFileError: the file can't be written.
    """
    try:
        handle, name = tempfile.mkstemp(suffix=".tmp", prefix=path.name, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise FitFileError(f"{path} can't be written: {error.strerror}.") from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise FitFileError(f"{path} can't be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
