"""Pieces of a job's work that outlive its failure, so that the next try does not do them again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
            if other.is_symlink() or not other.is_dir():
                other.unlink()  # a stranger's
            elif other != self.folder:
                shutil.rmtree(other)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._pieces: dict[str, Piece] = {}

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
        earlier = self._earlier(name, source)
        if earlier:
            self._pieces[name] = earlier
            return f"{earlier.outcome}, by an earlier try"
        piece = self._pieces[name] = make()
        sizes = {file: (self.folder / file).stat().st_size for file in piece.files}
        content = {"source": source, "outcome": piece.outcome, "files": sizes, "facts": dict(piece.facts)}
        write_text(self._marker(name), json.dumps(content) + "\n")
        return piece.outcome

    def facts(self, name: str) -> dict[str, str]:
        """Return what was noted of a piece that `once` made or found."""
        return dict(self._pieces[name].facts)

    def outcome(self, name: str) -> str:
        """Return what came of a piece that `once` made or found, in a few words."""
        return self._pieces[name].outcome

    def files(self, name: str) -> tuple[str, ...]:
        """Return the names of the files of a piece that `once` made or found."""
        return self._pieces[name].files

    def deliver(self, names: Iterable[str], target: str | Path) -> None:
        """Put the files of pieces into a folder, too, over older ones; as hard links where the file system has them."""
        target = Path(target)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            for file in self.files(name):
                (target / file).unlink(missing_ok=True)  # where the job is run by hand, it may be this very file
                try:
                    os.link(self.folder / file, target / file)
                except OSError:
                    shutil.copyfile(self.folder / file, target / file)

    def remove(self) -> None:
        """Remove all pieces: they are no longer needed."""
        shutil.rmtree(self._root)

    def _marker(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _earlier(self, name: str, source: str) -> Piece | None:
        """Return the piece that an earlier try finished; None where it is missing, damaged or of another source."""
        try:
            content = json.loads(self._marker(name).read_text(encoding="utf-8"))
            sizes = content["files"].items()
            whole = content["source"] == source and all(_size(self.folder / file) == size for file, size in sizes)
            return Piece(content["outcome"], tuple(content["files"]), dict(content["facts"])) if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
