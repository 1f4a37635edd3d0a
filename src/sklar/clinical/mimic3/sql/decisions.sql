-- All ICU stays with their admission and patient, and what becomes of each. The order of the exclusions matters: a stay
-- that moved between wards is gone before the stays of an admission are counted.
WITH joined AS (
    SELECT
        stay.*,
        admission.* EXCLUDE (SUBJECT_ID, HADM_ID, row),
        patient.* EXCLUDE (SUBJECT_ID, row),
        -- years of 365 days; dates of birth 300 years back stand for ages over 89
        (epoch(INTIME) - epoch(DOB)) / 3600 / 24 / 365 AS years,
        coalesce(FIRST_WARDID = LAST_WARDID AND FIRST_CAREUNIT = LAST_CAREUNIT, false) AS one_place,
        admission.HADM_ID IS NOT NULL AND patient.SUBJECT_ID IS NOT NULL AS in_tables
    FROM ICUSTAYS AS stay
        LEFT JOIN ADMISSIONS AS admission USING (SUBJECT_ID, HADM_ID)
        LEFT JOIN PATIENTS AS patient USING (SUBJECT_ID)
),
counted AS (
    SELECT *, count(*) FILTER (one_place AND in_tables) OVER (PARTITION BY HADM_ID) AS stays_of_admission
    FROM joined
)
SELECT
    * EXCLUDE (years, one_place, in_tables, stays_of_admission, row),
    CASE
        WHEN years < 0 THEN 90
        WHEN getvariable('clean') AND years > 150 THEN 91.4  -- the median age of those over 89 (mimic.mit.edu, table PATIENTS)
        ELSE years
    END AS AGE,
    CASE
        WHEN NOT one_place THEN 'transfer'
        WHEN NOT in_tables THEN 'no_admission'
        WHEN stays_of_admission <> 1 THEN 'multiple_stays'
        WHEN coalesce(AGE >= 18, false) THEN 'kept'
        ELSE 'age_below_18'
    END AS decision
FROM counted
ORDER BY ICUSTAY_ID;
