-- One row a stay.
SELECT stay_id AS sample_id, group_id, split, stay_id, y_true AS readmission, in_note_sample = 1 AS in_note_sample
FROM listed('readmission')
ORDER BY sample_id;
