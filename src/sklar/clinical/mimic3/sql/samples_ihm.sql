-- One row a stay.
SELECT
    CAST(ICUSTAY_ID AS BIGINT) AS sample_id,
    CAST(SUBJECT_ID AS BIGINT) AS group_id,
    CASE ihm.split WHEN 'val' THEN 'validation' ELSE ihm.split END AS split,
    CAST(ICUSTAY_ID AS BIGINT) AS stay_id,
    y_true AS in_hospital_death,
    in_note_sample = 1 AS in_note_sample
FROM ihm
    JOIN note_sample USING (ICUSTAY_ID)
    JOIN (SELECT ICUSTAY_ID, SUBJECT_ID FROM windows) USING (ICUSTAY_ID)
ORDER BY sample_id;
