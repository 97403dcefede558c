"""The attention as an output of the model file, against transformers.BertModel with the same weights."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

import reference
from epigept_batch.errors import InputError, ModelError
from epigept_batch.inference.check import check_inputs, compare_contacts
from epigept_batch.inference.device import CPU
from epigept_batch.inference.model_file import output_names, read_spec
from epigept_batch.inference.ports import Inputs
from epigept_batch.inference.session import open_session
from epigept_batch.spec import ContactOutput, Spec
from epigept_export.architectures import ARCHITECTURES
from epigept_export.contacts import ContactRequest, WithContacts, block_means, parse_layers, with_contacts
from epigept_export.convert import convert
from epigept_export.graph import export_graph, operator_counts
from epigept_export.model import EpiGePT
from epigept_export.precision import make_form
from epigept_export.verify import Verification, VerificationError, compare_file, original_outputs, verify
from small import SMALL, random_inputs, with_what_bert_has_besides
from tolerances import CONTACTS, NETWORK_TORCH, SAME

REQUEST = ContactRequest(("all", "last"), (256, 512))
"""Blocks of 2 and 4 bins."""


@pytest.fixture(scope="module")
def peaked_state(small_state):
    """Weights whose attention is peaked: the greatest probability of a row is 0.3 on average, where 0.05 is uniform."""
    sharp = {key: value * (2 if ".query.weight" in key else 1) for key, value in small_state.items()}
    return small_state | sharp


@pytest.fixture(scope="module")
def make_model(small_request, peaked_state, tmp_path_factory):
    """Maker of small files with four contact outputs, one for each form; it verifies them as users' files are."""
    folder = tmp_path_factory.mktemp("contacts")
    checkpoint = folder / "peaked.ckpt"
    torch.save(peaked_state, checkpoint)
    made = {}

    def make(precision, attention="fused"):
        if (precision, attention) not in made:
            path = folder / f"{precision}.{attention}.onnx"
            request = replace(small_request, checkpoint=checkpoint, output=path, precision=precision)
            convert(replace(request, attention=attention, contacts=REQUEST), say=pytest.fail)
            made[precision, attention] = path
        return made[precision, attention]

    return make


@pytest.fixture(scope="module")
def bert(peaked_state):
    return reference.PublishedNetwork(SMALL, with_what_bert_has_besides(peaked_state))


def open_all(path, precision):
    spec = read_spec(path)
    outputs = ("signal", *(output.name for output in spec.contacts))
    return spec, open_session(path, CPU, precision=precision, threads=1, say=pytest.fail, outputs=outputs)


@pytest.mark.parametrize(
    ("precision", "attention"),
    [("fp32", "fused"), ("fp32", "plain"), ("fp16", "fused"), ("fp16", "plain"), ("int8", "fused")],
)
def test_contacts_are_the_averaged_probabilities_of_bert(make_model, bert, precision, attention):
    spec, session = open_all(make_model(precision, attention), precision)
    inputs = random_inputs(SMALL, 3, 2)
    found = session.run(Inputs.of(**inputs))
    limit = CONTACTS[precision]
    for window in range(3):
        for sample in range(2):
            rows = (inputs["tokens"][window], inputs["motif_scores"][window], inputs["expression"][sample])
            probabilities = bert.attention(*rows)
            assert probabilities.max(axis=3).mean() > 0.25
            for output in spec.contacts:
                expected = reference.contacts(probabilities, output.layers, output.bin_bp // 128)
                mine = found[output.name][window, sample]
                assert (mine.dtype, mine.shape) == (np.float32, expected.shape)
                assert np.abs(mine - expected).max() / expected.mean() <= limit.error
                assert np.corrcoef(mine.ravel(), expected.ravel())[0, 1] >= limit.r


def test_the_outputs_have_names_layers_and_bins(make_model):
    assert read_spec(make_model("fp32")).contacts == (
        ContactOutput("contacts", (0, 1), 256),
        ContactOutput("contacts_all_512", (0, 1), 512),
        ContactOutput("contacts_last_256", (1,), 256),
        ContactOutput("contacts_last_512", (1,), 512),
    )
    assert output_names(make_model("fp32")) == {
        "signal",
        "contacts",
        "contacts_all_512",
        "contacts_last_256",
        "contacts_last_512",
    }


def test_the_signal_is_that_of_the_file_without_contacts(make_model, small_request, tmp_path):
    """To the last bit, if only it is asked for: nothing of the contacts is loaded then."""
    inputs = Inputs.of(**random_inputs(SMALL, 3, 2))
    for precision in ("fp32", "int8"):
        path = make_model(precision)
        bare = tmp_path / f"{precision}.onnx"
        request = replace(small_request, checkpoint=path.parent / "peaked.ckpt", precision=precision, output=bare)
        convert(replace(request, verify=False), say=pytest.fail)
        alone = open_session(path, CPU, precision=precision, threads=1, say=pytest.fail)
        assert list(alone.run(inputs)) == ["signal"]
        expected = open_session(bare, CPU, precision=precision, threads=1, say=pytest.fail).signal(inputs)
        np.testing.assert_array_equal(alone.signal(inputs), expected)
        _, both = open_all(path, precision)
        np.testing.assert_allclose(both.signal(inputs), expected, atol=NETWORK_TORCH)


def test_a_session_for_one_map_has_only_that(make_model):
    inputs = Inputs.of(**random_inputs(SMALL, 2, 1))
    _, all_of_them = open_all(make_model("fp32"), "fp32")
    name = "contacts_last_512"
    session = open_session(make_model("fp32"), CPU, precision="fp32", threads=1, say=pytest.fail, outputs=(name,))
    assert [port.name for port in session.ports.outputs] == [name]
    np.testing.assert_allclose(session.run(inputs)[name], all_of_them.run(inputs)[name], rtol=SAME)


def test_windows_do_not_depend_on_those_beside_them(make_model):
    inputs = random_inputs(SMALL, 4, 3)
    _, session = open_all(make_model("fp32"), "fp32")
    together = session.run(Inputs.of(**inputs))["contacts"]
    for window in range(4):
        alone = {"tokens": inputs["tokens"][[window]], "motif_scores": inputs["motif_scores"][[window]]}
        found = session.run(Inputs.of(**alone, expression=inputs["expression"][[1]]))["contacts"]
        np.testing.assert_allclose(found[0, 0], together[window, 1], rtol=SAME)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_weights_are_not_in_the_file_twice(precision):
    """Of a network whose weights are as large as published ones; the exporter folds slices of those below 8,192."""
    wide = replace(SMALL, factors=119)
    outputs = REQUEST.outputs(wide)
    sizes = []
    for wanted in ((), outputs):
        network = EpiGePT(wide).eval()
        operators = make_form(network, precision=precision, attention="fused")
        graph = export_graph(with_contacts(network, wanted), operators).graph
        sizes.append(sum(len(weight.raw_data) for weight in graph.initializer))
    assert sizes[1] - sizes[0] < 4000 < sizes[0] / 50


def test_the_plain_file_has_standard_operators_only(make_model):
    assert not [name for name in operator_counts(onnx.load(make_model("fp32", "plain"))) if "::" in name]


@pytest.mark.parametrize("architecture", ["hg38", "hg19", "hg19-pretrain", "dnase"])
def test_the_layers_and_blocks_of_the_published_networks(architecture):
    of = ARCHITECTURES[architecture]
    bin_bp = 400 if architecture == "dnase" else 1280
    (output,) = ContactRequest(("last",), (bin_bp,)).outputs(of)
    assert output == ContactOutput("contacts", (of.layers - 1,), bin_bp)
    assert parse_layers("all", of.layers) == tuple(range(of.layers))


def test_block_means_are_the_means_of_blocks():
    x = torch.arange(36.0).reshape(1, 6, 6)
    expected = [[x[0, i : i + 2, j : j + 2].mean() for j in (0, 2, 4)] for i in (0, 2, 4)]
    np.testing.assert_allclose(block_means(x, 2)[0], expected)
    np.testing.assert_array_equal(block_means(x, 1), x)


@pytest.mark.parametrize(
    ("layers", "bins_bp", "said"),
    [
        (("0,2",), (256,), "--layers 0,2: must be all, last, or different numbers from 0 to 1 such as 0"),
        (("0,0",), (256,), "--layers 0,0: must be all, last"),
        (("first",), (256,), "--layers first: must be all"),
        (("-1",), (256,), "--layers -1: must be all"),
        ((",",), (256,), "--layers ,: must be all"),
        (("all",), (200,), "--contact-bin 200: must be a multiple of 128 bp that divides the window of 2,560 bp: "),
        (("all",), (384,), "--contact-bin 384: must be"),
        (("all",), (0,), "--contact-bin 0: must be"),
        (("all",), (-128,), "--contact-bin -128: must be"),
    ],
)  # fmt: skip
def test_layers_and_bins_that_a_network_does_not_have_are_refused(layers, bins_bp, said):
    with pytest.raises(InputError) as caught:
        ContactRequest(layers, bins_bp).outputs(SMALL)
    assert str(caught.value).startswith(said)


def test_options_of_contacts_need_contacts(export, tmp_path):
    for option, value in (("--layers", "last"), ("--contact-bin", "1280")):
        words = ("--motifs", tmp_path, "--motif-factors", tmp_path, "--out", tmp_path / "x.onnx", option, value)
        done = export("convert", tmp_path / "x.ckpt", *words)
        assert done.code == 2
        assert done.err == f"epigept-export: {option} {value}: add --contacts, which it is a part of\n"


def verification(path, network, spec):
    inputs = check_inputs(spec.geometry, spec.motif_set, spec.reference, seed=spec.check.seed)
    expected = original_outputs(WithContacts(network, spec.contacts), inputs, threads=1)
    return compare_file(path, spec, inputs, expected, CPU, threads=1, say=pytest.fail)


def test_verify_covers_contacts(make_model, peaked_state):
    path = make_model("fp32")
    network = EpiGePT(SMALL).eval()
    network.load_state_dict(peaked_state)
    good = verification(path, network, read_spec(path))
    assert [one.name for one in good.contacts] == [output.name for output in read_spec(path).contacts]
    assert good.missed == []
    assert "contacts_last_512" in good.table()
    bad = Verification(
        good.tracks, good.limit, (replace(good.contacts[0], r=0.99), *good.contacts[1:]), good.contact_limit
    )
    with pytest.raises(VerificationError, match=r"contacts is off by .* with r 0.990000 \(at least 0.999\)"):
        bad.check(path, advice="convert again")
    query = network.layer_stack().layer[1].attention.self.query
    with torch.no_grad():
        query.weight *= 1.05
    missed = verification(path, network, read_spec(path)).missed
    assert {"contacts", "contacts_last_256"} <= {one.name for one in missed}


def test_a_constant_map_is_not_close():
    expected = np.random.default_rng(1).random((4, 2, 5, 5)).astype(np.float32) * 1e-6 + 1e-3
    constant = np.full_like(expected, expected.mean())
    found = compare_contacts("contacts", constant, expected)
    assert found.error < 1e-3
    assert found.r == 0
    assert compare_contacts("contacts", expected + np.float32(1e-4), expected).error == pytest.approx(0.1, rel=1e-2)


def test_a_checkpoint_with_fewer_layers_is_refused(make_model, tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "shallow.ckpt"
    torch.save(EpiGePT(replace(SMALL, layers=1)).state_dict(), path)
    with pytest.raises(ModelError, match="has 1 layers, fewer than the model file averages contacts over"):
        verify(make_model("fp32"), path, CPU, threads=1, say=lambda _: None, architecture=replace(SMALL, layers=1))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "signal"},
        {"layers": []},
        {"layers": [-1]},
        {"bin_bp": 200},
        {"bin_bp": 0},
        {"bin_bp": 5120},
        {"bin_bp": "x"},
        {"layers": 3},
    ],
)
def test_damaged_contacts_of_a_spec_are_refused(make_model, change):
    document = json.loads(read_spec(make_model("fp32")).to_json())
    document["contacts"][1] |= change
    with pytest.raises(ModelError, match="the spec in the model file is damaged"):
        Spec.from_json(json.dumps(document))


def test_an_output_that_does_not_fit_the_spec_is_refused(make_model, tmp_path):
    model = onnx.load(make_model("fp32"))
    path = tmp_path / "changed.onnx"
    (value,) = (value for value in model.graph.output if value.name == "contacts_all_512")
    value.type.tensor_type.shape.dim[3].dim_value = 6
    onnx.save(model, path)
    with pytest.raises(ModelError, match="the model's graph gives contacts_all_512 in another shape"):
        read_spec(path)
    value.name = "other"
    onnx.save(model, path)
    with pytest.raises(ModelError, match="the model's graph has no contacts_all_512"):
        read_spec(path)
