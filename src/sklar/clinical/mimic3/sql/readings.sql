-- The validated events of the 17 variables, cleaned as published: no range is applied, FiO2 is divided by 100 whatever
-- its size, Fahrenheit is known by value alone. number or text is the value, neither where cleaning drops it,
-- and refused marks what the published scripts stop at.
WITH mapped AS (
    SELECT
        event.* REPLACE (known(event.VALUE) AS VALUE, known(event.VALUEUOM) AS VALUEUOM),
        VARIABLE,
        lower(MIMIC_LABEL) AS label,
        uncleaned
    FROM valid_events AS event
        JOIN (
            SELECT
                *,
                VARIABLE IN ('Heart Rate', 'Respiratory rate', 'Mean blood pressure')
                    OR starts_with(VARIABLE, 'Glascow coma scale') AS uncleaned
            FROM items
        ) AS items ON items.ITEMID = event.ITEMID
),
read AS (
    SELECT
        mapped.*,
        coalesce(lower(VALUEUOM), '') AS unit,
        -- values read as numbers: of a patient without any text, or of a block of rows without any
        numeric_subject OR coalesce(blocks.numbers, false) AS typed,
        NOT numeric_subject AND coalesce(blocks.whole, false) AS typed_whole,
        TRY_CAST(VALUE AS DOUBLE) AS float,
        typed OR regexp_full_match(VALUE, '\d+(\.\d*)?|\.\d+') AS plain,
        -- a slash divides systolic from diastolic pressure
        CASE WHEN contains(VALUE, '/') THEN regexp_extract(VALUE, '^(\d+)/(\d+)\n?$', ['systolic', 'diastolic']) END AS pair
    FROM mapped
        JOIN (
            SELECT SUBJECT_ID, bool_and(coalesce(all_numbers, true)) AS numeric_subject
            FROM admission_events GROUP BY SUBJECT_ID
        ) USING (SUBJECT_ID)
        LEFT JOIN typed_blocks AS blocks
            ON blocks.SUBJECT_ID = mapped.SUBJECT_ID AND blocks.block = EVENT_ROW // 131072
    WHERE VALUE IS NOT NULL
),
valued AS (
    SELECT
        *,
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
            WHEN VARIABLE = 'Temperature' THEN celsius(float)
            WHEN VARIABLE = 'Weight' THEN kilograms(float, unit, label)
            WHEN VARIABLE = 'Height' THEN
                CASE WHEN contains(unit, 'in') OR contains(label, 'in') THEN round_even(float * 2.54, 0) ELSE float END
        END AS number,
        CASE WHEN uncleaned AND NOT typed THEN VALUE END AS text,
        uncleaned AND typed_whole AS whole
    FROM read
)
SELECT
    SUBJECT_ID, HADM_ID, ICUSTAY_ID, EVENT_ROW, CHARTTIME, ITEMID, VALUE, VALUEUOM, VARIABLE, number, text, whole,
    source, row,
    number IS NULL AND VARIABLE IN (
        'Systolic blood pressure', 'Diastolic blood pressure', 'Fraction inspired oxygen', 'Temperature', 'Weight',
        'Height'
    ) AS refused
FROM valued;
