-- The kept stays, numbered within their patient by time.
WITH kept AS (
    SELECT
        * EXCLUDE (decision) REPLACE (known(ETHNICITY) AS ETHNICITY, known(GENDER) AS GENDER, known(DIAGNOSIS) AS DIAGNOSIS),
        -- ends included; DOD is a date at midnight
        coalesce(DOD BETWEEN INTIME AND OUTTIME, false) OR coalesce(DEATHTIME BETWEEN INTIME AND OUTTIME, false)
            AS died_in_unit,
        coalesce(DOD BETWEEN ADMITTIME AND DISCHTIME, false)
            OR coalesce(DEATHTIME BETWEEN ADMITTIME AND DISCHTIME, false)
            -- at midnight a death on the day of admission lies before the admission
            OR (getvariable('clean') AND coalesce(DOD::DATE BETWEEN ADMITTIME::DATE AND DISCHTIME::DATE, false))
            AS died_in_hospital
    FROM decisions
    WHERE decision = 'kept'
)
SELECT
    *,
    CAST(row_number() OVER (PARTITION BY SUBJECT_ID ORDER BY INTIME, OUTTIME, ICUSTAY_ID) AS SMALLINT) AS episode,
    SUBJECT_ID || '_episode' || episode || '_timeseries.csv' AS stay
FROM kept
ORDER BY ICUSTAY_ID;
