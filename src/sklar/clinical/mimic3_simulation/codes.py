"""Diagnoses: the ICD-9-CM codes of the story, their titles, and DIAGNOSES_ICD of a block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sklar.clinical.mimic3_simulation.plan import stream
from sklar.clinical.mimic3_simulation.roster import Roster
from sklar.clinical.mimic3_simulation.rows import table
from sklar.clinical.mimic3_simulation.story import DIRT, GROUPS, sigma


class Code(NamedTuple):
    """A code with its titles; as a further diagnosis: ``P = sigma(level + severity s + [g is its group] in_group)``."""

    code: str
    short: str
    long: str
    level: float = -9.0
    severity: float = 0.0
    in_group: float = 0.0
    group: str | None = None


# Principal diagnoses of each group, equally likely; titles by the US National Center for Health Statistics.
PRINCIPAL = {
    "sepsis": (
        Code("0389", "Septicemia NOS", "Unspecified septicemia"),
        Code("03842", "E coli septicemia", "Septicemia due to escherichia coli [E. coli]"),
        Code("0380", "Streptococcal septicemia", "Streptococcal septicemia"),
    ),
    "respiratory": (
        Code("486", "Pneumonia, organism NOS", "Pneumonia, organism unspecified"),
        Code("5070", "Food/vomit pneumonitis", "Pneumonitis due to inhalation of food or vomitus"),
        Code("49121", "Obs chr bronc w(ac) exac", "Obstructive chronic bronchitis with (acute) exacerbation"),
    ),
    "cardiac": (
        Code("41071", "Subendo infarct, initial", "Subendocardial infarction, initial episode of care"),
        Code("42823", "Ac on chr syst hrt fail", "Acute on chronic systolic heart failure"),
        Code("41401", "Crnry athrscl natve vssl", "Coronary atherosclerosis of native coronary artery"),
        Code("4241", "Aortic valve disorder", "Aortic valve disorders"),
    ),
    "renal": (
        Code("5845", "Ac kidny fail, tubr necr", "Acute kidney failure with lesion of tubular necrosis"),
        Code("40391", "Hyp kid NOS w cr kid V", "Hypertensive chronic kidney disease, unspecified, with chronic kidney "
             "disease stage V or end stage renal disease"),
    ),
    "neurological": (
        Code("431", "Intracerebral hemorrhage", "Intracerebral hemorrhage"),
        Code("430", "Subarachnoid hemorrhage", "Subarachnoid hemorrhage"),
        Code("43491", "Crbl art ocl NOS w infrc", "Cerebral artery occlusion, unspecified with cerebral infarction"),
    ),
    "gastrointestinal": (
        Code("5789", "Gastrointest hemorr NOS", "Hemorrhage of gastrointestinal tract, unspecified"),
        Code("5712", "Alcohol cirrhosis liver", "Alcoholic cirrhosis of liver"),
        Code("5770", "Acute pancreatitis", "Acute pancreatitis"),
    ),
}  # fmt: skip
FURTHER = (
    Code("99592", "Severe sepsis", "Severe sepsis", -2.5, 0.9, 2.5, "sepsis"),
    Code("78552", "Septic shock", "Septic shock", -3.5, 1.2, 2.5, "sepsis"),
    Code("51881", "Acute respiratry failure", "Acute respiratory failure", -1.2, 0.9, 1.5, "respiratory"),
    Code("5119", "Pleural effusion NOS", "Unspecified pleural effusion", -2.8, 0.3, 1.0, "respiratory"),
    Code("4280", "CHF NOS", "Congestive heart failure, unspecified", -1.5, 0.2, 1.2, "cardiac"),
    Code("42731", "Atrial fibrillation", "Atrial fibrillation", -1.2, 0.1, 0.6, "cardiac"),
    Code("78551", "Cardiogenic shock", "Cardiogenic shock", -5.0, 1.2, 2.0, "cardiac"),
    Code("5849", "Acute kidney failure NOS", "Acute kidney failure, unspecified", -1.4, 0.9, 1.0, "renal"),
    Code("2767", "Hyperpotassemia", "Hyperpotassemia", -2.8, 0.4, 1.5, "renal"),
    Code("2762", "Acidosis", "Acidosis", -2.2, 0.8, 0.5, "renal"),
    Code("34830", "Encephalopathy NOS", "Encephalopathy, unspecified", -3.0, 0.5, 1.5, "neurological"),
    Code("78039", "Convulsions NEC", "Other convulsions", -3.5, 0.1, 1.8, "neurological"),
    Code("2851", "Ac posthemorrhag anemia", "Acute posthemorrhagic anemia", -2.2, 0.3, 1.8, "gastrointestinal"),
    Code("5722", "Hepatic encephalopathy", "Hepatic encephalopathy", -4.5, 0.5, 2.5, "gastrointestinal"),
    Code("2875", "Thrombocytopenia NOS", "Thrombocytopenia, unspecified", -2.6, 0.5),
    Code("99811", "Hemorrhage complic proc", "Hemorrhage complicating a procedure", -3.2, 0.2),
    Code("4275", "Cardiac arrest", "Cardiac arrest", -4.2, 1.0),
    Code("4019", "Hypertension NOS", "Unspecified essential hypertension", -0.3),
    Code("2724", "Hyperlipidemia NEC/NOS", "Other and unspecified hyperlipidemia", -1.0),
    Code("25000", "DMII wo cmp nt st uncntr", "Diabetes mellitus without mention of complication, type II or "
         "unspecified type, not stated as uncontrolled", -1.3),
    Code("25060", "DMII neuro nt st uncntrl", "Diabetes with neurological manifestations, type II or unspecified type, "
         "not stated as uncontrolled", -3.2),
    Code("496", "Chr airway obstruct NEC", "Chronic airway obstruction, not elsewhere classified", -2.0),
    Code("5856", "End stage renal disease", "End stage renal disease", -3.4, 0.0, 2.0, "renal"),
    Code("53081", "Esophageal reflux", "Esophageal reflux", -1.8),
    Code("2449", "Hypothyroidism NOS", "Unspecified acquired hypothyroidism", -2.3),
    Code("V5861", "Long-term use anticoagul", "Long-term (current) use of anticoagulants", -2.4),
    Code("311", "Depressive disorder NEC", "Depressive disorder, not elsewhere classified", -2.6),
)  # fmt: skip
NEWBORN = Code("V3000", "Single lb in-hosp w/o cs", "Single liveborn, born in hospital, delivered without mention of "
               "cesarean section")  # fmt: skip
UNTITLED = "5185"  # stands in MIMIC-III's DIAGNOSES_ICD but not in its D_ICD_DIAGNOSES, as some codes do
CODES = (*(code for codes in PRINCIPAL.values() for code in codes), *FURTHER, NEWBORN)


def diagnoses(roster: Roster) -> pa.Table:
    """DIAGNOSES_ICD: the principal diagnosis of each admission, then the further ones."""
    random = stream(roster.seed, "codes", roster.block)
    size, last = len(roster.hadm_id), roster.last_stay
    group, severity = roster.group[last], roster.severity[last]
    counts = np.array([len(PRINCIPAL[name]) for name in GROUPS])
    principal = (np.cumsum(counts) - counts)[group] + np.floor(random.random(size) * counts[group]).astype(int)
    principal[roster.newborn[roster.subject]] = len(CODES) - 1
    level, slope, within = (np.array([getattr(code, part) for code in FURTHER])
                            for part in ("level", "severity", "in_group"))  # fmt: skip
    own = group[:, None] == np.array([GROUPS.index(code.group) if code.group else -1 for code in FURTHER])
    chance = sigma(level + slope * severity[:, None] + within * own)
    further = random.random(chance.shape) < chance
    untitled = random.random(size) < DIRT["admissions with a code that has no title"]
    coded = random.random(size) >= DIRT["admissions without any diagnosis"]
    given = np.column_stack([np.ones(size, bool), further, untitled]) & coded[:, None]
    admission, column = np.nonzero(given)
    start = counts.sum()
    names = np.array([code.code for code in CODES] + [UNTITLED])
    place = np.where(column == 0, principal[admission], start + column - 1)
    place[column == len(FURTHER) + 1] = len(CODES)
    cells = {
        "SUBJECT_ID": roster.subject_id[roster.subject[admission]],
        "HADM_ID": roster.hadm_id[admission],
        "SEQ_NUM": np.cumsum(given, axis=1)[admission, column],
        "ICD9_CODE": names[place],
    }
    return table("DIAGNOSES_ICD", cells, len(admission))
