-- Readmission without the dead: of the stays that leave the hospital alive, whose patient is admitted again, to any
-- ward, within 30 days of discharge.
SELECT
    ihm.split,
    ihm.ICUSTAY_ID,
    ihm.stay,
    CAST(EXISTS (
        SELECT 1 FROM ADMISSIONS AS later
        WHERE later.SUBJECT_ID = stays.SUBJECT_ID AND later.HADM_ID <> stays.HADM_ID
            AND later.ADMITTIME >= stays.DISCHTIME
            AND epoch(later.ADMITTIME) - epoch(stays.DISCHTIME) < 30 * 86400
    ) AS BIGINT) AS y_true,
    in_note_sample
FROM ihm JOIN stays USING (ICUSTAY_ID) JOIN note_sample USING (ICUSTAY_ID)
WHERE NOT died_in_hospital
ORDER BY ihm.ICUSTAY_ID;
