"""Rule item: describe a month and its files as a STAC Item."""

from pathlib import Path

from s1monthly import logs
from s1monthly.assets import asset_file, preview_file
from s1monthly.records import read_record
from s1monthly.stac import item, write_document


def main(snakemake):
    log = logs.start(snakemake.log[0], **snakemake.config["logging"])
    record = read_record(snakemake.input.record)
    folder = Path(snakemake.output.item).parent
    files = {"zarr": asset_file(snakemake.params.cube, folder), "record": asset_file(snakemake.input.record, folder)}
    if snakemake.input.cog:
        files["cog"] = asset_file(snakemake.input.cog, folder)
    if snakemake.input.preview:
        files["preview"] = preview_file(snakemake.input.preview, folder, record.grid)
    write_document(snakemake.output.item, item(record, files))
    log.info("%s: %s", snakemake.output.item, ", ".join(files))


if "snakemake" in globals():
    main(snakemake)
