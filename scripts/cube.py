"""Rule cube: make the store, or extend its axis, so that every month has a slot."""

import light_imports  # noqa: F401
from s1monthly.model import Month, Stack, Tile, TileDirection
from s1monthly.stages.slots import prepare_slots
from s1monthly.workflow import jobs


def main(argv=None):
    job, _ = jobs.read_arguments(__doc__, argv, "tile", "direction", "slots", "cube", "stamp")
    settings, key = job.settings.of(job.tile, job.direction), TileDirection(Tile(job.tile), Stack.parse(job.direction))
    first, last = (Month.parse(month) for month in job.slots.split("_")[:2])
    prepare_slots(settings, key, first, last, job.cube, job.stamp)


if __name__ == "__main__":
    jobs.run(main)
