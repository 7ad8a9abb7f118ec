"""Pieces of a job's work that outlive its failure, so that the next try does not do them again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s1monthly.files import write_text


@dataclass(frozen=True)
class Piece:
    """What came of a piece.

    Attributes
    ----------
    outcome : str
        In a few words.
    files : tuple of str
        Names of its files in `KeptPieces.folder`; none where the piece turned out to be empty.
    facts : mapping of str to str
        Whatever else is to be known of it.
    """

    outcome: str
    files: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


class KeptPieces:
    """Files that a job makes piece by piece, outside its declared output, which Snakemake removes when the job fails.

    Parameters
    ----------
    folder : str or Path
        Where they lie; made where missing.
    maker : str
        Digest of what makes the pieces, apart from their sources: pieces of another maker are removed.
    """

    def __init__(self, folder: str | Path, maker: str) -> None:
        self._root = Path(folder)
        self.folder = self._root / maker
        for other in self._root.glob("*"):
            if other != self.folder:
                shutil.rmtree(other)
        self.folder.mkdir(parents=True, exist_ok=True)

    def once(self, name: str, source: str, make: Callable[[], Piece]) -> str:
        """Make a piece, unless it is there already, finished and whole; say what came of it.

        Parameters
        ----------
        name : str
            The piece's name.
        source : str
            Digest of what it is made of: a piece of another source is not this piece.
        make : callable
            Writes the piece's files into `folder`, each whole or not at all.
        """
        if self._is_whole(name, source):
            return f"{self._finished(name)['outcome']}, by an earlier try"
        piece = make()
        sizes = {file: (self.folder / file).stat().st_size for file in piece.files}
        content = {"source": source, "outcome": piece.outcome, "files": sizes, "facts": dict(piece.facts)}
        write_text(self._marker(name), json.dumps(content) + "\n")
        return piece.outcome

    def facts(self, name: str) -> dict[str, str]:
        """What was noted of a finished piece."""
        facts: dict[str, str] = self._finished(name)["facts"]
        return facts

    def files(self, name: str) -> tuple[str, ...]:
        """Names of the files of a finished piece."""
        return tuple(self._finished(name)["files"])

    def deliver(self, names: Iterable[str], target: str | Path) -> None:
        """Put the files of finished pieces into a folder, too; without a copy where the file system has hard links."""
        target = Path(target)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            for file in self.files(name):
                try:
                    os.link(self.folder / file, target / file)
                except OSError:
                    shutil.copyfile(self.folder / file, target / file)

    def remove(self) -> None:
        """Remove all pieces: they are no longer needed."""
        shutil.rmtree(self._root)

    def _marker(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _finished(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._marker(name).read_text(encoding="utf-8"))
        return content

    def _is_whole(self, name: str, source: str) -> bool:
        if not self._marker(name).exists():
            return False
        finished = self._finished(name)
        sizes = finished["files"].items()
        return finished["source"] == source and all(_size(self.folder / file) == size for file, size in sizes)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
