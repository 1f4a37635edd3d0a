-- The validated events of the 17 variables: what was charted, and what cleaning made of it (null: dropped).
SELECT
    CAST(SUBJECT_ID AS BIGINT) AS SUBJECT_ID,
    CAST(HADM_ID AS BIGINT) AS HADM_ID,
    CAST(ICUSTAY_ID AS BIGINT) AS ICUSTAY_ID,
    EVENT_ROW,
    timestamp_text(CHARTTIME) AS CHARTTIME,
    CAST(ITEMID AS BIGINT) AS ITEMID,
    VALUE,
    VALUEUOM,
    VARIABLE,
    coalesce(text, written_as(number, whole)) AS VALUE_CLEAN,
    CASE WHEN text IS NOT NULL THEN 'text' WHEN number IS NOT NULL THEN 'number' END AS KIND
FROM readings;
