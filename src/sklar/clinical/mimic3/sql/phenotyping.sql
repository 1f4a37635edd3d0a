-- Phenotyping: 25 groups of diagnoses of every stay with a reading in it.
SELECT split, ICUSTAY_ID, stay, printf('%.6f', los) AS period_length, phenotype_labels.* EXCLUDE (ICUSTAY_ID)
FROM windows JOIN phenotype_labels USING (ICUSTAY_ID)
WHERE first_hour IS NOT NULL
ORDER BY ICUSTAY_ID;
