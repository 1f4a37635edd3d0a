-- Hourly laboratory values and vital signs of the first 24 hours (hours 0 to 23).
SELECT cohort.stay, hourly.* EXCLUDE (stay_id)
FROM hourly JOIN cohort ON cohort.stay = hourly.stay_id
WHERE hourly.hour < 24
ORDER BY cohort.stay, hourly.hour;
