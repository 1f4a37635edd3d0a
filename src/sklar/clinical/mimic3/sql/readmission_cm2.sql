-- CM2's readmission: another kept admission of the patient starts less than 30 full days after discharge (or before it),
-- or the stay ends in death. The released code sorts a patient's stays by ADMITTIME and writes the k-th answer to the
-- k-th stay by INTIME; the two orders differ only where admissions overlap.
WITH answers AS (
    SELECT
        SUBJECT_ID,
        row_number() OVER by_admission AS place,
        floor(
            (epoch(lead(ADMITTIME) OVER by_admission) - epoch(DISCHTIME)) / 86400
        ) < 30 AS soon
    FROM stays
    WINDOW by_admission AS (PARTITION BY SUBJECT_ID ORDER BY ADMITTIME, DISCHTIME, ICUSTAY_ID)
)
SELECT
    ihm.split, ihm.ICUSTAY_ID, ihm.stay,
    CAST(coalesce(soon, false) OR died_in_hospital AS BIGINT) AS y_true,
    in_note_sample
FROM ihm
    JOIN stays USING (ICUSTAY_ID)
    JOIN note_sample USING (ICUSTAY_ID)
    JOIN answers ON answers.SUBJECT_ID = stays.SUBJECT_ID AND answers.place = stays.episode
ORDER BY ihm.ICUSTAY_ID;
