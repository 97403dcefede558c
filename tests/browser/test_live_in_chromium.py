"""What-if questions in Chromium: what is drawn is what the model predicts."""

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="needs the [browser] extra")

from epigept_batch.browser.igv_js import find_igv_js
from epigept_batch.browser.live import Question, live_routes
from epigept_batch.commands.view.live import LiveModel, LiveRequest
from epigept_batch.expression.request import SampleRequest
from epigept_batch.inference.device import CPU
from epigept_batch.results.folder import read_run_folder

from .conftest import serving
from .test_in_chromium import CHROMIUM, chromium, opened, playwright  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
REGION = "one:5,001-9,000"
ASK = "async () => { await window.epigeptLive.settled(); await window.epigeptView.settled(); }"


@pytest.fixture
def model(genome, fasta, small_model, tpm, tmp_path):
    """A loaded model, and the tracks of its sample."""
    assert genome(chromosome="one").code == 0
    request = LiveRequest(samples=SampleRequest(((None, tpm),)), model=small_model, fasta=fasta, device=CPU)
    with LiveModel(request, read_run_folder(tmp_path / "out"), pytest.fail) as model:
        yield model


def expected(model, settings, variant):
    answer = model.ask(Question("sample", REGION, settings, variant))
    return np.concatenate([piece.values for piece in answer.pieces], axis=1)


def test_factors_and_variants_are_drawn_as_predicted(chromium, model, tmp_path):  # noqa: F811
    options = {"live": True, "further": live_routes(model)}
    with (
        serving(tmp_path / "out", find_igv_js().path, **options) as served,
        opened(chromium, served.url, served.port) as page,
    ):
        said = page.page.locator("#live-said")
        page.evaluate("() => window.epigeptLive.ready")
        page.evaluate("async (region) => (await window.epigeptView.ready).search(region)", REGION)
        page.page.get_by_label("Factor", exact=True).fill("F03")
        page.page.get_by_label("Factor", exact=True).press("Tab")
        page.page.get_by_label("TPM of F03", exact=True).fill("500")
        page.page.get_by_label("TPM of F03", exact=True).press("Tab")
        page.evaluate(ASK)
        assert said.inner_text().startswith("F03 TPM ")
        found = expected(model, "F03=500", "")
        first = 5_000 // 128
        for number, track in enumerate(model.tracks):
            for name, values in (("what if", found[1]), ("what if − as is", found[1] - found[0])):
                shown = page.values(f"sample {track} {name}", "one", 0, 20_000)
                assert [start for start, _, _ in shown] == [128 * (first + n) for n in range(len(values))]
                np.testing.assert_allclose([value for _, _, value in shown], values[:, number], atol=1e-6)
        titles = page.titles()
        assert titles.index("sample DNase what if") == titles.index("sample DNase") + 1

        page.page.get_by_label("Variant").fill("one:7001-7100 del")
        page.page.get_by_role("button", name="Predict").click()
        page.evaluate(ASK)
        found = expected(model, "F03=500", "one:7001-7100 del")
        shown = page.values("sample CTCF what if", "one", 0, 20_000)
        np.testing.assert_allclose([value for _, _, value in shown], found[1, :, 1], atol=1e-6)

        page.page.get_by_label("Variant").fill("one:1 dup")
        page.page.get_by_role("button", name="Predict").click()
        page.evaluate(ASK)
        assert "not a variant" in said.inner_text()

        page.page.get_by_role("button", name="Clear").click()
        page.settle()
        assert not [title for title in page.titles() if "what if" in title]


def test_a_page_without_a_model_has_no_questions(chromium, model, tmp_path):  # noqa: F811, ARG001
    with (
        serving(tmp_path / "out", find_igv_js().path) as served,
        opened(chromium, served.url, served.port) as page,
    ):
        assert not page.page.locator("#live").is_visible()
