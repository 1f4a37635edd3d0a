"""Imputation and alignment as evidence: the records against the plain computation."""

import json
from dataclasses import replace

import pytest
import torch

from sklar.benchmark.evidence import DRAWS, ROWS, alignment, imputation
from sklar.benchmark.grid import BenchmarkConfig, Trial
from sklar.benchmark.tidy import read_scores, write_scores
from sklar.benchmark.trial import chosen_patterns, run_trial
from sklar.copulas.patterns import all_patterns
from sklar.data import Batch, Missingness
from sklar.data.digits_folder import prepare_digits
from sklar.evaluation.imputation import imputation_scores
from sklar.evaluation.metrics import energy_score
from sklar.evaluation.retrieval import cosine_scores, effective_rank, retrieval_scores
from sklar.marginals.alignment import canonical_alignment
from sklar.models import make_model
from sklar.training import RunConfig, Schedule

WIDTHS = {"a": 3, "b": 2, "c": 4}


def rows(count=40, seed=0):
    g = torch.Generator().manual_seed(seed)
    common = torch.randn(count, 1, generator=g)
    inputs = {n: 10 * common + torch.randn(count, d, generator=g) * torch.arange(1, d + 1) for n, d in WIDTHS.items()}
    return Batch(inputs, torch.ones(count, 3).bool(), torch.randint(2, (count,), generator=g))


LEARNED = rows(30, 7)


def model(name, **settings):
    torch.manual_seed(0)
    made = make_model(name, inputs=WIDTHS, classes=2, dim=2, hidden=4, **settings).eval()
    made.start(rows())
    return made


@pytest.mark.parametrize("name", ["variational_copula", "mvae"])
def test_imputation_is_scored_in_standard_deviations_of_the_rows(name):
    made, complete = model(name), rows(50, 1)
    records = list(imputation(made, complete, all_patterns(3), seed=5, learned=LEARNED))
    assert [r["pattern"] for r in records] == ["a", "b", "c", "a+b", "a+c", "b+c"]
    record = next(r for r in records if r["pattern"] == "b")
    drawn = made.generate(
        complete.see(torch.tensor([False, True, False])), DRAWS, torch.Generator().manual_seed(5), noise=True
    )
    scale = {n: complete.inputs[n].std(0) for n in "ac"}
    draws = torch.cat([drawn[n] / scale[n] for n in "ac"], -1)
    truth = torch.cat([complete.inputs[n] / scale[n] for n in "ac"], -1)
    for metric, value in imputation_scores(draws, truth).items():
        assert record[metric] == pytest.approx(value, rel=1e-5)
    assert record["number"] == 50
    g = torch.Generator().manual_seed(99)
    chosen = {n: LEARNED.inputs[n][torch.randint(30, (400, 50), generator=g)] for n in "ac"}
    marginal = torch.cat([chosen[n] / scale[n] for n in "ac"], -1)
    assert record["energy_ratio"] == pytest.approx(record["energy"] / energy_score(marginal, truth), rel=0.05)
    many = next(imputation(made, rows(2 * ROWS, 1), all_patterns(3), seed=5, learned=LEARNED))
    assert many["number"] == ROWS
    assert list(imputation(model("concat"), complete, all_patterns(3), seed=5, learned=LEARNED)) == []


def test_alignment_is_scored_by_the_joint_and_by_cosine():
    made, complete = model("variational_copula"), rows(30, 1)
    records = list(alignment(made, complete, LEARNED))
    z = {n: each.mean.detach() for n, each in zip(WIDTHS, made.encode(made.check(complete)), strict=True)}
    with torch.no_grad():
        known = [each.mean.double() for each in made.encode(made.check(LEARNED))]
    maps = dict(zip(WIDTHS, canonical_alignment(known, LEARNED.observed), strict=True))
    pairs = [r for r in records if r["setting"] == "alignment"]
    assert [r["pattern"] for r in pairs] == ["a~b", "a~c", "b~c"]
    for record in pairs:
        i, j = record["pattern"].split("~")
        with torch.no_grad():
            table = torch.stack([
                made.joint.match({i: z[i][k].expand(30, -1), j: z[j]}, i, j) for k in range(30)
            ])  # fmt: skip
        straight = {}
        for n, (shift, matrix) in maps.items():
            straight[n] = torch.stack([matrix @ (each.double() - shift) for each in z[n]])
        for kind, scores in (
            ("match", table), ("cosine", cosine_scores(z[i], z[j])),
            ("aligned", cosine_scores(straight[i], straight[j])),
        ):  # fmt: skip
            for metric, value in retrieval_scores(scores).items():
                assert record[f"{kind}_{metric}"] == pytest.approx(value, abs=1e-9)
    ranks = {r["pattern"]: r["effective_rank"] for r in records if r["setting"] == "embeddings"}
    assert ranks == pytest.approx({n: effective_rank(z[n]) for n in WIDTHS})
    plain = next(alignment(model("concat"), complete, LEARNED))
    assert "cosine_mrr" in plain
    assert "match_mrr" not in plain
    assert list(alignment(model("missingness_only"), complete, LEARNED)) == []


def test_patterns_by_name():
    assert chosen_patterns(3, "none").shape == (0, 3)
    assert torch.equal(chosen_patterns(3, "single").sum(-1), torch.ones(3, dtype=torch.long))
    assert torch.equal(chosen_patterns(3, "all"), all_patterns(3))


def test_a_trial_has_the_evidence_it_asks_for_and_scores_are_one_tidy_table(tmp_path):
    prepare_digits(tmp_path / "data", train=100, validation=0)
    run = RunConfig(
        tmp_path / "data", tmp_path / "out", model="variational_copula",
        settings={"dim": 2, "hidden": 4, "recipe": {"draws": 4}}, labelled=50, missing=Missingness("mcar", 0.3),
        schedule=Schedule(steps=2, batch_size=30, warmup=1),
    )  # fmt: skip
    trial = Trial("ours", 0, 0, {}, run, {"whole": Missingness()}, "single", "test", ("imputation", "alignment"))
    run_trial(trial, tmp_path / "one.json")
    scores = json.loads((tmp_path / "one.json").read_text())["scores"]
    count = {
        s: sum(r["setting"] == s for r in scores)
        for s in ("tests", "patterns", "imputation", "alignment", "embeddings")
    }
    assert count == {"tests": 1, "patterns": 3, "imputation": 3, "alignment": 3, "embeddings": 3}
    run_trial(replace(trial, evidence=()), tmp_path / "two.json")
    assert json.loads((tmp_path / "two.json").read_text())["scores"] == scores[:4]

    records = [{"dataset": "digits", "condition": "30%", "model": "ours", "seed": 0, **score} for score in scores]
    for name in ("a", "b"):
        write_scores(tmp_path / f"{name}.parquet", records)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    whole = [{k: v for k, v in record.items() if v is not None} for record in records]
    assert read_scores(tmp_path / "a.parquet") == whole


def test_unknown_evidence_is_refused(tmp_path):
    with pytest.raises(ValueError, match="evidence is some of"):
        BenchmarkConfig(RunConfig(tmp_path, tmp_path), evidence=("accuracy",))
