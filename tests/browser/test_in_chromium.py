"""The page in Chromium: what igv.js shows is what the files hold, and nothing leaves the machine."""

import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import numpy as np
import pybigtools
import pysam
import pytest

from conftest import SCRIPTS
from epigept_batch.browser.igv_js import find_igv_js
from epigept_batch.browser.tracks import Measured
from run_folders import CONTIGS, MARKS, signal, write_bigwig, write_run

from .conftest import serving

playwright = pytest.importorskip("playwright.sync_api", reason="needs the [browser] extra")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    # Playwright's own loop closes after the test that it belongs to.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
VALUES = """async ([title, contig, start, end]) => {
  const browser = await window.epigeptView.ready;
  const [track] = browser.findTracks((one) => one.name === title);
  const features = await track.getFeatures(contig, start, end, 1);
  return features.map((feature) => [feature.start, feature.end, feature.value]);
}"""


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium."""
    with playwright.sync_playwright() as one:
        browser = one.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, with all that it asks for and complains of."""

    page: object
    requests: list = field(default_factory=list)
    complaints: list = field(default_factory=list)

    def evaluate(self, script, argument=None):
        return self.page.evaluate(script, argument)

    def settle(self):
        self.evaluate("async () => { await window.epigeptView.ready; await window.epigeptView.settled(); }")

    def titles(self):
        """The names of the run's tracks, from top to bottom."""
        script = (
            "async () => (await window.epigeptView.ready).trackViews.map((one) => [one.track.name, one.track.type])"
        )
        shown = {"wig", "annotation", "interact"}
        return [name for name, kind in self.evaluate(script) if kind in shown]

    def values(self, title, contig, start, end):
        return [tuple(value) for value in self.evaluate(VALUES, [title, contig, start, end])]

    def locus(self):
        """What is shown, as the page's own URL has it."""
        return parse_qs(self.page.url.split("#")[1])["locus"][0]

    def check(self, name, *, on):
        self.page.get_by_role("checkbox", name=name, exact=True).set_checked(on)
        self.settle()


@contextmanager
def opened(chromium, url, port, *, refused=False, **options):
    """Open a page while the block runs; afterwards it has complained of nothing, and asked nobody else."""
    context = chromium.new_context(**options)
    watched = Watched(context.new_page())
    watched.page.on("request", lambda request: watched.requests.append(request.url))
    watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    watched.page.on(
        "console",
        lambda line: watched.complaints.append(line.text) if line.type in ("error", "warning") else None,
    )
    watched.page.on("requestfailed", lambda request: watched.complaints.append(f"failed: {request.url}"))
    watched.page.goto(url)
    if not refused:
        watched.settle()
    yield watched
    if not refused:
        watched.settle()
    watched.page.wait_for_timeout(200)
    assert [
        url for url in watched.requests if not url.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:"))
    ] == []
    # Chromium reports a stream that was read to its end as aborted, if it must not be stored.
    complaints = [one for one in watched.complaints if not (one.startswith("failed: ") and one.endswith("/live"))]
    assert (len(complaints) > 0) == refused, complaints
    context.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two samples with two marks, the measured signal, and genes."""
    folder = write_run(tmp_path_factory.mktemp("run") / "tracks")
    (folder.parent / "measured").mkdir()
    for sample in "ab":
        for mark in MARKS:
            path = folder.parent / f"measured/{sample}.{mark}.bw"
            write_bigwig(path, lambda *contig, of=(sample, mark): signal(*of, *contig), CONTIGS, np.expm1)
    genes = ["one\t2000\t9000\tGATA1\t0\t+\t2500\t8000\t0\t2\t1000,2000\t0,5000", "two\t100\t400\tTP53\t0\t-"]
    (folder.parent / "genes.bed").write_text("\n".join(genes) + "\n")
    (folder / "a.DNase.narrowPeak").write_text("one\t1024\t2048\tpeak1\t500\t.\t5\t-1\t-1\t300\n")
    return folder


@pytest.fixture(scope="module")
def served(folder):
    """All of that on a server."""
    measured = Measured(f"{folder.parent}/measured/{{sample}}.{{track}}.bw")
    with serving(folder, find_igv_js().path, measured=measured, genes=folder.parent / "genes.bed") as served:
        yield served


@pytest.fixture
def page(chromium, served):
    """The page, freshly opened."""
    with opened(chromium, served.url, served.port) as page:
        yield page


def of_file(path, contig, start, end):
    """The records that overlap an interval, read by another program."""
    with pybigtools.open(str(path)) as file:
        return [(s, e, float(np.float32(v))) for s, e, v in file.records(contig) if s < end and e > start]


def test_the_values_of_a_place_are_those_of_the_files(page, folder):
    measured = [
        (f"{name} measured (log scale)", f"../measured/{name.replace(' ', '.')}.bw") for name in ("a DNase", "b CTCF")
    ]
    for title, file in [("a DNase", "a.DNase.bw"), ("b CTCF", "b.CTCF.bw"), *measured]:
        for contig, start, end in [("one", 1000, 1900), ("one", 0, 20_000), ("two", 600, 700)]:
            found = [value for value in page.values(title, contig, start, end) if value[0] < end and value[1] > start]
            assert found == of_file(folder / file, contig, start, end)
            assert found


def test_names_are_text_and_places_are_readable(chromium, tmp_path):
    contigs = {"HLA-A*01:1234": 20_000, "one": 20_000}
    folder = write_run(tmp_path / "tracks", ["<b>x & y"], marks=("DNase",), contigs=contigs)
    with serving(folder, find_igv_js().path) as served, opened(chromium, served.url, served.port) as page:
        page.settle()
        assert page.page.get_by_text("<b>x & y DNase", exact=True).count() == 1
        regions = """[...document.querySelectorAll("#regions button")].map((one) => one.textContent)"""
        assert page.evaluate(regions) == ["HLA-A*01:1234:1-20,000", "one:1-20,000"]
        assert page.locus() == "one:1-20000"


def test_tracks_lie_in_the_order_of_their_marks_below_genes(page):
    assert page.titles() == [
        "Genes",
        "a DNase", "a DNase measured (log scale)", "a DNase peaks", "b DNase", "b DNase measured (log scale)",
        "a CTCF", "a CTCF measured (log scale)", "b CTCF", "b CTCF measured (log scale)",
    ]  # fmt: skip


def test_igv_draws_a_prediction_and_its_measured_signal_at_the_same_height(page):
    script = """async ([title, value]) => {
      const [track] = (await window.epigeptView.ready).findTracks((one) => one.name === title);
      const { min, max } = track.dataRange;
      const scale = track.getScaleFactor(min, max, 1, track.logScale);
      return [Boolean(track.autoscale),
        track.logScale ? track.computeYPixelValueInLogScale(value, scale) : track.computeYPixelValue(value, scale)];
    }"""
    for value in (0.0, 0.3, 1.2):
        predicted = page.evaluate(script, ["a DNase", value])
        measured = page.evaluate(script, ["a DNase measured (log scale)", float(np.expm1(value))])
        assert predicted[0] is measured[0] is False
        assert predicted[1] == pytest.approx(measured[1], abs=1e-9)


def test_samples_marks_and_kinds_are_switched(page):
    page.check("b", on=False)
    assert not [title for title in page.titles() if title.startswith("b")]
    page.check("Measured", on=False)
    page.check("Peaks", on=False)
    assert page.titles() == ["Genes", "a DNase", "a CTCF"]
    page.page.locator("label", has_text="DNase").get_by_role("checkbox").set_checked(False)
    page.settle()
    assert page.titles() == ["Genes", "a CTCF"]
    page.page.get_by_role("button", name="All").click()
    page.settle()
    assert page.titles() == ["Genes", "a CTCF", "b CTCF"]
    page.page.get_by_role("button", name="None").click()
    page.settle()
    assert page.titles() == ["Genes"]
    page.check("a", on=True)
    assert page.titles() == ["Genes", "a CTCF"]
    assert page.values("a CTCF", "one", 0, 128)[0][2] == pytest.approx(signal("a", "CTCF", "one", 20_000)[0])


def test_quick_switching_ends_with_what_is_checked(page):
    script = """() => {
      const boxes = [...document.querySelectorAll("#samples input, #marks input, #kinds input")];
      for (let round = 0; round < 7; round++) for (const box of boxes) box.click();
      for (const box of boxes.filter((one) => !one.checked)) box.click();
    }"""
    page.evaluate(script)
    page.settle()
    assert len(page.titles()) == len(set(page.titles())) == 10


def test_a_gene_is_found_by_name_in_the_box_of_igv(page):
    box = page.page.locator("input.igv-search-input")
    # igv.js adds 1,000 bp on both sides.
    for name, place in [("gata1", "one:1000-10000"), ("TP53", "two:1-1400"), ("one:500-700", "one:500-700")]:
        box.fill(name)
        box.press("Enter")
        page.page.wait_for_function(f"() => location.hash.startsWith('#locus={place.replace(':', '%3A')}')")
    assert page.values("a DNase", "one", 500, 600)


def test_an_unknown_name_is_said_to_be_unknown(chromium, served):
    with opened(chromium, served.url, served.port) as page:
        box = page.page.locator("input.igv-search-input")
        box.fill("NOTAGENE")
        box.press("Enter")
        page.page.get_by_text("Unrecognized locus").or_(page.page.get_by_text("NOTAGENE")).first.wait_for()
        assert page.locus() == "one:1-20000"


def test_a_predicted_region_is_shown_with_a_click(page):
    page.page.get_by_role("button", name="two:1-700").click()
    page.page.wait_for_function("() => location.hash.startsWith('#locus=two%3A1-700')")


def test_the_link_shows_the_same_view_and_has_no_token(chromium, served):
    with opened(chromium, served.url, served.port, permissions=["clipboard-read", "clipboard-write"]) as page:
        assert "token" not in page.page.url
        page.check("a", on=False)
        page.check("Measured", on=False)
        page.evaluate("async () => (await window.epigeptView.ready).search('one:4001-6000')")
        page.page.get_by_role("button", name="Copy link").click()
        page.page.get_by_text("Link copied.").wait_for()
        link = page.evaluate("() => navigator.clipboard.readText()")
        shown = page.titles()
        assert served.keys.token not in link
        other = page.page.context.new_page()  # the same browser has the cookie
        other.goto(link)
        again = Watched(other)
        again.settle()
        assert (again.titles(), again.locus()) == (shown, "one:4001-6000")
        assert not other.get_by_role("checkbox", name="a", exact=True).is_checked()
    with opened(chromium, f"{served.url}{link[link.index('#') :]}", served.port) as page:
        assert (page.titles(), page.locus()) == (shown, "one:4001-6000")


@pytest.mark.parametrize(
    "part", ["#locus=nowhere:1-5", "#locus=%3Cimg%20src=x%3E&sample=x", "#sample=&mark=absent", "#%"]
)
def test_a_wrong_link_still_shows_the_page(chromium, served, part):
    with opened(chromium, f"{served.url}{part}", served.port) as page:
        assert "Genes" in page.titles()
        assert page.locus() == "one:1-20000"


def test_without_the_token_there_is_no_page(chromium, served):
    with opened(chromium, f"http://127.0.0.1:{served.port}/", served.port, refused=True) as page:
        assert "open the address that epigept-batch view printed" in page.page.text_content("body")
    with opened(chromium, f"http://127.0.0.1:{served.port}/?token=x", served.port, refused=True) as page:
        assert page.evaluate("async () => (await fetch('/view.json')).status") == 403


def test_genes_are_those_of_the_file(page):
    script = """async () => {
      const [track] = (await window.epigeptView.ready).findTracks((one) => one.name === "Genes");
      const features = await track.getFeatures("one", 0, 20000, 10);
      return features.map((one) => [one.name, one.start, one.end, one.strand, one.exons.length, one.cdStart]);
    }"""
    assert page.evaluate(script) == [["GATA1", 2000, 9000, "+", 2, 2500]]


def test_peaks_are_those_of_the_file(page):
    script = """async () => {
      const [track] = (await window.epigeptView.ready).findTracks((one) => one.name === "a DNase peaks");
      return (await track.getFeatures("one", 0, 20000, 10)).map((one) => [one.start, one.end]);
    }"""
    assert page.evaluate(script) == [[1024, 2048]]


def test_the_bases_are_those_of_the_fasta(page, folder):
    text = (folder.parent / "genome.fa").read_text().split(">")[1].split("\n")[1]
    script = "async () => (await window.epigeptView.ready).genome.getSequence('one', 300, 400)"
    assert page.evaluate(script) == text[300:400]


def test_a_packed_fasta_and_one_that_is_gone(chromium, folder):
    fasta = folder.parent / "packed.fa.gz"
    pysam.tabix_compress(str(folder.parent / "genome.fa"), str(fasta))
    script = "async () => (await window.epigeptView.ready).genome.getSequence('one', 300, 400)"
    with serving(folder, find_igv_js().path, fasta=fasta) as served, opened(chromium, served.url, served.port) as page:
        assert len(page.evaluate(script)) == 100
        assert page.titles()[0] == "a DNase"
    hidden = (folder.parent / "genome.fa").rename(folder.parent / "away.fa")
    try:
        with serving(folder, find_igv_js().path) as served, opened(chromium, served.url, served.port) as page:
            assert page.page.get_by_text("No sequence is shown").is_visible()
            assert page.values("a DNase", "two", 0, 128)[0][2] == pytest.approx(signal("a", "DNase", "two", 700)[0])
            page.evaluate("async () => (await window.epigeptView.ready).search('one:100-150')")  # would show bases
    finally:
        hidden.rename(folder.parent / "genome.fa")


def test_the_panel_shows_the_run_and_follows_the_samples(page):
    panel = page.page.locator("aside")
    for text in ("ln(1 + signal)", "small.onnx", "14 factors found, 1 missing.", "Missing: F03."):
        assert panel.get_by_text(text).first.is_visible()
    mean = np.concatenate([signal("b", "CTCF", *contig) for contig in CONTIGS.items()]).mean()
    rows = page.page.locator("#rows tr")
    assert rows.count() == 6
    assert f"{mean:.3g}" in rows.nth(5).inner_text()
    page.check("b", on=False)
    assert rows.count() == 3


def test_the_page_is_usable_on_a_narrow_screen_and_with_the_keyboard(chromium, served):
    with opened(chromium, served.url, served.port, viewport={"width": 390, "height": 800}) as page:
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        assert not page.page.get_by_role("checkbox", name="a", exact=True).is_visible()
        page.page.locator("summary").focus()
        page.page.keyboard.press("Enter")
        box = page.page.get_by_role("checkbox", name="a", exact=True)
        assert box.is_visible()
        box.focus()
        page.page.keyboard.press("Space")
        page.settle()
        assert not [title for title in page.titles() if title.startswith("a")]


def test_contacts_are_drawn_as_arcs(chromium, contacts, tmp_path):
    done = contacts("--with-tracks", "--strongest", "0.05")
    assert done.code == 0, done.err
    lines = [line.split("\t") for line in (tmp_path / "out/sample.contacts.interact").read_text().splitlines()[2:]]
    ends = sorted((int(line[9]), int(line[14])) for line in lines if line[0] == "one")
    script = """async () => {
      const [track] = (await window.epigeptView.ready).findTracks((one) => one.type === "interact");
      const features = await track.getFeatures("one", 0, 20000, 10);
      return features.map((one) => [one.start1, one.start2]);
    }"""
    with serving(tmp_path / "out", find_igv_js().path) as served, opened(chromium, served.url, served.port) as page:
        assert page.titles()[-1] == "sample strongest contacts (attention)"
        assert sorted(map(tuple, page.evaluate(script))) == ends
        assert ends
        page.check("Contacts", on=False)
        assert "sample strongest contacts (attention)" not in page.titles()


def test_the_demo(chromium, made_once):
    def make(folder):
        subprocess.run([SCRIPTS / "epigept-batch", "demo", "--quiet", "--out", folder], check=True, capture_output=True)

    demo = made_once("demo of view", make)
    measured = Measured(f"{demo}/measured/{{sample}}.{{track}}.bw")
    with (
        serving(demo / "tracks", find_igv_js().path, measured=measured) as served,
        opened(chromium, served.url, served.port) as page,
    ):
        assert len(page.titles()) == 20
        assert page.locus() == "sim27:1-500000"
        for sample in ("cell39", "cell40"):
            for title, path in [
                (f"{sample} H3K27ac", f"tracks/{sample}.H3K27ac.bw"),
                (f"{sample} CTCF measured (log scale)", f"measured/{sample}.CTCF.bw"),
            ]:
                found = [
                    one
                    for one in page.values(title, "sim27", 1_234_500, 1_300_000)
                    if one[1] > 1_234_500 and one[0] < 1_300_000
                ]
                assert found == of_file(demo / path, "sim27", 1_234_500, 1_300_000)


def test_real_chr22_with_measured_data_of_other_contig_names(chromium, genome, chr22, shared, tmp_path):
    """The FASTA has the record `22`, the measured pileup `chr22`."""
    done = genome(fasta=chr22, region="22:17,000,001-17,300,000")
    assert done.code == 0, done.err
    pileup = shared / "tracks/macs3_CTCF_chr22_50k_hg19.treat_pileup.bw"
    for sample in ("sample",):
        (tmp_path / f"{sample}.CTCF.bw").symlink_to(pileup)
    measured = Measured(f"{tmp_path}/{{sample}}.{{track}}.bw")
    with (
        serving(tmp_path / "out", find_igv_js().path, measured=measured) as served,
        opened(chromium, served.url, served.port) as page,
    ):
        assert page.locus() == "22:16999937-17300096"  # whole bins
        start, end = 17_050_000, 17_080_000
        for title, path, contig in [
            ("sample DNase", tmp_path / "out/sample.DNase.bw", "22"),
            ("sample CTCF measured (log scale)", pileup, "chr22"),
        ]:
            found = [one for one in page.values(title, "22", start, end) if one[1] > start and one[0] < end]
            assert found == of_file(path, contig, start, end)
            assert found
        bases = page.evaluate(
            "async () => (await window.epigeptView.ready).genome.getSequence('22', 17060000, 17060060)"
        )
        text = chr22.read_text().split("\n", 1)[1].replace("\n", "")
        assert bases.upper() == text[17_060_000:17_060_060].upper()
