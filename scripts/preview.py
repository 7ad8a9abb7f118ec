"""Rule preview: read a month back from the cube and draw it."""

from s1monthly import logs
from s1monthly.config import load_config
from s1monthly.cube import read_month
from s1monthly.rasters import write_preview
from s1monthly.records import read_record


def main(snakemake):
    log = logs.start(snakemake.log[0], load_config(snakemake.config).logging)
    record = read_record(snakemake.input.record)
    layers = record.polarization.layers
    shown = [
        read_month(snakemake.params.cube, record.key.month, name) for name in (*(f"{x}_dB" for x in layers), "Ratio")
    ]
    write_preview(snakemake.output.preview, *shown, record.grid)
    log.info("%s", snakemake.output.preview)


if "snakemake" in globals():
    main(snakemake)
