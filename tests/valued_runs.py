"""Output folders of `genome` with given values, without a prediction."""

import json

import numpy as np

from epigept_batch.tiling import Contig
from epigept_batch.tracks.bigwig import BigWigWriter

BIN = 128


def spans(present):
    """[first, last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], present.astype(int), [0]])))
    return [[int(first), int(last)] for first, last in edges.reshape(-1, 2)]


def statistics(values):
    """What `run.json` says of all bins of a track."""
    known = values[~np.isnan(values)].astype(np.float64)
    shares = ("0.001", "0.01", "0.5", "0.99", "0.999")
    return {
        "bins": len(known),
        "mean": known.mean(),
        "min": known.min(),
        "max": known.max(),
        "quantiles": {share: float(np.quantile(known, float(share))) for share in shares},
    }


def write_run(folder, tracks, lengths, *, selection=None, **more):
    """Write a folder.

    Args:
        folder: The folder.
        tracks: Values of each bin, NaN without bases, by sample, track and contig.
        lengths: Length of each contig.
        selection: Predicted bins of each contig by sample; by default all bins.
        more: Further keys of every record.
    """
    folder.mkdir(exist_ok=True)
    contigs = [Contig(name, length) for name, length in lengths.items()]
    for sample, of_sample in tracks.items():
        for track, values in of_sample.items():
            writer = BigWigWriter(folder / f"{sample}.{track}.bw", contigs, bin_bp=BIN)
            for contig in contigs:
                for first, last in spans(~np.isnan(values[contig.name])):
                    writer.write(contig, first, values[contig.name][first:last].astype(np.float32))
            writer.close()
            writer.publish()
        every = {name: [[0, -(-length // BIN)]] for name, length in lengths.items()}
        record = {
            "sample": sample,
            "inputs": {"selection of bins": (selection or {}).get(sample, every)},
            "space": "log1p",
            "regions": ["one:1-1000"],
            "statistics": {track: statistics(np.concatenate(list(of.values()))) for track, of in of_sample.items()},
            "files": {f"{sample}.{t}.bw": (folder / f"{sample}.{t}.bw").stat().st_size for t in of_sample},
            **more,
        }
        (folder / f"{sample}.run.json").write_text(json.dumps(record))
    return folder
