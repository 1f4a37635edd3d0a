"""The tables that are the same in every simulation: items, laboratory items, diagnoses, caregivers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from sklar.clinical.mimic3_simulation.chart_table import CAREGIVERS
from sklar.clinical.mimic3_simulation.codes import CODES
from sklar.clinical.mimic3_simulation.items import OTHERS, VALUES
from sklar.clinical.mimic3_simulation.labs import LABS
from sklar.clinical.mimic3_simulation.rows import table

ROLES = (("RN", "RN"), ("RO", "Read Only"), ("Res", "Resident/Fellow/PA/NP"), ("MD", "Attending"))


def dictionaries() -> Mapping[str, pa.Table]:
    """D_ITEMS, D_LABITEMS, D_ICD_DIAGNOSES and CAREGIVERS, with what the events name and nothing else."""
    items = sorted((*VALUES, *OTHERS))
    codes = sorted(CODES)
    roles = [ROLES[place % len(ROLES)] for place in range(len(CAREGIVERS))]
    return {
        "CAREGIVERS": table(
            "CAREGIVERS",
            {"CGID": CAREGIVERS, "LABEL": [role for role, _ in roles], "DESCRIPTION": [text for _, text in roles]},
            len(roles),
        ),
        "D_ITEMS": table(
            "D_ITEMS",
            {
                "ITEMID": np.array([item.number for item in items]),
                "LABEL": [item.label for item in items],
                "ABBREVIATION": [item.abbreviation for item in items],
                "DBSOURCE": ["metavision" if item.metavision else "carevue" for item in items],
                "LINKSTO": [item.table for item in items],
                "CATEGORY": [item.category for item in items],
                "UNITNAME": [item.unit if item.metavision else None for item in items],
                "PARAM_TYPE": [item.kind for item in items],
            },
            len(items),
        ),
        "D_LABITEMS": table(
            "D_LABITEMS",
            {
                "ITEMID": np.array([lab.item for lab in LABS]),
                "LABEL": [lab.label for lab in LABS],
                "FLUID": [lab.fluid for lab in LABS],
                "CATEGORY": [lab.category for lab in LABS],
                "LOINC_CODE": [lab.code for lab in LABS],
            },
            len(LABS),
        ),
        "D_ICD_DIAGNOSES": table(
            "D_ICD_DIAGNOSES",
            {
                "ICD9_CODE": [code.code for code in codes],
                "SHORT_TITLE": [code.short for code in codes],
                "LONG_TITLE": [code.long for code in codes],
            },
            len(codes),
        ),
    }
