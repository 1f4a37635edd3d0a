"""Units of the 17 variables, and the range outside which clean drops a value.

Ranges: the outlier limits of MIMIC-Extract (Wang et al., CHIL 2020, arXiv 1907.08322, ``variable_ranges.csv``) with the
departures that `sklar.clinical.physionet2012_parameters` states: 0 is a detached sensor, and sizes are an adult's.
"""

from __future__ import annotations

UNITS: dict[str, str | None] = {
    "Capillary refill rate": None,  # 0 up to 3 s, 1 above
    "Diastolic blood pressure": "mmHg",
    "Fraction inspired oxygen": "fraction",
    "Glascow coma scale eye opening": None,
    "Glascow coma scale motor response": None,
    "Glascow coma scale total": None,
    "Glascow coma scale verbal response": None,
    "Glucose": "mg/dL",
    "Heart Rate": "1/min",
    "Height": "cm",
    "Mean blood pressure": "mmHg",
    "Oxygen saturation": "%",
    "Respiratory rate": "1/min",
    "Systolic blood pressure": "mmHg",
    "Temperature": "C",
    "Weight": "kg",
    "pH": None,
}

RANGES: dict[str, tuple[float, float]] = {
    "Diastolic blood pressure": (1, 375),
    "Fraction inspired oxygen": (0.21, 1),
    "Glascow coma scale total": (3, 15),
    "Glucose": (1, 2200),
    "Heart Rate": (1, 390),
    "Height": (100, 250),
    "Mean blood pressure": (1, 375),
    "Oxygen saturation": (1, 100),
    "Respiratory rate": (0, 100),
    "Systolic blood pressure": (1, 375),
    "Temperature": (14.2, 47),
    "Weight": (20, 350),
    "pH": (6.3, 8.4),
}
