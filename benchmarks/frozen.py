"""A frozen model meets missing modalities: python benchmarks/frozen.py --data mfeat|digits --seeds 10

Encoders and head are trained on complete rows (mfeat: six views, 1,000 rows; digits: halves and profile, 800 rows),
then frozen. Each arm says what to do about missing embeddings; it is fitted on the training rows, chosen where it has
something to choose on the 200 validation rows (hot deck and mixture_tuned: by calibrated log-loss, nine trials each),
and calibrated on these, alike for all. mixture and auto choose on training rows, by held-out density; auto among the
copulas over all scores and the mixture. Test rows are seen under one random pattern of each number of views. Printed:
mean +- standard error over seeds, and paired differences to the hot deck.

mfeat needs the file mfeat.npz: --folder, or the environment's SKLAR_SHARED (data/mfeat within it).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sklar.benchmark.frozen import (
    Arm,
    Embeddings,
    calibrated,
    classifier,
    draw,
    embeddings,
    hot_deck,
    simple_arms,
)
from sklar.benchmark.version import code_version
from sklar.data.digits import load_digits
from sklar.data.mfeat import load_mfeat
from sklar.evaluation import estimate, paired_difference, prediction_scores
from sklar.joint import Joint, JointMixture
from sklar.models import NO_RECIPE, Concat
from sklar.training import Schedule, train

VIEWS_SEEN = {"mfeat": (1, 2, 3, 5), "digits": (1, 2)}
PATTERNS_A_ROW = 2  # random patterns of each number of views under which a validation row is seen; a test row sees one
DRAWS, DRAWS_AT_CHOICE = 64, 16  # the latter where many candidates are compared
NEIGHBOURS = (3, 5, 7, 10, 15, 20, 30, 40, 60)
CLUSTERS = [(number, shrinkage) for number in (10, 20, 40) for shrinkage in (0.3, 0.5, 0.7)]
RIVAL = "hot_deck"


def random_patterns(rows: int, modalities: int, seen: int, generator: torch.Generator) -> Tensor:
    """A random set of ``seen`` modalities a row, bool ``(rows, M)``."""
    order = torch.rand(rows, modalities, generator=generator).argsort(-1)
    return order < seen


def under_patterns(z: Embeddings, seen: list[int], generator: torch.Generator) -> tuple[Embeddings, Tensor]:
    """Every row under random patterns of the given numbers of views, one after another, and the masks."""
    rows = len(next(iter(z.values())))
    masks = [random_patterns(rows, len(z), count, generator) for count in seen]
    return {name: x.repeat(len(masks), 1) for name, x in z.items()}, torch.cat(masks)


def run(job: tuple[str, int, str]) -> list[dict[str, Any]]:
    """One seed: a record an arm and number of views, and what was chosen."""
    data, seed, folder = job
    torch.set_num_threads(1)
    rows = load_mfeat(folder, seed) if data == "mfeat" else load_digits(seed)
    torch.manual_seed(seed)
    inputs = {name: x.shape[1] for name, x in rows.train.inputs.items()}
    model = Concat(inputs=inputs, classes=10, recipe=NO_RECIPE)
    train(model, rows.train, rows.validation, Schedule(), seed, progress=False)

    predict, known = classifier(model), embeddings(model, rows.train)
    generator = torch.Generator().manual_seed(seed)
    counts = PATTERNS_A_ROW * list(range(1, len(known)))
    z, masks = under_patterns(embeddings(model, rows.validation), counts, generator)
    target = rows.validation.target.repeat(len(counts))
    arms = simple_arms(predict, known, seed)
    chosen: dict[str, str] = {}

    def choose(name: str, candidates: dict[str, Arm]) -> str:
        losses = {label: calibrated(arm, z, masks, target)[1] for label, arm in candidates.items()}
        chosen[name] = min(losses, key=lambda label: losses[label])
        return chosen[name]

    decks = {str(count): hot_deck(predict, known, count) for count in NEIGHBOURS}
    arms[RIVAL] = decks[choose(RIVAL, decks)]
    arms["gaussian"] = draw(predict, Joint.fit(known, components=1, seed=seed), seed, DRAWS)
    mixtures = {f"{k}, {s:g}": JointMixture.fit(known, components=k, shrinkage=s, seed=seed) for k, s in CLUSTERS}
    trials = {label: draw(predict, joint, seed, DRAWS_AT_CHOICE) for label, joint in mixtures.items()}
    arms["mixture_tuned"] = draw(predict, mixtures[choose("mixture_tuned", trials)], seed, DRAWS)
    mixture = JointMixture.fit(known, seed=seed)
    chosen["mixture"] = max(mixture.report, key=lambda label: mixture.report[label])
    arms["mixture"] = draw(predict, mixture, seed, DRAWS)
    auto = Joint.fit(known, copula="auto", coupling="full", components=1, seed=seed)
    chosen["auto"] = max(auto.report, key=lambda label: auto.report[label])
    arms["auto"] = draw(predict, auto, seed, DRAWS)

    unseen, records = embeddings(model, rows.test), []
    tests = {count: under_patterns(unseen, [count], generator) for count in VIEWS_SEEN[data]}
    for name, arm in arms.items():
        final, _ = calibrated(arm, z, masks, target)
        for count, (x, shown) in tests.items():
            scores = prediction_scores(final(x, shown), rows.test.target)
            records.append({"seed": seed, "arm": name, "views": count, "chosen": chosen.get(name), **scores})
    return records


def show(records: list[dict[str, Any]]) -> None:
    """The table: an arm a line, accuracy and log-loss by number of observed views, then differences to the rival."""
    views = sorted({r["views"] for r in records})
    arms = list(dict.fromkeys(r["arm"] for r in records))

    def values(arm: str, count: int, metric: str) -> dict[int, float]:
        return {r["seed"]: r[metric] for r in records if r["arm"] == arm and r["views"] == count}

    for metric in ("accuracy", "log_loss"):
        print(f"\n{metric} by number of observed views, mean +- standard error over seeds")
        for arm in arms:
            cells = [str(estimate(list(values(arm, count, metric).values()))) for count in views]
            print(
                f"  {arm:14s}" + "".join(f"{count:>4d}: {cell:18s}" for count, cell in zip(views, cells, strict=True))
            )
        print(f"{metric}, minus {RIVAL}, paired by seed")
        for arm in arms:
            if arm != RIVAL:
                pairs = [paired_difference(values(arm, n, metric), values(RIVAL, n, metric)) for n in views]
                print(f"  {arm:14s}" + "".join(f"{n:>4d}: {pair!s:18s}" for n, pair in zip(views, pairs, strict=True)))
    print("\nchosen, and how often:")
    for arm in arms:
        picks = Counter(r["chosen"] for r in records if r["arm"] == arm and r["views"] == views[0])
        if None not in picks:
            print(f"  {arm:14s} {dict(picks)}")


def main() -> None:
    """Run the seeds and print the tables. Finished seeds are kept, so that a stopped benchmark goes on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=list(VIEWS_SEEN), default="mfeat")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0, help="seeds from 100 on are for trying things out")
    parser.add_argument("--folder", default=str(Path(os.environ.get("SKLAR_SHARED", "shared")) / "data" / "mfeat"))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("runs/frozen"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    store = options.out / f"{options.data}-{code_version('sklar.benchmark.frozen')}.jsonl"
    done = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    todo = [seed for seed in seeds if seed not in {records[0]["seed"] for records in done}]
    with ProcessPoolExecutor(options.processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = {pool.submit(run, (options.data, seed, options.folder)): seed for seed in todo}
        for number, job in enumerate(as_completed(jobs), 1):
            done.append(job.result())
            with store.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
            print(f"{number} of {len(todo)} seeds", flush=True)
    wanted = sorted((records for records in done if records[0]["seed"] in seeds), key=lambda r: r[0]["seed"])
    print(f"\n{options.data}, {len(wanted)} seeds, every arm calibrated alike")
    show([record for records in wanted for record in records])


if __name__ == "__main__":
    main()
