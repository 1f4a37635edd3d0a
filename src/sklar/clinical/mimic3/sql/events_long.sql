-- The 17 variables as irregular events: every cell of every series within the stay. A listed category is a code of its
-- own, a number is the value of its variable's code; a text that is neither keeps its variable's code and no value.
SELECT
    CAST(cell.ICUSTAY_ID AS BIGINT) AS series_id,
    cell.Hours AS time,
    CASE WHEN category.text IS NULL THEN cell.variable ELSE cell.variable || '->' || cell.text END AS code,
    CASE WHEN category.text IS NULL AND abs(TRY_CAST(cell.text AS DOUBLE)) < 1e38 THEN CAST(cell.text AS DOUBLE) END AS value
FROM (
        UNPIVOT (SELECT * EXCLUDE (SUBJECT_ID, episode, row, Hours_text) FROM timeseries)
        ON COLUMNS(* EXCLUDE (ICUSTAY_ID, Hours)) INTO NAME variable VALUE text
    ) AS cell
    JOIN windows USING (ICUSTAY_ID)
    LEFT JOIN coded_categories AS category ON category.variable = cell.variable AND category.text = cell.text
WHERE cell.Hours > -eps() AND cell.Hours < windows.los + eps()
ORDER BY series_id, time, code;
