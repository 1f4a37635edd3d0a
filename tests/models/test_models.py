"""One test over all models."""

from dataclasses import asdict

import pytest
import torch

from sklar.copulas.patterns import all_patterns
from sklar.data import Batch, completely_at_random
from sklar.models import MODELS, NO_RECIPE, VariationalCopula, make_model
from sklar.models.alignment import ALIGNMENTS
from sklar.training import Schedule, load_model, save_model, train

COPULAS_TRIED = ("student", "vine", "factor")  # variational_copula has the Gaussian one
VARIANTS = {  # of the variational copula model, whose default has the Gaussian one, and of the options of every model
    **{copula: ("variational_copula", {"copula": copula}) for copula in COPULAS_TRIED},
    "structured posterior": ("variational_copula", {"posterior": "structured"}),
    "copula posterior": ("variational_copula", {"posterior": "copula"}),
    "mixtures": ("variational_copula", {"marginal": "independent", "cross_drop": 0.5}),
    "full coupling of mixtures": ("variational_copula", {"coupling": "full", "marginal": "mixture"}),
    "deterministic": ("variational_copula", {"stochastic": False}),
    "root of two": ("variational_copula", {"root": 2}),
    "full coupling": ("variational_copula", {"coupling": "full"}),
    "rosenblatt": ("variational_copula", {"marginal": "mixture"}),
    **{f"align by {kind}": ("concat", {"alignment": kind}) for kind in ALIGNMENTS},
}
BLIND = "missingness_only"  # to what the inputs hold
EVERY = pytest.mark.parametrize("name", [*MODELS, *VARIANTS])
WIDTHS = {"a": 5, "b": 3, "c": 4}
TASKS = ("classification", "multilabel", "regression")


def toy(rows, seed=0, missing=0.4, task="classification"):
    """The class moves one coordinate of each of three noisy views."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(3, (rows,), generator=generator)
    inputs = {
        name: 2 * torch.eye(3, d)[target] + 0.5 * torch.randn(rows, d, generator=generator)
        for name, d in WIDTHS.items()
    }
    targets = {"classification": target, "multilabel": torch.eye(3)[target], "regression": target.float()}
    return Batch(inputs, completely_at_random(rows, 3, missing, generator), targets[task])


def model(name, **settings):
    torch.manual_seed(0)
    name, own = VARIANTS.get(name, (name, {}))
    classes = None if settings.get("task") == "regression" else 3
    return make_model(name, inputs=WIDTHS, classes=classes, dim=4, hidden=16, **{**own, **settings})


def stirred(name, **settings):
    """A model that says something: every parameter is moved, those that start at zero too."""
    moved, generator = model(name, **settings), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return moved


def telling(batch):
    """The rows with the number of missing modalities for a label."""
    return Batch(batch.inputs, batch.observed, 3 - batch.observed.sum(-1))


@EVERY
def test_learns_a_toy_task_under_every_pattern_and_survives_saving(name, tmp_path):
    learned = model(name, recipe={"draws": 8})
    batch, held_out = toy(300), toy(100, seed=1)
    if name == BLIND:
        batch, held_out = telling(batch), telling(held_out)
    schedule = Schedule(steps=90, learning_rate=1e-2, average=0.9)
    train(learned, batch, held_out, schedule, progress=False, folder=tmp_path)
    again = load_model(tmp_path)
    for pattern in all_patterns(3):
        seen = held_out.see(pattern)
        probabilities = learned.predict(seen)
        if name == BLIND:
            seen = telling(seen)
        assert (probabilities.argmax(-1) == seen.target).double().mean() > 0.9
        assert torch.allclose(probabilities.sum(-1), torch.ones(100), atol=1e-5)
        assert torch.equal(again.predict(seen), probabilities)


@EVERY
@pytest.mark.parametrize("task", TASKS)
def test_a_row_is_predicted_alike_in_any_batch(name, task):
    batch, fresh = toy(20, task=task), stirred(name, task=task)
    whole = fresh.predict(batch)
    alone = torch.cat([fresh.predict(batch[i : i + 1]) for i in range(20)])
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    assert (whole - alone).abs().max() < 1e-6
    assert (whole[order] - fresh.predict(batch[order])).abs().max() < 1e-6


@EVERY
def test_what_stands_in_a_missing_input_never_matters(name):
    results = []
    for poison in (0.0, torch.nan):
        batch = toy(30)
        shown = batch.observed.unbind(-1)
        inputs = {
            key: torch.where(seen[:, None], x, poison).requires_grad_()
            for (key, x), seen in zip(batch.inputs.items(), shown, strict=True)
        }
        fresh = stirred(name, dropout=0.0)
        poisoned = Batch(inputs, batch.observed, batch.target)
        loss = fresh.loss(poisoned, torch.Generator().manual_seed(0))["loss"]
        grads = torch.autograd.grad(loss, [*inputs.values(), *fresh.parameters()], allow_unused=True)
        results.append([loss, fresh.predict(poisoned), *(g for g in grads if g is not None)])
    for plain, poisoned in zip(*results, strict=True):
        assert torch.equal(plain, poisoned)


@EVERY
def test_same_seed_same_weights(name):
    states = []
    for _ in range(2):
        learned = model(name)
        train(learned, toy(120), toy(50, seed=1), Schedule(steps=6), seed=3, progress=False)
        states.append(learned.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@EVERY
@pytest.mark.parametrize("task", TASKS)
def test_finite_loss_and_gradients_at_extreme_inputs(name, task):
    batch, fresh = toy(20, task=task), model(name, task=task)
    for factor in (1e-4, 1e4):
        far = Batch({key: factor * x for key, x in batch.inputs.items()}, batch.observed, batch.target)
        loss = fresh.loss(far, torch.Generator().manual_seed(0))["loss"]
        gradients = torch.autograd.grad(loss, list(fresh.parameters()), allow_unused=True)
        assert torch.isfinite(loss)
        assert all(bool(torch.isfinite(g).all()) for g in gradients if g is not None)


@EVERY
def test_unlabelled_rows_and_no_recipe(name):
    batch, fresh = toy(20), model(name, recipe=asdict(NO_RECIPE))
    unlabelled = Batch(batch.inputs, batch.observed, torch.full_like(batch.target, -1))
    terms = fresh.loss(unlabelled, torch.Generator().manual_seed(0))
    assert float(terms["head"].detach()) == 0
    assert torch.isfinite(terms["loss"])
    assert torch.isfinite(fresh.loss(batch)["loss"])


@pytest.mark.parametrize("settings", [{"task": "regression"}, {"task": "regression", "objective": "bound"}])
def test_regression_with_unlabelled_rows(settings):
    torch.manual_seed(0)
    learned = VariationalCopula(WIDTHS, dim=4, hidden=16, **settings)
    batch, held_out = toy(300), toy(100, seed=1)
    values = [
        Batch(b.inputs, b.observed, torch.where(torch.arange(len(b)) % 5 == 0, torch.nan, b.target.float()))
        for b in (batch, held_out)
    ]
    train(learned, *values, Schedule(steps=450, patience=60), progress=False)
    error = (learned.predict(held_out) - held_out.target).square().mean()
    assert error < 0.5 * held_out.target.float().var()


@pytest.mark.parametrize("name", [n for n in MODELS if model(n).generates])
def test_generate_repeats_the_observed_and_draws_the_missing(name):
    batch = toy(30)
    drawn = model(name).generate(batch, 5, torch.Generator().manual_seed(0))
    for m, (key, x) in enumerate(batch.inputs.items()):
        seen = batch.observed[:, m]
        assert torch.equal(drawn[key][:, seen], x[seen].expand(5, -1, -1))
        assert drawn[key][:, ~seen].std(0).min() > 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda b: Batch({**b.inputs, "x": b.inputs["a"]}, b.observed, b.target), KeyError, "unknown modality 'x'"),
        (lambda b: Batch({**b.inputs, "a": b.inputs["b"]}, b.observed, b.target), ValueError, "'a': expected shape"),
        (lambda b: Batch({"a": b.inputs["a"]}, b.observed, b.target), KeyError, "no modality 'b'"),
        (lambda b: b.see(torch.zeros(3, dtype=torch.bool)), ValueError, "nothing observed"),
        (
            lambda b: Batch({k: x * torch.nan for k, x in b.inputs.items()}, b.observed, b.target),
            ValueError,
            "row 0: NaN",
        ),
        (lambda b: Batch(b.inputs, b.observed, b.target + 2), ValueError, "targets must be integers"),
        (lambda b: Batch(b.inputs, b.observed), ValueError, "no targets"),
    ],
)
@EVERY
def test_errors(name, change, error, message):
    batch = toy(6, missing=0.0)
    with pytest.raises(error, match=message):
        model(name).loss(change(batch))


def test_damaged_checkpoints(tmp_path):
    save_model(model("concat"), tmp_path)
    weights, settings = tmp_path / "model.safetensors", tmp_path / "model.json"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_model(tmp_path)
    weights.write_bytes(whole)
    settings.write_text(settings.read_text()[:30])
    with pytest.raises(ValueError, match=r"model\.json is damaged"):
        load_model(tmp_path)
    for content in ("null", "[]", '{"inputs": {"a": 3}, "classes": 3, "dim": "four"}', '{"unknown": 1}'):
        settings.write_text(f'{{"model": "concat", "settings": {content}}}')
        with pytest.raises(ValueError, match=r"model\.json"):
            load_model(tmp_path)
    save_model(model("mopoe"), tmp_path)
    settings.write_text(settings.read_text().replace('"mopoe"', '"mmvae"').replace(": 16", ": 8"))
    with pytest.raises(ValueError, match=r"does not belong to .*model\.json"):
        load_model(tmp_path)
    poisoned = model("concat")
    torch.nn.init.constant_(next(poisoned.parameters()), float("nan"))
    save_model(poisoned, tmp_path)
    with pytest.raises(ValueError, match=r"model\.safetensors holds NaN"):
        load_model(tmp_path)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="missing"):
        load_model(tmp_path)
