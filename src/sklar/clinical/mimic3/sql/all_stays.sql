-- The kept stays. LOS in days, AGE in years.
SELECT
    SUBJECT_ID, HADM_ID, ICUSTAY_ID, LAST_CAREUNIT, DBSOURCE,
    timestamp_text(INTIME) AS INTIME, timestamp_text(OUTTIME) AS OUTTIME, LOS,
    timestamp_text(ADMITTIME) AS ADMITTIME, timestamp_text(DISCHTIME) AS DISCHTIME,
    timestamp_text(DEATHTIME) AS DEATHTIME,
    ETHNICITY, DIAGNOSIS, GENDER, timestamp_text(DOB) AS DOB, timestamp_text(DOD) AS DOD, AGE,
    CAST(died_in_unit AS BIGINT) AS MORTALITY_INUNIT,
    CAST(died_in_hospital AS BIGINT) AS MORTALITY,
    CAST(died_in_hospital AS BIGINT) AS MORTALITY_INHOSPITAL
FROM stays
ORDER BY ICUSTAY_ID;
