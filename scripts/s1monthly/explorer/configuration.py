"""The configuration that the explorer edits: its file, what is wrong with it, and the text of a new one."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from s1monthly.config.file import parse_config
from s1monthly.config.root import Config, load_config
from s1monthly.errors import ConfigError, FileError
from s1monthly.files import write_bytes
from s1monthly.layout import HIDDEN, parse_folder
from s1monthly.model import Direction, Month

OWN_FILE = f"{HIDDEN}/explorer/config.yaml"
"""File in the output tree for configurations begun in the explorer; hidden, and not a product."""


@dataclass
class ConfigurationFile:
    """The file of a configuration, from when it is opened to when it is saved.

    Attributes
    ----------
    tree : Path
        Output tree of the explorer: the only one that the configuration may name.
    path : Path
        The user's file, or `OWN_FILE` of the tree.
    """

    tree: Path
    path: Path
    _content: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, tree: str | Path, given: str | Path | None = None) -> ConfigurationFile:
        """Choose the file: the one that the user gave, else that of the output tree.

        Raises
        ------
        ConfigError
            If the file of the output tree is a symbolic link that leaves it, or lies behind one.
        """
        base = Path(tree)
        if given is not None:
            return cls(base, Path(given))
        path, real = base / OWN_FILE, os.path.join(os.path.realpath(base), OWN_FILE)
        if os.path.realpath(path) != real:
            raise ConfigError(
                f"{path}: a symbolic link leads to {os.path.realpath(path)}", "remove the link, or give --configfile"
            )
        return cls(base, path)

    def open(self) -> str:
        """Read the file and return its text; that of a new configuration if there is no file.

        Raises
        ------
        ConfigError
            If it is not UTF-8.
        FileError
            If it cannot be read.
        """
        self._content = self._read()
        if self._content is None:
            return new_text(self.tree, datetime.now(UTC).date())
        try:
            return self._content.decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise ConfigError(f"configuration {self.path}: not in UTF-8 ({error})", "save it as UTF-8") from error

    def _read(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError.of(error, str(self.path)) from error

    def changed_on_disk(self) -> bool:
        """Return True if somebody else has changed, made or removed the file since it was opened or saved."""
        return self._read() != self._content

    def holds(self, text: str) -> bool:
        """Return True if the file on disk has this text."""
        content = self._read()
        return content is not None and content.replace(b"\r\n", b"\n") == text.encode("utf-8")

    def save(self, text: str) -> None:
        """Write a text to the file, whether or not a run could use it.

        Raises
        ------
        ConfigError
            If the file was changed since it was opened: nothing is overwritten.
        FileError
            If it cannot be written.
        """
        if self.changed_on_disk():
            raise ConfigError(
                f"{self.path}: another program has changed it since it was opened here; nothing was saved",
                "copy what you want to keep, open the file again, and edit that",
            )
        content = text.encode("utf-8")
        try:
            write_bytes(os.path.realpath(self.path), content)  # a link that the user gave stays a link
        except OSError as error:
            raise FileError.of(error, str(self.path)) from error
        self._content = content

    def check(self, text: str) -> Config:
        """Check a text as a run does, and that it is for the explorer's output tree.

        Raises
        ------
        ConfigError
            With the words of a run; or because it names another output tree, by symbolic links and ``..`` too.
        """
        config = load_config(parse_config(text, self.path))
        base_dir = config.output.base_dir
        if os.path.realpath(base_dir) != os.path.realpath(self.tree):
            raise ConfigError(
                f"output.base_dir {base_dir}: the explorer shows another output tree, {self.tree}",
                f"give base_dir: {_quoted(self.tree)}; or explore that tree: --output-dir",
            )
        return config


def new_text(tree: str | Path, today: date) -> str:
    """Return the text of a new configuration: tiles, directions and first month of an output tree, up to last month.

    Parameters
    ----------
    tree : path
        Output tree; it need not exist.
    today : date
        Current date, UTC.
    """
    names = os.listdir(tree) if os.path.isdir(tree) else []
    found = [stack for name in names if (stack := parse_folder(name))]
    tiles = sorted({tile for tile, _ in found})
    directions = sorted({direction.partition("_")[0] for _, direction in found})
    last = Month.of(today).shift(-1)
    months = [Month.parse(path.stem) for path in Path(tree).glob("*/months/????-??.json")]
    return "\n".join(
        [
            "# config/config.yaml shows every option with its default",
            "roi:",
            f"  manual_mgrs_tiles: [{', '.join(tiles)}]  # or wkt, file, bbox",
            f"  flight_direction: [{', '.join(directions or map(str, Direction))}]",
            "time:",
            f"  start: {min([last, *months])}",
            f"  end: {last}",
            "source:",
            "  kind: asf",
            "output:",
            f"  base_dir: {_quoted(tree)}",
            "",
        ]
    )


def _quoted(path: str | Path) -> str:
    """Return a path as YAML reads it back: a string of JSON is one of YAML too."""
    return json.dumps(str(path), ensure_ascii=False)
