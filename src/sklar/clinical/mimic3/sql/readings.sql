-- The validated events of the 17 variables, cleaned as published: no range is applied, FiO2 is divided by 100 whatever
-- its size, Fahrenheit is known by value alone. number or text is the value, neither where cleaning drops it,
-- and refused marks what the published scripts stop at.
WITH numbered AS (
    SELECT
        event.SUBJECT_ID, event.HADM_ID, stays.ICUSTAY_ID, event.CHARTTIME, event.ITEMID,
        known(event.VALUE) AS VALUE, known(event.VALUEUOM) AS VALUEUOM, event.source, event.row,
        row_number() OVER (PARTITION BY event.SUBJECT_ID ORDER BY event.source, event.row) - 1 AS EVENT_ROW
    FROM events AS event JOIN stays USING (SUBJECT_ID, HADM_ID)
    WHERE coalesce(event.ICUSTAY_ID = stays.ICUSTAY_ID, true)
),
mapped AS (
    SELECT
        numbered.*,
        VARIABLE,
        coalesce(lower(VALUEUOM), '') AS unit,
        lower(MIMIC_LABEL) AS label,
        -- values read as numbers: of a patient without any text, or of a block of rows without any
        numeric_subject OR coalesce(blocks.numbers, false) AS typed,
        NOT numeric_subject AND coalesce(blocks.whole, false) AS typed_whole,
        TRY_CAST(VALUE AS DOUBLE) AS float,
        typed OR regexp_full_match(VALUE, '\d+(\.\d*)?|\.\d+') AS plain,
        -- a slash divides systolic from diastolic pressure
        CASE WHEN contains(VALUE, '/') THEN regexp_extract(VALUE, '^(\d+)/(\d+)\n?$', ['systolic', 'diastolic']) END AS pair
    FROM numbered
        JOIN items USING (ITEMID)
        JOIN (
            SELECT SUBJECT_ID, bool_and(coalesce(all_numbers, true)) AS numeric_subject
            FROM admission_events GROUP BY SUBJECT_ID
        ) USING (SUBJECT_ID)
        LEFT JOIN typed_blocks AS blocks
            ON blocks.SUBJECT_ID = numbered.SUBJECT_ID AND blocks.block = EVENT_ROW // 131072
    WHERE VALUE IS NOT NULL
),
valued AS (
    SELECT
        *,
        VARIABLE IN (
            'Heart Rate', 'Respiratory rate', 'Mean blood pressure', 'Glascow coma scale eye opening',
            'Glascow coma scale motor response', 'Glascow coma scale total', 'Glascow coma scale verbal response'
        ) AS uncleaned,
        CASE
            WHEN uncleaned THEN CASE WHEN typed THEN float END
            WHEN VARIABLE = 'Capillary refill rate' THEN CASE
                WHEN VALUE IN ('Normal <3 secs', 'Brisk') THEN 0.0::DOUBLE
                WHEN VALUE IN ('Abnormal >3 secs', 'Delayed') THEN 1.0::DOUBLE
            END
            WHEN VARIABLE = 'Systolic blood pressure' THEN
                CASE WHEN pair IS NULL THEN float ELSE TRY_CAST(pair.systolic AS DOUBLE) END
            WHEN VARIABLE = 'Diastolic blood pressure' THEN
                CASE WHEN pair IS NULL THEN float ELSE TRY_CAST(pair.diastolic AS DOUBLE) END
            WHEN VARIABLE = 'Fraction inspired oxygen' THEN CASE WHEN contains(unit, 'torr') THEN float ELSE float / 100 END
            WHEN VARIABLE IN ('Glucose', 'pH') THEN CASE WHEN plain THEN float END
            WHEN VARIABLE = 'Oxygen saturation' THEN
                CASE WHEN plain THEN CASE WHEN float <= 1 THEN float * 100 ELSE float END END
            WHEN VARIABLE = 'Temperature' THEN CASE WHEN float >= 79 THEN (float - 32) * 5 / 9 ELSE float END
            WHEN VARIABLE = 'Weight' THEN CASE
                WHEN contains(unit, 'oz') OR contains(label, 'oz') THEN float / 16 * 0.453592
                WHEN contains(unit, 'lb') OR contains(label, 'lb') THEN float * 0.453592
                ELSE float
            END
            WHEN VARIABLE = 'Height' THEN
                CASE WHEN contains(unit, 'in') OR contains(label, 'in') THEN round_even(float * 2.54, 0) ELSE float END
        END AS number,
        CASE WHEN uncleaned AND NOT typed THEN VALUE END AS text,
        uncleaned AND typed_whole AS whole
    FROM mapped
)
SELECT
    SUBJECT_ID, HADM_ID, ICUSTAY_ID, EVENT_ROW, CHARTTIME, ITEMID, VALUE, VALUEUOM, VARIABLE, number, text, whole,
    source, row,
    number IS NULL AND VARIABLE IN (
        'Systolic blood pressure', 'Diastolic blood pressure', 'Fraction inspired oxygen', 'Temperature', 'Weight',
        'Height'
    ) AS refused
FROM valued;
