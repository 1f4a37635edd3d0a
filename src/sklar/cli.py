"""The command line."""

from __future__ import annotations

import json
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sklar.data.missingness import Missingness

NATURAL = Missingness()


def demo(
    seeds: int = 5,
    out: Path = Path("runs/demo"),
    steps: int = 300,
    processes: int | None = None,
    copula: str = "gaussian",
) -> None:
    """Handwritten digits in three views, under every missing pattern: two tables and an HTML report.

    Args:
        seeds: number of seeds; each has its own split, missing values and starts.
        out: folder of report.html and results.json.
        steps: most training steps of each model.
        processes: seeds run side by side; by default one a core.
        copula: of the variational copula model: gaussian, student, vine, factor or independence.
    """
    from sklar.benchmark.demo import Demo, run_demo

    run_demo(Demo(seeds, out, steps, processes, copula))


def check(folder: Path) -> int:
    """Look through a dataset folder; every problem is printed with its place and remedy.

    Args:
        folder: the dataset folder.

    Returns:
        Exit status: 1 if there are errors (warnings alone are none).
    """
    from sklar.data import check_dataset

    problems = check_dataset(folder)
    for problem in problems:
        print(problem)
    errors = sum(problem.is_error for problem in problems)
    print(f"{folder}: {errors} errors, {len(problems) - errors} warnings")
    return int(errors > 0)


def show(folder: Path) -> None:
    """Describe a dataset folder: rows, labels, modalities, which of them occur together.

    Args:
        folder: the dataset folder.
    """
    from sklar.data.show import describe_dataset

    print(describe_dataset(folder))


def evaluate(
    run: Path,
    data: Path | None = None,
    split: str = "test",
    missing: Missingness = NATURAL,
    out: Path | None = None,
) -> None:
    """Score a run on labelled rows: over all, by number of observed modalities, by pattern.

    Args:
        run: folder of a finished run.
        data: a dataset folder (sklar evaluate RUN DATA does as well); default the one that the run was trained on.
        split: train, validation, test, or all.
        missing: mechanism that removes modalities beside what is missing already.
        out: file of the scores as JSON; default evaluation.json in the run's folder.
    """
    from sklar.report.tables import print_table, score_table
    from sklar.training.apply import evaluate_run
    from sklar.training.files import refuse_inside_dataset, write_json
    from sklar.training.run import read_run

    if out is not None:
        refuse_inside_dataset(out)
    records = evaluate_run(read_run(run), data, _split(split), missing)
    file = out or run / "evaluation.json"
    write_json(file, records)
    print_table(score_table(records, f"{run} on {data or 'its own data'}, split {split}"))
    print(f"\nScores: {file}")


def predict(run: Path, data: Path, out: Path | None = None, split: str = "all", num_samples: int | None = None) -> None:
    """Predict the rows of a dataset folder: Parquet of probabilities, their spread, and which modalities were there.

    Args:
        run: folder of a finished run.
        data: a dataset folder; labels are not needed.
        out: the Parquet file; default predictions.parquet in the run's folder.
        split: train, validation, test, or all.
        num_samples: draws of what is not known to average over; default 16.
    """
    from sklar.training.apply import predict_run
    from sklar.training.run import read_run

    print(predict_run(read_run(run), data, out or run / "predictions.parquet", _split(split), num_samples))


def impute(
    run: Path, data: Path, out: Path | None = None, split: str = "all", num_samples: int = 5, seed: int = 0
) -> None:
    """Draw what is missing: Parquet of embeddings and of decoded inputs, two files a modality.

    Args:
        run: folder of a finished run.
        data: a dataset folder.
        out: folder of the files; default imputed in the run's folder.
        split: train, validation, test, or all.
        num_samples: draws a row.
        seed: of the draws.
    """
    from sklar.training.apply import impute_run
    from sklar.training.run import read_run

    for path in impute_run(read_run(run), data, out or run / "imputed", _split(split), num_samples, seed):
        print(path)


def run(
    dataset: str,
    raw: Path,
    out: Path | None = None,
    task: str = "ihm",
    mode: str = "compat",
    seed: int = 0,
    processes: int | None = None,
) -> None:
    """From raw files to a table of scores and a report: prepare, train, predict, compare; of mimic3 also verify.

    Args:
        dataset: physionet2012, eicu-demo or mimic3.
        raw: the raw files.
        out: folder of the data, the models, results.json and report.html (sklar run DATASET RAW OUT does as well);
            default runs/DATASET.
        task: of mimic3: ihm, readmission, phenotyping, length_of_stay or decompensation.
        mode: of mimic3: compat or clean.
        seed: of everything random.
        processes: models trained side by side; by default one a core.
    """
    from sklar.benchmark.mimic3 import run_mimic3
    from sklar.benchmark.study import STUDIES, run_study

    out = out or Path("runs") / dataset
    if dataset == "mimic3":
        run_mimic3(raw, out, task, mode, seed)
        return
    if dataset not in STUDIES:
        raise ValueError(f"unknown data set {dataset!r}; choose one of {[*STUDIES, 'mimic3']}")
    run_study(dataset, raw, out, seed, processes)


def report(folders: list[Path], out: Path = Path("runs/report")) -> None:
    """Tables, figures and a page of finished comparisons, and how models rank over them: sklar report FOLDER...

    Args:
        folders: of sklar benchmark.
        out: folder of scores.parquet, report.html, tables.md, tables.tex and figures.
    """
    from sklar.benchmark.summary import read_parts, write_summary
    from sklar.report.tables import print_table

    for table in write_summary(read_parts(folders), out):
        print_table(table)
    print(f"\nReport: {out / 'report.html'}")


def models(name: str | None = None) -> None:
    """List the models, or tell of one: its paper, what it needs and can do, its settings and search space.

    Args:
        name: of a model.
    """
    from sklar.benchmark.listing import model_tables
    from sklar.report.tables import print_table

    for table in model_tables(name):
        print_table(table)


def _split(name: str) -> str | None:
    if name not in ("train", "validation", "test", "all"):
        raise ValueError(f"unknown split {name!r}; choose train, validation, test or all")
    return None if name == "all" else name


def _commands() -> dict[str, Any]:
    """Functions and typed configurations by name; a mapping is a group of commands."""
    from sklar.benchmark.curve import CurveConfig
    from sklar.benchmark.grid import BenchmarkConfig
    from sklar.clinical import READERS, SIMULATORS, VERIFIERS
    from sklar.training.config import RunConfig

    return {
        "demo": demo,
        "data": {"check": check, "show": show},
        "prepare": dict(READERS),
        "simulate": dict(SIMULATORS),
        "verify": dict(VERIFIERS),
        "train": RunConfig,
        "curve": CurveConfig,
        "benchmark": BenchmarkConfig,
        "report": report,
        "evaluate": evaluate,
        "predict": predict,
        "impute": impute,
        "run": run,
        "models": models,
    }


ABOUT = {
    "data": "Look at dataset folders.",
    "prepare": "Turn raw files into a dataset folder.",
    "simulate": "Write raw files of invented patients, with the truth beside them.",
    "verify": "Counts beside published ones, content hashes and a leakage audit of prepared files.",
    "curve": "A learning curve over the number of labels, with unlabelled rows and without: sklar curve CONFIG.yaml.",
    "benchmark": "Compare models on one footing, searched alike: sklar benchmark CONFIG.yaml.",
    "train": "Train a model: sklar train CONFIG.yaml, or options; a killed run goes on where it was.",
}


def build(commands: dict[str, Any]) -> Any:
    """The parser of the whole command line.

    Raises:
        ImportError: no jsonargparse.
    """
    from jsonargparse import ArgumentParser

    about = "Multimodal learning when modalities are missing."
    parser = ArgumentParser(prog="sklar", description=about, exit_on_error=False)
    _fill(parser, commands)
    return parser


def _fill(parser: Any, commands: dict[str, Any]) -> None:
    """A subcommand a key."""
    from jsonargparse import ArgumentParser

    choices = parser.add_subcommands(required=True)
    for name, command in commands.items():
        first_line = ABOUT.get(name) or (command.__doc__ or "").partition("\n")[0]
        inner = ArgumentParser(description=first_line, exit_on_error=False)
        choices.add_subcommand(name, inner, help=first_line)
        if isinstance(command, dict):
            _fill(inner, command)
        elif isinstance(command, type):
            inner.add_argument("--config", action="config", help="YAML file of the settings below")
            inner.add_class_arguments(command, as_positional=False)
        else:
            inner.add_function_arguments(command, as_positional=True)


def _run(commands: dict[str, Any], settings: Any) -> int | None:
    """Call what was chosen; returns its exit status."""
    chosen = settings.subcommand
    command, given = commands[chosen], settings[chosen]
    if isinstance(command, dict):
        return _run(command, given)
    arguments = {key: value for key, value in dict(given).items() if key != "config"}
    if chosen == "train":
        from sklar.training.run import train_run

        run = train_run(command(**arguments))
        print(f"Model: {run.folder}\nNext: sklar evaluate {run.folder}")
        return None
    if chosen == "curve":
        from sklar.benchmark.curve import run_curve

        run_curve(command(**arguments))
        return None
    if chosen == "benchmark":
        from sklar.benchmark.compare import run_benchmark

        run_benchmark(command(**arguments))
        return None
    result = command(**arguments)
    if isinstance(result, Path):
        print(result)
    return result if isinstance(result, int) else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``sklar``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    places = [not word.startswith("-") for word in given[1:3]]
    if given[:1] in (["train"], ["curve"], ["benchmark"]) and places[:1] == [True]:
        given.insert(1, "--config")  # sklar train CONFIG
    if given[:2] == ["prepare", "digits"] and [word.startswith("-") for word in given[2:4]] == [False, False]:
        del given[2]  # sklar prepare digits RAW OUT: the digits come with scikit-learn
    if given[:2] == ["prepare", "mimic3"] and "--tasks" in given:  # sklar prepare mimic3 ... --tasks ihm phenotyping
        first = given.index("--tasks") + 1
        count = next((k for k, word in enumerate(given[first:]) if word.startswith("-")), len(given) - first)
        given[first : first + count] = [",".join(given[first : first + count])]
    if given[:1] == ["report"] and places[:1] == [True]:  # sklar report FOLDER...
        count = next((k for k, word in enumerate(given[1:]) if word.startswith("-")), len(given) - 1)
        given[1 : 1 + count] = [json.dumps(given[1 : 1 + count])]
    if given[:1] == ["models"] and places[:1] == [True]:
        given.insert(1, "--name")  # sklar models NAME
    if given[:1] == ["run"] and [not word.startswith("-") for word in given[1:4]] == [True] * 3:
        given.insert(3, "--out")  # sklar run DATASET RAW OUT
    if given[:1] == ["evaluate"] and places == [True, True]:
        given.insert(2, "--data")  # sklar evaluate RUN DATA
    try:
        import jsonargparse  # noqa: F401
    except ImportError:
        sys.exit("the command line needs more than torch: pip install 'sklar[train]'")
    from torch.multiprocessing.spawn import ProcessException

    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_warn, set())
            commands = _commands()
            parser = build(commands)
            status = _run(commands, parser.instantiate(parser.parse_args(given)))
        sys.exit(status)
    except ArgumentError as error:
        inner = [name for group in commands.values() if isinstance(group, dict) for name in group]
        words = [word for word in given[:2] if word in (*commands, *inner)]
        sys.exit(f"sklar: {' '.join(str(error).split())} (see {' '.join(['sklar', *words])} --help)")
    except (ValueError, KeyError, TypeError, OSError, ImportError, RuntimeError) as error:
        sys.exit(f"sklar: {error.args[0] if isinstance(error, KeyError) else error}")
    except ProcessException as error:  # one of several, whose traceback is the message
        sys.exit(f"sklar: {str(error).strip().splitlines()[-1]}")
    except KeyboardInterrupt:
        sys.exit("sklar: interrupted; a run of sklar train goes on where it was when it is started again")


def _warn(said: set[str], message: Warning | str, *_: Any) -> None:
    """A warning in one line, once."""
    if str(message) not in said:
        said.add(str(message))
        print(f"sklar: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
