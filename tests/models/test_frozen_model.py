"""Frozen: another model's training on complete rows, and its answer averaged over draws of what is missing."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from sklar.data import Batch, completely_at_random
from sklar.joint import JointMixture
from sklar.models import NO_RECIPE, make_model
from sklar.models.code import Encoded
from sklar.models.fill import FILLS, HotDeck
from sklar.training import Schedule, load_model, train

INPUTS = {"a": 3, "b": 2, "c": 4}
SOME = ("mixture", "regression")  # fills: the others are in test_fill.py
TASKS = ("classification", "multilabel", "regression")


def rows(count, seed=0, task="classification", missing=0.4):
    g = torch.Generator().manual_seed(seed)
    label = torch.randint(3, (count,), generator=g)
    targets = {"classification": label, "multilabel": torch.eye(3)[label], "regression": label.float()}
    centres = torch.eye(3)[label]
    inputs = {n: centres @ torch.ones(3, d).triu() + torch.randn(count, d, generator=g) for n, d in INPUTS.items()}
    return Batch(inputs, completely_at_random(count, 3, missing, g), targets[task])


def frozen(task="classification", **settings):
    torch.manual_seed(0)
    classes = None if task == "regression" else 3
    return make_model("frozen", inputs=INPUTS, classes=classes, task=task, dim=3, hidden=8, **settings)


def finished(task="classification", missing=0.4, **settings):
    """A model with random weights and a fitted joint."""
    model, some = frozen(task, **settings).eval(), rows(150, task=task, missing=missing)
    model.start(some)
    model.finish(some, rows(80, 1, task), seed=0)
    return model


def test_trains_on_complete_rows_as_the_other_model_does_alone():
    model, batch = frozen(dropout=0.0), rows(40)
    complete = batch.observed.all(-1)
    assert 0 < int(complete.sum()) < 40
    loss = model.loss(batch)["loss"]
    alone = model.inner.loss(batch[complete])["loss"]
    torch.testing.assert_close(loss, alone * complete.sum() / 40)
    moved = {n: torch.where(complete[:, None], x, 1e3) for n, x in batch.inputs.items()}
    assert torch.equal(model.loss(replace(batch, inputs=moved))["loss"], loss)


def test_the_other_model_has_no_recipe():
    model = frozen(recipe={"second_pass": 0.5, "auxiliary": 1.0, "draws": 5})
    assert model.recipe == model.inner.recipe == replace(NO_RECIPE, draws=5)
    assert not model.card.recipe


def test_a_batch_without_complete_rows_moves_nothing():
    model, batch = frozen(), rows(40)
    loss = model.loss(batch[~batch.observed.all(-1)])["loss"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(p.grad is None or bool((p.grad == 0).all()) for p in model.parameters())


def test_no_complete_training_row_is_refused():
    batch = rows(40)
    with pytest.raises(ValueError, match=r"none of the \d+ training rows has all of \['a', 'b', 'c'\]"):
        frozen().start(batch[~batch.observed.all(-1)])


def embeddings(model, batch):
    """By modality, zeros where it is missing; encoded alone."""
    return {
        name: torch.stack(
            [
                model.encoder(name)(batch.inputs[name][i : i + 1])[0][0] if seen[m] else torch.zeros(model.dim)
                for i, seen in enumerate(batch.observed)
            ]
        ).detach()
        for m, name in enumerate(model.names)
    }


@pytest.mark.parametrize("missing", [0.4, 0.0], ids=["some incomplete", "all complete"])
def test_the_joint_is_fitted_to_the_training_rows(missing):
    model, some = finished(missing=missing), rows(150, missing=missing)
    z = {name: x.double() for name, x in embeddings(model, some).items()}
    again = JointMixture.fit(z, some.observed, components=(1, 5, 10, 20), seed=0)
    found, expected = (joint.log_prob(z, some.observed) for joint in (model.fill.joint, again))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fill", ["mean", "hot_deck", "regression", "mixture"])
def test_no_row_that_the_fill_was_fitted_to_calibrates(fill, monkeypatch):
    """Every row that is read in either phase, known again by its first number."""
    model, some, held_out = frozen(fill=fill), rows(150), rows(60, 1)
    read: dict[str, set[float]] = {"finish": set(), "calibrate": set()}
    phase: list[str] = []
    check = model.check

    def watched(batch):
        for name in phase:
            read[name].update(batch.inputs["a"][:, 0].tolist())
        return check(batch)

    def during(name):
        real = getattr(model, name)

        def run(*args):
            phase.append(name)
            real(*args)
            phase.remove(name)

        return run

    monkeypatch.setattr(model, "check", watched)
    for name in read:
        monkeypatch.setattr(model, name, during(name))
    train(model, some, held_out, Schedule(steps=4), progress=False)
    assert read["finish"] == set(some.inputs["a"][:, 0].tolist())
    assert read["calibrate"] == set(held_out.inputs["a"][:, 0].tolist())
    assert not read["finish"] & read["calibrate"]


def test_a_hot_deck_that_would_find_itself_is_not_too_sure(monkeypatch):
    """One donor, the row itself where it was among those kept: what is then calibrated on it trusts it far too much."""
    monkeypatch.setitem(FILLS, "hot_deck", partial(HotDeck, neighbours=1))
    model, held_out, test = frozen(fill="hot_deck"), rows(400, 11, missing=0.0), rows(1500, 2, missing=0.5)
    train(model, rows(200), held_out, Schedule(steps=150, patience=20), progress=False)
    test = test[~test.observed.all(-1)]

    def too_sure():
        sure, said = model.predict(test).max(-1)
        return float(sure.mean()) - float((said == test.target).double().mean())

    assert too_sure() < 0.04
    model.finish(held_out, held_out, 0)
    model.calibrate(held_out)
    assert too_sure() > 0.07


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("head", ["concat", "tensor_fusion"])
def test_a_prediction_is_the_others_averaged_over_draws(head, task):
    model, batch = finished(task, head=head, recipe={"draws": 8}), rows(20, 2, task)
    z = embeddings(model, batch)
    joint = model.fill.joint
    drawn = joint.impute({n: x.double() for n, x in z.items()}, batch.observed, noise=joint.noise(8))
    everything, total = torch.ones(1, 3, dtype=torch.bool), 0.0
    said = {"classification": lambda x: x.softmax(-1), "multilabel": torch.sigmoid}.get(task, lambda x: x)
    for s in range(8):
        for_row = []
        for i in range(20):
            code = [Encoded(drawn[n][s, i : i + 1].float(), torch.zeros(1, 3)) for n in INPUTS]
            for_row.append(said(model.inner.outputs(code, everything, 1, None)[0, 0]))
        total = total + torch.stack(for_row) / 8
    with torch.no_grad():
        found = model.outcome.values(model.summary(batch))
    if task == "regression":
        total = total[:, 0] * model.outcome.scale + model.outcome.mean
    torch.testing.assert_close(found, total.detach().to(found), rtol=1e-4, atol=1e-5)


def test_complete_rows_are_answered_by_the_other_model():
    model, batch = finished(), rows(20, 2, missing=0.0)
    torch.testing.assert_close(model.summary(batch), model.inner.summary(batch), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fill", SOME)
def test_a_row_is_predicted_alike_in_any_batch(fill):
    model, batch = finished(fill=fill), rows(20, 2)
    alone = torch.cat([model.predict(batch[i : i + 1]) for i in range(20)])
    assert (model.predict(batch) - alone).abs().max() < 1e-6


@pytest.mark.parametrize("fill", SOME)
def test_what_stands_in_a_missing_input_never_matters(fill):
    model, batch = finished(fill=fill), rows(20, 2)
    shown = batch.observed.unbind(-1)
    poisoned = {n: torch.where(s[:, None], x, torch.nan) for (n, x), s in zip(batch.inputs.items(), shown, strict=True)}
    assert torch.equal(model.predict(Batch(poisoned, batch.observed)), model.predict(batch))


@pytest.mark.parametrize("fill", SOME)
def test_a_finished_run_is_read_back_and_trained_anew(fill, tmp_path):
    some, held_out, schedule = rows(150), rows(60, 1), Schedule(steps=12)
    model = frozen(fill=fill)
    train(model, some, held_out, schedule, progress=False, folder=tmp_path)
    expected = model.predict(held_out)
    again = frozen(fill=fill)
    train(again, some, held_out, schedule, progress=False, folder=tmp_path)  # has finished: nothing is trained
    assert torch.equal(load_model(tmp_path).predict(held_out), expected)
    assert torch.equal(again.predict(held_out), expected)
    train(again, some, held_out, Schedule(steps=3), progress=False)  # what was fitted before is forgotten
    assert again.fill is not None


def test_the_joint_helps_where_what_is_missing_is_told_by_what_is_there():
    model = frozen()
    train(model, rows(400), rows(150, 1), Schedule(steps=200, patience=20), progress=False)
    test = rows(300, 2).see(torch.tensor([True, False, False]))
    score = model.outcome.log_likelihood(model.summary(test), test.target).mean()
    model.fill = None
    assert score > model.outcome.log_likelihood(model.summary(test), test.target).mean()


def test_an_unknown_fill_is_refused():
    with pytest.raises(ValueError, match="unknown fill 'guess'; choose one of"):
        frozen(fill="guess")


@pytest.mark.parametrize("head", ["frozen", "mmtm", "missingness_only"])
def test_heads_that_do_not_fuse_embeddings_are_refused(head):
    with pytest.raises(ValueError, match=r"cannot be its own head|frozen completes embeddings"):
        frozen(head=head)


@pytest.mark.parametrize("head", ["variational_copula", "mvae"])
def test_a_head_that_draws_by_itself(head):
    model = finished(head=head, recipe={"draws": 3})
    assert torch.isfinite(model.predict(rows(10, 2))).all()
