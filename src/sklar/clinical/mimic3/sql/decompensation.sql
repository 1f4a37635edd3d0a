-- Decompensation: at every hour after the fourth and after the first reading, death within the next 24 hours.
SELECT
    split,
    ICUSTAY_ID,
    stay,
    printf('%.6f', CAST(hour AS DOUBLE)) AS period_length,
    CAST(CAST(mortality = 1 AND lived - hour < 24 AS INTEGER) AS VARCHAR) AS y_true
FROM (SELECT *, unnest(whole_hours_before(least(los, lived) + eps())) AS hour FROM windows WHERE first_hour IS NOT NULL)
WHERE hour > 4 AND hour > first_hour
ORDER BY ICUSTAY_ID, hour;
