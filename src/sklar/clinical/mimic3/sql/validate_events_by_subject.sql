-- What validation dropped and repaired, by patient.
SELECT
    CAST(SUBJECT_ID AS BIGINT) AS subject_id,
    CAST(sum(n_events) AS BIGINT) AS n_events,
    CAST(sum(empty_hadm) AS BIGINT) AS empty_hadm,
    CAST(sum(no_hadm_in_stay) AS BIGINT) AS no_hadm_in_stay,
    CAST(sum(no_icustay) AS BIGINT) AS no_icustay,
    CAST(sum(no_icustay) AS BIGINT) AS recovered,  -- the kept stay of the admission is known
    0::BIGINT AS could_not_recover,
    CAST(sum(icustay_missing_in_stays) AS BIGINT) AS icustay_missing_in_stays
FROM admission_events
GROUP BY SUBJECT_ID
ORDER BY SUBJECT_ID;
