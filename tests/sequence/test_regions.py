import pytest

from epigept_batch.errors import InputError
from epigept_batch.sequence.regions import parse_region, read_bed, read_intervals, select_regions, with_separators
from epigept_batch.tiling import Contig, Region

CONTIGS = {
    name: Contig(name, length)
    for name, length in [
        ("chr1", 1000),
        ("chr2", 2_333_275),
        ("chrUn_1", 50),
        ("HLA:1", 80),
        ("HLA", 90),
        ("HLA:1:5-7", 60),
    ]
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chr1", Region("chr1", 0, 1000)),
        ("chr1:1-1000", Region("chr1", 0, 1000)),
        ("chr1:1-1", Region("chr1", 0, 1)),
        ("chr1:7", Region("chr1", 6, 1000)),
        ("chr1:7-", Region("chr1", 6, 1000)),
        ("chr1:-7", Region("chr1", 0, 7)),
        ("chr1:990-2000", Region("chr1", 989, 1000)),
        ("chr2:1,792,001-1,920,000", Region("chr2", 1_792_000, 1_920_000)),
        ("HLA:1", Region("HLA:1", 0, 80)),
        ("HLA:2", Region("HLA", 1, 90)),
        ("HLA:1:5-8", Region("HLA:1", 4, 8)),
        ("HLA:1:5-7", Region("HLA:1:5-7", 0, 60)),
        ("HLA:1:5-7:2-3", Region("HLA:1:5-7", 1, 3)),
    ],
)
def test_regions_as_samtools_writes_them(text, expected):
    assert parse_region(text, CONTIGS) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr3:1-5", "the genome has no contig 'chr3'; its contigs are chr1, chr2, chrUn_1, HLA:1, HLA, …"),
        ("chr3", "the genome has no contig 'chr3'"),
        ("1:1-5", "the genome has no contig '1'; did you mean 'chr1'?"),
        (
            "1,000-2,000",
            "the genome has no contig '1,000-2,000'; its contigs are chr1, chr2, chrUn_1, HLA:1, HLA, …; a region is",
        ),
        (
            "chr1-1-2",
            "the genome has no contig 'chr1-1-2'; its contigs are chr1, chr2, chrUn_1, HLA:1, HLA, …; a region",
        ),
        ("chr1:500-499", "ends before it starts"),
        ("chr1:0-5", "positions start at 1"),
        ("chr1:1001-1002", "starts beyond the end of chr1, which has 1000 bp"),
        ("chr1:a-b", "not of the form contig:start-end"),
        ("chr1:", "not of the form contig:start-end"),
        ("chr1:-", "not of the form contig:start-end"),
        ("chr1:1-2-3", "not of the form contig:start-end"),
        ("chr1:-0", "ends before it starts"),
    ],
)
def test_what_is_no_region_is_said(text, message):
    with pytest.raises(InputError) as caught:
        parse_region(text, CONTIGS)
    assert str(caught.value).startswith(f"--region {text}: {message}")


def contigs(*names):
    return [Contig(name, 100) for name in names]


def chosen(names, **options):
    return [region.contig for region in select_regions(contigs(*names), **options)]


def test_by_default_the_main_chromosomes_with_or_without_chr():
    assert chosen(["chr2", "chrM", "chrX", "chr1_alt", "chr23"]) == ["chr2", "chrX"]
    assert chosen(["22", "Y", "MT", "GL000191.1"]) == ["22", "Y"]


def test_by_default_everything_where_there_is_no_main_chromosome():
    assert chosen(["one", "two"]) == ["one", "two"]


def test_all_contigs():
    assert chosen(["chr2", "chrM"], all_contigs=True) == ["chr2", "chrM"]


def test_options_add_up(tmp_path):
    bed = tmp_path / "a.bed"
    bed.write_text("c\t1\t2\n")
    found = select_regions(contigs("a", "b", "c"), regions=["a:3-4"], chromosomes=["b"], beds=[bed])
    assert found == [Region("a", 2, 4), Region("b", 0, 100), Region("c", 1, 2)]


def test_all_contigs_with_a_choice_is_refused():
    with pytest.raises(InputError, match="--all-contigs selects the whole FASTA"):
        select_regions(contigs("a"), chromosomes=["a"], all_contigs=True)


def test_an_unknown_chromosome_is_said():
    with pytest.raises(InputError, match="--chromosome 2: the genome has no contig '2'; did you mean 'chr2'?"):
        select_regions(contigs("chr2"), chromosomes=["2"])


def test_bed(tmp_path):
    bed = tmp_path / "a.bed"
    bed.write_text('track name="x"\n#c\nbrowser position\nchr1\t0\t128\tname\t0\t+\n\nchr2 5 7\nchr1\t990\t5000\n')
    assert read_bed(bed, CONTIGS) == [
        Region("chr1", 0, 128),
        Region("chr2", 5, 7),
        Region("chr1", 989 + 1, 1000),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no interval in the BED file"),
        ("#\n", "no interval in the BED file"),
        ("chr1\t0\t10\nchr1\t5\n", ":2: not a BED line; it must have contig, start and end, separated by tabs"),
        ("chr1\t-5\t10\n", ":1: not a BED line; it must have contig, start and end"),
        ("chr1\tx\t10\n", ":1: not a BED line; it must have contig, start and end"),
        ("chr1\t10\t10\n", ":1: interval chr1 10 10 is reversed, empty or beyond the contig's end"),
        ("chr1\t20\t10\n", ":1: interval chr1 20 10 is reversed, empty or beyond the contig's end"),
        ("chr1\t1000\t1001\n", ":1: interval chr1 1000 1001 is reversed, empty or beyond the contig's end"),
        ("1\t0\t1\n", ":1: the genome has no contig '1'; did you mean 'chr1'?"),
        ("\x80", "BED file cannot be read: not a text file"),
    ],
)
def test_what_is_no_bed_is_said_with_its_line(tmp_path, text, message):
    bed = tmp_path / "a.bed"
    bed.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_bed(bed, CONTIGS)
    assert str(caught.value).startswith(str(bed))
    assert message in str(caught.value)


def test_intervals_of_a_whole_genome_on_the_contigs_there_are(tmp_path):
    import gzip

    lines = "#header\nchr1\t5\t10\tname\t0\n2\t0\t9999999\nchr3\t1\t2\nHLA\t100\t110\n"
    contigs = [CONTIGS["chr1"], CONTIGS["chr2"], CONTIGS["HLA"]]
    expected = [Region("chr1", 5, 10), Region("chr2", 0, 2_333_275)]
    (tmp_path / "all.bed").write_text(lines)
    (tmp_path / "all.bed.gz").write_bytes(gzip.compress(lines.encode()))
    for name in ("all.bed", "all.bed.gz"):
        assert read_intervals(tmp_path / name, contigs) == expected
    with pytest.raises(InputError, match="no interval on the contigs of the tracks .chrX., only on 2, HLA, chr1, chr3"):
        read_intervals(tmp_path / "all.bed", [Contig("chrX", 9)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": no interval in the BED file"),
        ("track name=none\n", ": no interval in the BED file"),
        ("chr1\t5\t9\nchr1\t100\t50\n", ":2: interval chr1 100 50 is reversed or empty"),
        ("chr1\t5\t5\n", ":1: interval chr1 5 5 is reversed or empty"),
        ("chrX\t9\t5\n", ":1: interval chrX 9 5 is reversed or empty"),
        ("chr1\t1000\t1100\n", ": no interval on the contigs of the tracks (chr1), only on chr1 beyond its end"),
    ],
)
def test_intervals_that_say_nothing_are_refused_as_in_any_bed(tmp_path, text, message):
    bed = tmp_path / "a.bed"
    bed.write_text(text)
    with pytest.raises(InputError) as caught:
        read_intervals(bed, [CONTIGS["chr1"]])
    assert str(caught.value) == f"{bed}{message}"


def test_a_bed_may_be_gzip_and_damage_is_said(tmp_path):
    import gzip

    packed = gzip.compress(b"chr1\t0\t9\n" * 999)
    (tmp_path / "a.bed.gz").write_bytes(packed)
    assert read_bed(tmp_path / "a.bed.gz", CONTIGS)[:1] == [Region("chr1", 0, 9)]
    for damaged in (packed[:-9], packed[:20] + b"xxxx" + packed[24:]):
        (tmp_path / "a.bed.gz").write_bytes(damaged)
        with pytest.raises(InputError, match="a.bed.gz: BED file cannot be read: damaged or truncated gzip"):
            read_bed(tmp_path / "a.bed.gz", CONTIGS)


@pytest.mark.parametrize(
    "line", ["chr1\t0\x1c\tx", "chr1\t5\x1c6\t9", "chr1\t" + "9" * 5000 + "\t1", "chr1\t٣\t٤", "chr1\t-1\t5"]
)
def test_places_that_are_no_numbers_are_said(tmp_path, line):
    path = tmp_path / "x.bed"
    path.write_text(line + "\n")
    with pytest.raises(
        InputError, match="x.bed:1: not a BED line; it must have contig, start and end, separated by tabs"
    ):
        read_bed(path, CONTIGS)


@pytest.mark.parametrize("text", ["chr1:" + "9" * 5000, "chr1:1-" + "9" * 5000, "chr1:٣-٤"])
def test_places_of_any_length_are_said(text):
    with pytest.raises(InputError, match="not of the form contig:start-end"):
        parse_region(text, CONTIGS)


HG38, HG19 = 248_956_422, 249_250_621
REFSEQ = [Contig("NC_000001.11", HG38), Contig("NC_000024.10", 57_227_415), Contig("NT_187361.1", 175_055)]


def test_by_default_chromosomes_are_known_by_their_accessions():
    assert [region.contig for region in select_regions(REFSEQ)] == ["NC_000001.11", "NC_000024.10"]
    genbank = [Contig("CM000684.1", 51_304_566), Contig("GL000191.1", 106_433), Contig("J01415.2", 16_569)]
    assert [region.contig for region in select_regions(genbank)] == ["CM000684.1"]
    assert [region.contig for region in select_regions([Contig("NC_000001.9", 7), Contig("NC_000001.11", 8)])] == [
        "NC_000001.11"
    ]


@pytest.mark.parametrize("name", ["chr1", "1", "NC_000001.11", "CM000663.2"])
def test_a_chromosome_may_be_called_by_the_name_of_another_naming(name, tmp_path):
    bed = tmp_path / "x.bed"
    bed.write_text(f"{name}\t5\t9\n")
    contigs = {contig.name: contig for contig in REFSEQ}
    assert select_regions(REFSEQ, chromosomes=[name]) == [Region("NC_000001.11", 0, HG38)]
    assert parse_region(f"{name}:2-4", contigs) == Region("NC_000001.11", 1, 4)
    assert parse_region(name, contigs) == Region("NC_000001.11", 0, HG38)
    assert read_bed(bed, contigs) == read_intervals(bed, REFSEQ) == [Region("NC_000001.11", 5, 9)]


def test_and_by_its_accession_where_its_length_says_so():
    ours = [Contig("chr1", HG38), Contig("chr2", 100)]
    assert select_regions(ours, chromosomes=["NC_000001.11"]) == [Region("chr1", 0, HG38)]
    for other in ("NC_000001.10", "NC_000001", "NC_000002.12", "CM000663.1"):
        with pytest.raises(InputError, match=f"the genome has no contig '{other}'; its contigs are chr1, chr2"):
            select_regions(ours, chromosomes=[other])
    assert select_regions([Contig("1", HG19)], regions=["NC_000001.10:3-4"]) == [Region("1", 2, 4)]


def test_a_name_that_two_contigs_have_is_refused_and_a_contigs_own_wins():
    twice = [Contig("NC_000001.11", HG38), Contig("CM000663.2", HG38)]
    with pytest.raises(
        InputError, match="--chromosome chr1: 'chr1' matches NC_000001.11 and CM000663.2; use one of these"
    ):
        select_regions(twice, chromosomes=["chr1"])
    both = [Contig("NC_000001.11", HG38), Contig("chr1", 50)]
    assert select_regions(both, chromosomes=["chr1"]) == [Region("chr1", 0, 50)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("chr1\t0\t10", ""),
        ("chr1\t0\t10\t", ""),
        ("chr1\t0\t10\t.", ""),
        ("chr1\t0\t10\t . \t5", ""),
        ("chr1\t0\t10\tGATA1 enhancer\t0\t+", "GATA1 enhancer"),
        ("chr1 0 10 peak_1 0", "peak_1"),
        ("chr1\t0\t10\tone\x85line", "one line"),
    ],
)
def test_the_fourth_column_of_a_bed_file_is_a_name(tmp_path, line, name):
    bed = tmp_path / "a.bed"
    bed.write_text(line + "\n")
    (region,) = read_bed(bed, {"chr1": Contig("chr1", 1000)})
    assert region.name == name
    assert region == Region("chr1", 0, 10)
    assert str(region) == "chr1:1-10"


@pytest.mark.parametrize(
    ("region", "shown"),
    [
        ("chr2:1000001-2000000", "chr2:1,000,001-2,000,000"),
        ("chr12345:1-999", "chr12345:1-999"),
        ("HLA-A*01:01:01:1-3503", "HLA-A*01:01:01:1-3,503"),
        ("1234567:1000-50818468", "1234567:1,000-50,818,468"),
    ],
)
def test_separators_between_thousands_of_places_only(region, shown):
    assert with_separators(region) == shown
