-- One row a stay with a reading in its first 48 hours, of which it sees those within the stay.
SELECT
    CAST(ICUSTAY_ID AS BIGINT) AS sample_id,
    CAST(SUBJECT_ID AS BIGINT) AS group_id,
    CASE phenotyping.split WHEN 'val' THEN 'validation' ELSE phenotyping.split END AS split,
    CAST(ICUSTAY_ID AS BIGINT) AS stay_id,
    phenotyping.* EXCLUDE (split, ICUSTAY_ID, stay, period_length)
FROM phenotyping JOIN (SELECT ICUSTAY_ID, SUBJECT_ID, first_hour FROM windows) USING (ICUSTAY_ID)
WHERE first_hour < 48 + eps()
ORDER BY sample_id;
