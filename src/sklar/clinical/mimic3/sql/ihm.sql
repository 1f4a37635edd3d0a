-- In-hospital mortality: stays of at least 48 hours with a reading in the first 48.
SELECT split, ICUSTAY_ID, stay, mortality AS y_true
FROM windows
WHERE los >= 48 - eps() AND first_hour_48 IS NOT NULL
    AND NOT (getvariable('clean') AND mortality = 1 AND lived <= 48)  -- dead before the prediction
ORDER BY ICUSTAY_ID;
