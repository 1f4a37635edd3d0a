SELECT * EXCLUDE (y_true), CAST(y_true AS BIGINT) AS death_within_24h
FROM listed_hourly('decompensation')
ORDER BY sample_id;
