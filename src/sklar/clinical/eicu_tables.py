"""Which columns of the eICU tables are read, the hourly variables with their units, and the published counts.

What is not listed here is never read: discharge weights and locations, ``activeupondischarge``, stop times of drugs and
the APACHE tables' actual outcomes are known only after the prediction.
"""

from __future__ import annotations

_STAY = {"patientunitstayid": "BIGINT"}

COLUMNS: dict[str, dict[str, str]] = {
    "patient": _STAY | {
        "uniquepid": "VARCHAR", "hospitalid": "BIGINT", "age": "VARCHAR", "gender": "VARCHAR", "ethnicity": "VARCHAR",
        "admissionheight": "DOUBLE", "admissionweight": "DOUBLE", "unittype": "VARCHAR", "unitadmitsource": "VARCHAR",
        "hospitaldischargestatus": "VARCHAR",  # the label
        "unitdischargeoffset": "BIGINT",  # who is still there at 24 h
    },
    "hospital": {
        "hospitalid": "BIGINT", "numbedscategory": "VARCHAR", "teachingstatus": "VARCHAR", "region": "VARCHAR",
    },
    "admissiondx": _STAY | {"admissiondxid": "BIGINT", "admitdxenteredoffset": "BIGINT", "admitdxpath": "VARCHAR"},
    "diagnosis": _STAY | {"diagnosisid": "BIGINT", "diagnosisoffset": "BIGINT", "diagnosisstring": "VARCHAR"},
    "pasthistory": _STAY | {
        "pasthistoryid": "BIGINT", "pasthistoryoffset": "BIGINT", "pasthistoryenteredoffset": "BIGINT",
        "pasthistorypath": "VARCHAR", "pasthistoryvalue": "VARCHAR", "pasthistoryvaluetext": "VARCHAR",
    },
    "note": _STAY | {
        "noteid": "BIGINT", "noteoffset": "BIGINT", "noteenteredoffset": "BIGINT", "notepath": "VARCHAR",
        "notevalue": "VARCHAR", "notetext": "VARCHAR",
    },
    "respiratorycharting": _STAY | {
        "respchartid": "BIGINT", "respchartoffset": "BIGINT", "respchartentryoffset": "BIGINT",
        "respchartvaluelabel": "VARCHAR", "respchartvalue": "VARCHAR",
    },
    "infusiondrug": _STAY | {
        "infusiondrugid": "BIGINT", "infusionoffset": "BIGINT", "drugname": "VARCHAR", "drugrate": "VARCHAR",
    },
    "medication": _STAY | {
        "medicationid": "BIGINT", "drugorderoffset": "BIGINT", "drugstartoffset": "BIGINT",
        "drugordercancelled": "BOOLEAN", "drugname": "VARCHAR", "drughiclseqno": "BIGINT",
    },
    "treatment": _STAY | {"treatmentid": "BIGINT", "treatmentoffset": "BIGINT", "treatmentstring": "VARCHAR"},
    "apachepatientresult": _STAY | {"apacheversion": "VARCHAR", "predictedhospitalmortality": "DOUBLE"},
}  # fmt: skip

# YAIB's hourly variables (van de Water et al., ICLR 2024); units of the ricu concept dictionary (Bennett et al. 2023).
HOURLY: dict[str, str | None] = {
    "alb": "g/dL", "alp": "U/L", "alt": "U/L", "ast": "U/L", "be": "mmol/L", "bicar": "mEq/L", "bili": "mg/dL",
    "bili_dir": "mg/dL", "bnd": "%", "bun": "mg/dL", "ca": "mg/dL", "cai": "mmol/L", "ck": "U/L", "ckmb": "ng/mL",
    "cl": "mEq/L", "crea": "mg/dL", "crp": "mg/L", "dbp": "mmHg", "fgn": "mg/dL", "fio2": "%", "glu": "mg/dL",
    "hgb": "g/dL", "hr": "1/min", "inr_pt": None, "k": "mEq/L", "lact": "mmol/L", "lymph": "%", "map": "mmHg",
    "mch": "pg", "mchc": "%", "mcv": "fL", "methb": "%", "mg": "mg/dL", "na": "mEq/L", "neut": "%", "o2sat": "%",
    "pco2": "mmHg", "ph": None, "phos": "mg/dL", "plt": "K/uL", "po2": "mmHg", "ptt": "s", "resp": "1/min",
    "sbp": "mmHg", "temp": "C", "tnt": "ng/mL", "urine": "mL", "wbc": "K/uL",
}  # fmt: skip

# Static columns: unit and, for numbers, the plausible range of an adult (the demo holds 0.3 cm and 600 cm).
NUMBERS = {"age": ("years", 15, 120), "height": ("cm", 100, 250), "weight": ("kg", 20, 350)}
CATEGORIES = ("gender", "ethnicity", "unit_type", "admission_source", "region", "teaching", "beds")

DEMO_STAYS = 2520  # rows of the patient table; with so many the counts are judged
PUBLISHED = {
    "stays": 1571, "patients": 1299, "hospitals": 185, "deaths": 138, "% without series": 0.0, "% without static": 0.0,
    "% without text": 3.1, "% without respiratory": 48.0, "% without drugs": 17.9, "% without treatment": 18.1,
    "patterns": 12, "% complete": 39.6,
}  # fmt: skip
