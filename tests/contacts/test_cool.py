"""Maps as .cool, read by cooler."""

import cooler
import numpy as np
import pytest

from epigept_batch.contacts import cool
from epigept_batch.tiling import Contig

CONTIGS = (Contig("one", 1000), Contig("none", 90), Contig("two", 450))


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_every_pixel_is_there_once_however_many_are_written_at_a_time(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(cool, "CHUNK", chunk)
    rng = np.random.default_rng(1)
    expected = {}
    parts = []
    for contig, bins in ((CONTIGS[0], 10), (CONTIGS[2], 5)):
        first, second = np.triu_indices(bins)
        values = rng.random(len(first))
        expected |= {(contig.name, *pair): v for *pair, v in zip(first, second, values, strict=True)}
        parts += [(contig, *(column[n : n + 4] for column in (first, second, values))) for n in range(0, len(first), 4)]
    path = tmp_path / "map.cool"
    cool.write_cool(path, CONTIGS, iter(parts), bin_bp=100, about={"sample": "s"})
    file = cooler.Cooler(str(path))
    assert dict(file.chromsizes) == {"one": 1000, "none": 90, "two": 450}
    assert file.info["metadata"] == {"epigept-batch": {"sample": "s"}}
    table = file.pixels(join=True)[:]
    found = {
        (name, start1 // 100, start2 // 100): value
        for name, start1, start2, value in table[["chrom1", "start1", "start2", "count"]].itertuples(index=False)
    }
    assert len(table) == len(found)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[pair] for pair in expected], list(expected.values()), rtol=1e-6)
