"""Sentences of simulated notes by what they tell; all invented."""

from __future__ import annotations

NEUTRAL = (
    "Pt received in bed, side rails up, call light within reach",
    "Family at bedside and updated by team",
    "Turned and repositioned every two hours, skin intact",
    "Peripheral IV x2 patent, dressings clean and dry",
    "Mouth care given, backrub given for comfort",
    "Foley catheter draining, see flowsheet for output",
    "Plan of care reviewed with [**First Name8 (NamePattern2) **] [**Last Name (NamePattern1) **]",
    'Pt states "I slept a little", lights dimmed overnight',
    "Labs drawn and sent, results pending",
    "Medications given as ordered, no adverse reaction",
    "Daughter phoned, will visit on [**2-14**]",
    "Diet advanced as tolerated, abdomen soft",
)
DIAGNOSIS = {
    "sepsis": (
        "Septic picture, source unclear, cultures pending",
        "On vancomycin and zosyn for presumed bacteremia",
        "Febrile overnight, pan cultured",
        "Antibiotic coverage broadened for urosepsis",
    ),
    "respiratory": (
        "Coarse breath sounds with copious secretions",
        "CXR with right lower lobe infiltrate, pneumonia likely",
        "Nebulizer treatments given for wheezing",
        "COPD flare, on steroids and azithromycin",
    ),
    "cardiac": (
        "Chest pain free, troponin trending down",
        "Heart failure with crackles at bases, lasix given",
        "Cardiac catheterization planned for the morning",
        "Echo shows reduced ejection fraction",
    ),
    "renal": (
        "Renal following for possible dialysis",
        "Oliguria, creatinine above baseline",
        "Hemodialysis catheter in place, session today",
        "Kayexalate given for high potassium",
    ),
    "neurological": (
        "Head CT with hemorrhage, neurosurgery following",
        "Left sided weakness and facial droop",
        "Neuro checks hourly, keppra for seizure prophylaxis",
        "Stroke team following, MRI of brain ordered",
    ),
    "gastrointestinal": (
        "Melena x2, GI consulted for endoscopy",
        "Ascites and jaundice, history of cirrhosis",
        "Protonix drip for GI bleed, serial hematocrits",
        "Lipase elevated, pancreatitis managed with fluids",
    ),
}
GRAVE = (
    "Increasing pressor requirement, levophed titrated up",
    "Remains critically ill, prognosis guarded",
    "Hypotensive despite fluid boluses",
    "Mottled extremities, poor perfusion",
    "Escalating oxygen requirement, work of breathing labored",
    "Family meeting held, goals of care discussed",
    "Unresponsive to voice, minimal response to pain",
    "Lactate rising, team aware",
)
REASSURING = (
    "Hemodynamically stable off pressors",
    "Alert and oriented, following commands",
    "Weaned to room air, comfortable",
    "Tolerating diet, out of bed to chair",
    "Afebrile, resting comfortably",
    "Good urine output, feeling better",
    "Ambulated with assistance, steady",
    "Plan to transfer to floor when bed available",
)
EXPIRED = "Patient expired in the hospital with family present"
DISCHARGED = "Patient discharged in stable condition with follow up"
SENTENCES = (*NEUTRAL, *(phrase for phrases in DIAGNOSIS.values() for phrase in phrases), *GRAVE, *REASSURING)
