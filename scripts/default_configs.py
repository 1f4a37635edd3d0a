"""Write configs/DATASET/MODEL.yaml, one default a model and data set: python scripts/default_configs.py [CHOSEN]

Data sets, missing values and schedules stand below. A model's own settings are its defaults, or what a comparison chose
on its validation rows, where CHOSEN is the folder of `sklar benchmark` for that data set's name (CHOSEN/digits/chosen,
CHOSEN/mfeat/chosen). Run it again when a model is added.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from sklar.benchmark.study import CHOSEN, STUDIES
from sklar.models import MODELS
from sklar.training import Schedule


def set_fields(schedule: Schedule) -> dict[str, Any]:
    """Fields of a schedule that are not the default ones."""
    usual = asdict(Schedule())
    return {name: value for name, value in asdict(schedule).items() if value != usual[name]}


CONFIGS = Path(__file__).parents[1] / "configs"
HALF = {"mechanism": "mcar", "rate": 0.5}
SETS: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("sklar prepare digits data/digits", {"missing": HALF, "schedule": {"steps": 300}}),
    "mfeat": (
        "sklar prepare mfeat RAW data/mfeat",
        {"missing": {"mechanism": "mcar", "rate": 0.7}, "schedule": {"steps": 300}},
    ),
    **{
        name: (f"sklar prepare {name} RAW data/{name}", {"schedule": set_fields(study.schedule)})
        for name, study in STUDIES.items()
    },
}
CLINICAL = {
    **{name: dict(CHOSEN) for name in ("variational_copula", "independence")},
    **{name: {"weight": 0.006} for name in ("mvae", "mmvae", "mopoe")},
}


def main(chosen: Path | None) -> None:
    """Write every file anew."""
    for dataset, (prepare, shared) in SETS.items():
        folder = CONFIGS / dataset
        folder.mkdir(exist_ok=True)
        for model in MODELS:
            run = {"data": f"data/{dataset}", "out": f"runs/{dataset}/{model}", "model": model}
            own = chosen_settings(chosen / dataset / "chosen" / f"{model}.yaml") if chosen else {}
            if not own and dataset in STUDIES:
                own = {"settings": CLINICAL[model]} if model in CLINICAL else {}
            rest = {key: value for key, value in shared.items() if key != "missing" or model != "frozen"}
            if "schedule" in own:
                rest["schedule"] = {**rest.get("schedule", {}), **own.pop("schedule")}
            text = yaml.safe_dump(run | own | rest, sort_keys=False, default_flow_style=None)
            name = f"configs/{dataset}/{model}.yaml"
            (folder / f"{model}.yaml").write_text(f"#   {prepare}\n#   sklar train {name}\n{text}")


def chosen_settings(file: Path) -> dict[str, Any]:
    """Settings of the model and the learning rate of a comparison's choice; nothing where there is none."""
    if not file.is_file():
        return {}
    run = yaml.safe_load(file.read_text())
    found: dict[str, Any] = {"settings": run["settings"]} if run["settings"] else {}
    return found | {"schedule": {"learning_rate": run["schedule"]["learning_rate"]}}


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
