-- One row a stay, which sees all of it.
SELECT
    CAST(ICUSTAY_ID AS BIGINT) AS sample_id,
    CAST(SUBJECT_ID AS BIGINT) AS group_id,
    CASE phenotyping.split WHEN 'val' THEN 'validation' ELSE phenotyping.split END AS split,
    CAST(ICUSTAY_ID AS BIGINT) AS stay_id,
    los + eps() AS until,
    phenotyping.* EXCLUDE (split, ICUSTAY_ID, stay, period_length)
FROM phenotyping JOIN (SELECT ICUSTAY_ID, SUBJECT_ID, los FROM windows) USING (ICUSTAY_ID)
ORDER BY sample_id;
