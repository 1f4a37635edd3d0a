-- The static table of every stay that has a series and a diagnosis. Height (cm) and weight (kg) are the first of the
-- series, readings before the stay included; Length of Stay in days, Age in years.
CREATE OR REPLACE TEMP TABLE diagnosis_of_stay AS
WITH typed AS (
    SELECT CAST(ICUSTAY_ID AS INTEGER) AS ICUSTAY_ID, CAST(SUBJECT_ID AS INTEGER) AS SUBJECT_ID, ICD9_CODE
    FROM diagnoses
),
subject AS (
    -- the published scripts read a patient's codes as numbers where all are digits, and then find none of them
    SELECT SUBJECT_ID, NOT getvariable('clean') AND bool_and(regexp_full_match(ICD9_CODE, '[0-9]+')) AS digits_only
    FROM typed
    GROUP BY SUBJECT_ID
),
present AS (
    SELECT DISTINCT ICUSTAY_ID, ICD9_CODE FROM typed JOIN subject USING (SUBJECT_ID) WHERE NOT digits_only
)
SELECT
    stay.ICUSTAY_ID,
    CAST('Diagnosis ' || code.ICD9_CODE AS diagnosis_column) AS diagnosis,
    CAST(present.ICUSTAY_ID IS NOT NULL AS BIGINT) AS flag
FROM (SELECT DISTINCT ICUSTAY_ID FROM typed) AS stay
    CROSS JOIN static_codes AS code
    LEFT JOIN present USING (ICUSTAY_ID, ICD9_CODE);
CREATE OR REPLACE TEMP TABLE diagnosis_flags AS
PIVOT diagnosis_of_stay ON diagnosis IN diagnosis_column USING max(flag) GROUP BY ICUSTAY_ID;
WITH measured AS (
    SELECT ICUSTAY_ID, arg_min(Height, row) AS Height, arg_min(Weight, row) AS Weight FROM timeseries GROUP BY ICUSTAY_ID
),
worded AS (
    SELECT *, split_part(split_part(replace(ETHNICITY, ' OR ', '/'), ' - ', 1), '/', 1) AS people FROM stays
)
SELECT
    CAST(stay.SUBJECT_ID AS BIGINT) AS SUBJECT_ID,
    CAST(stay.episode AS BIGINT) AS episode,
    splits.split,
    CAST(stay.ICUSTAY_ID AS BIGINT) AS Icustay,
    CAST(CASE
        WHEN people = 'ASIAN' THEN 1
        WHEN people IN ('BLACK', 'CARIBBEAN ISLAND') THEN 2
        WHEN people IN ('HISPANIC', 'SOUTH AMERICAN') THEN 3
        WHEN people IN ('WHITE', 'MIDDLE EASTERN', 'PORTUGUESE') THEN 4
        ELSE 0
    END AS BIGINT) AS Ethnicity,
    CAST(CASE WHEN GENDER = 'F' THEN 1 WHEN GENDER = 'M' THEN 2 WHEN GENDER IS NULL THEN 0 ELSE 3 END AS BIGINT) AS Gender,
    stay.AGE AS Age,
    CAST(measured.Height AS DOUBLE) AS Height,
    CAST(measured.Weight AS DOUBLE) AS Weight,
    stay.LOS AS "Length of Stay",
    CAST(stay.died_in_hospital AS BIGINT) AS Mortality,
    flags.* EXCLUDE (ICUSTAY_ID)
FROM worded AS stay
    JOIN measured USING (ICUSTAY_ID)
    JOIN diagnosis_flags AS flags USING (ICUSTAY_ID)
    JOIN splits USING (SUBJECT_ID)
ORDER BY stay.ICUSTAY_ID;
