"""bigBeds of intervals, read by pybigtools: lines, and zoom levels against a count of single bases."""

import numpy as np
import pybigtools

from epigept_batch.tiling import Contig
from epigept_batch.tracks.bigbed import write_bigbed

CONTIGS = [Contig("b", 70_000), Contig("a", 9000)]
AUTOSQL = 'table t\n"a table"\n(\n' + "".join(f'string f{number}; "x"\n' for number in range(6)) + ")\n"


def test_zoom_levels_cover_the_bases_of_the_intervals(tmp_path):
    rng = np.random.default_rng(2)
    lines, covered = [], {}
    for contig in CONTIGS:
        edges = np.sort(rng.choice(contig.length, contig.length // 100 * 2, replace=False)).reshape(-1, 2)
        lines += [(contig.name, str(start), str(end), f"n{start}", "5", ".") for start, end in edges]
        covered[contig.name] = np.zeros(contig.length, dtype=int)
        for start, end in edges:
            covered[contig.name][start:end] = 1
    path = tmp_path / "x.bb"
    write_bigbed(path, CONTIGS, lines, AUTOSQL)
    with pybigtools.open(str(path)) as file:
        assert file.chroms() == {contig.name: contig.length for contig in CONTIGS}
        for contig in CONTIGS:
            found = [(contig.name, str(start), str(end), *rest) for start, end, *rest in file.records(contig.name)]
            assert found == [line for line in lines if line[0] == contig.name]
        levels = file.zooms()
        assert len(levels) > 2
        for level in levels:
            for contig in CONTIGS:
                bases = covered[contig.name]
                records = list(file.zoom_records(level, contig.name))
                assert sum(one[2]["bases_covered"] for one in records) == bases.sum()
                for start, end, summary in records:
                    assert end - start <= level
                    assert start // level == (end - 1) // level
                    assert summary["bases_covered"] == summary["sum"] == bases[start:end].sum()
