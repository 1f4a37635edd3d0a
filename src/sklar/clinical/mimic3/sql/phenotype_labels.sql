-- The 25 phenotypes of every kept stay, one column a group in code-point order.
CREATE OR REPLACE TEMP TABLE phenotype_of_stay AS
WITH present AS (
    SELECT DISTINCT CAST(ICUSTAY_ID AS INTEGER) AS ICUSTAY_ID, HCUP_CCS_2015 AS phenotype
    FROM diagnoses
    WHERE USE_IN_BENCHMARK = '1'
)
SELECT stays.ICUSTAY_ID, phenotype, CAST(present.ICUSTAY_ID IS NOT NULL AS BIGINT) AS label
FROM stays
    CROSS JOIN (SELECT DISTINCT "group" AS phenotype FROM phenotypes WHERE use_in_benchmark = 1)
    LEFT JOIN present USING (ICUSTAY_ID, phenotype);
CREATE OR REPLACE TEMP TABLE labels AS
PIVOT phenotype_of_stay ON phenotype USING max(label) GROUP BY ICUSTAY_ID ORDER BY ICUSTAY_ID;
FROM labels;
