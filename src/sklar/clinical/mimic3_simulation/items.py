"""The chart items that are written: numbers, labels and units as MIMIC-III's D_ITEMS and CHARTEVENTS have them.

Facts of the MIMIC-III Clinical Database Demo v1.4 (Johnson, Pollard, Mark; PhysioNet 2019; doi:10.13026/C2HM2Q; Open
Database License 1.0). `VALUES` are the items of the 17 variables (an item that a benchmark reads), `OTHERS` some of the
most frequent rest, each with words or numbers that are charted for it.
"""

from __future__ import annotations

from typing import NamedTuple


class Item(NamedTuple):
    """A row of D_ITEMS, and the unit that events have."""

    number: int
    label: str
    abbreviation: str | None
    category: str | None
    unit: str | None
    kind: str | None = None
    table: str = "chartevents"

    @property
    def metavision(self) -> bool:
        """The newer of the two charting systems; its items have numbers from 220,000."""
        return self.number >= 220_000


VITAL, NEURO, GENERAL, BREATH = "Routine Vital Signs", "Neurological", "General", "Respiratory"
VALUES = (
    Item(211, "Heart Rate", None, None, "BPM"),
    Item(618, "Respiratory Rate", None, None, "BPM"),
    Item(646, "SpO2", None, None, "%"),
    Item(51, "Arterial BP [Systolic]", None, None, "mmHg"),
    Item(8368, "Arterial BP [Diastolic]", None, None, "mmHg"),
    Item(52, "Arterial BP Mean", None, None, "mmHg"),
    Item(455, "NBP [Systolic]", None, None, "mmHg"),
    Item(8441, "NBP [Diastolic]", None, None, "mmHg"),
    Item(456, "NBP Mean", None, None, "mmHg"),
    Item(676, "Temperature C", None, None, "Deg. C"),
    Item(677, "Temperature C (calc)", None, None, "Deg. C"),
    Item(678, "Temperature F", None, None, "Deg. F"),
    Item(679, "Temperature F (calc)", None, None, "Deg. F"),
    Item(184, "Eye Opening", None, None, None),
    Item(723, "Verbal Response", None, None, None),
    Item(454, "Motor Response", None, None, None),
    Item(198, "GCS Total", None, None, "points"),
    Item(189, "FiO2 (Analyzed)", None, None, "torr"),
    Item(3420, "FIO2", None, None, None),
    Item(807, "Fingerstick Glucose", None, "Chemistry", None),
    Item(780, "Arterial pH", None, "ABG", None),
    Item(115, "Capillary Refill [Right]", None, None, None),
    Item(1394, "Height Inches", None, None, None),
    Item(763, "Daily Weight", None, None, "kg"),
    Item(3581, "Present Weight  (lb)", None, None, "lb"),
    Item(220045, "Heart Rate", "HR", VITAL, "bpm", "Numeric"),
    Item(220210, "Respiratory Rate", "RR", BREATH, "insp/min", "Numeric"),
    Item(220277, "O2 saturation pulseoxymetry", "SpO2", BREATH, "%", "Numeric"),
    Item(220050, "Arterial Blood Pressure systolic", "ABPs", VITAL, "mmHg", "Numeric"),
    Item(220051, "Arterial Blood Pressure diastolic", "ABPd", VITAL, "mmHg", "Numeric"),
    Item(220052, "Arterial Blood Pressure mean", "ABPm", VITAL, "mmHg", "Numeric"),
    Item(220179, "Non Invasive Blood Pressure systolic", "NBPs", VITAL, "mmHg", "Numeric"),
    Item(220180, "Non Invasive Blood Pressure diastolic", "NBPd", VITAL, "mmHg", "Numeric"),
    Item(220181, "Non Invasive Blood Pressure mean", "NBPm", VITAL, "mmHg", "Numeric"),
    Item(223761, "Temperature Fahrenheit", "Temperature F", VITAL, "?F", "Numeric"),
    Item(223762, "Temperature Celsius", "Temperature C", VITAL, "?C", "Numeric"),
    Item(220739, "GCS - Eye Opening", "Eye Opening", NEURO, None, "Text"),
    Item(223900, "GCS - Verbal Response", "Verbal Response", NEURO, None, "Text"),
    Item(223901, "GCS - Motor Response", "Motor Response", NEURO, None, "Text"),
    Item(223835, "Inspired O2 Fraction", "FiO2", BREATH, None, "Numeric"),
    Item(225664, "Glucose finger stick", "Glucose finger stick", "Labs", None, "Numeric"),
    Item(223830, "PH (Arterial)", "PH (Arterial)", "Labs", "units", "Numeric"),
    Item(226707, "Height", "Height", GENERAL, "Inch", "Numeric"),
    Item(226730, "Height (cm)", "Height (cm)", GENERAL, "cm", "Numeric"),
    Item(226512, "Admission Weight (Kg)", "Admission Weight (Kg)", GENERAL, "kg", "Numeric"),
    Item(226531, "Admission Weight (lbs.)", "Admission Weight (lbs.)", GENERAL, None, "Numeric"),
    Item(224639, "Daily Weight", "Daily Weight", GENERAL, "kg", "Numeric"),
    Item(40055, "Urine Out Foley", None, None, "ml", None, "outputevents"),
    Item(226559, "Foley", "Foley", "Output", "mL", "Numeric", "outputevents"),
)
CARE, LUNGS = "Treatments", ("Clear", "Diminished", "Rhonchi", "Crackles", "Exp Wheeze")
RESTRAINT, SAFETY = "Restraint/Support Systems", ("Adequate lighting", "Bed locked in low position")
SEDATION = ("Calm/Cooperative", "Sedated", "Agitated")
OTHERS: dict[Item, tuple[str, ...]] = {
    Item(212, "Heart Rhythm", None, None, None): ("Normal Sinus", "Sinus Tachy", "Atrial Fib", "Sinus Brady"),
    Item(128, "Code Status", None, None, None): ("Full Code", "Do Not Resuscita"),
    Item(161, "Ectopy Type", None, None, None): ("None", "PVC's", "PAC's"),
    Item(159, "Ectopy Frequency", None, None, None): ("None", "Rare", "Occasional"),
    Item(550, "Precautions", None, None, None): ("Universal", "Contact", "Droplet"),
    Item(1125, "Service Type", None, None, None): ("MICU", "CCU", "CSRU", "NSICU"),
    Item(1484, "Risk for Falls", None, None, None): ("Yes",),
    Item(5815, "HR Alarm [Low]", None, None, "BPM"): ("50", "60", "45"),
    Item(8549, "HR Alarm [High]", None, None, "BPM"): ("120", "130", "110"),
    Item(5820, "SpO2 Alarm [Low]", None, None, "%"): ("90", "92", "88"),
    Item(8554, "SpO2 Alarm [High]", None, None, "%"): ("100",),
    Item(5819, "Resp Alarm [Low]", None, None, "BPM"): ("8", "10"),
    Item(8553, "Resp Alarm [High]", None, None, "BPM"): ("35", "30", "40"),
    Item(5817, "NBP Alarm [Low]", None, None, "mmHg"): ("90", "85", "80"),
    Item(8551, "NBP Alarm [High]", None, None, "mmHg"): ("160", "180", "150"),
    Item(113, "CVP", None, None, "mmHg"): ("10", "11", "9", "12", "8"),
    Item(31, "Activity", None, None, None): ("Bedrest", "Chair", "Ambulate"),
    Item(210, "HOB", None, None, None): ("30 degrees", "45 degrees", "Flat in Bed"),
    Item(637, "Side Rails", None, None, None): ("Side Rails Up", "All rails up"),
    Item(704, "Turn", None, None, None): ("Side to Side", "Back", "Turns by self"),
    Item(599, "RUL Lung Sounds", None, None, None): LUNGS,
    Item(617, "Respiratory Pattern", None, None, None): ("Regular", "Irregular"),
    Item(1703, "Health Care Proxy", None, None, None): ("Yes", "No", "Unable"),
    Item(742, "calprevflg", None, None, None): ("1",),
    Item(5813, "ABP Alarm [Low]", None, None, "mmHg"): ("90", "85", "80"),
    Item(8547, "ABP Alarm [High]", None, None, "mmHg"): ("160", "150", "170"),
    Item(5814, "CVP Alarm [Low]", None, None, "mmHg"): ("2", "0", "4"),
    Item(8548, "CVP Alarm [High]", None, None, "mmHg"): ("20", "26", "22"),
    Item(674, "Temp. Site", None, None, None): ("Oral", "Axillary", "Blood"),
    Item(1337, "Riker-SAS Scale", None, None, None): SEDATION,
    Item(432, "Level of Conscious", None, None, None): ("Alert", "Sedated", "Arouse to Voice"),
    Item(479, "Orientation", None, None, None): ("Oriented x 3", "Unable to Assess", "Oriented x 1"),
    Item(707, "Urine Source", None, None, None): ("Indwelling Cath", "Voids"),
    Item(706, "Urine [Color]", None, None, None): ("Yellow", "Amber"),
    Item(54, "Assistance Device", None, None, None): ("2 Person Assist", "1 Person Assist", "Independent"),
    Item(32, "Activity Tolerance", None, None, None): ("Tolerated Well", "Good", "Fair"),
    Item(547, "Position", None, None, None): ("Supine", "Left Side", "Right Side"),
    Item(593, "RLL Lung Sounds", None, None, None): LUNGS,
    Item(428, "LUL Lung Sounds", None, None, None): LUNGS,
    Item(425, "LLL Lung Sounds", None, None, None): LUNGS,
    Item(154, "Diet Type", None, None, None): ("NPO", "Tube Feeding", "TPN"),
    Item(663, "Support Systems", None, None, None): ("Children", "Spouse", "Relative"),
    Item(1046, "Pain Present", None, None, None): ("No", "Yes"),
    Item(478, "Oral Cavity", None, None, None): ("Teeth/Tissue WNL", "Dentures"),
    Item(27, "Abdominal Assessment", None, None, None): ("Soft", "Soft Distended", "Obese"),
    Item(220048, "Heart Rhythm", "Heart Rhythm", VITAL, None, "Text"): (
        "SR (Sinus Rhythm)", "ST (Sinus Tachycardia) ", "AF (Atrial Fibrillation)"),
    Item(224650, "Ectopy Type 1", "Ectopy Type 1", VITAL, None, "Text"): ("None", "PVC's", "PAC's"),
    Item(220074, "Central Venous Pressure", "CVP", "Hemodynamics", "mmHg", "Numeric"): ("8", "7", "6", "9", "11"),
    Item(224080, "Head of Bed", "HOB", CARE, None, "Text"): ("30 Degrees", "45 Degrees", "Flat in Bed"),
    Item(224084, "Activity", "Activity", CARE, None, "Text"): ("Bedrest", "Chair", "Ambulate"),
    Item(224082, "Turn", "Turn", CARE, None, "Text"): ("Side to Side", "Back", "Turns by Self"),
    Item(224086, "Activity Tolerance", "Activity Tolerance", CARE, None, "Text"): ("Tolerated Well", "Good", "Fair"),
    Item(224085, "Assistance Device", "Assistance Device", CARE, None, "Text"): ("2 Person Assist", "Independent"),
    Item(224093, "Position", "Position", CARE, None, "Text"): ("Right Side", "Supine", "Left Side"),
    Item(224087, "Therapeutic Bed", "Therapeutic Bed", CARE, None, "Text"): ("AtmosAir Mattress", "KinAir"),
    Item(224089, "Anti Embolic Device", "Anti Embolic Device", CARE, None, "Text"): ("Compression sleeve", "None"),
    Item(226168, "Oral Care", "Oral Care", CARE, None, "Text"): ("Swab", "Deferred"),
    Item(223781, "Pain Present", "Pain Present", "Pain/Sedation", None, "Text"): ("No", "Yes"),
    Item(223792, "Pain Management", "Pain Management", "Pain/Sedation", None, "Text"): ("Repositioned", "IV Drip"),
    Item(223986, "RUL Lung Sounds", "RUL Lung Sounds", "Pulmonary", None, "Text"): LUNGS,
    Item(223987, "RLL Lung Sounds", "RLL Lung Sounds", "Pulmonary", None, "Text"): LUNGS,
    Item(223988, "LUL Lung Sounds", "LUL Lung Sounds", "Pulmonary", None, "Text"): LUNGS,
    Item(223989, "LLL Lung Sounds", "LLL Lung Sounds", "Pulmonary", None, "Text"): LUNGS,
    Item(224642, "Temperature Site", "Temp Site", VITAL, None, "Text"): ("Oral", "Axillary", "Rectal"),
    Item(224003, "Abdominal Assessment", "Abdominal Assessment", "GI/GU", None, "Text"): ("Soft", "Soft Distended"),
    Item(224004, "Bowel Sounds", "Bowel Sounds", "GI/GU", None, "Text"): ("Present", "Hypoactive", "Absent"),
    Item(224641, "Alarms On", "Alarms On", "Alarms", None, "Checkbox"): ("1",),
    Item(227969, "Safety Measures_U_1", "Safety Measures_U_1", RESTRAINT, None, "Text"): SAFETY,
    Item(227700, "Safety Measures", "Safety Measures", RESTRAINT, None, "Text"): SAFETY,
    Item(223753, "Riker-SAS Scale", "Riker-SAS Scale", "Pain/Sedation", None, "Text"): SEDATION,
    Item(223795, "Pain Assessment Method", "Pain Assessment Method", "Pain/Sedation", None, "Text"): (
        "Patient Verbalized", "Non-verbal Cues"),
    Item(226104, "Level of Consciousness", "Level of Consciousness", NEURO, None, "Text"): ("Alert", "Arouse to Voice"),
    Item(223898, "Orientation", "Orientation", NEURO, None, "Text"): ("Oriented x3", "Unable to Assess"),
    Item(223902, "Speech", "Speech", NEURO, None, "Text"): ("Normal", "Garbled", "None"),
    Item(223911, "Spontaneous Movement", "Spontaneous Movement", NEURO, None, "Text"): ("Purposeful", "None"),
    Item(223916, "Response to Stimuli (Type)", "Response to Stimuli (Type)", NEURO, None, "Text"): (
        "Verbal", "Nail Bed"),
    Item(226105, "Behavior", "Behavior", NEURO, None, "Text"): ("Appropriate", "Sleeping"),
    Item(224756, "Response", "Response", NEURO, None, "Text"): ("Localizes", "Withdraws"),
    Item(223905, "Cough Reflex", "Cough Reflex", NEURO, None, "Text"): ("Intact", "Impaired"),
    Item(223904, "Gag Reflex", "Gag Reflex", NEURO, None, "Text"): ("Intact", "Impaired"),
    Item(223754, "Risk for Falls", "Risk for Falls", NEURO, None, "Text"): ("Yes", "No"),
    Item(226732, "O2 Delivery Device(s)", "O2 Delivery Device(s)", BREATH, None, "Text"): ("Nasal cannula", "None"),
    Item(223985, "Respiratory Pattern", "Respiratory Pattern", "Pulmonary", None, "Text"): ("Regular", "Irregular"),
    Item(223990, "Respiratory Effort", "Respiratory Effort", "Pulmonary", None, "Text"): ("Normal", "Shallow"),
    Item(223999, "Oral Cavity", "Oral Cavity", "GI/GU", None, "Text"): ("Teeth/Tissue WNL", "Dentures"),
    Item(224001, "Diet Type", "Diet Type", "GI/GU", None, "Text"): ("NPO", "Tube Feeding"),
    Item(224015, "Urine Source", "Urine Source", "GI/GU", None, "Text"): ("Indwelling Urinary Catheter", "Voids"),
    Item(224016, "Urine Color", "Urine Color", "GI/GU", None, "Text"): ("Yellow", "Amber"),
    Item(225054, "Anti Embolic Device Status", "Anti Embolic Device Status", CARE, None, "Text"): ("On ", "Off"),
    Item(224026, "Skin Integrity", "Skin Integrity", "Skin - Assessment", None, "Text"): ("Impaired", "Intact"),
    Item(224027, "Skin Temperature", "Skin Temp", "Skin - Assessment", None, "Text"): ("Warm", "Cool"),
    Item(224031, "Edema Location", "Edema Location", "Skin - Incisions", None, "Text"): ("None", "General"),
    Item(224168, "Parameters Checked", "Parameters Checked", "Alarms", None, "Checkbox"): ("1", "0"),
}  # fmt: skip
UNITS = {item.number: item.unit for item in (*VALUES, *OTHERS)}
