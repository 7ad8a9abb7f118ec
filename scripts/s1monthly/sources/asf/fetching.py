"""Fetch granules into memory; check every byte against the archive's record and name every fault."""

from __future__ import annotations

import hashlib
import itertools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from rasterio.io import MemoryFile

from s1monthly.errors import CredentialsError, S1MonthlyError, SourceError
from s1monthly.granule_names import layer_file
from s1monthly.granules import AnyGranule, Granule, Layer, StaticGranule
from s1monthly.grid.lattice import GeoBox
from s1monthly.raster.block_span import Window, block_span
from s1monthly.sources.asf.connections import MOST, Connections
from s1monthly.sources.asf.earthdata import Login
from s1monthly.sources.asf.granule_cache import GranuleCache
from s1monthly.sources.asf.refused_login import RefusedLogin
from s1monthly.sources.asf.s3 import S3Reader, in_region
from s1monthly.sources.asf.s3_keys import RefusedError, SharedKeys
from s1monthly.sources.retries import FinalFault, GaveUpError, PassingFault, retry
from s1monthly.sources.transfer import Answer, Clock, is_tiff, without_query

LOGGER = logging.getLogger("s1monthly")

S3_PATIENCE = 4
"""Number of S3 faults in a row after which access ``auto`` switches to HTTPS."""

HEAD = 1 << 16
"""Bytes of the beginning of a file, from which the place of its blocks is known."""

MOST_OF_IT = 0.8
"""Share of a file above which it is fetched as a whole, so that it can be checked."""

IN_PART = "HTTPS in part"
"""How layers were fetched of which only some blocks came."""

_numbers = itertools.count(1)


@dataclass(kw_only=True)
class Fetcher:
    """Fetches layers by HTTPS or S3, or reads them from the cache. Thread-safe.

    Attributes
    ----------
    login : str
        Host of Earthdata Login.
    s3_credentials : str
        Address that gives temporary keys for S3.
    s3_endpoint : str or None
        Address of the S3 service; None for Amazon's.
    trusted : collection of str
        Domains that may see the login.
    access : str
        ``https``; ``s3``; or ``auto``: S3 inside its region while it works, otherwise HTTPS.
    cache_dir : str or None
        Folder for fetched layers; None keeps none.
    cache_max_bytes : int
        Largest size of the cache.
    keys_dir : str
        Folder in which the jobs of a run share S3 keys.
    link_dir : str
        Folder in which they share connections.
    window_of : callable or None
        Returns the window, rows and columns, that is needed of a granule's grid; None for a granule beside it. Then
        only the blocks of this window are fetched by HTTPS, and the files cannot be checked. None fetches whole files.
    connections : int or None
        Requests of this job at once; None shares, with all jobs of the run, as many as the link takes.
    seconds : float
        Time limit for a granule: its layers, which are fetched side by side, and all tries. It does not count the wait
        for a connection. A try that is waiting for a server may take a minute longer.
    """

    login: str
    s3_credentials: str
    s3_endpoint: str | None
    trusted: Collection[str]
    access: str
    cache_dir: str | None
    cache_max_bytes: int
    keys_dir: str
    link_dir: str
    seconds: float
    connections: int | None = None
    window_of: Callable[[GeoBox], Window | None] | None = None

    def __post_init__(self) -> None:
        self._login = Login(self.login, self.trusted)
        keys = SharedKeys(self._login, self.s3_credentials, self.keys_dir)
        self._s3 = S3Reader(keys, self.s3_endpoint, self.seconds)
        self._cache = GranuleCache(self.cache_dir, self.cache_max_bytes) if self.cache_dir else None
        self._refused_login = RefusedLogin(self.keys_dir)
        self._connections = Connections(self.link_dir, self.connections)
        self._threads = ThreadPoolExecutor(self.connections or MOST, thread_name_prefix="fetching")
        self._lock, self._first, self._began = threading.Lock(), threading.Lock(), threading.Event()
        self._s3_given_up = False
        self._s3_faults = 0

    @contextmanager
    def in_memory(self, granule: AnyGranule, layers: Sequence[str]) -> Iterator[AnyGranule]:
        """Fetch layers into memory, where GDAL can read them; free the memory on leaving.

        Parameters
        ----------
        layers : sequence of str
            Names of layers; those that the granule does not have are skipped.

        Yields
        ------
        Granule or StaticGranule
            The granule with these layers only. Each ``url`` is a path in GDAL's ``/vsimem/`` that ends in the file's
            own name. Layers that were fetched in part have no MD5.

        Raises
        ------
        SourceError
            If a layer cannot be fetched or does not match the record.
        CredentialsError
            If the archive denies access to this user.
        """
        self._refused_login.check()
        begun = time.monotonic()
        wanted = list(filter(None, map(granule.layer, layers)))
        fetched = self._side_by_side(granule, wanted)
        ready = []
        with ExitStack() as stack:
            for layer, (content, way) in zip(wanted, fetched, strict=True):
                file = layer_file(granule.id, layer.name)
                # names are unique, and an error that quotes one shows which file it is
                memory = stack.enter_context(MemoryFile(content, dirname=f"fetched-{next(_numbers)}", filename=file))
                ready.append(replace(layer, url=memory.name, md5="" if way == IN_PART else layer.md5))
            LOGGER.info(
                "granule %s: %.1f MB in %.1f s (%s)",
                granule.id,
                sum(len(content) for content, _ in fetched) / 1e6,
                time.monotonic() - begun,
                ", ".join(f"{count} by {way}" for way, count in Counter(way for _, way in fetched).items()),
            )
            yield replace(granule, layers=tuple(ready))

    def _side_by_side(self, granule: AnyGranule, layers: Sequence[Layer]) -> list[tuple[bytes, str]]:
        """Return the bytes of layers, and how they were obtained. The smallest goes first: a refusal then costs least.

        If one fails, the others are given up.
        """
        given_up = threading.Event()
        tasks = {
            layer.name: self._threads.submit(self._content, granule, layer, Clock(self.seconds, given_up))
            for layer in sorted(layers, key=lambda layer: layer.size)
        }
        try:
            wait(tasks.values(), return_when=FIRST_EXCEPTION)
            failed = [task for task in tasks.values() if task.done() and task.exception()]
            return [task.result() for task in failed or (tasks[layer.name] for layer in layers)]
        finally:
            given_up.set()
            for task in tasks.values():
                task.cancel()

    def _content(self, granule: Granule | StaticGranule, layer: Layer, clock: Clock) -> tuple[bytes, str]:
        """Return a layer's bytes and how they were obtained."""
        if self._cache is None:
            return self._download(granule, layer, clock)
        file = layer_file(granule.id, layer.name)
        content = self._cache.read(file, layer.size, layer.md5)
        if content is not None:
            return content, "cache"
        # if another job takes longer than half the time to fetch it, fetch it here as well
        with self._cache.locked(file, clock.left / 2):
            content = self._cache.read(file, layer.size, layer.md5)
            if content is not None:
                return content, "cache"
            content, way = self._download(granule, layer, clock)
            if way != IN_PART:
                self._cache.write(file, content, layer.size, layer.md5)
        return content, way

    def _download(self, granule: Granule | StaticGranule, layer: Layer, clock: Clock) -> tuple[bytes, str]:
        name, check = f"granule {granule.id}: layer {layer.name}", _Check(layer)
        address = layer.s3_url if self.access == "s3" and layer.s3_url else without_query(layer.url)

        def attempt(_: float) -> tuple[bytes, str]:
            with self._alone_at_first(clock), self._connections.one(clock) as transfer:
                self._refused_login.check()
                try:
                    content, way, transfer.size = self._once(layer, clock, isinstance(granule, Granule))
                except CredentialsError as error:
                    refusal = CredentialsError(f"{name}: {error.problem} ({address})", error.remedy)
                    self._refused_login.save(refusal)  # before the next request begins
                    raise refusal from None
            if way != IN_PART:
                check(content)
            return content, way

        try:
            content, way = retry(name, attempt, round(self.seconds, 1), clock)
        except GaveUpError as error:
            raise SourceError(
                f"{name}: {error.reason} ({address})",
                "run again later; memory.scene_retry_timeout_seconds gives it more time",
            ) from None
        except FinalFault as fault:
            raise SourceError(f"{name}: {fault.reason} ({address})", fault.remedy) from None
        LOGGER.debug("%s: %d bytes by %s", name, len(content), way)
        return content, way

    @contextmanager
    def _alone_at_first(self, clock: Clock) -> Iterator[None]:
        """Let the first request of this job go alone: a login is tried once, and what it opens serves all others."""
        if self._began.is_set():
            yield
            return
        with clock.stopped():
            self._first.acquire()
        try:
            if self._began.is_set():
                self._first.release()
            yield
        finally:
            if not self._began.is_set():
                self._began.set()
                self._first.release()

    def _once(self, layer: Layer, clock: Clock, in_part: bool) -> tuple[bytes, str, int]:
        """Try once, by the access that is open now; return the bytes of the file, the access, and how many came.

        Static layers always come whole.
        """
        max_bytes = layer.size if layer.size >= 0 else None
        if self.access == "s3":
            try:
                content = self._from_s3(layer, clock, max_bytes)
                return content, "S3", len(content)
            except RefusedError as error:
                remedy = "S3 works only inside AWS us-west-2: set download.access to auto or https"
                raise FinalFault(error.reason, remedy) from None
        if self.access == "auto" and not self._s3_given_up and in_region():
            try:
                content = self._from_s3(layer, clock, max_bytes)
                self._s3_faults = 0
                return content, "S3", len(content)
            except PassingFault as fault:
                self._s3_faults += 1
                if self._s3_faults < S3_PATIENCE:
                    raise
                self._give_up_s3(fault.reason)
            except RefusedError as error:
                self._give_up_s3(error.reason)
            except CredentialsError as error:
                self._give_up_s3(error.problem)
        if in_part and self.window_of and layer.size > 2 * HEAD:
            return self._in_part(layer, clock, self.window_of)
        content = self._asked(layer, clock, max_bytes).body
        return content, "HTTPS", len(content)

    def _in_part(
        self, layer: Layer, clock: Clock, window_of: Callable[[GeoBox], Window | None]
    ) -> tuple[bytes, str, int]:
        """Fetch the beginning of a file, then the blocks of a window; what lies between and behind is left empty."""
        answer = self._asked(layer, clock, layer.size, (0, HEAD))
        if answer.status == 200:  # a server without ranges
            return answer.body, "HTTPS", len(answer.body)
        head = answer.body
        try:
            start, end = block_span(head, window_of) or (0, 0)
        except (ValueError, S1MonthlyError):  # an unusual file, which is named when it is read
            start, end = 0, layer.size
        start, end = max(len(head), start), min(layer.size, end)
        if end - start > MOST_OF_IT * layer.size:
            start, end = len(head), layer.size
        content = bytearray(layer.size)
        content[: len(head)] = head
        if end > start:
            answer = self._asked(layer, clock, layer.size, (start, end))
            if answer.status == 200:
                return answer.body, "HTTPS", len(answer.body)
            content[start:end] = answer.body
        whole = (start, end) == (len(head), layer.size)
        return bytes(content), "HTTPS" if whole else IN_PART, len(head) + max(0, end - start)

    def _asked(self, layer: Layer, clock: Clock, max_bytes: int | None, part: tuple[int, int] | None = None) -> Answer:
        """Ask for a file by HTTPS, or for a part of it: first byte and end."""
        answer = self._login.get(layer.url, clock, max_bytes, part)
        if answer.status in (404, 410):
            raise FinalFault(
                f"no longer in the archive (HTTP {answer.status})",
                "ask the source again for what it holds now: search.refresh: true",
            )
        if answer.status not in (200, 206):
            raise FinalFault(
                f"unexpected answer (HTTP {answer.status} from {answer.host})", "run again later; then ask the archive"
            )
        if part and answer.status == 206 and (len(answer.body), answer.total) != (part[1] - part[0], layer.size):
            raise PassingFault(f"{len(answer.body)} bytes of {answer.total} came, not those that were asked for")
        return answer

    def _from_s3(self, layer: Layer, clock: Clock, max_bytes: int | None) -> bytes:
        if not layer.s3_url:
            raise RefusedError("the record names no address for S3")
        return self._s3.get(layer.s3_url, clock, max_bytes)

    def _give_up_s3(self, reason: str) -> None:
        with self._lock:
            if not self._s3_given_up:
                LOGGER.warning("S3 is given up for HTTPS: %s", reason)
            self._s3_given_up = True


class _Check:
    """Compares fetched files with the record, and remembers the last wrong one."""

    def __init__(self, layer: Layer) -> None:
        self._size, self._md5 = layer.size, layer.md5.lower()
        self._wrong = ""

    def __call__(self, content: bytes) -> None:
        """Raise PassingFault if a file does not match the record, FinalFault if a retry is useless.

        It is useless if the same wrong file came twice, or if the file matches the record but is no TIFF.
        """
        if not content:
            raise PassingFault("an empty file came")
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if self._size not in (-1, len(content)):
            came = "more" if len(content) > self._size else f"only {len(content)}"  # it reads at most one byte past it
            self._mismatch(f"{came} bytes came instead of {self._size}", digest)
        if self._md5 not in ("", digest):
            self._mismatch(f"MD5 {digest} came instead of {self._md5}", digest)
        if not is_tiff(content):
            raise FinalFault(
                "what the archive serves is no TIFF", "report it to the archive; the granule cannot be used"
            )

    def _mismatch(self, reason: str, digest: str) -> None:
        if digest == self._wrong:
            raise FinalFault(
                f"the archive serves another file than its record says: {reason}, twice",
                "ask the source again for what it holds now: search.refresh: true; if it stays, tell the archive",
            )
        self._wrong = digest
        raise PassingFault(reason)
