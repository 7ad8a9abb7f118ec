"""Finished pieces of a job's work, kept after a failure so that the next attempt can reuse them."""

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
    """Result of one piece of work.

    Attributes
    ----------
    outcome : str
        Result in a few words.
    files : tuple of str
        Names of its files in `KeptPieces.folder`; empty if the piece has no content.
    facts : mapping of str to str
        Further facts about the piece.
    """

    outcome: str
    files: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


class KeptPieces:
    """Files that a job makes piece by piece outside its declared output, which Snakemake removes when the job fails.

    Parameters
    ----------
    folder : str or Path
        Folder of the pieces; created if missing.
    maker : str
        Digest of the settings that make the pieces, without their sources. Pieces of other makers are removed.
    """

    def __init__(self, folder: str | Path, maker: str) -> None:
        self._root = Path(folder)
        self.folder = self._root / maker
        for other in self._root.glob("*"):
            if other.is_symlink() or not other.is_dir():
                other.unlink()  # not one of our folders
            elif other != self.folder:
                shutil.rmtree(other)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._pieces: dict[str, Piece] = {}

    def once(self, name: str, source: str, make: Callable[[], Piece]) -> str:
        """Make a piece unless it already exists complete; return its outcome.

        Parameters
        ----------
        name : str
            The piece's name.
        source : str
            Digest of the piece's source; a piece of another source is made again.
        make : callable
            Writes the piece's files into `folder`; each file must be complete or absent.
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
        """Return the facts of a piece that `once` made or found."""
        return dict(self._pieces[name].facts)

    def outcome(self, name: str) -> str:
        """Return the outcome of a piece that `once` made or found."""
        return self._pieces[name].outcome

    def files(self, name: str) -> tuple[str, ...]:
        """Return the file names of a piece that `once` made or found."""
        return self._pieces[name].files

    def deliver(self, names: Iterable[str], target: str | Path) -> None:
        """Put the files of pieces into another folder, too, over older files; as hard links if possible."""
        target = Path(target)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            for file in self.files(name):
                (target / file).unlink(missing_ok=True)  # a job that a user runs may find a link to the same file
                try:
                    os.link(self.folder / file, target / file)
                except OSError:
                    shutil.copyfile(self.folder / file, target / file)

    def remove(self) -> None:
        """Remove all pieces."""
        shutil.rmtree(self._root)

    def _marker(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _earlier(self, name: str, source: str) -> Piece | None:
        """Return the piece of an earlier attempt; None if it is missing, damaged or of another source."""
        try:
            content = json.loads(self._marker(name).read_text(encoding="utf-8"))
            sizes = content["files"].items()
            whole = content["source"] == source and all(_size(self.folder / file) == size for file, size in sizes)
            return Piece(content["outcome"], tuple(content["files"]), dict(content["facts"])) if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
