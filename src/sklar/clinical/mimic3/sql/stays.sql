-- The kept stays, numbered within their patient by time.
WITH kept AS (
    SELECT
        * EXCLUDE (decision) REPLACE (known(ETHNICITY) AS ETHNICITY, known(GENDER) AS GENDER, known(DIAGNOSIS) AS DIAGNOSIS),
        -- Ends included; DOD is a date at midnight, so who dies at home on the day of discharge counts as dead in
        -- hospital. Clean goes by DEATHTIME, which MIMIC-III gives for deaths in hospital alone.
        coalesce(DEATHTIME BETWEEN INTIME AND OUTTIME, false)
            OR NOT getvariable('clean') AND coalesce(DOD BETWEEN INTIME AND OUTTIME, false) AS died_in_unit,
        CASE
            WHEN getvariable('clean') THEN DEATHTIME IS NOT NULL
            ELSE coalesce(DOD BETWEEN ADMITTIME AND DISCHTIME, false)
                OR coalesce(DEATHTIME BETWEEN ADMITTIME AND DISCHTIME, false)
        END AS died_in_hospital
    FROM decisions
    WHERE decision = 'kept'
)
SELECT
    *,
    CAST(row_number() OVER (PARTITION BY SUBJECT_ID ORDER BY INTIME, OUTTIME, ICUSTAY_ID) AS SMALLINT) AS episode,
    SUBJECT_ID || '_episode' || episode || '_timeseries.csv' AS stay
FROM kept
ORDER BY ICUSTAY_ID;
