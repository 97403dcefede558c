"""The objective on contacts: against numpy, against BERT's own attention, and against finite differences."""

import numpy as np
import pytest
import torch

import reference
from epigept_export.attention import SelfAttention
from small import SMALL, random_inputs, with_what_bert_has_besides

pytest.importorskip("lightning")

from epigept_export.training.config import ContactConfig, FitConfig
from epigept_export.training.contacts import OUTSIDE, ContactTargets, attention_inputs, mean_attention, row_similarities
from epigept_export.training.data import Batch
from epigept_export.training.module import EpiGePTModule, TrainedEpiGePT, masked_squared_error

SIZE = 5
GROUPS = [OUTSIDE, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, OUTSIDE]
"""A contacts' bin for each of the 20 bins of the small network, of different sizes."""
FIT = FitConfig()


def naive_rows(attention, contacts):
    """The cosine of every row that has contacts, as a list, for (pairs, size, size)."""
    found = []
    for one, target in zip(attention, contacts, strict=True):
        for i in range(len(one)):
            columns = [j for j in range(len(one)) if j != i and not np.isnan(target[i, j])]
            if any(target[i, j] > 0 for j in columns):
                x, y = ([values[i, j] for j in columns] for values in (one, target))
                found.append(np.dot(x, y) / np.sqrt(np.dot(x, x) * np.dot(y, y)))
    return found


def naive_groups(attention, groups, size):
    """The mean attention over pairs of groups: (bins, bins) -> (size, size)."""
    found = np.zeros((size, size))
    for g in range(size):
        for h in range(size):
            values = [attention[i, j] for i in np.flatnonzero(groups == g) for j in np.flatnonzero(groups == h)]
            found[g, h] = np.mean(values) if values else 0
    return found


def contacts_of(pairs, size, seed=3):
    """Symmetric contacts with what occurs in maps: bins without a value, bins without contacts, a large diagonal."""
    rng = np.random.default_rng(seed)
    contacts = rng.gamma(1, 2, (pairs, size, size)).astype(np.float32)
    contacts += contacts.transpose(0, 2, 1)
    contacts[:, range(size), range(size)] = 1000
    contacts[0, 1] = contacts[0, :, 1] = np.nan
    contacts[-1, 2] = contacts[-1, :, 2] = 0
    contacts[-1, 2, 2] = 9
    return contacts


@pytest.fixture
def targets():
    """Contacts of the first and the last of 2 windows × 3 cells."""
    return ContactTargets(torch.tensor([0, 5]), torch.tensor([GROUPS, GROUPS]), torch.from_numpy(contacts_of(2, SIZE)))


@pytest.fixture
def batch(targets):
    inputs = random_inputs(SMALL, windows=2, samples=3)
    signal = torch.rand(2, 3, SMALL.bins, len(SMALL.tracks), generator=torch.Generator().manual_seed(1)) * 4
    return Batch(*(torch.from_numpy(values) for values in inputs.values()), signal, targets)


@pytest.fixture
def module(small_state):
    """Return a module with an objective; what it logs is collected in `logged`."""

    def module(contacts, dtype=torch.float32):
        made = EpiGePTModule(SMALL, FIT, lambda: 0.0, contacts)
        made.model.load_state_dict(small_state)
        made.model.to(dtype)
        made.model.layer_stack().dtype = dtype
        made.logged = {}
        made.log = lambda name, value, **_: made.logged.update({name: float(torch.as_tensor(value).detach())})
        return made

    return module


def berts_attention(network, window, scores, expression):
    """BERT's probabilities, by layer, (heads, bins, bins), and the signal."""
    kept = []
    network.bert.config.output_attentions = True
    hook = network.bert.register_forward_hook(lambda _, __, out: kept.append(out.attentions))
    signal = network.forward(window, scores, expression)
    hook.remove()
    return [layer[0] for layer in kept[0]], signal


@pytest.mark.parametrize("seed", range(4))
def test_the_cosines_are_numpys(seed):
    contacts = contacts_of(3, 7, seed)
    attention = np.random.default_rng(seed + 50).dirichlet(np.ones(7), (3, 7)).astype(np.float32)
    found = row_similarities(torch.from_numpy(attention), torch.from_numpy(contacts))
    expected = naive_rows(attention, contacts)
    assert len(expected) == 3 * 7 - 2
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_row_has_a_cosine_of_1_with_itself_at_any_scale_and_of_0_with_other_columns():
    contacts = torch.tensor([[[5.0, 1, 2, 0], [1, 7, 0, 0], [2, 0, 3, 4], [0, 0, 4, 1]]])
    assert row_similarities(contacts * 0.01 + torch.eye(4) * 9, contacts).tolist() == pytest.approx([1.0] * 4)
    assert row_similarities((contacts == 0).float(), contacts).tolist() == pytest.approx([0.0] * 4)


def test_nothing_counts_without_contacts():
    attention = torch.rand(2, 4, 4)
    for contacts in (torch.zeros(2, 4, 4), torch.full((2, 4, 4), torch.nan), torch.eye(4).expand(2, 4, 4)):
        assert row_similarities(attention, contacts).tolist() == []


def test_the_gradient_of_the_cosines_is_that_of_finite_differences():
    contacts = torch.from_numpy(contacts_of(2, 4)).double()
    attention = torch.rand(2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: row_similarities(x, contacts), attention)


def test_no_gradient_reaches_what_does_not_count():
    contacts = torch.from_numpy(contacts_of(2, 5))
    attention = torch.rand(2, 5, 5, requires_grad=True)
    row_similarities(attention, contacts).sum().backward()
    assert not attention.grad[:, range(5), range(5)].any()
    assert not attention.grad[0, 1].any()
    assert not attention.grad[0, :, 1].any()
    assert not attention.grad[1, 2].any()
    assert attention.grad[0, 0, 2:].all()
    assert attention.grad.isfinite().all()


def test_the_gradient_of_the_attention_is_that_of_finite_differences(targets):
    torch.manual_seed(2)
    attention = SelfAttention(6, 2).double()
    x = torch.randn(6, SMALL.bins, 6, dtype=torch.float64, requires_grad=True)
    for heads in ((0, 1), (1,)):
        assert torch.autograd.gradcheck(
            lambda x, heads=heads: mean_attention([(attention, x)], targets, heads), x, nondet_tol=0.0, fast_mode=True
        )


@pytest.mark.parametrize(("layers", "heads"), [((0, 1), (0, 1)), ((1,), (0, 1)), ((0,), (1,)), ((0, 1), (0,))])
def test_the_attention_is_berts_over_the_contacts_bins(small_state, batch, layers, heads):
    network = TrainedEpiGePT(SMALL)
    network.load_state_dict(small_state)
    with attention_inputs(network, layers) as inputs:
        network(*batch[:3])
    found = mean_attention(inputs, batch.contacts, heads).detach().numpy()
    bert = reference.PublishedNetwork(SMALL, with_what_bert_has_besides(small_state))
    for number, (window, cell) in enumerate(((0, 0), (1, 2))):
        given = (batch.tokens[window].numpy(), batch.motif_scores[window].numpy(), batch.expression[cell].numpy())
        with torch.no_grad():
            by_layer, _ = berts_attention(bert, *given)
        mean = np.mean([by_layer[layer][head].numpy() for layer in layers for head in heads], axis=0)
        expected = naive_groups(mean, np.array(GROUPS), SIZE)
        np.testing.assert_allclose(found[number], expected, atol=2e-6)
        assert np.ptp(expected) > 1e-3


def test_contacts_as_fine_as_the_network_are_compared_bin_by_bin(small_state, batch):
    bins = SMALL.bins
    contacts = torch.from_numpy(contacts_of(1, bins))
    targets = ContactTargets(torch.tensor([4]), torch.arange(bins)[None], contacts)
    network = TrainedEpiGePT(SMALL)
    network.load_state_dict(small_state)
    with attention_inputs(network, (1,)) as inputs:
        network(*batch[:3])
    (attention, x), *others = inputs
    assert not others
    expected = attention.probabilities(x)[4].mean(dim=0)
    torch.testing.assert_close(mean_attention(inputs, targets, (0, 1))[0], expected, atol=1e-7, rtol=1e-5)


def test_the_hooks_are_gone_afterwards(batch):
    network = TrainedEpiGePT(SMALL)
    with pytest.raises(ZeroDivisionError), attention_inputs(network, (0, 1)) as inputs:
        raise ZeroDivisionError
    network(*batch[:3])
    assert inputs == []


@pytest.mark.parametrize("weight", [2.0, 0.5])
def test_the_loss_is_that_of_the_signals_less_the_mean_cosine(module, batch, weight):
    made = module(ContactConfig(weight, (0, 1), (0, 1)))
    loss = made.training_step(batch, 0)
    signal = masked_squared_error(made.model(*batch[:3]), batch.signal)
    with attention_inputs(made.model, (0, 1)) as inputs:
        made.model(*batch[:3])
    attention = mean_attention(inputs, batch.contacts, (0, 1)).detach().numpy()
    mean = np.mean(naive_rows(attention, batch.contacts.contacts.numpy()))
    assert loss.item() == pytest.approx(signal.item() - weight * mean, rel=1e-5)
    assert made.logged["train_contact_similarity"] == pytest.approx(mean, rel=1e-5)
    assert made.logged["train_signal_loss"] == signal.item()
    assert made.logged["train_loss"] == loss.item()
    assert 0.3 < mean < 0.999


def test_without_contacts_the_loss_is_the_same_to_the_bit(module, batch):
    """Without a configuration, without contacts in the batch, and with a weight of 0."""
    without = batch._replace(contacts=None)
    plain = module(None)
    expected = plain.training_step(without, 0)
    assert expected.item() == masked_squared_error(plain.model(*batch[:3]), batch.signal).item()
    assert set(plain.logged) == {"train_loss"}
    expected.backward()
    objective = ContactConfig(2.0, (0, 1), (0, 1))
    for made, given in (
        (module(objective), without),
        (module(ContactConfig(0.0, (0, 1), (0, 1))), batch),
        (module(None), batch),
    ):
        loss = made.training_step(given, 0)
        loss.backward()
        assert loss.item() == expected.item()
        for (name, mine), theirs in zip(made.named_parameters(), plain.parameters(), strict=True):
            assert mine.grad is theirs.grad or torch.equal(mine.grad, theirs.grad), name


def test_the_gradients_are_those_through_bert(small_state, module, batch):
    """Of all weights in float64, through `transformers.BertModel`'s probabilities, for one window and cell."""
    dtype = torch.float64
    inputs = random_inputs(SMALL, windows=1, samples=1)
    contacts = torch.from_numpy(contacts_of(1, SIZE))
    signal = batch.signal[:1, :1].to(dtype)
    tensors = (torch.from_numpy(values) for values in inputs.values())
    made = module(ContactConfig(2.0, (0, 1), (0, 1)), dtype)
    given = Batch(*tensors, signal, ContactTargets(torch.tensor([0]), torch.tensor([GROUPS]), contacts))
    made.training_step(given, 0).backward()

    state = {name: tensor.to(dtype, copy=True).requires_grad_() for name, tensor in small_state.items()}
    network = reference.PublishedNetwork(SMALL, with_what_bert_has_besides(small_state))
    network.bert.to(dtype)
    network.state = state
    one = (inputs["tokens"][0], inputs["motif_scores"][0], inputs["expression"][0])
    by_layer, predicted = berts_attention(network, *one)
    mean = torch.stack(by_layer).mean(dim=(0, 1))
    members = torch.tensor([[float(group == g) for group in GROUPS] for g in range(SIZE)], dtype=dtype)
    grouped = members @ mean @ members.T / (members.sum(dim=1)[:, None] * members.sum(dim=1))
    cosines = []
    for i in range(SIZE):
        columns = [j for j in range(SIZE) if j != i and not contacts[0, i, j].isnan()]
        target = contacts[0, i, columns].to(dtype)
        if target.any():
            row = grouped[i, columns]
            cosines.append(row @ target / (row.norm() * target.norm()))
    (masked_squared_error(predicted, signal[0, 0]) - 2 * torch.stack(cosines).mean()).backward()

    theirs = {f"encoder.{name}": parameter.grad for name, parameter in network.bert.named_parameters()}
    theirs |= {name: tensor.grad for name, tensor in state.items() if not name.startswith("encoder.")}
    alone = module(None, dtype)
    alone.training_step(given, 0).backward()
    of_signal = {name: parameter.grad for name, parameter in alone.model.named_parameters()}
    compared, moved = 0, 0
    for name, parameter in made.model.named_parameters():
        if name.endswith("token_type_embeddings.weight"):
            continue
        scale = max(theirs[name].abs().max().item(), 1e-2)
        assert (parameter.grad - theirs[name]).abs().max().item() <= 1e-10 * scale, name
        moved += (parameter.grad - of_signal[name]).abs().max().item() > 1e-6
        compared += 1
    assert compared > 40
    assert moved > 20


def test_validation_counts_every_row_alike(module, batch):
    made = module(ContactConfig(2.0, (1,), (0, 1)))
    made.on_validation_epoch_start()
    fewer = batch.contacts._replace(contacts=batch.contacts.contacts.clone())
    fewer.contacts[:, 1:, 1:] = torch.nan
    one = Batch(batch.tokens[:1], batch.motif_scores[:1], batch.expression, batch.signal[:1] + 2)
    batches = (batch, one, batch._replace(contacts=fewer, signal=batch.signal + 1))
    losses, rows, uniform = [], [], []
    for number, given in enumerate(batches):
        with torch.no_grad():
            made.validation_step(given, number)
        with torch.no_grad(), attention_inputs(made.model, (1,)) as inputs:
            losses.append(masked_squared_error(made.model(*given[:3]), given.signal).item())
        if given.contacts is not None:
            attention = mean_attention(inputs, given.contacts, (0, 1)).detach().numpy()
            rows += naive_rows(attention, given.contacts.contacts.numpy())
            uniform += naive_rows(np.ones_like(attention), given.contacts.contacts.numpy())
    made.log_held_out(2.0, *made.held_out.sums.tolist())
    loss = np.average(losses, weights=[2, 1, 2])
    assert made.logged["val_signal_loss"] == pytest.approx(loss, rel=1e-5)
    assert made.logged["val_contact_similarity"] == pytest.approx(np.mean(rows), rel=1e-5)
    assert made.logged["val_contact_similarity_uniform"] == pytest.approx(np.mean(uniform), rel=1e-5)
    assert made.logged["val_loss"] == pytest.approx(loss - 2 * np.mean(rows), rel=1e-5)
    assert len(rows) > 8


def test_validation_without_contacts_logs_the_loss_of_the_signals(module, batch):
    made = module(ContactConfig(2.0, (1,), (0, 1)))
    made.on_validation_epoch_start()
    with torch.no_grad():
        made.validation_step(batch._replace(contacts=None), 0)
    made.log_held_out(2.0, *made.held_out.sums.tolist())
    assert set(made.logged) == {"val_signal_loss", "val_loss"}
    assert made.logged["val_loss"] == made.logged["val_signal_loss"]


def test_one_layer_at_a_time_is_kept_for_the_backward_pass(small_state, batch):
    """Nothing of the size of the probabilities is kept by autograd: it would be gigabytes at the published size."""
    network = TrainedEpiGePT(SMALL)
    network.load_state_dict(small_state)
    with attention_inputs(network, (0, 1)) as inputs:
        network(*batch[:3])
    sizes = []
    keep = torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(tuple(x.shape)) or x, lambda x: x)
    with keep:
        mean_attention(inputs, batch.contacts, (0, 1))
    assert sizes
    assert not [size for size in sizes if size[-2:] == (SMALL.bins, SMALL.bins)]
