-- One row a stay, which sees all of it.
SELECT
    stay_id AS sample_id, group_id, split, stay_id, los + eps() AS until,
    COLUMNS(* EXCLUDE (group_id, split, stay_id, los, first_hour, period_length))
FROM listed('phenotyping')
ORDER BY sample_id;
