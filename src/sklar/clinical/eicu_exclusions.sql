-- What is left out, one row a reason. Stays: each condition of the cohort after the one before. Rows of the cohort's
-- tables: what lies after 24 hours, was entered after 24 hours about an earlier time, or was cancelled.
WITH stays AS (
    SELECT
        hospitaldischargestatus IS NOT NULL AS labelled,
        coalesce(unitdischargeoffset >= 1440, false) AS still_there,
        patientunitstayid IN (SELECT stay_id FROM hourly WHERE hour < 24) AS has_series
    FROM patient
),
rows_of_tables AS (
    SELECT 'admissiondx' AS name, patientunitstayid AS stay, admitdxenteredoffset AS minute, NULL AS entered,
        false AS cancelled
    FROM admissiondx
    UNION ALL SELECT 'diagnosis', patientunitstayid, diagnosisoffset, NULL, false FROM diagnosis
    UNION ALL SELECT 'pasthistory', patientunitstayid, pasthistoryoffset, pasthistoryenteredoffset, false
    FROM pasthistory
    UNION ALL SELECT 'note', patientunitstayid, noteoffset, noteenteredoffset, false FROM note
    UNION ALL SELECT 'respiratorycharting', patientunitstayid, respchartoffset, respchartentryoffset, false
    FROM respiratorycharting
    UNION ALL SELECT 'infusiondrug', patientunitstayid, infusionoffset, NULL, false FROM infusiondrug
    UNION ALL
    SELECT 'medication', patientunitstayid, greatest(drugorderoffset, drugstartoffset), NULL, drugordercancelled
    FROM medication
    UNION ALL SELECT 'treatment', patientunitstayid, treatmentoffset, NULL, false FROM treatment
)
SELECT 'stays: hospital outcome unknown' AS reason, count(*) FILTER (NOT labelled) AS number FROM stays
UNION ALL
SELECT 'stays: left the unit before 24 h', count(*) FILTER (labelled AND NOT still_there) FROM stays
UNION ALL
SELECT 'stays: no hourly value before 24 h', count(*) FILTER (labelled AND still_there AND NOT has_series) FROM stays
UNION ALL
SELECT reason, number
FROM (
    SELECT
        name || ' rows: ' || CASE
            WHEN cancelled THEN 'cancelled' WHEN minute > 1440 THEN 'after 24 h' ELSE 'entered after 24 h'
        END AS reason,
        count(*) AS number
    FROM rows_of_tables SEMI JOIN cohort USING (stay)
    WHERE cancelled OR minute > 1440 OR entered > 1440
    GROUP BY reason
    ORDER BY reason
);
