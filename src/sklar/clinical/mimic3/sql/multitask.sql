-- All tasks of a stay in one row, each as a text: masks first, then labels.
CREATE OR REPLACE TEMP MACRO joined(items) AS array_to_string(items, ';');
WITH phenotype_text AS (
    SELECT ICUSTAY_ID, string_agg(label::VARCHAR, ';' ORDER BY phenotype) AS phenotypes
    FROM (UNPIVOT phenotype_labels ON COLUMNS(* EXCLUDE (ICUSTAY_ID)) INTO NAME phenotype VALUE label)
    GROUP BY ICUSTAY_ID
),
timed AS (
    SELECT
        *,
        whole_hours_before(los + eps()) AS los_hours,
        whole_hours_before(least(los, lived) + eps()) AS lived_hours,
        los < 48 - eps() OR first_hour > 48 + eps() AS masked
    FROM windows
    WHERE first_hour IS NOT NULL
)
SELECT
    split,
    ICUSTAY_ID,
    stay AS filename,
    printf('%.6f', los) AS "length of stay",
    CASE WHEN masked THEN '0;0;' ELSE '47;1;' END || mortality AS "in-hospital mortality task (pos;mask;label)",
    joined(list_transform(los_hours, lambda t: CAST(t > 4 AND t > first_hour AS INTEGER))) || ';'
        || joined(list_transform(los_hours, lambda t: printf('%.6f', los - t)))
        AS "length of stay task (masks;labels)",
    phenotypes AS "phenotyping task (labels)",
    joined(list_transform(lived_hours, lambda t: CAST(t > 4 AND t > first_hour AS INTEGER))) || ';'
        || joined(list_transform(lived_hours, lambda t: CAST(mortality = 1 AND lived - t < 24 AS INTEGER)))
        AS "decompensation task (masks;labels)"
FROM timed JOIN phenotype_text USING (ICUSTAY_ID)
ORDER BY ICUSTAY_ID;
