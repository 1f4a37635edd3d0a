-- How the published scripts type the values of patients with more than 131,072 validated rows: block by block of so many
-- rows. A block whose values all read as numbers holds numbers, whole ones where none is missing and none has a point.
WITH long_subjects AS (
    SELECT SUBJECT_ID
    FROM admission_events
    GROUP BY SUBJECT_ID
    HAVING sum(n_events - empty_hadm - no_hadm_in_stay - icustay_missing_in_stays) > 131072
),
numbered AS (
    SELECT
        SUBJECT_ID,
        known(VALUE) AS VALUE,
        (row_number() OVER (PARTITION BY SUBJECT_ID ORDER BY source, row) - 1) // 131072 AS block
    FROM events AS event
        SEMI JOIN long_subjects USING (SUBJECT_ID)
        JOIN (SELECT SUBJECT_ID, HADM_ID, ICUSTAY_ID AS stay FROM stays) AS stays USING (SUBJECT_ID, HADM_ID)
    WHERE coalesce(event.ICUSTAY_ID = stay, true)
)
SELECT
    SUBJECT_ID,
    block,
    bool_and(VALUE IS NULL OR TRY_CAST(VALUE AS DOUBLE) IS NOT NULL) AS numbers,
    numbers AND bool_and(coalesce(regexp_full_match(VALUE, '[+-]?[0-9]+'), false)) AS whole
FROM numbered
GROUP BY SUBJECT_ID, block
ORDER BY SUBJECT_ID, block;
