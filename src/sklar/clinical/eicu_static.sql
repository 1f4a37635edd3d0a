-- What is known at admission. Ages above 89 are only given as "> 89".
SELECT
    cohort.stay,
    CASE WHEN patient.age = '> 89' THEN '90' ELSE patient.age END AS age,
    patient.admissionheight AS height,
    patient.admissionweight AS weight,
    patient.gender,
    patient.ethnicity,
    patient.unittype AS unit_type,
    patient.unitadmitsource AS admission_source,
    hospital.region,
    CASE WHEN lower(hospital.teachingstatus) IN ('t', 'true') THEN 'teaching'
        WHEN lower(hospital.teachingstatus) IN ('f', 'false') THEN 'not teaching' END AS teaching,
    hospital.numbedscategory AS beds
FROM cohort
    JOIN patient ON patient.patientunitstayid = cohort.stay
    LEFT JOIN hospital USING (hospitalid)
ORDER BY cohort.stay;
