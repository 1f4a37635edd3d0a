-- One row a stay.
SELECT
    CAST(ICUSTAY_ID AS BIGINT) AS sample_id,
    CAST(SUBJECT_ID AS BIGINT) AS group_id,
    CASE readmission.split WHEN 'val' THEN 'validation' ELSE readmission.split END AS split,
    CAST(ICUSTAY_ID AS BIGINT) AS stay_id,
    y_true AS readmission,
    in_note_sample = 1 AS in_note_sample
FROM readmission JOIN (SELECT ICUSTAY_ID, SUBJECT_ID FROM windows) USING (ICUSTAY_ID)
ORDER BY sample_id;
