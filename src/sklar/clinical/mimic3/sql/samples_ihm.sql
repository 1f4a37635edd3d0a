-- One row a stay.
SELECT
    stay_id AS sample_id, group_id, split, stay_id, y_true AS in_hospital_death, in_note_sample = 1 AS in_note_sample
FROM listed('ihm') JOIN note_sample ON note_sample.ICUSTAY_ID = stay_id
ORDER BY sample_id;
