-- Treatments up to 24 hours. A code is the treatment's path, cut to its leading levels until enough stays share it:
-- "cardiovascular|shock|vasopressors|dopamine" may count as "cardiovascular|shock|vasopressors".
WITH
known AS (
    SELECT
        cohort.stay,
        treatment.treatmentoffset AS minute,
        treatment.treatmentid AS id,
        string_split(treatment.treatmentstring, '|') AS path
    FROM treatment JOIN cohort ON cohort.stay = treatment.patientunitstayid
    WHERE treatment.treatmentoffset <= 1440
),
levels AS (
    SELECT stay, id, level, array_to_string(path[1:level], '|') AS prefix
    FROM (SELECT stay, id, path, unnest(range(1, len(path) + 1)) AS level FROM known)
),
common AS (
    SELECT prefix FROM levels GROUP BY prefix HAVING count(DISTINCT stay) >= $minimum_stays
),
longest AS (
    SELECT id, max_by(prefix, level) AS code FROM levels SEMI JOIN common USING (prefix) GROUP BY id
)
SELECT
    known.stay,
    known.minute / 60 AS time,
    coalesce(longest.code, 'other treatment') AS code,
    NULL::DOUBLE AS value,
    NULL::VARCHAR AS unit
FROM known LEFT JOIN longest USING (id)
ORDER BY known.stay, time, known.id;
