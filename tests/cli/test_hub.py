"""A hub against UCSC's published rules, written here as a list from UCSC's pages and not from our code.

Sources: "Using UCSC Genome Browser Track Hubs" (hgTrackHubHelp), "Hub Track Database Definition (v3)" (trackDbHub), and
what hubCheck refuses (hubCheck.c: subgroups of every subtrack, containers without data of their own).
"""

import itertools
import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import bigwigs
from chosen_runs import LENGTHS, write_map, write_run
from conftest import outcome_of
from epigept_batch.browser.hub import HubOptions, hub_text, short_label, tags
from epigept_batch.cli.main import cli
from epigept_batch.results.colours import DOWN, UP, track_colours
from epigept_batch.results.folder import ResultTrack, read_run_folder
from epigept_batch.results.scales import common_scales

HG38 = {"chr1": 248_956_422, "chr2": 242_193_529}
TRACKS = ("DNase", "CTCF", "H3K27ac")
SAMPLES = ("liver", "liver of donor 7 & co", "Ünïcode-%41?#x", "liver+GATA1-0", "x" * 150)
SETTINGS = {
    "track",
    "compositeTrack",
    "shortLabel",
    "longLabel",
    "type",
    "visibility",
    "subGroup1",
    "subGroup2",
    "dimensions",
    "sortOrder",
    "dragAndDrop",
    "autoScale",
    "maxHeightPixels",
    "windowingFunction",
    "alwaysZero",
    "html",
    "parent",
    "bigDataUrl",
    "viewLimits",
    "color",
    "altColor",
    "subGroups",
    "priority",
}
"""Settings of UCSC's definition that a hub may use; a misspelt one is ignored there in silence."""


def signal(seed, low=0.0):
    rng = np.random.default_rng(seed)
    return {"chr1": rng.gamma(0.5, 1, 300) + low, "chr2": rng.gamma(0.5, 1, 50) + low}


@pytest.fixture
def run(tmp_path):
    """Samples with names that need care, one a perturbed copy with differences; one has contacts."""
    out = tmp_path / "out"
    for number, sample in enumerate(SAMPLES):
        tracks = {track: signal(10 * number + place) for place, track in enumerate(TRACKS)}
        others = {"genome": {"assembly": "hg38"}}
        if sample == "liver+GATA1-0":
            tracks |= {f"{track}.difference": signal(99, low=-0.5) for track in TRACKS}
            others["perturbation"] = {"of": "liver", "set": "GATA1=0"}
        write_run(out, sample, tracks, lengths=HG38, regions=["chr1:1-38400", "chr2:1-6400"], **others)
    write_map(out, "liver", [(0, 3, 2.0), (1, 9, 1.5)], lengths=HG38, bin_bp=1_024_000)
    return out


def hub(*words):
    return outcome_of(cli, "epigept-batch", ["hub", *words])


@pytest.fixture
def made(run, tmp_path):
    """The hub of the run in a folder of its own."""
    done = hub(
        run,
        "--url",
        "https://example.org/my hub".replace(" ", "%20"),
        "--email",
        "me@example.org",
        "-o",
        tmp_path / "hub",
    )
    assert done.code == 0, done.err
    return tmp_path / "hub"


def stanzas(path):
    """Stanzas as lists of settings: blocks of lines between blank lines, each a setting, a space and a value."""
    text = path.read_text()
    assert text.isascii()
    assert "\r" not in text
    assert "\t" not in text
    assert "\n\n\n" not in text
    found = []
    for block in text.rstrip("\n").split("\n\n"):
        lines = block.split("\n")
        for line in lines:
            assert re.fullmatch(r"[A-Za-z0-9]+ \S.*", line), line
            assert line == line.strip()
            assert not line.endswith("\\")  # which would continue the line
        pairs = [line.split(" ", 1) for line in lines]
        assert len({setting for setting, _ in pairs}) == len(pairs)
        found.append(pairs)
    return found


def test_the_hub_itself(made):
    first, second, *_ = stanzas(made / "hub.txt")
    assert first[0][0] == "hub"  # must be the first line
    hub = dict(first)
    assert set(hub) == {"hub", "shortLabel", "longLabel", "useOneFile", "email", "descriptionUrl"}
    assert re.fullmatch(r"\w+", hub["hub"])  # a single word
    assert len(hub["shortLabel"]) <= 17
    assert len(hub["longLabel"]) <= 80
    assert hub["useOneFile"] == "on"
    assert hub["email"] == "me@example.org"
    assert (made / hub["descriptionUrl"]).is_file()
    assert second == [["genome", "hg38"]]  # one genome, by UCSC's name; stanzas of tracks follow


def test_every_track_follows_the_rules(made):
    tracks = stanzas(made / "hub.txt")[2:]
    names = [stanza[0][1] for stanza in tracks]
    assert len({name.casefold() for name in names}) == len(names)
    for stanza in tracks:
        assert stanza[0][0] == "track"  # begins every stanza
        one = dict(stanza)
        assert set(one) <= SETTINGS
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,127}", one["track"])
        assert {"shortLabel", "longLabel", "type"} <= set(one)
        assert 0 < len(one["shortLabel"]) <= 17
        assert 0 < len(one["longLabel"]) <= 76
        assert ("bigDataUrl" in one) == ("compositeTrack" not in one)


def test_tracks_name_files_that_are_there_by_relative_address(made, run):
    addresses = [dict(stanza)["bigDataUrl"] for stanza in stanzas(made / "hub.txt") if "bigDataUrl" in dict(stanza)]
    for address in addresses:
        assert re.fullmatch(r"[A-Za-z0-9._~%-]+", address)  # neither a scheme, a folder, a query nor a fragment
        assert (made / unquote(address)).read_bytes() == (run / unquote(address)).read_bytes()
    assert sorted(map(unquote, addresses)) == sorted(path.name for path in run.glob("*.bw"))


def test_composites_and_their_members_agree(made):
    every = [dict(stanza) for stanza in stanzas(made / "hub.txt")[2:]]
    composites = {one["track"]: one for one in every if one.get("compositeTrack") == "on"}
    members = [one for one in every if "compositeTrack" not in one]
    assert len(composites) == 2
    seen = []
    for one in members:
        parent, state = one["parent"].split()
        assert state in {"on", "off"}
        composite = composites[parent]
        assert every.index(composite) < every.index(one)
        belongs = dict(part.split("=") for part in one["subGroups"].split())
        groups = {}
        for key in ("subGroup1", "subGroup2"):
            name, title, *pairs = composite[key].split(" ")
            assert re.fullmatch(r"\w+", name)
            assert title
            groups[name] = dict(pair.split("=") for pair in pairs)
            assert len(groups[name]) == len(pairs)
            assert all(re.fullmatch(r"\w+", tag) for tag in groups[name])
            assert all(re.fullmatch(r"[!-<>-~]+", title) for title in groups[name].values())
        assert set(belongs) == set(groups)  # a member of every subgroup
        assert all(tag in groups[name] for name, tag in belongs.items())
        dimensions = dict(part.split("=") for part in composite["dimensions"].split())
        assert set(dimensions) == {"dimX", "dimY"}
        assert set(dimensions.values()) == set(groups)
        order = [part.split("=") for part in composite["sortOrder"].split()]
        assert {name for name, _ in order} <= set(groups)
        assert {direction for _, direction in order} <= {"+", "-"}
        seen.append((parent, *belongs.values()))
        assert composite["type"].split()[0] == one["type"].split()[0] == "bigWig"
        assert composite["visibility"] in {"hide", "dense", "full", "pack", "squish"}
    assert len(set(seen)) == len(seen)
    assert {parent for parent, *_ in seen} == set(composites)  # no composite without tracks


def test_sorting_by_tag_keeps_the_order_of_the_model(made):
    names = tags(f"track{number}" for number in range(11, 0, -1))
    assert sorted(names.values()) == list(names.values())
    composite = next(dict(stanza) for stanza in stanzas(made / "hub.txt") if "compositeTrack" in dict(stanza))
    assert [pair.split("=")[1] for pair in composite["subGroup1"].split()[2:]] == list(TRACKS)
    members = [dict(stanza) for stanza in stanzas(made / "hub.txt") if "parent" in dict(stanza)]
    for name in ("epigept_predictions", "epigept_differences"):
        ordered = [one for one in members if one["parent"].startswith(name)]
        assert [one["priority"] for one in ordered] == [str(number) for number in range(1, len(ordered) + 1)]
        marks = [one["bigDataUrl"].removesuffix(".difference.bw").removesuffix(".bw").split(".")[-1] for one in ordered]
        assert marks == sorted(marks, key=TRACKS.index)


def test_scales_colours_and_ranges_come_from_the_data(made, run):
    folder = read_run_folder(run)
    scales, colours = common_scales(folder), track_colours(folder.tracks)
    by_file = {track.path.name: track for track in folder.all_tracks()}
    composites = [dict(stanza) for stanza in stanzas(made / "hub.txt") if "compositeTrack" in dict(stanza)]
    assert {one["autoScale"] for one in composites} == {"off"}
    for one in (dict(stanza) for stanza in stanzas(made / "hub.txt") if "bigDataUrl" in dict(stanza)):
        track = by_file[unquote(one["bigDataUrl"])]
        low, high = map(float, one["viewLimits"].split(":"))
        assert (low, high) == scales[track.label]
        values = [value for contig in HG38 for _, _, value in bigwigs.records(track.path, contig)]
        least, most = map(float, one["type"].split()[1:])
        assert least == pytest.approx(min(*values, 0), rel=1e-5)
        assert most == pytest.approx(max(values), rel=1e-5)
        expected = {"color": UP, "altColor": DOWN} if track.is_difference else {"color": colours[track.name]}
        for key in ("color", "altColor"):
            found = "#{:02x}{:02x}{:02x}".format(*map(int, one[key].split(","))) if key in one else None
            assert found == expected.get(key)


class Tags(HTMLParser):
    """Notes what is open and what addresses are named."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in {"href", "src"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_pages_describe_the_tracks_and_tell_nothing_of_the_machine(made, run):
    pages = {dict(stanza)["html"] for stanza in stanzas(made / "hub.txt") if "html" in dict(stanza)}
    pages |= {dict(stanzas(made / "hub.txt")[0])["descriptionUrl"]}
    assert pages == {path.name for path in made.glob("*.html")}
    names = {dict(stanza)["track"] for stanza in stanzas(made / "hub.txt")[2:] if "compositeTrack" in dict(stanza)}
    assert {f"{name}.html" for name in names} < pages  # the name of a track's page unless the setting names another
    for page in pages:
        text = (made / page).read_text()
        parser = Tags()
        parser.feed(text)
        assert not parser.open
        assert "ab" * 32 in text
        assert "ln(1 + signal)" in text
        assert "not measurements" in text or "minus" in text
        assert "liver of donor 7 &amp; co" in text
        assert "GATA1</td>" not in text
    for path in made.iterdir():
        content = path.read_bytes()
        assert b"/home/" not in content
        assert b"secret" not in content
        assert str(run).encode() not in content
    assert not list(made.glob("*.json"))


def test_the_links_open_the_hub_and_contacts(run, tmp_path):
    done = hub(run, "--url", "https://example.org/a%20b/", "--email", "me@example.org", "-o", tmp_path / "hub")
    browser, contacts = done.out.splitlines()
    start = "https://genome.ucsc.edu/cgi-bin/hgTracks?db=hg38&"
    assert browser == f"{start}hubUrl=https://example.org/a%2520b/hub.txt"
    assert contacts == f"{start}hgt.customText=https://example.org/a%2520b/liver.contacts.interact"
    assert (tmp_path / "hub/liver.contacts.interact").is_file()
    again = hub(run, "--url", "https://example.org/x/hub.txt", "--email", "me@example.org", "-o", tmp_path / "hub")
    assert again.out.splitlines()[0].endswith("hubUrl=https://example.org/x/hub.txt")


def test_a_session_of_igv_has_every_track_once_with_its_scale(made, run):
    folder = read_run_folder(run)
    session = ET.parse(made / "epigept_igv.xml").getroot()  # noqa: S314 - our own
    assert session.tag == "Session"
    assert session.get("genome") == "hg38"
    assert session.get("version") == "8"
    assert session.get("locus") == "chr1:1-38400"
    resources = [one.get("path") for one in session.findall("./Resources/Resource")]
    tracks = {one.get("id"): one for one in session.findall("./Panel/Track")}
    assert sorted(resources) == sorted(tracks)
    assert len(set(resources)) == len(resources)
    assert all((made / path).is_file() and "/" not in path for path in resources)
    assert set(resources) == {*(path.name for path in run.glob("*.bw")), "liver.contacts.bedpe"}
    scales, colours = common_scales(folder), track_colours(folder.tracks)
    for track in folder.all_tracks():
        element = tracks[track.path.name]
        (scale,) = element.findall("DataRange")
        assert (float(scale.get("minimum")), float(scale.get("maximum"))) == scales[track.label]
        assert (scale.get("baseline"), scale.get("type")) == ("0", "LINEAR")
        assert element.get("autoScale") == "false"
        red, green, blue = map(int, element.get("color").split(","))
        assert f"#{red:02x}{green:02x}{blue:02x}" == (UP if track.is_difference else colours[track.name])
        red, green, blue = map(int, element.get("altColor").split(","))
        assert f"#{red:02x}{green:02x}{blue:02x}" == (DOWN if track.is_difference else colours[track.name])
        assert track.sample in element.get("name")


def test_a_session_is_ordered_by_mark_with_differences_last(made):
    session = ET.parse(made / "epigept_igv.xml").getroot()  # noqa: S314 - our own
    tracks = [one.get("id") for one in session.findall("./Panel/Track")]
    words = [one.removesuffix(".bw").split(".") for one in tracks if one.endswith(".bw")]
    found = [(one[-1] == "difference", TRACKS.index(one[-2] if one[-1] == "difference" else one[-1])) for one in words]
    assert found == sorted(found)
    assert len(found) == 3 * len(SAMPLES) + 3


def test_links_of_contacts_with_an_odd_name_are_quoted_for_the_file_and_for_the_link(tmp_path):
    write_run(tmp_path / "out", "a 1%", {"DNase": signal(1)}, lengths=HG38, genome={"assembly": "hg38"})
    write_map(tmp_path / "out", "a 1%", [(0, 3, 2.0)], lengths=HG38, bin_bp=1_024_000)
    done = hub(tmp_path / "out", "--url", "https://e.org", "--email", "a@b.org", "-o", tmp_path / "h")
    link = done.out.splitlines()[1].split("customText=")[1]
    assert unquote(link) == "https://e.org/a%201%25.contacts.interact"
    assert (tmp_path / "h" / unquote(unquote(link)).rsplit("/", 1)[1]).is_file()


def test_the_hub_may_lie_beside_the_tracks(run):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    done = hub(run, "--url", "https://example.org", "--email", "me@example.org")
    assert done.code == 0
    assert "records that contain paths of this machine" in done.err
    after = {path.name: path.read_bytes() for path in run.iterdir()}
    assert set(after) - set(before) == {
        "hub.txt",
        "epigept_igv.xml",
        "epigept_hub.html",
        "epigept_predictions.html",
        "epigept_differences.html",
    }
    assert {name: after[name] for name in before} == before
    assert hub(run, "--url", "https://example.org", "--email", "me@example.org").code == 0


def test_chosen_samples_only(run, tmp_path):
    words = ["--sample", "liver", "--label", "Mine\nall", "-o", tmp_path / "hub"]
    assert hub(run, "--url", "https://example.org", "--email", "me@example.org", *words).code == 0
    assert {path.name for path in (tmp_path / "hub").glob("*.bw")} == {f"liver.{track}.bw" for track in TRACKS}
    assert not (tmp_path / "hub/epigept_differences.html").exists()
    assert dict(stanzas(tmp_path / "hub/hub.txt")[0])["shortLabel"] == "Mine_all"


def test_names_that_become_alike_stay_apart_and_short(tmp_path):
    samples = ("a b", "a-b", "A b", "x" * 150, "x" * 149 + "y")
    for sample in samples:
        write_run(tmp_path / "out", sample, {"DNase": signal(1)}, lengths=HG38)
    (tmp_path / "hub.txt").write_text(hub_text(read_run_folder(tmp_path / "out"), HubOptions("hg38", "a@b.org", "x")))
    names = [stanza[0][1] for stanza in stanzas(tmp_path / "hub.txt")[3:]]
    assert len(names) == len({name.casefold() for name in names}) == len(samples)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,127}", name) for name in names)


def test_many_tracks_are_not_all_shown_at_first(tmp_path):
    for number in range(15):
        write_run(tmp_path / "out", f"s{number:02}", {track: signal(number) for track in TRACKS}, lengths=HG38)
    (tmp_path / "hub.txt").write_text(hub_text(read_run_folder(tmp_path / "out"), HubOptions("hg38", "a@b.org", "x")))
    states = [dict(one)["parent"].split()[1] for one in stanzas(tmp_path / "hub.txt") if "parent" in dict(one)]
    assert states == ["on"] * 40 + ["off"] * 5


@pytest.mark.parametrize(
    ("sample", "track"), [*itertools.product(["a", "liver", "x" * 90, "é" * 20], ["CTCF", "t" * 64])]
)
def test_short_labels_keep_both_names(sample, track):
    label = short_label(ResultTrack(sample, track, None, is_difference=False, statistics=None))
    assert label.isascii()
    assert len(label) <= 17
    mark, _, name = label.partition(" ")
    assert track.startswith(mark)
    assert mark
    assert name


def test_a_personal_genome_brings_a_warning(tmp_path):
    write_run(tmp_path / "out", "a.hap1", {"DNase": signal(1)}, lengths=HG38, personal_genome={"sample": "NA12878"})
    done = hub(
        tmp_path / "out", "--url", "https://e.org", "--email", "a@b.org", "--genome-name", "hg38", "-o", tmp_path / "h"
    )
    assert "a.hap1: tracks of a personal genome may reveal genotypes" in done.err
    assert not any(b"NA12878" in path.read_bytes() for path in (tmp_path / "h").iterdir())


def test_contigs_that_ucsc_names_otherwise_bring_a_warning(tmp_path):
    write_run(tmp_path / "out", "a", {"DNase": {"1": np.ones(9)}}, lengths={"1": 2000}, genome={"assembly": "hg38"})
    done = hub(tmp_path / "out", "--url", "https://e.org", "--email", "a@b.org")
    assert done.code == 0
    assert "the tracks name contigs 1, …; UCSC names them chr1" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", "example.org/hub"], "--url example.org/hub: not an address such as https://example.org/hub"),
        (["--url", "file:///tmp"], "--url file:///tmp: not an address"),
        (["--url", "https://example.org/a b"], "--url https://example.org/a b: not an address"),
        (["--url", "https://[::1"], "not an address"),
        (["--url", "https://example.org/?x=1"], "must not contain '?' or '#'"),
        (["--url", "http://127.0.0.1/hub"], "UCSC cannot read from this machine"),
        (["--url", "http://localhost:8000"], "UCSC cannot read from this machine"),
        (["--email", "me"], "--email me: not an email address"),
        (["--email", "a@b.org\nhub x"], "not an email address"),
        (["--genome-name", "hg19"], "--genome-name hg19: the tracks are of hg38; remove this option"),
        (["--genome-name", "hg 38"], "--genome-name hg 38: not a name of an assembly"),
        (["--sample", "lung"], "no finished sample 'lung'"),
        (["--label", " "], "--label: empty"),
    ],
)
def test_refusals(run, tmp_path, words, said):
    given = ["--url", "https://example.org", "--email", "me@example.org", "-o", tmp_path / "hub"]
    done = hub(run, *given, *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "hub").exists()


def test_an_unknown_assembly_is_refused_without_a_name(tmp_path):
    write_run(tmp_path / "out", "a", {"DNase": {"chr1": np.ones(20)}}, lengths=LENGTHS)
    given = ["--url", "https://example.org", "--email", "me@example.org"]
    done = hub(tmp_path / "out", *given)
    assert done.code == 2
    assert "its genome matches no known assembly; pass UCSC's name of it with --genome-name" in done.err
    assert hub(tmp_path / "out", *given, "--genome-name", "GCA_009914755.4").code == 0


def test_what_others_wrote_is_not_replaced(run, tmp_path):
    given = ["--url", "https://example.org", "--email", "me@example.org", "-o", tmp_path / "hub"]
    (tmp_path / "hub").mkdir()
    theirs = tmp_path / "hub/liver.DNase.bw"
    theirs.write_text("theirs")
    done = hub(run, *given)
    assert done.code == 2
    assert f"{theirs}: exists and is not of this command" in done.err
    (tmp_path / "hub/hub.txt").write_text("hub theirs\n")
    assert "hub.txt: exists and is not of this command" in hub(run, *given).err
    assert theirs.read_text() == "theirs"
    (tmp_path / "hub/other.run.json").write_text(json.dumps({"sample": "other", "inputs": {}, "files": {}}))
    assert "is the output folder of another run" in hub(run, *given, "--force").err
    (tmp_path / "hub/other.run.json").unlink()
    assert hub(run, *given, "--force").code == 0
    assert theirs.read_bytes() == (run / "liver.DNase.bw").read_bytes()
    assert hub(run, *given).code == 0


def test_a_rerun_of_the_samples_does_not_change_an_earlier_hub(run, made):
    before = (made / "liver.CTCF.bw").read_bytes()
    (run / "new").write_bytes(b"other")
    (run / "new").replace(run / "liver.CTCF.bw")
    assert (made / "liver.CTCF.bw").read_bytes() == before


def test_files_are_copied_where_links_are_not_possible(run, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr("os.link", refuse)
    assert hub(run, "--url", "https://e.org", "--email", "a@b.org", "-o", tmp_path / "hub").code == 0
    assert (tmp_path / "hub/liver.CTCF.bw").read_bytes() == (run / "liver.CTCF.bw").read_bytes()
