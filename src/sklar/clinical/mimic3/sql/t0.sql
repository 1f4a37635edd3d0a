-- CM2's time zero of the notes: the first event of the admission at least one whole hour after INTIME; null if none.
SELECT ICUSTAY_ID, SUBJECT_ID, episode, timestamp_text(T0) AS T0
FROM stays
    LEFT JOIN admission_events USING (SUBJECT_ID, HADM_ID)
WHERE ICUSTAY_ID IN (SELECT ICUSTAY_ID FROM timeseries)
ORDER BY ICUSTAY_ID;
