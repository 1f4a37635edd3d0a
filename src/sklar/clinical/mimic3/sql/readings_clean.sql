-- The validated events of the 17 variables, mended: number or text is the value, else dropped says why there is none.
-- Unlike the published cleaning: blanks are trimmed; what was charted in error, outside the stay, or of urine and other
-- fluids goes; an oxygen fraction above 1 is a percentage, and one in torr a pressure; heights said to be in inches are
-- only where they can be; the coma scale has one wording; numbers are numbers; ranges apply (`clean_ranges`).
CREATE OR REPLACE TEMP MACRO scale_word(name, word) AS CASE name
    WHEN 'Glascow coma scale eye opening' THEN CASE
        WHEN word IN ('4 spontaneously', 'spontaneously') THEN '4 Spontaneously'
        WHEN word IN ('3 to speech', 'to speech') THEN '3 To speech'
        WHEN word IN ('2 to pain', 'to pain') THEN '2 To pain'
        WHEN word IN ('1 no response', 'none') THEN '1 No Response'
    END
    WHEN 'Glascow coma scale motor response' THEN CASE
        WHEN word IN ('6 obeys commands', 'obeys commands') THEN '6 Obeys Commands'
        WHEN word IN ('5 localizes pain', 'localizes pain') THEN '5 Localizes Pain'
        WHEN word IN ('4 flex-withdraws', 'flex-withdraws') THEN '4 Flex-withdraws'
        WHEN word IN ('3 abnorm flexion', 'abnormal flexion') THEN '3 Abnorm flexion'
        WHEN word IN ('2 abnorm extensn', 'abnormal extension') THEN '2 Abnorm extensn'
        WHEN word IN ('1 no response', 'no response') THEN '1 No Response'
    END
    WHEN 'Glascow coma scale verbal response' THEN CASE
        WHEN word IN ('5 oriented', 'oriented') THEN '5 Oriented'
        WHEN word IN ('4 confused', 'confused') THEN '4 Confused'
        WHEN word IN ('3 inapprop words', 'inappropriate words') THEN '3 Inapprop words'
        WHEN word IN ('2 incomp sounds', 'incomprehensible sounds') THEN '2 Incomp sounds'
        WHEN word IN ('1 no response', 'no response') THEN '1 No Response'
        WHEN word IN ('1.0 et/trach', 'no response-ett') THEN '1.0 ET/Trach'
    END
END;
WITH mapped AS (
    SELECT
        event.* REPLACE (known(trim(event.VALUE)) AS VALUE, known(trim(event.VALUEUOM)) AS VALUEUOM),
        VARIABLE,
        lower(MIMIC_LABEL) AS label,
        starts_with(VARIABLE, 'Glascow coma scale') AND VARIABLE <> 'Glascow coma scale total' AS worded
    FROM valid_events AS event JOIN items ON items.ITEMID = event.ITEMID
),
read AS (
    SELECT
        *,
        coalesce(lower(VALUEUOM), '') AS unit,
        lower(VALUE) AS word,
        CASE WHEN isfinite(TRY_CAST(VALUE AS DOUBLE)) THEN CAST(VALUE AS DOUBLE) END AS float,
        CASE WHEN contains(VALUE, '/') THEN regexp_extract(VALUE, '^(\d+)/(\d+)$', ['systolic', 'diastolic']) END AS pair
    FROM mapped
    WHERE VALUE IS NOT NULL
),
valued AS (
    SELECT
        *,
        CASE VARIABLE
            WHEN 'Capillary refill rate' THEN CASE
                WHEN word IN ('normal <3 secs', 'brisk') THEN 0.0::DOUBLE
                WHEN word IN ('abnormal >3 secs', 'delayed') THEN 1.0::DOUBLE
            END
            WHEN 'Systolic blood pressure' THEN
                CASE WHEN pair IS NULL THEN float ELSE TRY_CAST(pair.systolic AS DOUBLE) END
            WHEN 'Diastolic blood pressure' THEN
                CASE WHEN pair IS NULL THEN float ELSE TRY_CAST(pair.diastolic AS DOUBLE) END
            WHEN 'Fraction inspired oxygen' THEN CASE WHEN float > 1 THEN float / 100 ELSE float END
            WHEN 'Oxygen saturation' THEN CASE WHEN float <= 1 THEN float * 100 ELSE float END
            WHEN 'Temperature' THEN celsius(float)
            WHEN 'Weight' THEN kilograms(float, unit, label)
            WHEN 'Height' THEN
                CASE WHEN (contains(unit, 'in') OR contains(label, 'in')) AND float < 100 THEN float * 2.54 ELSE float END
            ELSE CASE WHEN NOT worded THEN float END
        END AS number,
        CASE WHEN worded THEN scale_word(VARIABLE, word) END AS text
    FROM read
),
judged AS (
    SELECT
        valued.*,
        CASE
            WHEN in_error THEN 'charted in error'
            WHEN NOT in_stay THEN 'outside the stay'
            WHEN ITEMID IN (50831, 51094, 51491, 51478) THEN 'of urine or another fluid'
            WHEN VARIABLE = 'Fraction inspired oxygen' AND contains(unit, 'torr') THEN 'another unit'
            WHEN number IS NULL AND text IS NULL THEN 'neither a number nor a known word'
            WHEN number NOT BETWEEN low AND high THEN 'out of range'
        END AS dropped
    FROM valued LEFT JOIN clean_ranges USING (VARIABLE)
)
SELECT
    SUBJECT_ID, HADM_ID, ICUSTAY_ID, EVENT_ROW, CHARTTIME, ITEMID, VALUE, VALUEUOM, VARIABLE,
    CASE WHEN dropped IS NULL THEN number END AS number,
    CASE WHEN dropped IS NULL THEN text END AS text,
    false AS whole, source, row, false AS refused, dropped
FROM judged;
