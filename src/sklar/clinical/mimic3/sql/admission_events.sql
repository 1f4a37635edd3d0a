-- One row an admission (or none) of the patients with a kept stay: how many event rows validation drops and repairs,
-- whether every VALUE kept reads as a number, and CM2's time zero: the first event at least one hour after admission to
-- the unit. One pass over all events.
SELECT
    SUBJECT_ID,
    HADM_ID,
    count(*) AS n_events,
    count(*) FILTER (HADM_ID IS NULL) AS empty_hadm,
    count(*) FILTER (HADM_ID IS NOT NULL AND stays.ICUSTAY_ID IS NULL) AS no_hadm_in_stay,
    count(*) FILTER (stays.ICUSTAY_ID IS NOT NULL AND event.ICUSTAY_ID IS NULL) AS no_icustay,
    count(*) FILTER (event.ICUSTAY_ID <> stays.ICUSTAY_ID) AS icustay_missing_in_stays,
    bool_and(known(VALUE) IS NULL OR TRY_CAST(VALUE AS DOUBLE) IS NOT NULL)
        FILTER (coalesce(event.ICUSTAY_ID, stays.ICUSTAY_ID) = stays.ICUSTAY_ID) AS all_numbers,
    min(CHARTTIME) FILTER (
        coalesce(event.ICUSTAY_ID, stays.ICUSTAY_ID) = stays.ICUSTAY_ID
        AND floor((epoch(CHARTTIME) - epoch(INTIME)) / 3600) >= 1
    ) AS T0
FROM events AS event
    SEMI JOIN stays AS subject USING (SUBJECT_ID)
    LEFT JOIN (SELECT SUBJECT_ID, HADM_ID, ICUSTAY_ID, INTIME FROM stays) AS stays USING (SUBJECT_ID, HADM_ID)
GROUP BY SUBJECT_ID, HADM_ID
ORDER BY SUBJECT_ID, HADM_ID;
