"""A comparison of models on one footing: its configuration, and the trials of which it consists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sklar.benchmark.space import ALIGNMENT, Choice, Space, apply, draw_trials, search_space
from sklar.benchmark.version import code_version
from sklar.data import Dataset
from sklar.data.missingness import Missingness
from sklar.models import MODELS
from sklar.training.config import RunConfig
from sklar.training.schedule import Schedule

PATTERNS = ("none", "single", "all")
ENGINES = ("processes", "ray")
EVIDENCE = ("imputation", "alignment")


@dataclass(frozen=True)
class Arm:
    """A model of a comparison.

    Attributes:
        model: its name, see ``sklar models``.
        settings: further arguments of the model, on top of the run's; what is set here or there is not searched, nor is
            the learning rate where the run's schedule has one of its own.
        encoders: encoders by modality, on top of the run's.
        search: values by name instead of the model's own search space (``sklar models MODEL`` prints it); {} searches
            nothing.
        missing: what is removed from its training rows instead of the run's: for a model that needs more of them than
            the others get. Say so in its label.
    """

    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    encoders: dict[str, dict[str, Any]] = field(default_factory=dict)
    search: dict[str, list[Any]] | None = None
    missing: Missingness | None = None


@dataclass(frozen=True)
class Condition:
    """What the models learn from, where it is not what the run says; None leaves that as it is.

    Attributes:
        missing: what is removed from training and validation rows.
        labelled: number of training rows that keep their label.
        unlabelled: whether training rows without a label take part.
    """

    missing: Missingness | None = None
    labelled: int | None = None
    unlabelled: bool | None = None

    def of(self, run: RunConfig) -> RunConfig:
        """A run under this condition."""
        return replace(run, **{name: value for name, value in vars(self).items() if value is not None})


@dataclass(frozen=True)
class BenchmarkConfig:
    """Models compared on the same splits, with the same encoders and the same number of trials.

    Attributes:
        run: what all share: data, training rows, missing values, schedule, encoders; its ``out`` is the comparison's
            folder. Its ``model`` is not looked at.
        models: the arms by their labels; default every model of ``sklar models``.
        reference: the arm with which the others are compared.
        seeds: of splits, missing values, starts; from the run's own on.
        trials: points of the search space tried for each arm, the same for every seed, the defaults first. The one
            with the lowest validation loss, averaged over the seeds, counts; test rows decide nothing.
        search_seeds: with how many seeds they are tried; with the others only the one that counts is. Default: all.
        tests: mechanisms that remove modalities from the test rows, by their labels, each a table's column.
        evidence: what is scored beside predictions, on complete rows: imputation, the draws of missing inputs under
            ``patterns``; alignment, the retrieval of one modality's row from another's embedding.
        patterns: which missing patterns complete test rows are scored under as well: none, single (each modality
            alone) or all.
        split: the rows that are scored: test or validation.
        folds: a column of ``samples.parquet`` that numbers folds: each seed has the next one for its test rows, and the
            one after it for its validation rows. Nothing can be searched then (one trial): what is chosen on one seed's
            validation rows would be scored on them with another.
        datasets: several dataset folders by their labels, instead of the run's ``data``: one comparison each.
        conditions: several conditions of training by their labels, for instance rates of missing values, mechanisms or
            numbers of labels: one comparison each, on every dataset.
        processes: trials run side by side; by default one a core.
        engine: where they run: "processes" of this machine, or "ray", the cluster that ``RAY_ADDRESS`` names, whose
            machines see the same paths.
        shard: "i/n": only every n-th trial, from the i-th on; the machines that run the others share the folder, or
            their ``trials`` are brought together. Each stops where it needs a trial of another; run them again then.
        version: of the code, by which finished trials are known again; by default its hash.
        dry_run: only say which trials there are, how many are done and what the others will take.
    """

    run: RunConfig
    models: dict[str, Arm] = field(default_factory=lambda: {name: Arm(name) for name in MODELS})
    reference: str = "variational_copula"
    seeds: int = 5
    trials: int = 8
    search_seeds: int | None = None
    tests: dict[str, Missingness] = field(default_factory=lambda: {"as it is": Missingness()})
    evidence: tuple[str, ...] = ()
    patterns: str = "none"
    split: str = "test"
    folds: str | None = None
    datasets: dict[str, Path] = field(default_factory=dict)
    conditions: dict[str, Condition] = field(default_factory=dict)
    processes: int | None = None
    engine: str = "processes"
    shard: str = "1/1"
    version: str | None = None
    dry_run: bool = False

    def parts(self) -> dict[tuple[str, str], BenchmarkConfig]:
        """A comparison a dataset and condition, by their labels (empty where there is one), in folders of their own."""
        found = {}
        for dataset, data in (self.datasets or {"": self.run.data}).items():
            for label, condition in (self.conditions or {"": Condition()}).items():
                out = self.run.out.joinpath(*filter(None, (dataset, label)))
                run = condition.of(replace(self.run, data=data, out=out))
                found[dataset, label] = replace(self, run=run, datasets={}, conditions={})
        return found

    def __post_init__(self) -> None:
        if not self.models or self.seeds < 1 or self.trials < 1:
            raise ValueError("a comparison needs models, at least one seed and at least one trial")
        if self.folds is not None and self.trials > 1:
            raise ValueError("with folds one seed's validation rows are another's test rows: give trials=1, no search")
        if self.evidence and not self.tests and self.patterns == "none":
            raise ValueError("evidence stands beside predictions: give tests, or patterns other than none")
        if self.search_seeds is not None and not 1 <= self.search_seeds <= self.seeds:
            raise ValueError(f"search_seeds must lie between 1 and seeds ({self.seeds}), got {self.search_seeds}")
        for label, arm in self.models.items():
            if arm.model not in MODELS:
                raise ValueError(f"models, {label!r}: unknown model {arm.model!r}; choose one of {list(MODELS)}")
        if self.reference not in self.models:
            raise ValueError(f"reference {self.reference!r} is none of the models {list(self.models)}")
        if set(self.evidence) - set(EVIDENCE):
            raise ValueError(f"evidence is some of {list(EVIDENCE)}, got {list(self.evidence)}")
        if self.patterns not in PATTERNS:
            raise ValueError(f"unknown patterns {self.patterns!r}; choose one of {list(PATTERNS)}")
        if self.split not in ("validation", "test"):
            raise ValueError(f"unknown split {self.split!r}; choose validation or test")
        if self.engine not in ENGINES:
            raise ValueError(f"unknown engine {self.engine!r}; choose one of {list(ENGINES)}")
        numbers = self.shard.split("/")
        if not (len(numbers) == 2 and all(n.isdecimal() for n in numbers) and 1 <= int(numbers[0]) <= int(numbers[1])):
            raise ValueError(f"a shard is 'i/n' with i from 1 to n, got {self.shard!r}")

    def mine(self, place: int) -> bool:
        """Whether the trial at this place of the list is one of the shard's."""
        number, of = (int(n) for n in self.shard.split("/"))
        return place % of == number - 1


@dataclass(frozen=True)
class Trial:
    """One training and its scores.

    Attributes:
        arm: label of the model.
        seed: of everything random.
        number: among the arm's trials, 0 for the defaults.
        choice: what the search set.
        run: what is trained.
        tests: see `BenchmarkConfig`.
        patterns: see `BenchmarkConfig`.
        split: see `BenchmarkConfig`.
        evidence: see `BenchmarkConfig`.
        fold: column of the folds and number of the one that is tested; None for the data's own splits.
    """

    arm: str
    seed: int
    number: int
    choice: Choice
    run: RunConfig
    tests: dict[str, Missingness]
    patterns: str
    split: str
    evidence: tuple[str, ...] = ()
    fold: tuple[str, int] | None = None

    def rows(self, dataset: Dataset) -> Dataset:
        """A dataset split as the trial wants it."""
        return dataset if self.fold is None else dataset.fold(*self.fold)

    def key(self, content: str, version: str) -> str:
        """What the result depends on, hashed: 20 hexadecimal digits.

        Args:
            content: digest of the data.
            version: of the code.
        """
        about = asdict(self)
        if self.fold is None:
            del about["fold"]
        del about["arm"], about["number"], about["choice"], about["run"]["out"], about["run"]["data"]
        text = json.dumps([about, content, version], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def trials(config: BenchmarkConfig, best: Mapping[str, int] | None = None) -> Iterator[Trial]:
    """Trials, seed by seed and number by number: a comparison that was stopped has something of each arm.

    Args:
        config: of the comparison.
        best: number of each arm's best trial, for those of the seeds that take no part in the search; without it,
            those of the search.
    """
    drawn = {label: list(_choices(config, arm)) for label, arm in config.models.items()}
    first = config.run.seed
    between = first + (config.seeds if config.search_seeds is None else config.search_seeds)
    for seed in range(first, between) if best is None else range(between, first + config.seeds):
        for number in range(config.trials):
            for label, arm in config.models.items():
                if number < len(drawn[label]) and (best is None or best.get(label) == number):
                    choice = drawn[label][number]
                    base = replace(
                        config.run, model=arm.model, seed=seed, settings=_settings(config, arm),
                        encoders={**config.run.encoders, **arm.encoders}, missing=arm.missing or config.run.missing,
                    )  # fmt: skip
                    run = apply(base, choice)
                    fold = None if config.folds is None else (config.folds, seed - first)
                    yield Trial(
                        label, seed, number, choice, run, config.tests, config.patterns, config.split, config.evidence,
                        fold,
                    )  # fmt: skip


def _settings(config: BenchmarkConfig, arm: Arm) -> dict[str, Any]:
    """The run's, with the arm's on top; of the recipe, switch by switch."""
    both = {**config.run.settings, **arm.settings}
    if "recipe" in both:
        both["recipe"] = {**config.run.settings.get("recipe", {}), **arm.settings.get("recipe", {})}
    return both


def _space(config: BenchmarkConfig, arm: Arm) -> Space:
    """What is searched for an arm."""
    fixed = _settings(config, arm)
    recipe = {f"recipe.{key}" for key in fixed.get("recipe", {})}
    if arm.search is not None:
        space: Space = {k: tuple(v) for k, v in arm.search.items()}
    else:
        space = {**search_space(arm.model), **ALIGNMENT.get(fixed.get("alignment") or "", {})}
        if config.run.schedule.learning_rate != Schedule().learning_rate:
            space = {name: values for name, values in space.items() if name != "schedule.learning_rate"}
    return {name: values for name, values in space.items() if name not in fixed and name not in recipe}


def _choices(config: BenchmarkConfig, arm: Arm) -> list[Choice]:
    """The trials of an arm; arms with the same space try the same points."""
    return draw_trials(_space(config, arm), config.trials, config.run.seed)


def version_of(config: BenchmarkConfig) -> str:
    """By which finished trials are known again."""
    return config.version or code_version()
