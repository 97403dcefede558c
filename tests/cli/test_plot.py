"""`epigept-batch plot` on a run of the small network: files, formats, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chosen_runs import write_run
from conftest import outcome_of
from epigept_batch.cli.main import cli
from epigept_batch.commands import plot as command
from epigept_batch.commands.plot import _some


@pytest.fixture
def run(genome, tmp_path):
    """The output folder of a small run."""
    assert genome().code == 0
    return tmp_path / "out"


def plot(*words):
    return outcome_of(cli, "epigept-batch", ["plot", *words])


def text_of(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text())


def pages(pdf):
    return len(re.findall(rb"/Type /Page\b", pdf.read_bytes()))


def test_a_png_has_the_width_of_a_journal(run, tmp_path):
    done = plot(run, "one:1,001-9,000", "-o", tmp_path / "figure.png")
    assert (done.code, done.err) == (0, f"epigept-batch: figure in {tmp_path / 'figure.png'}\n")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.width == pytest.approx(180 / 25.4 * 300, abs=1)
        assert len(set(np.asarray(image.convert("L")).ravel().tolist())) > 5
    assert plot(run, "one", "-o", tmp_path / "narrow.png", "--width", "89").code == 0
    with Image.open(tmp_path / "narrow.png") as image:
        assert image.width == pytest.approx(89 / 25.4 * 300, abs=1)


def test_an_svg_keeps_its_text(run, tmp_path):
    assert plot(run, "one:1001-9000", "-o", tmp_path / "figure.svg", "--tracks", "dnase").code == 0
    found = text_of(tmp_path / "figure.svg")
    assert {"DNase", "sample", "one:1,001-9,000", "one (kb)"} <= set(found)
    assert "CTCF" not in found


def test_a_pdf_embeds_truetype_fonts_and_has_a_page_per_region(run, tmp_path):
    bed = tmp_path / "regions.bed"
    bed.write_text("one\t3000\t6000\tfirst\none\t9000\t12000\ntwo\t0\t700\n")
    assert plot(run, "one:1-2000", "--bed", bed, "-o", tmp_path / "figure.pdf").code == 0
    content = (tmp_path / "figure.pdf").read_bytes()
    assert pages(tmp_path / "figure.pdf") == 4
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_other_formats_have_a_numbered_file_per_region(run, tmp_path, ending):
    words = [f"one:{1 + 1000 * n}-{1000 * n + 1000}" for n in range(10)]
    done = plot(run, *words, "-o", tmp_path / f"figure.{ending}", "--tracks", "CTCF", "--width", "80")
    assert done.code == 0
    assert sorted(path.name for path in tmp_path.glob(f"figure*.{ending}")) == [
        f"figure-{n:02}.{ending}" for n in range(1, 11)
    ]
    assert f"figure-01.{ending} to figure-10.{ending}" in done.err


@pytest.mark.parametrize("ending", ["pdf", "svg", "png"])
def test_the_same_figure_has_the_same_bytes(run, tmp_path, ending, monkeypatch):
    for name in "ab":
        assert plot(run, "one:1-5000", "-q", "-o", tmp_path / f"{name}.{ending}").code == 0
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_titles(run, tmp_path):
    bed = tmp_path / "regions.bed"
    bed.write_text("one\t3000\t6000\tenhancer $A$\n")
    assert plot(run, "--bed", bed, "-o", tmp_path / "a.svg").code == 0
    assert any(re.fullmatch(r"enhancer \$A\$ +one:3,001-6,000", text) for text in text_of(tmp_path / "a.svg"))
    assert plot(run, "one:1-500", "-o", tmp_path / "b.svg", "--title", "Mine").code == 0
    assert "Mine" in text_of(tmp_path / "b.svg")
    assert "one:1-500" not in text_of(tmp_path / "b.svg")


def test_characters_that_the_font_lacks_are_named_once(run, tmp_path):
    done = plot(run, "one:1-500", "-o", tmp_path / "a.png", "--title", "肝 liver 肝 臓")
    assert done.code == 0
    assert done.err.startswith(
        "epigept-batch: font DejaVu Sans lacks 肝 臓, drawn as boxes; choose another with --font\nepigept-batch: figure"
    )
    assert "lacks" not in plot(run, "one:1-500", "-o", tmp_path / "b.png", "--title", "Leber äöü").err


def test_four_missing_files_are_named():
    assert _some([Path(str(number)) for number in range(4)]) == "0, 1, 2, 3"
    assert _some([Path(str(number)) for number in range(1005)]) == "0, 1, 2, 3 and 1,001 more"


def test_missing_measured_tracks_are_reported(run, tmp_path):
    import shutil

    shutil.copy(run / "sample.CTCF.bw", tmp_path / "measured.CTCF.bw")
    done = plot(run, "one", "-o", tmp_path / "a.svg", "--measured", str(tmp_path / "measured.{track}.bw"))
    assert done.code == 0
    assert "do not exist" in done.err
    assert "measured.DNase.bw" in done.err
    assert text_of(tmp_path / "a.svg").count("measured") == 1


def test_the_settings_of_the_user_and_of_other_plots_make_no_difference(run, tmp_path):
    import matplotlib as mpl

    assert plot(run, "one:1-5000", "-o", tmp_path / "a.svg").code == 0
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert plot(run, "one:1-5000", "-o", tmp_path / "b.svg").code == 0
        assert mpl.rcParams["font.size"] == 20
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_figure_that_fails_leaves_nothing(run, tmp_path, monkeypatch):
    (tmp_path / "figure.pdf").write_text("earlier")
    drawn = []

    def fail(*given):
        drawn.append(given)
        if len(drawn) == 2:
            raise RuntimeError
        return draw(*given)

    from epigept_batch.commands import plot as module

    draw = module.draw_page
    monkeypatch.setattr(module, "draw_page", fail)
    with pytest.raises(RuntimeError):
        plot(run, "one:1-500", "two", "-o", tmp_path / "figure.pdf")
    assert (tmp_path / "figure.pdf").read_text() == "earlier"
    assert not list(tmp_path.glob(".figure*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["one:1-500", "-o", "figure.jpg"], "figure.jpg: the name of the figure must end with .pdf, .svg or .png"),
        (["-o", "figure.pdf"], "no region; name one, such as chr2:1,000,001-1,200,000, or pass --bed"),
        (["nine:1-500", "-o", "figure.pdf"], "region nine:1-500: "),
        (["one:500-1", "-o", "figure.pdf"], "region one:500-1: ends before it starts"),
        (["one", "-o", "figure.pdf", "--scale", "-1"], "--scale -1: not 'common', 'own' or a number above 0"),
        (["one", "-o", "figure.pdf", "--width", "20"], "--width 20: must be "),
        (["one", "-o", "figure.pdf", "--font", "Nonesuch"], "--font Nonesuch: not installed"),
        (["one", "-o", "figure.pdf", "--zero-fill"], "--zero-fill: has no effect without --measured"),
        (["one", "-o", "figure.pdf", "--sample", "other"], "no finished sample 'other'; it has sample"),
        (["one", "-o", "figure.pdf", "--genes", "absent.gtf"], "absent.gtf: "),
    ],
)
def test_refusals(run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = plot(run, *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not list(tmp_path.glob("*figure*"))


def test_pages_share_a_scale(tmp_path):
    write_run(tmp_path / "out", "a", {"DNase": {"chr1": np.where(np.arange(782) < 400, 1.0, 7.0)}})
    for scale, highest in (("common", "7 7"), ("own", "1 7")):
        words = ["--scale", scale, "-o", tmp_path / f"{scale}.svg"]
        assert plot(tmp_path / "out", "chr1:1-20000", "chr1:60001-90000", *words).code == 0
        found = [text_of(tmp_path / f"{scale}-{page}.svg") for page in (1, 2)]
        assert " ".join(next(text for text in one if text in {"1", "7"}) for one in found) == highest


def test_too_many_pages_or_panels_are_refused(tmp_path, monkeypatch):
    write_run(tmp_path / "out", "a", {name: {"chr1": np.ones(782)} for name in ("DNase", "CTCF")})
    for limit, said in (("MOST_PAGES", "2 regions; a figure has at most 1"), ("MOST_PANELS", "2 panels; a figure has")):
        with monkeypatch.context() as patch:
            patch.setattr(command, limit, 1)
            done = plot(tmp_path / "out", "chr1:1-500", "chr1:501-900", "-o", tmp_path / "figure.pdf")
        assert done.code == 2
        assert said in done.err
        assert not list(tmp_path.glob("*figure*"))
