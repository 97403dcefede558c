"""Every command and every Python example of README and docs runs: on cut-down data, or marked `slow` on real data."""

import gzip
import json
import os
import shutil
import subprocess
from dataclasses import replace

import pytest

from conftest import SCRIPTS
from epigept_batch.inference.model_file import read_spec
from pages import CI, ENGINES, LANGUAGES, ROOT, SLOW, blocks, pages, script

SLOW_DATA = "EPIGEPT_DOCS_DATA"


def name_of(page):
    return str(page.relative_to(ROOT))


def write_tables(folder, cells):
    """The tables that pages name, all made of two of the demo."""
    one, two = ([line.split("\t") for line in cell.read_text().splitlines()[1:]] for cell in cells)
    for name in ("sample.tsv", "rep1.tsv", "quants/s1.tsv"):
        shutil.copy(cells[0], folder / name)
    for name in ("other.tsv", "rep2.tsv", "quants/s2.tsv"):
        shutil.copy(cells[1], folder / name)
    rows = zip(one, two, strict=True)
    (folder / "matrix.tsv").write_text(
        "gene_id\tliver\tlung\tskin\n" + "".join(f"{gene}\t{a}\t{b}\t1.5\n" for (gene, a), (_, b) in rows)
    )
    for sample, values in {"s1": one, "s2": two}.items():
        (folder / "quants" / sample).mkdir()
        (folder / f"quants/{sample}/quant.sf").write_text(
            "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
            + "".join(f"ENST{n:011d}.1\t1000\t900.0\t{tpm}\t10\n" for n, (_, tpm) in enumerate(values))
        )
    (folder / "tx2gene.csv").write_text(
        "transcript_id,gene_id\n" + "".join(f"ENST{n:011d}.1,{gene}\n" for n, (gene, _) in enumerate(one))
    )
    (folder / "sheet.tsv").write_text("sample\tfile\tdonor\nliver\tsample.tsv\td1\nlung\tother.tsv\td2\n")
    write_cells(folder / "cells.h5ad", [gene for gene, _ in one])


def write_cells(path, genes):
    import anndata
    import numpy as np
    import pandas as pd

    counts = np.random.default_rng(1).poisson(2, (6, len(genes))).astype(np.float32)
    observed = pd.DataFrame({"cell_type": ["T", "T", "T", "B", "B", "B"]}, index=[f"cell{n}" for n in range(6)])
    anndata.AnnData(counts, obs=observed, var=pd.DataFrame(index=genes)).write_h5ad(path)


def write_contacts(folder):
    """A predicted map of a piece of chr22, with a measured map, loops, tested pairs and accessibility."""
    import cooler
    import numpy as np
    import pybigtools

    from contact_files import random_pixels, write_cool

    lengths = {"chr22": 400_000}
    (folder / "maps").mkdir()
    write_cool(folder / "maps/K562.contacts.cool", lengths, 1000, random_pixels(400, seed=1, share=1, reach=128))
    write_cool(folder / "fine.cool", lengths, 5000, random_pixels(80, seed=2))
    cooler.zoomify_cooler(str(folder / "fine.cool"), str(folder / "K562.mcool"), [5000, 10_000], chunksize=10**7)
    places = [(1000 * n, 1000 * (n + 5 + n % 50)) for n in range(300)]
    lines = "".join(f"chr22\t{a}\t{a + 900}\tchr22\t{b}\t{b + 900}\n" for a, b in places[::4])
    (folder / "loops.bedpe").write_text(lines)
    rows = "".join(f"chr22\t{a}\t{a + 900}\t{b}\t{b + 1}\t{n % 3 == 0}\n" for n, (a, b) in enumerate(places))
    (folder / "crispr.tsv").write_text(f"chrom\tchromStart\tchromEnd\tstartTSS\tendTSS\tRegulated\n{rows}")
    signal = np.random.default_rng(1).gamma(1, 1, 400)
    records = (("chr22", 1000 * n, 1000 * (n + 1), float(value)) for n, value in enumerate(signal))
    pybigtools.open(str(folder / "dnase.bw"), "w").write(lengths, records)


def write_measured(folder, demo):
    """Measured tracks, peaks and genes of the sample of the table that pages name, on its chr2."""
    import pyBigWig

    for name in ("bigwigs", "peaks"):
        (folder / name).mkdir()
    for path in (demo / "measured").glob("cell39.*.bw"):
        name = path.name.replace("cell39", "sample")
        with pyBigWig.open(str(path)) as source, pyBigWig.open(str(folder / "bigwigs" / name), "w") as made:
            starts, ends, values = (list(column) for column in zip(*source.intervals("sim27"), strict=True))
            made.addHeader([("chr2", source.chroms()["sim27"])])
            made.addEntries(["chr2"] * len(starts), starts, ends=ends, values=values)
        (folder / "peaks" / f"{name.removesuffix('.bw')}.bed").write_text("chr2\t1010000\t1012000\n")
    with gzip.open(folder / "genes.gtf.gz", "wt") as packed:
        packed.write('chr2\tx\texon\t1020001\t1024000\t.\t-\t.\tgene_id "g"; transcript_id "t"; gene_name "SOX9";\n')


def write_peaks(folder, demo):
    """Peaks of the demo's samples: the bins with the highest true signal."""
    import numpy as np
    import pyBigWig

    for path in (demo / "measured").glob("*.bw"):
        with pyBigWig.open(str(path)) as source:
            starts, ends, values = zip(*source.intervals("sim27"), strict=True)
        least = np.quantile(values, 0.95)
        rows = zip(starts, ends, values, strict=True)
        lines = (f"sim27\t{a}\t{b}\t.\t0\t.\t{value}\t-1\t-1\t-1\n" for a, b, value in rows if value >= least)
        with gzip.open(folder / path.name.replace(".bw", ".narrowPeak.gz"), "wt") as packed:
            packed.writelines(lines)


def write_variants(path, fasta):
    """SNVs and a deletion on the piece of chr2."""
    import pysam

    bases = fasta.split(">chr2")[1].split("\n", 1)[1].split(">")[0].replace("\n", "").upper()
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=chr2>", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    at = next(i for i in range(1_000_000, len(bases)) if set(bases[i : i + 4]) <= set("ACGT"))
    alt = next(base for base in "ACGT" if base != bases[at])
    lines += [f"chr2\t{at + 1}\trs1\t{bases[at]}\t{alt}\t.\t.\t."]
    lines += [f"chr2\t{at + 2}\t.\t{bases[at + 1 : at + 4]}\t{bases[at + 1]}\t.\t.\t."]
    with pysam.BGZFile(str(path), "w") as file:
        file.write(("\n".join(lines) + "\n").encode())


def write_genotypes(path, bases):
    """A phased VCF of chr2: an SNV, an insertion or a deletion every 3 kb."""
    import pysam

    from vcfs import write_vcf

    records = []
    for number, at in enumerate(range(1000, len(bases) - 10, 3000)):
        ref = bases[at : at + 1 + 4 * (number % 3 == 2)].upper()
        alt = ("ACGT"["TGCA".index(ref[0])], f"{ref}GATTACA", ref[0])[number % 3]
        records.append(("chr2", at, ref, alt, ("0|1", "1|0", "1|1")[number // 3 % 3], "0|0"))
    plain = write_vcf(path.with_suffix(""), records, samples=("NA12878", "NA12891"), contigs=("chr2",))
    pysam.tabix_compress(str(plain), str(path))


def write_checkpoint(folder, spec):
    """A small checkpoint that carries its sizes, with the motifs and the expression reference of the demo."""
    import torch

    from epigept_export.architectures import TRAINED
    from epigept_export.load import embedded
    from epigept_export.model import EpiGePT
    from small import SMALL

    torch.manual_seed(1)
    architecture = replace(SMALL, name=TRAINED, bins=500, positions=500, factors=len(spec.factors))
    torch.save({**EpiGePT(architecture).state_dict(), **embedded(architecture)}, folder / "model.ckpt")
    motifs, pairs = [], []
    for motif in spec.motif_set.motifs:
        rows = ["\t".join(map(repr, row)) for row in motif.probabilities.tolist()]
        motifs += [f">NNN\t{motif.name}\t{motif.threshold}", *rows]
        pairs += [f"{motif.name}\t{factor}" for factor in motif.factors]
    matrix = zip(spec.factors, spec.reference.matrix.tolist(), strict=True)
    cells = ["\t".join([factor, *map(repr, row)]) for factor, row in matrix]
    (folder / "motifs.txt").write_text("\n".join(motifs) + "\n")
    (folder / "factors.tsv").write_text("\n".join(pairs) + "\n")
    (folder / "reference.tsv").write_text("\n".join(["\t".join(["", *spec.reference.cells]), *cells]) + "\n")


@pytest.fixture(scope="session")
def data(made_once):
    """A folder with all that the pages name, and beside it one of installed files: of the demo's genome and network."""

    def make(folder):
        unfinished = folder.with_name("docs in the making")
        shutil.rmtree(unfinished, ignore_errors=True)
        demo, work = unfinished / "demo", unfinished / "work"
        for made in ("work/quants", "work/encode", "home"):
            (unfinished / made).mkdir(parents=True)
        subprocess.run(
            [SCRIPTS / "epigept-batch", "demo", "--quiet", "--out", demo], check=True, stdout=subprocess.DEVNULL
        )
        fasta = (demo / "genome.fa").read_text().replace(">sim27", ">chr2")
        for path in (work / "hg38.fa", unfinished / "home/genome.fa"):
            path.write_text(fasta)
        for path in (work / "model.onnx", unfinished / "home/model.onnx"):
            shutil.copy(demo / "model.onnx", path)
        for name in ("measured", "training"):
            shutil.copytree(demo / name, work / name)
        shutil.copytree(work / "measured", work / "encode", dirs_exist_ok=True)
        write_tables(work, [demo / "cell39.tsv", demo / "cell40.tsv"])
        write_checkpoint(work, read_spec(demo / "model.onnx"))
        write_contacts(work)
        write_measured(work, demo)
        write_peaks(work / "encode", demo)
        write_variants(work / "variants.vcf.gz", fasta)
        write_genotypes(work / "phased.vcf.gz", "".join(fasta.split("\n")[1:]))
        (work / "genes.gtf").write_text(
            'chr2\t.\texon\t1000501\t1003000\t.\t+\t.\tgene_id "g1"; transcript_id "t1"; gene_name "GATA1";\n'
        )
        (work / "regions.bed").write_text("chr2\t1000000\t1100000\n")
        with gzip.open(work / "blacklist.bed.gz", "wt") as packed:
            packed.write("sim27\t1000\t2000\n")
        unfinished.rename(folder)

    return made_once("docs", make)


def run(text, folder, home):
    environment = {**os.environ, "PATH": f"{SCRIPTS}:{os.environ['PATH']}", "EPIGEPT_BATCH_HOME": str(home)}
    environment["HOME"] = str(folder)
    environment["EPIGEPT_BATCH_BENCH_REPEATS"] = "1"
    return subprocess.run(
        [shutil.which("bash"), "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("page", [page for page in pages() if script(page, slow=False)], ids=name_of)
def test_the_commands_of_a_page_run_in_their_order(data, tmp_path, page):
    work, home = tmp_path / "work", tmp_path / "installed"
    shutil.copytree(data / "work", work)
    shutil.copytree(data / "home", home)
    if page.name in {"evaluate.md", "calibrate.md"}:  # which begin with tracks that are there
        shutil.copytree(data / "demo/tracks", work / "tracks")
        for path in (work / "tracks").glob("*.run.json"):  # the demo was moved after its prediction
            record = json.loads(path.read_text())
            record["paths"]["model"] = str(work / "model.onnx")
            path.write_text(json.dumps(record))
    done = run(script(page, slow=False), work, home)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in pages() if any(SLOW in block.words for block in blocks(page))], ids=name_of
)
def test_the_slow_commands_of_a_page_run_on_real_data(tmp_path, page):
    if not (data := os.environ.get(SLOW_DATA)):
        pytest.skip(f"needs {SLOW_DATA}, a folder of the files that the pages name, and hours")
    shutil.copytree(data, tmp_path / "work")
    done = run(script(page, slow=True), tmp_path / "work", tmp_path / "installed")
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_block_is_of_a_known_kind():
    shown = {"console", "toml", "text", "", "bibtex"}
    for page in pages():
        for block in blocks(page):
            assert block.language in {*LANGUAGES, *shown}, f"{page.name}:{block.line}"
            assert set(block.words) <= {SLOW, CI, *ENGINES}, f"{page.name}:{block.line}"


def test_a_command_that_fails_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```sh\ntrue\n```\n\n```sh slow\nexit 4\n```\n\n```sh\nepigept-batch nonsense\n```\n")
    done = run(script(page, slow=False), tmp_path, tmp_path)
    assert done.returncode == 2
    assert "page.md:11: a command of this block fails" in done.stderr
    assert run(script(page, slow=True), tmp_path, tmp_path).returncode == 4
