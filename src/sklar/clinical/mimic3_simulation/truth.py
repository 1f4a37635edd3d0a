"""The truth of a block: latents of the stays and complete hourly values, as Parquet."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sklar.clinical.mimic3_simulation.hours import UNITS, Hours
from sklar.clinical.mimic3_simulation.roster import Roster
from sklar.clinical.mimic3_simulation.rows import words
from sklar.clinical.mimic3_simulation.story import GROUPS


def stay_truth(roster: Roster) -> pa.Table:
    """One row a stay: SUBJECT_ID, HADM_ID, ICUSTAY_ID, the latents, the risk of death and whether it came.

    ``risk`` is empty where the stay decides no death: before the last one of the patient.
    """
    return pa.table(
        {
            "SUBJECT_ID": roster.subject_id[roster.stay_subject],
            "HADM_ID": roster.hadm_id[roster.admission],
            "ICUSTAY_ID": roster.icustay_id,
            "group": words(GROUPS, roster.group),
            "severity": roster.severity,
            "course": roster.course,
            "ventilated": roster.ventilated,
            "style": roster.style,
            "age_years": roster.age,
            "risk": pa.array(roster.risk, from_pandas=True),
            "died": (roster.died[roster.admission] & roster.last),
        }
    )


def hour_truth(roster: Roster, hours: Hours) -> pa.Table:
    """One row an hour of a stay: ICUSTAY_ID, hour (whole, since INTIME), state, and every variable (unit as metadata).

    The values of hour t are those that hold from INTIME + t hours up to INTIME + t + 1 hours.
    """
    columns = {
        "ICUSTAY_ID": pa.array(roster.icustay_id[hours.stay]),
        "hour": pa.array(hours.hour.astype(np.int32)),
        "state": pa.array(hours.state),
    }
    columns |= {name: pa.array(values.astype(np.float32)) for name, values in hours.values.items()}
    fields = [
        pa.field(name, column.type, metadata={"unit": UNITS[name]} if name in UNITS else None)
        for name, column in columns.items()
    ]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))
