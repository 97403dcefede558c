"""Write small contact maps with cooler and hictk."""

import cooler
import hictkpy
import numpy as np
import pandas as pd


def bins_table(lengths, bin_bp, weights=None):
    """cooler's table of bins; `weights` is a column, by its name."""
    table = cooler.binnify(pd.Series(lengths), bin_bp)
    for name, values in (weights or {}).items():
        table[name] = values
    return table


def write_cool(path, lengths, bin_bp, pixels, *, weights=None, metadata=None):
    """Write a .cool of pixels (bin, bin, value), whose bins are counted over the genome."""
    table = pd.DataFrame(pixels, columns=["bin1_id", "bin2_id", "count"])
    table = table.astype({"bin1_id": "int64", "bin2_id": "int64", "count": "float64"})
    cooler.create_cooler(
        str(path),
        bins_table(lengths, bin_bp, weights),
        table,
        dtypes={"count": "float64"},
        metadata=metadata,
        ordered=True,
    )
    return path


def write_hic(path, lengths, resolutions, pixels):
    """Write a .hic of pixels (bin, bin, value) at its finest resolution."""
    rows, columns, values = (list(column) for column in zip(*pixels, strict=True))
    with hictkpy.hic.FileWriter(path, lengths, resolutions) as writer:
        writer.add_pixels_from_dict({"bin1_id": rows, "bin2_id": columns, "count": values})
    return path


def random_pixels(bins, *, seed, share=0.6, reach=None):
    """Pixels of a share of the upper triangle with counts from 1, in cooler's order."""
    rng = np.random.default_rng(seed)
    rows, columns = np.triu_indices(bins)
    near = np.full(len(rows), fill_value=True) if reach is None else columns - rows < reach
    keep = near & (rng.random(len(rows)) < share)
    values = rng.poisson(40 / (1 + columns - rows)) + 1.0
    return [(int(i), int(j), float(v)) for i, j, v in zip(rows[keep], columns[keep], values[keep], strict=True)]
