"""The 42 parameters of the PhysioNet/CinC Challenge 2012: modality, unit, and plausible range of each.

Ranges: the outlier limits of MIMIC-Extract (Wang et al., CHIL 2020, arXiv 1907.08322, ``variable_ranges.csv``; the
challenge's records come from the same hospital), outside which that pipeline, too, drops a value. Where this table
departs from it:

- 0 is a detached or flushed sensor, not a measurement: pressures, heart rate and blood gases begin at 1;
- pH above 8.4 and FiO2 or saturation above 1 or 100 are other units or slips (MIMIC-Extract's valid limits);
- values that do occur in shock or after a bladder's first emptying stay: ALT to 22,000, Troponin T to 100, urine to
  5,000 mL;
- a respiratory rate above 100, heights outside 100-250 cm and weights outside 20-350 kg are not an adult's;
- codes keep their code lists: Gender 0 and 1, ICUType 1 to 4, GCS 3 to 15, MechVent 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        unit: of its values, None without one.
        low: smallest plausible value.
        high: largest plausible value.
    """

    unit: str | None
    low: float
    high: float


DESCRIPTORS = {  # at 00:00, one value each, -1 = unknown
    "Age": Parameter("years", 15, 120),
    "Gender": Parameter(None, 0, 1),
    "Height": Parameter("cm", 100, 250),
    "ICUType": Parameter(None, 1, 4),
    "Weight": Parameter("kg", 20, 350),
}
GENDERS = ("female", "male")
ICU_TYPES = ("coronary care", "cardiac surgery recovery", "medical", "surgical")

MEASUREMENTS = {
    "bedside": {
        "HR": Parameter("1/min", 1, 390),
        "NISysABP": Parameter("mmHg", 1, 375),
        "NIDiasABP": Parameter("mmHg", 1, 375),
        "NIMAP": Parameter("mmHg", 1, 375),
        "RespRate": Parameter("1/min", 0, 100),
        "Temp": Parameter("C", 14.2, 47),
        "GCS": Parameter(None, 3, 15),
        "Urine": Parameter("mL", 0, 5000),
    },
    "arterial": {
        "SysABP": Parameter("mmHg", 1, 375),
        "DiasABP": Parameter("mmHg", 1, 375),
        "MAP": Parameter("mmHg", 1, 375),
    },
    "chemistry": {
        "BUN": Parameter("mg/dL", 0, 275),
        "Creatinine": Parameter("mg/dL", 0, 66),
        "Glucose": Parameter("mg/dL", 0, 2200),
        "HCO3": Parameter("mmol/L", 0, 66),
        "HCT": Parameter("%", 0, 100),
        "K": Parameter("mEq/L", 0, 15),
        "Mg": Parameter("mmol/L", 0, 22),
        "Na": Parameter("mEq/L", 0, 250),
        "Platelets": Parameter("1/nL", 0, 2200),
        "WBC": Parameter("1/nL", 0, 1100),
    },
    "gas": {
        "pH": Parameter(None, 6.3, 8.4),
        "PaCO2": Parameter("mmHg", 1, 220),
        "PaO2": Parameter("mmHg", 1, 770),
        "SaO2": Parameter("%", 1, 100),
        "FiO2": Parameter("fraction", 0.2, 1),
        "MechVent": Parameter(None, 0, 1),
        "Lactate": Parameter("mmol/L", 0, 33),
    },
    "other_labs": {
        "Albumin": Parameter("g/dL", 0, 60),
        "ALP": Parameter("IU/L", 0, 4000),
        "ALT": Parameter("IU/L", 0, 22000),
        "AST": Parameter("IU/L", 0, 22000),
        "Bilirubin": Parameter("mg/dL", 0, 66),
        "Cholesterol": Parameter("mg/dL", 0, 660),
        "TroponinI": Parameter("ug/L", 0, 575),
        "TroponinT": Parameter("ug/L", 0, 100),
    },
}

# What the two sets held when they were counted by others; percentages of records. A row that has the record, minute and
# parameter of another is a repeat.
PUBLISHED = {
    "a": {
        "records": 4000, "rows": 1_757_980, "deaths": 554, "repeats": 3744, "without any measurement": 3,
        "% without bedside": 1.6, "% without arterial": 29.9, "% without chemistry": 1.5, "% without gas": 16.5,
        "% without other_labs": 38.2, "patterns": 17, "% complete": 39.4,
    },
    "b": {
        "records": 4000, "rows": 1_762_535, "deaths": 568, "repeats": 3961, "without any measurement": 7,
        "% without bedside": 1.6, "% without arterial": 29.6, "% without chemistry": 1.4, "% without gas": 16.5,
        "% without other_labs": 36.9, "patterns": 18, "% complete": 40.0,
    },
}  # fmt: skip
