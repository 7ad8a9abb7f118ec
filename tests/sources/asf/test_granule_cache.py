"""The cache of fetched layers: whole or not there, bounded, shared, and never in the way."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from s1monthly import files
from s1monthly.granule_names import layer_file
from s1monthly.sources.asf import granule_cache
from s1monthly.sources.asf.granule_cache import GranuleCache
from standin import trickle
from support.archive_scene import Scene

CONTENT = b"II*\0" + bytes(96)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GranuleCache:
    """Room for ten files."""
    monkeypatch.setattr(granule_cache, "LOCK_POLL", 0.01)
    return GranuleCache(tmp_path / "cache", 10 * len(CONTENT))


def name(number: int, track: int = 137, layer: str = "VV") -> str:
    burst = f"T{track:03d}-{number:06d}-IW1"
    return layer_file(f"OPERA_L2_RTC-S1_{burst}_20211119T015854Z_20250830T120333Z_S1A_30_v1.0", layer)


def put(cache: GranuleCache, file: str, age: float = 0.0, content: bytes = CONTENT) -> Path:
    """Write a file as if it had been used so many seconds ago."""
    cache.write(file, content, len(content), hashlib.md5(content).hexdigest())
    path = cache.path(file)
    if path.exists():
        os.utime(path, (time.time(), time.time() - age))
    return path


def cached_files(cache: GranuleCache) -> list[str]:
    return sorted(path.name for path in cache.folder.rglob("*") if path.is_file())


# what it gives back


def test_a_file_lies_under_its_own_name_in_a_folder_of_its_track(cache: GranuleCache) -> None:
    file = name(1, track=7)
    assert cache.read(file, len(CONTENT), MD5) is None
    cache.write(file, CONTENT, len(CONTENT), MD5)
    assert (cache.folder / "T007" / file).read_bytes() == CONTENT
    assert cache.read(file, len(CONTENT), MD5) == CONTENT
    assert cache.read(file, len(CONTENT), "") == cache.read(file, -1, MD5.upper()) == CONTENT
    assert cached_files(cache) == [file]


@pytest.mark.parametrize(
    ("damage", "md5"),
    [(CONTENT[:-1], ""), (CONTENT + b"\0", MD5), (b"", MD5), (CONTENT[:-1] + b"\1", MD5)],
    ids=["short", "long", "empty", "flipped"],
)
def test_a_damaged_file_is_removed_with_a_warning(
    cache: GranuleCache, damage: bytes, md5: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = put(cache, name(1))
    path.write_bytes(damage)
    assert cache.read(name(1), len(CONTENT), md5) is None
    assert not path.exists() and "is damaged: it is fetched again" in caplog.text and str(path) in caplog.text


def test_what_cannot_be_checked_is_not_kept(cache: GranuleCache) -> None:
    cache.write(name(1), CONTENT, -1, "")
    assert cached_files(cache) == []
    put(cache, name(1))
    assert cache.read(name(1), -1, "") is None and cached_files(cache) == [name(1)]


# its bound


def test_what_was_not_used_for_longest_goes_first(cache: GranuleCache) -> None:
    for number in range(10):
        put(cache, name(number, track=1 + number % 3), age=1000 - number)
    assert cache.read(name(0, track=1), len(CONTENT), MD5)  # now it is the last used
    put(cache, name(10))
    assert set(cached_files(cache)) == {name(0, track=1), name(10), *(name(n, track=1 + n % 3) for n in range(2, 10))}


def test_the_bound_holds_before_and_after_every_write(cache: GranuleCache, monkeypatch: pytest.MonkeyPatch) -> None:
    totals: list[int] = []
    original = files.replacing

    def watched(path: Path, *, durable: bool) -> object:
        totals.append(sum(each.stat().st_size for each in cache.folder.rglob("*.tif")))
        return original(path, durable=durable)

    monkeypatch.setattr(granule_cache, "replacing", watched)
    for number in range(40):
        put(cache, name(number), content=CONTENT + bytes(7 * (number % 5)))
        assert sum(each.stat().st_size for each in cache.folder.rglob("*.tif")) <= cache.max_bytes
    assert len(totals) == 40 and max(totals) <= cache.max_bytes - len(CONTENT)


def test_a_large_cache_is_looked_through_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = GranuleCache(tmp_path, 2000 * len(CONTENT))
    scan = mock.Mock(wraps=cache._files)
    monkeypatch.setattr(cache, "_files", scan)
    for number in range(100):
        put(cache, name(number))
    assert scan.call_count < 10 and len(cached_files(cache)) == 100


def test_eviction_makes_room_for_more_than_one_file(tmp_path: Path) -> None:
    cache = GranuleCache(tmp_path, 100 * len(CONTENT))
    for number in range(101):
        put(cache, name(number), age=1000 - number)
    assert len(cached_files(cache)) == 96


def test_a_file_larger_than_the_bound_is_not_kept_and_moves_nothing(cache: GranuleCache) -> None:
    put(cache, name(1))
    put(cache, name(2), content=bytes(cache.max_bytes + 1))
    assert cached_files(cache) == [name(1)]
    put(cache, name(3), content=bytes(cache.max_bytes))
    assert cached_files(cache) == [name(3)]


def test_foreign_files_stay_and_what_killed_jobs_left_behind_is_swept(cache: GranuleCache) -> None:
    old = time.time() - files.LEFT_BEHIND - 60
    ours = name(500).removesuffix(".tif")
    left_behind = [cache.folder / "T137" / f".{ours}.{'a' * 32}.part.tif", cache.folder / "T137" / f".{ours}.tif.lock"]
    young = cache.folder / "T137" / f".{ours}.{'b' * 32}.part.tif"
    foreign = [
        cache.folder / "README.txt",
        cache.folder / name(900),  # not where we put files
        cache.folder / "mine" / name(901),
        cache.folder / "T137" / "notes.tif",
        cache.folder / "T137" / name(902).replace("_v1.0", "_vX"),
        cache.folder / "T137" / f".notes.{'0' * 32}.part.tif",
        cache.folder / "T137" / ".hidden",
        cache.folder / "T137" / "deep" / name(903),
    ]
    for path in [*foreign, *left_behind, young]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(5 * len(CONTENT)))
        if path != young:
            os.utime(path, (old, old))
    (cache.folder / "T999").write_bytes(b"a file named as a folder")
    for number in range(30):
        put(cache, name(number))
    assert young.exists() and all(path.exists() for path in foreign) and not any(map(Path.exists, left_behind))
    assert len([file for file in cached_files(cache) if file.endswith("_VV.tif")]) == 10 + 4


def test_files_may_vanish_at_any_time(cache: GranuleCache, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        put(cache, name(number), age=100 - number)
    original = os.unlink

    def twice(path: str) -> None:
        original(path)
        original(path)

    monkeypatch.setattr(os, "unlink", twice)
    put(cache, name(11))
    assert name(11) in cached_files(cache) and len(cached_files(cache)) <= 10


# trouble


def test_a_full_disk_is_reported_once_and_stops_nothing(
    cache: GranuleCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    put(cache, name(1))
    put(cache, name(2))
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"cache {cache.folder}: No space left on device; going on without" in warning.getMessage()
    assert cached_files(cache) == []


def test_a_folder_that_cannot_be_is_reported_and_stops_nothing(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert scene.fetch(scene.fetcher(cache_dir=str(tmp_path / "file" / "cache"))) == scene.archived
    assert [record.getMessage().count("going on without") for record in caplog.records if record.levelno > 20] == [1]


def test_a_cache_for_reading_alone_gives_what_it_has(
    cache: GranuleCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(cache, name(1))

    def forbidden(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    for what in ("utime", "open", "replace"):
        monkeypatch.setattr(os, what, forbidden)
    assert cache.read(name(1), len(CONTENT), MD5) == CONTENT and not caplog.records
    begun = time.monotonic()
    with cache.locked(name(2), 10):
        cache.write(name(2), CONTENT, len(CONTENT), MD5)
    assert time.monotonic() - begun < 1 and "Permission denied; going on without" in caplog.text


# locks


def test_one_at_a_time_and_no_lock_stays(cache: GranuleCache) -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def use(_: int) -> None:
        nonlocal inside, most
        with cache.locked(name(1), 10):
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.005)
            with guard:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(40)))
    assert most == 1 and cached_files(cache) == []


def test_a_lock_let_go_between_opening_and_locking_is_not_taken_for_one(
    cache: GranuleCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, path = fcntl.flock, cache.path(name(1)).with_name(f".{name(1)}.lock")

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", original)
        path.unlink()  # by the job that held it
        path.touch()  # by the next
        original(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with cache.locked(name(1), 5), open(path) as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_that_is_held_for_too_long_is_passed_by(cache: GranuleCache) -> None:
    with cache.locked(name(1), 1):
        begun = time.monotonic()
        with cache.locked(name(1), 0.1):
            assert 0.1 <= time.monotonic() - begun < 1


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_stops_nothing(
    cache: GranuleCache, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def none(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    begun = time.monotonic()
    with cache.locked(name(1), 10):
        assert time.monotonic() - begun < 1


# with the archive


def test_what_is_cached_is_not_fetched_again_and_needs_no_login(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    fetcher = scene.fetcher(cache_dir=str(scene.folder / "cache"))
    assert scene.fetch(fetcher) == scene.archived
    monkeypatch.delenv("EARTHDATA_TOKEN")
    assert scene.fetch(fetcher) == scene.fetch(scene.fetcher(cache_dir=str(scene.folder / "cache"))) == scene.archived
    assert set(scene.world.earthdata.served.values()) == {1} and len(scene.signed.log) == 3


def test_a_damaged_entry_is_fetched_again(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    fetcher = scene.fetcher(cache_dir=str(scene.folder / "cache"))
    scene.fetch(fetcher)
    (path,) = (scene.folder / "cache").rglob("*_VH.tif")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert scene.fetch(fetcher) == scene.archived == scene.fetch(fetcher)
    assert sorted(scene.world.earthdata.served.values()) == [1, 1, 2] and caplog.text.count("is damaged") == 1


def test_two_jobs_at_once_fetch_a_file_once(scene: Scene) -> None:
    """Two fetchers want the granule; the first answer takes its time."""
    scene.signed.faults_at["_VV.tif"] = [trickle(0.5)]
    fetchers = [scene.fetcher(cache_dir=str(scene.folder / "cache")) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(scene.fetch, fetchers)) == [scene.archived] * 2
    assert set(scene.world.earthdata.served.values()) == {1} and len(scene.world.earthdata.served) == 3
    assert not list((scene.folder / "cache").rglob(".*"))


def test_who_waits_for_another_job_in_vain_fetches_itself(scene: Scene) -> None:
    cache = GranuleCache(scene.folder / "cache", 10**9)
    with cache.locked(Path(scene.one.layers[0].url).name, 1):
        begun = time.monotonic()
        fetcher = scene.fetcher(cache_dir=str(cache.folder), seconds=2.0)
        assert scene.fetch(fetcher, scene.one) == {"VV": scene.archived["VV"]}
        assert 1 <= time.monotonic() - begun < 2
