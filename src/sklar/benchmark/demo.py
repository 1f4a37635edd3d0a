"""The demo: digits in three views, two settings, every missing pattern, several seeds."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from sklar.benchmark.frozen import evaluate_frozen, frozen_arms
from sklar.benchmark.version import code_version
from sklar.benchmark.workers import side_by_side
from sklar.copulas import COPULAS
from sklar.data import Batch, completely_at_random
from sklar.data.digits import Digits, load_digits
from sklar.evaluation import Record, evaluate, reliability
from sklar.models import NO_RECIPE, Concat, FusionModel, VariationalCopula, make_model
from sklar.models.base import tensor
from sklar.report import print_tables, write_report
from sklar.training import Schedule, save_model, train
from sklar.training.files import write_text

END_TO_END = ("variational_copula", "independence", "concat", "cm2_published")
MISSING_RATE = 0.5
UNFINISHED = "unfinished-demo"
EXAMPLES = 8  # completed digits in the report
DRAWS_SHOWN = 5


@dataclass(frozen=True)
class Demo:
    """Settings of the demo.

    Attributes:
        seeds: number of seeds; each has its own split, missing values and starts.
        out: folder of the results.
        steps: most training steps of each model.
        processes: seeds run side by side; None means one a core.
        copula: of the variational copula model, a name in `sklar.copulas.COPULAS`.
    """

    seeds: int = 5
    out: Path = Path("runs/demo")
    steps: int = 300
    processes: int | None = None
    copula: str = "gaussian"


def run_demo(demo: Demo) -> list[Record]:
    """Run all seeds, print both tables, write ``results.json`` and ``report.html``; returns the records.

    A finished seed is kept in ``out/unfinished-demo`` until all are done: a demo that was stopped goes on where it was,
    unless the code has changed meanwhile.
    """
    for name in ("seeds", "steps"):
        if getattr(demo, name) < 1:
            raise ValueError(f"the demo needs at least one of {name}, got {getattr(demo, name)}")
    if demo.copula not in COPULAS:
        raise ValueError(f"unknown copula {demo.copula!r}; choose one of {list(COPULAS)}")
    folder = demo.out / UNFINISHED
    folder.mkdir(parents=True, exist_ok=True)
    files = [_seed_file(folder, seed, demo.steps, demo.copula) for seed in range(demo.seeds)]
    todo = [seed for seed, file in enumerate(files) if not file.is_file()]
    print(f"{demo.seeds} seeds, two settings, every pattern; {demo.seeds - len(todo)} done already")
    function = partial(run_seed, demo=demo)
    for number, (seed, _) in enumerate(side_by_side(function, todo, demo.processes), demo.seeds - len(todo) + 1):
        print(f"  seed {seed} done ({number} of {demo.seeds})", flush=True)
    parts = [json.loads(file.read_text()) for file in files]
    records: list[Record] = [record for part in parts for record in part["records"]]
    write_text(demo.out / "results.json", json.dumps(records))
    print_tables(records)
    report = write_report(demo.out / "report.html", records, parts[0]["pictures"], asdict(demo))
    for file in files:
        file.unlink()
    with suppress(OSError):  # results of other settings or seeds may be waiting there
        folder.rmdir()
    print(f"\nReport: {report}\nResults: {demo.out / 'results.json'}")
    return records


def run_seed(seed: int, demo: Demo) -> None:
    """Both settings for one seed, written as one file."""
    file = _seed_file(demo.out / UNFINISHED, seed, demo.steps, demo.copula)
    digits = load_digits(seed)
    found = _frozen(digits, seed, demo.steps)
    records: list[Record] = [{"setting": "frozen", "seed": seed, **record} for record in found]
    found, pictures = _end_to_end(digits, seed, demo)
    records += [{"setting": "end_to_end", "seed": seed, **record} for record in found]
    write_text(file, json.dumps({"records": records, "pictures": pictures}))


def _frozen(digits: Digits, seed: int, steps: int) -> list[Record]:
    torch.manual_seed(seed)
    model = Concat(inputs=widths(digits), classes=10, recipe=NO_RECIPE)
    train(model, digits.train, digits.validation, Schedule(steps=steps), seed, progress=False)
    arms = frozen_arms(model, digits.train, digits.validation, seed)
    return evaluate_frozen(model, arms, digits.validation, digits.test)


def incomplete(digits: Digits, seed: int) -> tuple[Batch, Batch]:
    """Training and validation rows with half of all modality values removed at random."""
    generator = torch.Generator().manual_seed(seed)
    count = len(digits.train.inputs)
    masks = [completely_at_random(len(x), count, MISSING_RATE, generator) for x in (digits.train, digits.validation)]
    return digits.train.see(masks[0]), digits.validation.see(masks[1])


def _end_to_end(digits: Digits, seed: int, demo: Demo) -> tuple[list[Record], dict[str, Any]]:
    rows, validation = incomplete(digits, seed)
    records: list[Record] = []
    pictures: dict[str, Any] = {"reliability": {}, "completions": {}}
    for name in END_TO_END:
        torch.manual_seed(seed)
        chosen = {"copula": demo.copula} if name == "variational_copula" else {}
        model = make_model(name, inputs=widths(digits), classes=10, **chosen)
        train(model, rows, validation, Schedule(steps=demo.steps), seed, progress=False)
        save_model(model, demo.out / "models" / f"{name}-{seed}")
        records += [{"model": name, **record} for record in evaluate(model, digits.test, seed)]
        if seed == 0:
            _look(model, name, digits, pictures)
    return records, pictures


def _look(model: FusionModel, name: str, digits: Digits, pictures: dict[str, Any]) -> None:
    """What the report shows of a model: reliability with one view, completed digits, the fitted dependence."""
    upper = torch.tensor([True, False, False])
    target = digits.test.target
    if target is not None:
        pictures["reliability"][name] = reliability(model.predict(digits.test.see(upper)), target)
    if not model.generates or name == "independence":
        return
    rows = digits.test[:EXAMPLES]
    draws = model.generate(rows.see(upper), DRAWS_SHOWN, torch.Generator().manual_seed(0))["lower"]
    grey = draws.clamp(0, 16)
    pictures["completions"][name] = grey.reshape(DRAWS_SHOWN, EXAMPLES, 4, 8).tolist()
    truth = {part: tensor(rows, part).reshape(-1, 4, 8).tolist() for part in ("upper", "lower")}
    pictures["truth"] = truth
    if name == "variational_copula" and isinstance(model, VariationalCopula):
        pictures["modalities"] = model.names
        pictures["correlation"] = model.joint.copula.correlation().detach().tolist()  # type: ignore[operator,union-attr]


def widths(digits: Digits) -> dict[str, int]:
    """Number of features of each view."""
    return {name: tensor(digits.train, name).shape[1] for name in digits.train.inputs}


def _seed_file(folder: Path, seed: int, steps: int, copula: str) -> Path:
    return folder / f"seed-{seed}-steps-{steps}-{copula}-{code_version(__name__)}.json"
