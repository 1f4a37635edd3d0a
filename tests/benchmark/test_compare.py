"""The comparison of models searched alike."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import yaml
from pyarrow import parquet
from sklearn.datasets import load_digits

from sklar.benchmark import compare
from sklar.benchmark.compare import choose, run_benchmark
from sklar.benchmark.grid import Arm, BenchmarkConfig, Condition, trials, version_of
from sklar.benchmark.tidy import read_scores
from sklar.benchmark.trial import run_trial
from sklar.data import Missingness, Vector, open_dataset, write_dataset
from sklar.data.digits import digit_views
from sklar.data.mfeat_folder import write_digits
from sklar.evaluation import evaluate_rows
from sklar.training import RunConfig, Schedule, train
from sklar.training.feed import Feed
from sklar.training.run import prepare_run


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    bunch = load_digits()
    views = digit_views(torch.as_tensor(bunch.images[:180], dtype=torch.float32))
    arrays = {name: view.numpy() for name, view in views.items()}
    write_digits(folder / "data", "digits", arrays, bunch.target[:180], seed=0, train=100, validation=0, source="s",
                 licence="l")  # fmt: skip
    run = RunConfig(
        folder / "data", folder / "out", settings={"dim": 2, "hidden": 4, "recipe": {"draws": 4}}, labelled=50,
        unlabelled=False,
        missing=Missingness("mcar", 0.3), schedule=Schedule(steps=3, batch_size=30, warmup=1),
    )  # fmt: skip
    models = {"ours": Arm("variational_copula"), "rival": Arm("concat", search={"dropout": [0.0, 0.3]})}
    tests = {"whole": Missingness(), "half": Missingness("mcar", 0.5)}
    return BenchmarkConfig(run, models, "ours", seeds=2, trials=2, tests=tests, patterns="all", processes=1)


def test_every_arm_has_its_scores_and_the_best_trial_is_chosen_by_validation(config, capsys):
    records = run_benchmark(config)
    said = capsys.readouterr().out
    assert json.loads((config.run.out / "results.json").read_text()) == records
    assert read_scores(config.run.out / "scores.parquet") == [
        {"dataset": "", "condition": "", **{k: v for k, v in r.items() if v is not None}} for r in records
    ]
    per_seed = 2 + 7  # two tests, seven patterns
    assert len(records) == 2 * 2 * per_seed
    assert {r["pattern"] for r in records if r["setting"] == "tests"} == {"whole", "half"}
    found = [json.loads(file.read_text()) for file in (config.run.out / "trials").glob("*.json")]
    assert len(found) == 2 * 2 * 2
    for arm in ("ours", "rival"):
        losses = {n: sum(r["validation_loss"] for r in found if r["arm"] == arm and r["number"] == n) for n in (0, 1)}
        best = min(losses, key=losses.get)
        for seed in (0, 1):
            (trial,) = [r for r in found if (r["arm"], r["number"], r["seed"]) == (arm, best, seed)]
            assert [{"model": arm, "seed": seed, **s} for s in trial["scores"]] == [
                r for r in records if r["model"] == arm and r["seed"] == seed
            ]
        settings = yaml.safe_load((config.run.out / "chosen" / f"{arm}.yaml").read_text())
        assert settings["model"] == config.models[arm].model
        assert settings["seed"] == 0
        assert settings["settings"].get("dropout") == trial["choice"].get("dropout")
    apart = json.loads((config.run.out / "differences.json").read_text())
    assert {(r["setting"], r["model"]) for r in apart} == {("tests", "rival"), ("patterns", "rival")}
    for r in apart:  # the middle of the interval is the tables' paired difference
        both = [
            [s[r["metric"]] for s in records if (s["setting"], s["model"]) == (r["setting"], arm)]
            for arm in ("rival", "ours")
        ]
        assert r["value"] == pytest.approx(sum(both[0]) / len(both[0]) - sum(both[1]) / len(both[1]), abs=1e-6)
        assert r["low"] < r["value"] < r["high"]
    assert "95% interval" in said
    assert "chosen by the validation loss" in said
    assert "minus ours" in said


@pytest.fixture
def here(monkeypatch):
    """Trials in this process: another one must import torch first."""
    monkeypatch.setattr(
        compare, "side_by_side", lambda function, jobs, processes, lost: ((job, function(job)) for job in jobs)
    )


@pytest.mark.usefixtures("here")
def test_a_search_with_some_of_the_seeds_trains_only_what_it_chose_with_the_others(config, tmp_path):
    run = replace(config.run, out=tmp_path)
    run_benchmark(replace(config, run=run, seeds=3, search_seeds=1))
    found = [json.loads(file.read_text()) for file in (tmp_path / "trials").glob("*.json")]
    for arm in ("ours", "rival"):
        (first, second) = sorted((r for r in found if (r["arm"], r["seed"]) == (arm, 0)), key=lambda r: r["number"])
        best = first if first["validation_loss"] <= second["validation_loss"] else second
        rest = [(r["seed"], r["number"]) for r in found if r["arm"] == arm and r["seed"] > 0]
        assert sorted(rest) == [(1, best["number"]), (2, best["number"])]
    records = json.loads((tmp_path / "results.json").read_text())
    assert {(r["model"], r["seed"]) for r in records} == {(arm, seed) for arm in ("ours", "rival") for seed in range(3)}


@pytest.mark.usefixtures("here")
def test_shards_make_the_same_between_them(config, tmp_path, capsys):
    """Two shards in folders of their own stop for each other; together they have what one machine has."""
    few = replace(config, seeds=2, search_seeds=1, patterns="none", tests={"whole": Missingness()})
    whole = replace(few, run=replace(config.run, out=tmp_path / "whole"))
    expected = run_benchmark(whole)
    parts = [replace(whole, shard=f"{i}/2", run=replace(config.run, out=tmp_path / f"part{i}")) for i in (1, 2)]
    for _ in range(2):  # the search, then the other seeds
        for part in parts:
            assert run_benchmark(part) == []
            assert "trials are other shards'" in capsys.readouterr().out
        for source, target in (parts, parts[::-1]):
            shutil.copytree(source.run.out / "trials", target.run.out / "trials", dirs_exist_ok=True)
    for part in parts:
        assert run_benchmark(part) == expected
        for name in ("results.json", "differences.json"):
            assert (part.run.out / name).read_bytes() == (whole.run.out / name).read_bytes()


def test_an_arm_that_fails_with_a_later_seed_has_no_scores(config, tmp_path, monkeypatch):
    def fails(job):
        trial, file = job
        failed = {"error": "E"} if (trial.arm, trial.seed) == ("rival", 1) else {"validation_loss": 1, "scores": [{}]}
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            json.dumps({"arm": trial.arm, "seed": trial.seed, "number": trial.number, "choice": {}} | failed)
        )

    monkeypatch.setattr(
        compare, "side_by_side", lambda function, jobs, processes, lost: [(job, fails(job)) for job in jobs]
    )
    monkeypatch.setattr(compare, "write_summary", lambda parts, out: [])
    monkeypatch.setattr(compare, "_differences", lambda config, task, rows, files: [])
    monkeypatch.setattr(compare, "_reliability", lambda config, task, rows, files: {})
    run = replace(config.run, out=tmp_path)
    records = run_benchmark(replace(config, run=run, search_seeds=1))
    assert records == [{"model": "ours", "seed": 0}, {"model": "ours", "seed": 1}]


def test_a_trials_scores_are_those_of_the_model_trained_by_hand(config):
    trial = next(t for t in trials(config) if t.arm == "rival" and t.number == 1 and t.seed == 1)
    file = config.run.out / "by-hand.json"
    run_trial(trial, file)
    dataset = open_dataset(config.run.data)
    model, rows, validation = prepare_run(dataset, trial.run)
    train(model, rows, validation, trial.run.schedule, trial.run.seed, progress=False)
    found = json.loads(file.read_text())
    assert found["validation_loss"] == evaluate_rows(model, validation)[0]["log_loss"]  # calibrated
    assert len(rows) == 50
    assert len(validation) == 20
    whole = evaluate_rows(model, Feed(dataset.part("test"), model))[0]
    (score,) = [s for s in found["scores"] if s["pattern"] == "whole"]
    assert score["log_loss"] == whole["log_loss"]
    (same,) = [s for s in found["scores"] if s["pattern"] == "upper+lower+profile"]
    assert same["log_loss"] == pytest.approx(whole["log_loss"], abs=1e-6)


def test_a_stopped_comparison_goes_on_and_other_settings_are_other_trials(config, monkeypatch):
    first = run_benchmark(config)
    gone = sorted((config.run.out / "trials").glob("*.json"))[0]
    gone.unlink()
    assert run_benchmark(config) == first
    assert gone.is_file()
    monkeypatch.setattr(compare, "side_by_side", lambda function, jobs, processes, lost: [(job, 1 / 0) for job in jobs])
    assert run_benchmark(replace(config, processes=2)) == first
    dataset, keys = "content", set()
    variants = [config, replace(config, patterns="none"), replace(config, version="x"),
                replace(config, run=replace(config.run, labelled=40))]  # fmt: skip
    for variant in variants:
        keys |= {trial.key(dataset, version_of(variant)) for trial in trials(variant)}
    assert len(keys) == len(variants) * 8


@pytest.mark.usefixtures("here")
def test_a_trial_that_fails_is_told_and_does_not_stop_the_others(config, tmp_path, capsys):
    tests = {"whole": Missingness(), "too much": Missingness("mcar", 0.9)}  # of three modalities one always stays
    failing = replace(config, run=replace(config.run, out=tmp_path), tests=tests, seeds=1, trials=1)
    assert run_benchmark(failing) == []
    said = capsys.readouterr().out
    assert said.count("failed: ") == 2
    assert "cannot be missing at rate 0.9" in said
    results = [{"arm": "a", "seed": s, "number": n, "choice": {}, "validation_loss": v, "scores": [{"x": n}]}
               for s in (0, 1) for n, v in ((0, 1.0), (1, 0.5))]  # fmt: skip
    results[1] = {k: v for k, v in results[1].items() if k not in ("validation_loss", "scores")} | {"error": "E"}
    assert choose(results, ["a", "b"]) == {"a": 0}  # one seed failed the better one


def test_an_arms_settings_stand_on_top_of_the_runs_switch_by_switch(config):
    run = replace(config.run, settings={"dim": 2, "recipe": {"jitter": 1.0, "draws": 4}})
    models = {"ours": Arm("variational_copula", {"dim": 3, "recipe": {"draws": 1}}), "rival": Arm("concat")}
    found = {t.arm: t.run.settings for t in trials(replace(config, run=run, models=models)) if t.number == 0}
    assert found["ours"] == {"dim": 3, "recipe": {"jitter": 1.0, "draws": 1}}
    assert found["rival"] == run.settings
    drawn = [t.choice for t in trials(replace(config, run=run, models=models)) if t.arm == "ours"]
    assert not any("recipe.draws" in choice or "recipe.jitter" in choice for choice in drawn)


def test_the_weight_of_a_contrast_is_searched_unless_it_is_given(config):
    arms = {"ours": Arm("concat", {"alignment": "infonce"}), "cosine": Arm("concat", {"alignment": "cosine"}),
            "given": Arm("concat", {"alignment": "infonce", "alignment_weight": 0.1})}  # fmt: skip
    drawn = list(trials(replace(config, models=arms, trials=6)))
    assert {t.arm for t in drawn if "alignment_weight" in t.choice} == {"ours"}
    assert all(t.run.settings["alignment_weight"] == 0.1 for t in drawn if t.arm == "given")


def test_a_comparison_has_a_part_for_every_dataset_and_condition(config):
    half = Missingness("mcar", 0.5)
    conditions = {"half": Condition(missing=half), "few": Condition(labelled=20, unlabelled=True)}
    whole = replace(config, datasets={"x": config.run.data / "x", "y": config.run.data / "y"}, conditions=conditions)
    parts = whole.parts()
    assert list(parts) == [("x", "half"), ("x", "few"), ("y", "half"), ("y", "few")]
    run = parts["y", "few"].run
    assert (run.data, run.out) == (config.run.data / "y", config.run.out / "y" / "few")
    assert (run.labelled, run.unlabelled, run.missing) == (20, True, config.run.missing)
    run = parts["x", "half"].run
    assert (run.labelled, run.unlabelled, run.missing) == (config.run.labelled, config.run.unlabelled, half)
    assert all(part.parts() == {("", ""): part} for part in parts.values())
    assert replace(config, conditions=conditions).parts()["", "few"].run.out == config.run.out / "few"


def folds_folder(folder):
    """Sixty rows in five folds, a vector each."""
    g = torch.Generator().manual_seed(0)
    samples = {"sample_id": range(60), "group_id": range(60), "split": ["train"] * 60, "y": [0, 1] * 30,
               "fold": [i // 2 % 5 for i in range(60)]}  # fmt: skip
    vectors = {name: Vector(torch.randn(60, 2, generator=g)) for name in ("a", "b")}
    write_dataset(folder, name="folds", task="binary", labels=["y"], samples=samples, modalities=vectors)
    return folder


@pytest.mark.usefixtures("here")
def test_with_folds_each_seed_tests_another_fold(config, tmp_path):
    data = folds_folder(tmp_path / "data")
    run = replace(config.run, data=data, out=tmp_path / "out", labelled=None)
    folds = replace(config, run=run, folds="fold", seeds=5, trials=1, patterns="none", tests={"whole": Missingness()})
    records = run_benchmark(folds)
    assert [r["number"] for r in records] == [12] * 10
    dataset = open_dataset(data)
    tested = []
    for trial in trials(folds):
        rows = trial.rows(dataset)
        k = trial.seed
        assert set(rows.part("test").column("fold")) == {k}
        assert set(rows.part("validation").column("fold")) == {(k + 1) % 5}
        assert len(rows.part("train")) == 36
        tested += [*rows.part("test").sample_id] if trial.arm == "ours" else []
    assert sorted(tested) == list(range(60))
    assert len({trial.key("", "") for trial in trials(folds)}) == 10
    apart = json.loads((run.out / "differences.json").read_text())
    assert {r["metric"] for r in apart} >= {"log_loss", "auroc"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {"a": Arm("x")}}, "models, 'a': unknown model 'x'"),
        ({"search_seeds": 3}, r"search_seeds must lie between 1 and seeds \(2\), got 3"),
        ({"reference": "theirs"}, "reference 'theirs' is none"),
        ({"patterns": "some"}, "unknown patterns"),
        ({"split": "train"}, "unknown split"),
        ({"trials": 0}, "at least one trial"),
        ({"engine": "dask"}, "unknown engine 'dask'"),
        ({"folds": "fold"}, "one seed's validation rows are another's test rows"),
        ({"evidence": ("alignment",), "tests": {}, "patterns": "none"}, "evidence stands beside predictions"),
        *(({"shard": wrong}, "a shard is 'i/n'") for wrong in ("0/2", "3/2", "2", "a/b", "1/2/3", "")),
    ],
)
def test_a_wrong_configuration_is_refused(config, change, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **change)


def test_settings_that_make_no_model_are_refused_before_any_training(config, monkeypatch):
    monkeypatch.setattr(compare, "side_by_side", None)
    bad = {**config.models, "rival": Arm("concat", {"correlation": 0.5})}
    with pytest.raises(ValueError, match="models, 'rival': settings: model 'concat' has no setting 'correlation'"):
        run_benchmark(replace(config, models=bad))
    run_benchmark(replace(config, dry_run=True))


@pytest.mark.usefixtures("here")
def test_a_dry_run_guesses_what_is_left_and_times_are_a_file_of_their_own(config, tmp_path, capsys):
    few = replace(config, run=replace(config.run, out=tmp_path), seeds=3, search_seeds=1, trials=1, patterns="none")
    assert run_benchmark(replace(few, dry_run=True)) == []
    said = capsys.readouterr().out
    assert "about 1 minutes" in said
    assert said.count("guessed") == 2
    assert not (tmp_path / "trials").exists()
    run_benchmark(few)
    times = parquet.read_table(tmp_path / "times.parquet").to_pylist()
    assert [(r["model"], r["seed"]) for r in times] == [(a, s) for s in range(3) for a in ("ours", "rival")]
    files = {(r["arm"], r["seed"]): r["seconds"] for r in map(_read, (tmp_path / "trials").glob("*.json"))}
    assert {(r["model"], r["seed"]): r["seconds"] for r in times} == files
    capsys.readouterr()
    run_benchmark(replace(few, dry_run=True))
    assert "measured" in capsys.readouterr().out


def test_a_killed_comparison_has_the_same_parquet_byte_for_byte(config, tmp_path, monkeypatch):
    few = replace(config, run=replace(config.run, out=tmp_path / "whole"), patterns="none", trials=1)

    def killed(after):
        def run(function, jobs, processes, lost):
            for k, job in enumerate(jobs):
                if k == after:
                    raise KeyboardInterrupt
                yield job, function(job)

        return run

    monkeypatch.setattr(compare, "side_by_side", killed(100))
    run_benchmark(few)
    stopped = replace(few, run=replace(few.run, out=tmp_path / "stopped"))
    for _ in range(2):
        monkeypatch.setattr(compare, "side_by_side", killed(1))
        with pytest.raises(KeyboardInterrupt):
            run_benchmark(stopped)
    monkeypatch.setattr(compare, "side_by_side", killed(100))
    run_benchmark(stopped)
    whole, again = ((tmp_path / name / "scores.parquet").read_bytes() for name in ("whole", "stopped"))
    assert whole == again
    assert (tmp_path / "stopped" / "report.html").is_file()


@pytest.mark.usefixtures("here")
def test_arms_that_are_alike_run_once_and_a_part_that_fails_stops_no_other(config, tmp_path, capsys):
    run = replace(config.run, out=tmp_path)
    alike = {"ours": Arm("concat"), "same": Arm("concat")}
    few = replace(config, run=run, models=alike, trials=1, patterns="none", seeds=1, tests={"w": Missingness()})
    records = run_benchmark(few)
    assert [r["model"] for r in records] == ["ours", "same"]
    assert len(list((tmp_path / "trials").glob("*.json"))) == 1
    renamed = replace(few, models={"other": Arm("concat")}, reference="other")
    assert [r["model"] for r in run_benchmark(renamed)] == ["other"]

    conditions = {"good": Condition(labelled=40), "bad": Condition(labelled=50)}
    real = compare.run_trial

    def failing(trial, file):
        if trial.run.labelled == 50:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(
                json.dumps({"arm": trial.arm, "seed": 0, "number": 0, "choice": {}, "error": "ValueError: x"})
            )
        else:
            real(trial, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "run_trial", failing)
        out = tmp_path / "parts"
        records = run_benchmark(replace(few, run=replace(run, out=out), conditions=conditions))
    assert {r["condition"] for r in records} == {"good"}
    assert {r["condition"] for r in read_scores(out / "scores.parquet")} == {"good"}
    assert {r["condition"]: r["failed"] for r in parquet.read_table(out / "times.parquet").to_pylist()} == {
        "good": False, "bad": True,
    }  # fmt: skip
    assert "failed: ours" in capsys.readouterr().out
    assert (out / "report.html").is_file()


@pytest.mark.usefixtures("here")
def test_a_trial_that_lacked_memory_is_tried_again(config, tmp_path):
    few = replace(config, run=replace(config.run, out=tmp_path), trials=1, patterns="none", seeds=1)
    first = run_benchmark(few)
    file = next((tmp_path / "trials").glob("*.json"))
    file.write_text(json.dumps({"arm": "ours", "seed": 0, "number": 0, "choice": {}, "error": "MemoryError: "}))
    assert run_benchmark(few) == first


@pytest.mark.usefixtures("here")
def test_a_trial_whose_process_was_ended_has_failed_until_the_next_run(config, tmp_path, monkeypatch, capsys):
    few = replace(config, run=replace(config.run, out=tmp_path), trials=1, patterns="none", seeds=1)

    def ended(function, jobs, processes, lost):
        for job in jobs:
            yield job, (lost if job[0].arm == "rival" else function)(job)

    with monkeypatch.context() as patch:
        patch.setattr(compare, "side_by_side", ended)
        assert {r["model"] for r in run_benchmark(few)} == {"ours"}
    assert "failed: rival, seed 0" in " ".join(capsys.readouterr().out.split())
    (error,) = [r["error"] for r in map(_read, (tmp_path / "trials").glob("*.json")) if "error" in r]
    assert error.startswith("BrokenProcessPool: its process was ended")
    assert {r["model"] for r in run_benchmark(few)} == {"ours", "rival"}


def _read(file):
    return json.loads(file.read_text())
