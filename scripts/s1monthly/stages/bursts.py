"""The bursts stage: read all granules of a month with a pool of threads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed

from s1monthly.errors import SourceError
from s1monthly.granule_names import seen_file
from s1monthly.granules import Granule, GranuleList
from s1monthly.model import CompositeKey
from s1monthly.records.account import Account
from s1monthly.records.granule_list import granule_digest, list_digest
from s1monthly.records.source_facts import MARK
from s1monthly.workflow.reading_progress import ReadingCount
from s1monthly.workflow.resume import KeptPieces, Piece

LOGGER = logging.getLogger("s1monthly")


def refuse_failures(
    key: CompositeKey, failures: Mapping[str, str], total: int, max_failed_ratio: float, what: str = "read"
) -> None:
    """Raise a SourceError if more granules of a month than allowed failed; it names each with its reason.

    Parameters
    ----------
    failures : mapping of str to str
        Granule id -> line with its reason.
    total : int
        Number of granules of the month.
    max_failed_ratio : float
        Largest allowed fraction.
    what : str
        What could not be done with them: ``read`` or ``used``.
    """
    if failures and len(failures) / total > max_failed_ratio:
        lines = "".join(f"\n  - {line}" for _, line in sorted(failures.items()))
        raise SourceError(
            f"{key}: {len(failures)} of {total} granules cannot be {what}:{lines}",
            "run again when these are repaired; or allow some to be missing by memory.max_failed_ratio",
        )


def read_all(
    key: CompositeKey,
    listed: GranuleList,
    read: Callable[[Granule], Piece],
    pieces: KeptPieces,
    workers: int,
    max_failed_ratio: float,
    recipe_digest: str,
    count: ReadingCount | None = None,
) -> Account:
    """Read every granule of a month, `workers` at a time, and log each with its number.

    Parameters
    ----------
    key : CompositeKey
        Tile, direction and month, for messages.
    listed : GranuleList
        Granules to read. Granules set aside as lost count as unreadable.
    read : callable
        Reads one granule; the facts of its piece are the layers' checksums and, after `MARK`, those of its tags.
    pieces : KeptPieces
        Results of an earlier attempt, which are not read again.
    workers : int
        Number of threads.
    max_failed_ratio : float
        Largest allowed fraction of unreadable granules.
    recipe_digest : str
        Digest of the run's recipe, for the account.
    count : ReadingCount, optional
        Counts the granules that are done, for the progress of the run.

    Raises
    ------
    SourceError
        If all granules or more than `max_failed_ratio` are unreadable. All have been tried; the message names each
        with its reason.
    Exception
        Any other error of `read`, at once; waiting granules are not read.
    """

    def read_once(granule: Granule) -> str:
        return pieces.once(granule.id, granule_digest(granule), lambda: read(granule))

    sizes = {granule.id: sum(max(0, layer.size) for layer in granule.layers) for granule in listed.granules}
    reasons: dict[str, str] = {}
    failures = {lost.granule_id: f"granule {lost.granule_id}: {lost.reason}" for lost in listed.set_aside if lost.lost}
    total = len(listed.granules) + len(failures)
    with ThreadPoolExecutor(workers) as pool:
        work = {pool.submit(read_once, granule): granule.id for granule in listed.granules}
        for number, done in enumerate(as_completed(work), start=1):
            try:
                LOGGER.info("%d/%d %s: %s", number, len(work), work[done], done.result())
            except SourceError as error:
                LOGGER.error("%d/%d %s", number, len(work), error)
                reasons[work[done]], failures[work[done]] = error.problem, str(error)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            if count:
                count.add(sizes[work[done]])
    if failures and len(reasons) == len(listed.granules):
        max_failed_ratio = 0
    refuse_failures(key, failures, total, max_failed_ratio)
    names = [granule.id for granule in listed.granules if granule.id not in reasons]
    kept = {name: pieces.facts(name) for name in names}
    checksums = {name: {k: v for k, v in facts.items() if not k.startswith(MARK)} for name, facts in kept.items()}
    facts = {
        name: {k.removeprefix(MARK): v for k, v in of_one.items() if k.startswith(MARK)}
        for name, of_one in kept.items()
    }
    on_tile = [name for name in names if {*pieces.files(name)} - {seen_file(name)}]
    off_tile = {name: pieces.outcome(name) for name in names if name not in {*on_tile}}
    return Account(reasons, checksums, list_digest(listed), recipe_digest, on_tile, off_tile, facts)
