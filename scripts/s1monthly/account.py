"""All granules of a month, read side by side, and the account of it: what could not be read, checksums of what was."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from s1monthly.errors import ProductError, SourceError
from s1monthly.files import write_text
from s1monthly.granule_list import GranuleList, granule_digest
from s1monthly.kept import KeptPieces, Piece
from s1monthly.vocabulary import CompositeKey, Granule, Layer

LOGGER = logging.getLogger("s1monthly")


@dataclass(frozen=True)
class Account:
    """What came of a month's granules.

    Attributes
    ----------
    unread : mapping of str to str
        Granule id -> why it could not be read.
    checksums : mapping
        Granule id -> layer name -> hexadecimal MD5 of the file that was read.
    granules_digest, recipe_digest : str
        Of the granule list and of the recipe that this is the account of.
    on_tile : sequence of str
        Ids of the granules with valid pixels on the tile: those that left files. Nobody need list a folder, which on a
        shared file system may be seen as it was before.
    off_tile : mapping of str to str
        Id of each other granule that was read -> why it shows nothing of the tile.
    """

    unread: Mapping[str, str]
    checksums: Mapping[str, Mapping[str, str]]
    granules_digest: str
    recipe_digest: str
    on_tile: Sequence[str]
    off_tile: Mapping[str, str]

    @property
    def why_empty(self) -> str:
        """Why a month of these granules has no valid pixel: the reasons, with the number of granules of each."""
        if self.on_tile:
            return f"their measurements lie outside the polygon of use_roi_mask ({_granules(len(self.on_tile))})"
        reasons = Counter([*self.off_tile.values(), *("it cannot be read" for _ in self.unread)])
        return "; ".join(f"{reason} ({_granules(number)})" for reason, number in reasons.most_common())

    def check(self, granules_digest: str, recipe_digest: str) -> None:
        """Refuse an account that an earlier run left, of other granules or under another recipe.

        Raises
        ------
        ProductError
            Naming the remedy.
        """
        for what, held, wanted in (
            ("granule list", self.granules_digest, granules_digest),
            ("recipe", self.recipe_digest, recipe_digest),
        ):
            if held != wanted:
                raise ProductError(
                    f"temporary files of another {what} lie in the work folder ({held}, not {wanted})",
                    "delete the work folder and run again",
                )

    def of_read(self, granules: Iterable[Granule]) -> tuple[Granule, ...]:
        """Return the granules that were read, with the checksums of their layers."""
        return tuple(
            replace(granule, layers=tuple(replace(x, md5=self._md5(granule.id, x)) for x in granule.layers))
            for granule in granules
            if granule.id not in self.unread
        )

    def _md5(self, granule_id: str, layer: Layer) -> str:
        return self.checksums.get(granule_id, {}).get(layer.name) or layer.md5


def _granules(number: int) -> str:
    return "1 granule" if number == 1 else f"{number} granules"


def read_all(
    key: CompositeKey,
    listed: GranuleList,
    read: Callable[[Granule], Piece],
    kept: KeptPieces,
    workers: int,
    most: float,
    recipe_digest: str,
) -> Account:
    """Read every granule of a month, some at a time, and log each with its number.

    Parameters
    ----------
    key : CompositeKey
    listed : GranuleList
        Those set aside as lost count as unreadable.
    read : callable
        Does all that is to be done with a granule; its facts are the checksums of the layers.
    kept : KeptPieces
        A granule that an earlier try finished is not read again.
    workers : int
        How many are read at a time.
    most : float
        Fraction of them that may be unreadable (``memory.max_failed_ratio``).
    recipe_digest : str
        Of the run's recipe, for the account.

    Raises
    ------
    SourceError
        If more are unreadable than allowed, or all, naming each and the reason; all others have been tried by then.
    Exception
        Whatever else `read` raises, at once: granules not yet begun are left alone.
    """

    def once(granule: Granule) -> str:
        return kept.once(granule.id, granule_digest(granule), lambda: read(granule))

    reasons: dict[str, str] = {}
    told = {lost.granule_id: f"granule {lost.granule_id}: {lost.reason}" for lost in listed.set_aside if lost.lost}
    total = len(listed.granules) + len(told)
    with ThreadPoolExecutor(workers) as pool:
        work = {pool.submit(once, granule): granule.id for granule in listed.granules}
        for number, done in enumerate(as_completed(work), start=1):
            try:
                LOGGER.info("%d/%d %s: %s", number, len(work), work[done], done.result())
            except SourceError as error:
                LOGGER.error("%d/%d %s", number, len(work), error)
                reasons[work[done]] = error.problem
                told[work[done]] = str(error)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    if told and (len(reasons) == len(listed.granules) or len(told) / total > most):
        lines = "".join(f"\n  - {line}" for _, line in sorted(told.items()))
        raise SourceError(
            f"{key}: {len(told)} of {total} granules cannot be read:{lines}",
            "run again when these are mended; or allow some to be missing by memory.max_failed_ratio",
        )
    read_well = [granule.id for granule in listed.granules if granule.id not in reasons]
    checksums = {name: kept.facts(name) for name in read_well}
    on_tile = [name for name in read_well if kept.files(name)]
    off_tile = {name: kept.outcome(name) for name in read_well if not kept.files(name)}
    return Account(reasons, checksums, listed.digest, recipe_digest, on_tile, off_tile)


def write_account(path: str | Path, account: Account) -> None:
    """Write the account, for the record."""
    write_text(path, json.dumps(asdict(account), indent=1, sort_keys=True) + "\n")


def read_account(path: str | Path) -> Account:
    """Read what `write_account` wrote.

    Raises
    ------
    ProductError
        If there is none, as it lives no longer than the files of the bursts; or if it is damaged.
    """
    try:
        account = Account(**json.loads(Path(path).read_text(encoding="utf-8")))
        if not _is_whole(account):
            raise ValueError("a value is not what this software writes there")
        return account
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


def _is_whole(account: Account) -> bool:
    texts = [account.granules_digest, account.recipe_digest]
    if not all(isinstance(one, dict) for one in (account.unread, account.checksums, account.off_tile)):
        return False
    if not (
        isinstance(account.on_tile, list) and all(isinstance(layers, dict) for layers in account.checksums.values())
    ):
        return False
    texts += [*account.unread.values(), *account.on_tile, *account.off_tile.values()]
    texts += [checksum for layers in account.checksums.values() for checksum in layers.values()]
    return all(isinstance(text, str) for text in texts)
