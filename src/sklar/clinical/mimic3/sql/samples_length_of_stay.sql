SELECT * EXCLUDE (y_true), CAST(y_true AS DOUBLE) AS hours_left
FROM listed_hourly('length_of_stay')
ORDER BY sample_id;
