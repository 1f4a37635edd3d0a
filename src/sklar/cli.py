"""The command line."""

from __future__ import annotations

import sys
from pathlib import Path


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


def main() -> None:
    """Entry point of ``sklar``."""
    try:
        from jsonargparse import auto_cli
    except ImportError:
        sys.exit("the command line needs more than torch: pip install 'sklar[train]'")
    try:
        auto_cli({"demo": demo}, as_positional=False, description="Multimodal learning when modalities are missing.")
    except (ValueError, KeyError, OSError) as error:
        sys.exit(f"sklar: {error}")


if __name__ == "__main__":
    main()
