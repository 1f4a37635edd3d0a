-- Length of stay: at every hour after the fourth and after the first reading, the hours that remain.
SELECT
    split,
    ICUSTAY_ID,
    stay,
    printf('%.6f', CAST(hour AS DOUBLE)) AS period_length,
    printf('%.6f', los - hour) AS y_true
FROM (SELECT *, unnest(whole_hours_before(los + eps())) AS hour FROM windows WHERE first_hour IS NOT NULL)
WHERE hour > 4 AND hour > first_hour
ORDER BY ICUSTAY_ID, hour;
