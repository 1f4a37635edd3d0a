-- One row an hour of a stay, which sees the stay up to that hour.
SELECT
    ICUSTAY_ID * 100000::BIGINT + CAST(CAST(period_length AS DOUBLE) AS BIGINT) AS sample_id,
    CAST(SUBJECT_ID AS BIGINT) AS group_id,
    CASE list.split WHEN 'val' THEN 'validation' ELSE list.split END AS split,
    CAST(ICUSTAY_ID AS BIGINT) AS stay_id,
    CAST(ICUSTAY_ID AS BIGINT) AS series_id,
    CAST(period_length AS DOUBLE) AS until,
    CAST(y_true AS DOUBLE) AS hours_left
FROM length_of_stay AS list JOIN (SELECT ICUSTAY_ID, SUBJECT_ID FROM windows) USING (ICUSTAY_ID)
ORDER BY sample_id;
