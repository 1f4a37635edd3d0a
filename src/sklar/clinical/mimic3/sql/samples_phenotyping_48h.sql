-- One row a stay with a reading in its first 48 hours, of which it sees those within the stay.
SELECT
    stay_id AS sample_id, group_id, split, stay_id,
    COLUMNS(* EXCLUDE (group_id, split, stay_id, los, first_hour, period_length))
FROM listed('phenotyping')
WHERE first_hour < 48 + eps()
ORDER BY sample_id;
