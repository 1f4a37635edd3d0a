-- One row a stay that can be predicted 24 hours (1440 minutes) after admission to the unit.
SELECT
    patientunitstayid AS stay,
    uniquepid AS patient,
    hospitalid AS hospital,
    hospitaldischargestatus = 'Expired' AS died  -- in hospital; death in the unit is another outcome
FROM patient
WHERE hospitaldischargestatus IS NOT NULL
    AND unitdischargeoffset >= 1440  -- who left earlier has a short series because of the outcome
    AND patientunitstayid IN (SELECT stay_id FROM hourly WHERE hour < 24)
ORDER BY stay;
