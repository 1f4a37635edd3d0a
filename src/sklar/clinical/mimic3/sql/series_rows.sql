-- Which rows of its series each task's stay sees: the first 48 hours, or the whole stay.
WITH seen AS (
    SELECT 'ihm' AS task, ICUSTAY_ID, first_row_48 AS first_row, last_row_48 AS last_row, rows_in_episode
    FROM windows SEMI JOIN ihm USING (ICUSTAY_ID)
    UNION ALL
    SELECT task, ICUSTAY_ID, first_row, last_row, rows_in_episode
    FROM windows, (VALUES ('decompensation'), ('length_of_stay'), ('phenotyping'), ('multitask')) AS tasks (task)
    WHERE first_row IS NOT NULL
)
SELECT
    task,
    CAST(ICUSTAY_ID AS BIGINT) AS ICUSTAY_ID,
    CAST(first_row AS BIGINT) AS first_row,
    CAST(last_row AS BIGINT) AS last_row,
    rows_in_episode
FROM seen
ORDER BY task, ICUSTAY_ID;
