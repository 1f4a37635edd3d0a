-- The recorded APACHE IVa risk of death in hospital: a comparison, never an input. -1 means not available.
SELECT cohort.stay, max(nullif(result.predictedhospitalmortality, -1)) AS apache_iva
FROM cohort
    LEFT JOIN apachepatientresult AS result
        ON result.patientunitstayid = cohort.stay AND result.apacheversion = 'IVa'
GROUP BY cohort.stay
ORDER BY cohort.stay;
