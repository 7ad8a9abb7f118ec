"""Memory, threads, disk space and priority of the rules; and the commands of the tools."""

from hashlib import sha256

from s1monthly.model import Tile
from s1monthly.workflow import estimate

FETCHES_AHEAD = SETTINGS.source.kind == "asf" and SETTINGS.connections is None
"""True if jobs share the connections to the archive. On this machine a job that fetches then holds no core: it mostly
waits for the link, and computing goes on beside it."""
if FETCHES_AHEAD and RUN.cores:
    RUN.limit(
        "downloads", min(RUN.cores + 1, 5)
    )  # Snakemake has room for five jobs without a core


@cache
def cores_a_month():
    """Return the cores that a month can use: the fewer, the more months can go side by side, which keeps all busy."""
    return max(1, RUN.cores // max(1, PLAN.months_to_make())) if RUN.cores else 2


def burst_threads(wildcards):
    """Return the cores for reading granules, which is partly waiting: one serves two from a disk, four from the archive.

    Jobs that share the connections to the archive hold no core of this machine, and one of a cluster's.
    """
    if SETTINGS.source.kind == "grd":
        return compute_threads(wildcards)
    if FETCHES_AHEAD:
        return 0 if RUN.cores else 1
    served = 4 if SETTINGS.source.kind == "asf" else 2
    return -(-SETTINGS.read_workers // served)


def static_threads(wildcards):
    """Return the cores for static layers, which are compressed, too."""
    return max(1, burst_threads(wildcards))


def compute_threads(wildcards):
    """Return the cores for the kernels: more than four gain little."""
    return min(4, cores_a_month())


def temporary_mb(wildcards):
    """Return the MB of a month's temporary files on disk; `--resources temp_mb=...` bounds them."""
    answer = state_of(wildcards).answer
    number = answer.granules if answer else 0
    return estimate.temporary_mb(SETTINGS, number, pixels(Tile(wildcards.tile)))


def memory_mb(stage):
    """Return a function for the memory of a stage on the grid of a tile; each attempt asks for more."""
    return lambda wildcards, attempt: attempt * estimate.memory_mb(
        stage, pixels(Tile(wildcards.tile))
    )


def reading_mb(wildcards, attempt):
    """Return the memory of a job that reads granules onto the grid of its tile; each attempt asks for more."""
    of_tile = pixels(Tile(wildcards.tile))
    return attempt * estimate.reading_mb(SETTINGS.read_workers, of_tile, ahead())


def ahead():
    """Return the granules that a job has fetched and not read yet."""
    return SETTINGS.held_granules - SETTINGS.read_workers


def slice_mb(wildcards, attempt):
    """Return the memory of a job that corrects GRD slices for the terrain; each attempt asks for more."""
    of_tile = estimate.slice_pixels(SETTINGS, pixels(Tile(wildcards.tile)))
    return attempt * estimate.memory_mb("slices", of_tile)


def heights_mb(wildcards, attempt):
    """Return the memory of a job that makes the heights of a tile; each attempt asks for more."""
    of_tile = estimate.slice_pixels(SETTINGS, pixels(Tile(wildcards.tile)))
    return attempt * estimate.memory_mb("heights", of_tile)


def static_mb(wildcards, attempt):
    """Return the memory of a job that makes static layers, one at a time; each attempt asks for more."""
    if SETTINGS.source.kind == "grd":
        return slice_mb(wildcards, attempt)
    of_tile = pixels(Tile(wildcards.tile))
    layers = estimate.memory_mb("static", of_tile)
    return layers + attempt * estimate.reading_mb(
        SETTINGS.read_workers, of_tile, ahead()
    )


def audit_mb(wildcards):
    """Return the memory of a tool that reads months of any tile."""
    largest = max(pixels(tile.key.tile) for tile in PLAN.tiles)
    return max(1000, estimate.memory_mb("audit", largest))


def depth_first(wildcards):
    """Finish a month before the next is opened: bounds the temporary files on disk.

    Months of a reference period come first: all others wait for them. Tiles that share granules read a month one after
    the other: then its granules can go.
    """
    tile, month = tile_of(wildcards), Month.parse(wildcards.month)
    first = month in tile.period and not tile.reference
    earlier, place = month.ordinal % 6000, PLAN.place(tile)
    if PLAN.shares_granules:
        return 10_000_000 + 20_000_000 * first - 1000 * earlier - min(place, 999)
    return 10_000_000 - 10_000 * place - earlier + 3000 * first


def tool_command(name):
    """Return the command of a tool: its script, with the options that were given."""
    python = "python" if "conda" in RUN.deployment else sys.executable
    return shlex.join([python, f"{SCRIPTS}/{name}.py", *shlex.split(TOOL_OPTIONS)])


def own_work_dir():
    """Return the option of a tool that names the work folder, if that does not lie in the output tree."""
    usual = os.path.join(LAYOUT.base_dir, "work")
    return (
        "" if LAYOUT.work_dir == usual else shlex.quote(f"--work-dir={LAYOUT.work_dir}")
    )


def report_command():
    """Return the command that brings the report of the output tree up to date."""
    folders = [f"--output-dir={LAYOUT.base_dir}", f"--work-dir={LAYOUT.work_dir}"]
    return f"{tool_command('report')} {shlex.join(folders)}"


def uploaded():
    """Return the stamp that this run's tiles were published at this place, with links of this kind."""
    place = SETTINGS.publish
    made_of = json.dumps([place.url, place.endpoint, place.base_url])
    return f"{LAYOUT.work_dir}/uploaded/{sha256(made_of.encode()).hexdigest()[:16]}"


def held_folders():
    """Return the folders of this run, which are finished when it publishes."""
    return [os.path.basename(tile.paths().folder) for tile in PLAN.tiles]
