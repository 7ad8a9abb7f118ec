"""The account of a month's granules: what could not be read, and the checksums of what was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from s1monthly.errors import ProductError
from s1monthly.files import write_text
from s1monthly.granules import Granule, Layer


@dataclass(frozen=True)
class Account:
    """The result of reading a month's granules.

    Attributes
    ----------
    unread : mapping of str to str
        Granule id -> why it could not be read.
    checksums : mapping
        Granule id -> layer name -> hexadecimal MD5 of the file that was read.
    granules_digest, recipe_digest : str
        Digests of the granule list and of the recipe that were used.
    on_tile : sequence of str
        Ids of the granules with valid pixels on the tile, which left files. They are listed here because a folder
        listing on a shared file system may be out of date.
    off_tile : mapping of str to str
        Id of each other granule that was read -> why it has no pixel on the tile.
    facts : mapping
        Granule id -> what its file says of its making, see `source_facts`; empty where the tags are gone.
    """

    unread: Mapping[str, str]
    checksums: Mapping[str, Mapping[str, str]]
    granules_digest: str
    recipe_digest: str
    on_tile: Sequence[str]
    off_tile: Mapping[str, str]
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def why_empty(self) -> str:
        """Reasons why a month of these granules has no valid pixel, each with its number of granules."""
        if self.on_tile:
            return f"their measurements lie outside the polygon of use_roi_mask ({_granules(len(self.on_tile))})"
        reasons = Counter([*self.off_tile.values(), *("it cannot be read" for _ in self.unread)])
        return "; ".join(f"{reason} ({_granules(number)})" for reason, number in reasons.most_common())

    def check(self, granules_digest: str, recipe_digest: str) -> None:
        """Raise a ProductError if an earlier run left this account, for other granules or another recipe."""
        for what, found, expected in (
            ("granule list", self.granules_digest, granules_digest),
            ("recipe", self.recipe_digest, recipe_digest),
        ):
            if found != expected:
                raise ProductError(
                    f"temporary files of another {what} lie in the work folder ({found}, not {expected})",
                    "delete the work folder and run again",
                )

    def without(self, left_out: Mapping[str, str]) -> Account:
        """Return the account without granules that are left out later: id -> reason."""
        on_tile = [name for name in self.on_tile if name not in left_out]
        return replace(self, on_tile=on_tile, off_tile={**self.off_tile, **left_out})

    def of_read(self, granules: Iterable[Granule]) -> tuple[Granule, ...]:
        """Return the granules that were read, with the checksums of their layers."""
        return tuple(
            replace(granule, layers=tuple(replace(x, md5=self._md5(granule.id, x)) for x in granule.layers))
            for granule in granules
            if granule.id not in self.unread
        )

    def _md5(self, granule_id: str, layer: Layer) -> str:
        return self.checksums.get(granule_id, {}).get(layer.name, layer.md5)


def _granules(number: int) -> str:
    return "1 granule" if number == 1 else f"{number} granules"


def write_account(path: str | Path, account: Account) -> None:
    """Write the account to a file."""
    write_text(path, json.dumps(asdict(account), indent=1, sort_keys=True) + "\n")


def read_account(path: str | Path) -> Account:
    """Read an account written by `write_account`.

    Raises
    ------
    ProductError
        If it is missing, because it is removed with the files of the bursts, or damaged.
    """
    try:
        return Account(**json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ProductError(
            f"{path} is not there: the month's bursts are not cut, or were removed once used",
            "run the job of the rule bursts first",
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise ProductError(
            f"{path}: the account of the month's bursts is damaged ({error})",
            "delete it and run again: the month's granules are read again",
        ) from error
