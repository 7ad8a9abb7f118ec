"""All granules of a month, read side by side, and the account of it: what could not be read, checksums of what was."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from s1monthly.errors import SourceError
from s1monthly.files import write_text
from s1monthly.kept import KeptPieces, Piece
from s1monthly.ledger import granule_digest
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
    """

    unread: Mapping[str, str]
    checksums: Mapping[str, Mapping[str, str]]

    def of_read(self, granules: Iterable[Granule]) -> tuple[Granule, ...]:
        """Return the granules that were read, with the checksums of their layers."""
        return tuple(
            replace(granule, layers=tuple(replace(x, md5=self._md5(granule.id, x)) for x in granule.layers))
            for granule in granules
            if granule.id not in self.unread
        )

    def _md5(self, granule_id: str, layer: Layer) -> str:
        return self.checksums.get(granule_id, {}).get(layer.name) or layer.md5


def read_all(
    key: CompositeKey,
    granules: Sequence[Granule],
    read: Callable[[Granule], Piece],
    kept: KeptPieces,
    workers: int,
    most: float,
) -> Account:
    """Read every granule of a month, some at a time, and log each with its number.

    Parameters
    ----------
    key : CompositeKey
    granules : sequence of Granule
    read : callable
        Does all that is to be done with a granule; its facts are the checksums of the layers.
    kept : KeptPieces
        A granule that an earlier try finished is not read again.
    workers : int
        How many are read at a time.
    most : float
        Fraction of them that may be unreadable (``memory.max_failed_ratio``).

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
    with ThreadPoolExecutor(workers) as pool:
        work = {pool.submit(once, granule): granule.id for granule in granules}
        for number, done in enumerate(as_completed(work), start=1):
            try:
                LOGGER.info("%d/%d %s: %s", number, len(work), work[done], done.result())
            except SourceError as error:
                LOGGER.error("%d/%d %s", number, len(work), error)
                reasons[work[done]] = error.problem
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    if reasons and (len(reasons) == len(granules) or len(reasons) / len(granules) > most):
        told = "".join(f"\n  - {reason}" for _, reason in sorted(reasons.items()))
        raise SourceError(
            f"{key}: {len(reasons)} of {len(granules)} granules cannot be read:{told}",
            "mend or remove these files and run again; or allow some to be missing by memory.max_failed_ratio",
        )
    return Account(reasons, {granule.id: kept.facts(granule.id) for granule in granules if granule.id not in reasons})


def write_account(path: str | Path, account: Account) -> None:
    """Write the account, for the record."""
    write_text(path, json.dumps(asdict(account), indent=1, sort_keys=True) + "\n")


def read_account(path: str | Path) -> Account:
    """Read what `write_account` wrote."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return Account(content["unread"], content["checksums"])
