-- The diagnoses of kept stays that have a title, with their CCS group by exact code. All text.
SELECT
    CAST(diagnosis.SUBJECT_ID AS VARCHAR) AS SUBJECT_ID,
    CAST(diagnosis.HADM_ID AS VARCHAR) AS HADM_ID,
    CAST(SEQ_NUM AS VARCHAR) AS SEQ_NUM,
    ICD9_CODE,
    SHORT_TITLE,
    LONG_TITLE,
    CAST(stays.ICUSTAY_ID AS VARCHAR) AS ICUSTAY_ID,
    phenotypes."group" AS HCUP_CCS_2015,
    CAST(phenotypes.use_in_benchmark AS VARCHAR) AS USE_IN_BENCHMARK
FROM DIAGNOSES_ICD AS diagnosis
    JOIN D_ICD_DIAGNOSES AS title USING (ICD9_CODE)
    JOIN stays USING (SUBJECT_ID, HADM_ID)
    LEFT JOIN phenotypes USING (ICD9_CODE)
ORDER BY stays.SUBJECT_ID, stays.HADM_ID, diagnosis.SEQ_NUM, ICD9_CODE;
