"""The table of tracks at the end of a run."""

from epigept_batch.results.summary import MOST_ROWS, in_bp, summary_table


def record(sample, **tracks):
    return {
        "sample": sample,
        "statistics": {
            label: {"mean": mean, "quantiles": None if mean is None else {"0.99": 10 * mean}, "covered_bp": covered}
            for label, (mean, covered) in tracks.items()
        },
    }


def test_a_row_per_track():
    table = summary_table([record("liver", DNase=(0.12345, 2_333_275), CTCF=(1, 128)), record("b", CTCF=(None, 0))])
    assert table == [
        "sample  track  file             mean  99th percentile  covered",
        "liver   DNase  liver.DNase.bw  0.123             1.23  2.33 Mb",
        "liver   CTCF   liver.CTCF.bw       1               10   128 bp",
        "b       CTCF   b.CTCF.bw           -                -     0 bp",
    ]


def test_many_samples():
    table = summary_table([record(f"s{number:03d}", DNase=(1, 1)) for number in range(1000)])
    assert len(table) == MOST_ROWS + 2
    assert table[-1] == "… and 976 more tracks, whose figures are in the .run.json of each sample"
    assert len(summary_table([record(f"s{number}", DNase=(1, 1)) for number in range(MOST_ROWS)])) == MOST_ROWS + 1


def test_records_without_statistics():
    assert summary_table([{"sample": "a"}]) == summary_table([]) == []


def test_bases_in_words():
    assert [in_bp(bases) for bases in (0, 999, 1000, 12_340, 1_000_000, 3_088_269_832)] == [
        *("0 bp", "999 bp", "1.0 kb", "12.3 kb", "1.00 Mb", "3,088.27 Mb"),
    ]
