"""The demo's end-to-end arms, each with the same search on its own validation rows: python benchmarks/demo_search.py

For every arm and seed: the density weight {1e-6 (the paper's), .006, .02, .06} and the dropout {.1, .2}, chosen by the
validation loss alone; concat, which has no density, searches the dropout and two learning rates, {5e-3, 2.5e-3}, and
draws of its training with two other seeds, so that each arm has eight trials. Printed: the mean over the seven
patterns at the choice, and paired differences to variational_copula.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from sklar.benchmark.demo import END_TO_END, incomplete, widths
from sklar.benchmark.version import code_version
from sklar.data.digits import load_digits
from sklar.evaluation import estimate, evaluate, paired_difference
from sklar.models import make_model
from sklar.training import Schedule, train

Trial = dict[str, float]
DENSITY = [{"weight": w, "dropout": d} for w, d in itertools.product((1e-6, 0.006, 0.02, 0.06), (0.1, 0.2))]
PLAIN = [{"rate": r, "dropout": d, "start": s} for r, d, s in itertools.product((5e-3, 2.5e-3), (0.1, 0.2), (0, 1))]
METRICS = ("accuracy", "log_loss", "energy_score")


def run(job: tuple[str, int, Trial, int]) -> tuple[str, int, Trial, float, dict[str, float | None]]:
    """One trial: its validation loss, and its test scores averaged over the patterns."""
    arm, seed, trial, steps = job
    torch.set_num_threads(1)
    digits = load_digits(seed)
    rows, validation = incomplete(digits, seed)
    start = seed + 1000 * int(trial.get("start", 0))
    settings: dict[str, Any] = {key: trial[key] for key in ("weight", "dropout") if key in trial}
    torch.manual_seed(start)
    model = make_model(arm, inputs=widths(digits), classes=10, **settings)
    schedule = Schedule(steps=steps, learning_rate=trial.get("rate", 5e-3))
    loss = train(model, rows, validation, schedule, start, progress=False)
    records = evaluate(model, digits.test, seed)
    scores: dict[str, float | None] = {}
    for metric in METRICS:
        values = [r[metric] for r in records if r[metric] is not None]
        scores[metric] = sum(values) / len(values) if values else None
    return arm, seed, trial, loss, scores


def main() -> None:
    """Search every arm, then print the table. Finished trials are kept, so that a stopped search goes on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--arms", nargs="+", default=list(END_TO_END), choices=END_TO_END)
    parser.add_argument("--out", type=Path, default=Path("runs/demo_search"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    store = options.out / f"{code_version('sklar.benchmark.demo')}-{options.steps}.jsonl"
    done = {tuple(json.loads(line)["job"]) for line in store.read_text().splitlines()} if store.exists() else set()
    jobs = [
        (arm, seed, trial, options.steps)
        for arm in options.arms
        for seed in range(options.seeds)
        for trial in (PLAIN if arm == "concat" else DENSITY)
    ]
    todo = [job for job in jobs if _key(job[0], job[1], job[2]) not in done]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        for number, (arm, seed, trial, loss, scores) in enumerate(pool.map(run, todo), 1):
            line = {"job": _key(arm, seed, trial), "trial": trial, "loss": loss, "scores": scores}
            with store.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"\r{number} of {len(todo)} trials", end="", flush=True)
    best: dict[tuple[str, int], Any] = {}
    for line in map(json.loads, store.read_text().splitlines()):
        arm, seed = line["job"][:2]
        if (arm, seed) not in best or line["loss"] < best[arm, seed]["loss"]:
            best[arm, seed] = line
    print(f"\n{options.seeds} seeds, mean of all patterns +- standard error; differences paired by seed")
    for arm in options.arms:
        chosen = Counter(str(best[arm, seed]["trial"]) for seed in range(options.seeds))
        print(f"\n{arm}: chose {dict(chosen)}")
        for metric in METRICS:
            own = {seed: best[arm, seed]["scores"][metric] for seed in range(options.seeds)}
            if None in own.values():
                continue
            shown = f"  {metric:12s} {estimate(list(own.values()))}"
            if arm != options.arms[0]:
                first = {seed: best[options.arms[0], seed]["scores"][metric] for seed in range(options.seeds)}
                shown += f"   {options.arms[0]} minus it {paired_difference(first, own)}"
            print(shown)


def _key(arm: str, seed: int, trial: Trial) -> tuple[str, int, str]:
    return arm, seed, json.dumps(trial, sort_keys=True)


if __name__ == "__main__":
    main()
