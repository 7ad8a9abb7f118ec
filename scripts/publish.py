"""Rule publish: read a month back from the cube; write its STAC Item, and its COGs and preview if wanted.

Removes older COGs and previews that are no longer wanted, because they may show other values.
"""

from pathlib import Path

import light_imports  # noqa: F401
from s1monthly.catalog.assets import asset_file, preview_file
from s1monthly.catalog.ceos_ard import ceos_ard
from s1monthly.catalog.document import write_document
from s1monthly.catalog.item import item
from s1monthly.catalog.static_item import with_static_layers
from s1monthly.records.month import read_record
from s1monthly.stages.publish import remove_stale, write_pictures
from s1monthly.workflow import jobs


def main(argv=None):
    job, log = jobs.read_arguments(__doc__, argv, "record", "cube", "block_size", "item")
    settings, record, folder = job.settings, read_record(job.record), Path(job.item).parent
    place = settings.layout.of(record.key)
    pictures = {kind: place.product(kind) for kind in settings.products if kind != "item"}
    for path in remove_stale(record, place, pictures):
        log.info("%s: removed %s, which is no longer wanted (output.formats, cog_layout)", record.key, path)
    assessment = pictures.pop("ceos_ard", None)
    checksums = write_pictures(record, job.cube, pictures, int(job.block_size), job.threads, settings.cog_compression)
    files = {"zarr": asset_file(job.cube, folder), "record": asset_file(job.record, folder)}
    files |= {kind: asset_file(pictures[kind], folder, checksum) for kind, checksum in checksums.items()}
    if assessment:
        write_document(assessment, ceos_ard(record, settings.products))
        files["ceos_ard"] = asset_file(assessment, folder)
    if "preview" in pictures:
        files["preview"] = preview_file(pictures["preview"], folder, record.grid)
    write_document(job.item, with_static_layers(item(record, files), place))
    log.info("%s: %d bands, %d valid pixels; %s", record.key, len(record.bands), record.valid, ", ".join(files))


if __name__ == "__main__":
    jobs.run(main)
