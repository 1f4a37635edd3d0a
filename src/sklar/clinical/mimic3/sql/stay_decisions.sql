-- What became of every ICU stay.
SELECT SUBJECT_ID, HADM_ID, ICUSTAY_ID, decision FROM decisions ORDER BY ICUSTAY_ID;
