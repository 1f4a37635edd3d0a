-- Which modalities each stay has by the offsets alone, as the published counts have it.
WITH
in_text AS (
    SELECT patientunitstayid FROM admissiondx WHERE admitdxenteredoffset <= 1440
    UNION SELECT patientunitstayid FROM diagnosis WHERE diagnosisoffset <= 1440
    UNION SELECT patientunitstayid FROM pasthistory WHERE pasthistoryoffset <= 1440
    UNION SELECT patientunitstayid FROM note WHERE noteoffset <= 1440
),
in_drugs AS (
    SELECT patientunitstayid FROM infusiondrug WHERE infusionoffset <= 1440
    UNION
    SELECT patientunitstayid
    FROM medication
    WHERE drugorderoffset <= 1440 AND drugstartoffset <= 1440 AND NOT drugordercancelled
)
SELECT
    stay IN (SELECT stay_id FROM hourly WHERE hour < 24) AS series,
    true AS static,
    stay IN (FROM in_text) AS text,
    stay IN (SELECT patientunitstayid FROM respiratorycharting WHERE respchartoffset <= 1440) AS respiratory,
    stay IN (FROM in_drugs) AS drugs,
    stay IN (SELECT patientunitstayid FROM treatment WHERE treatmentoffset <= 1440) AS treatment
FROM cohort
ORDER BY stay;
