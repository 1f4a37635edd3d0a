-- One row a time and stay, one column a variable, each with the exact text written. Of several values of one time the
-- largest stays: of cleaned variables the largest number, of the others the last in code-point order (99 beats 100).
-- Values are shared by all stays of a patient that were charted for at that time.
CREATE OR REPLACE TEMP MACRO number_of(name, variable, number) AS
    written(max(number) FILTER (variable = name));
CREATE OR REPLACE TEMP MACRO text_of(name, variable, text, number, whole) AS coalesce(
    max(text) FILTER (variable = name),
    arg_max(written_as(number, whole), (number, whole)) FILTER (variable = name)
);
WITH cleaned AS (
    SELECT SUBJECT_ID, ICUSTAY_ID, CHARTTIME, VARIABLE, number, text, whole
    FROM readings
    WHERE CHARTTIME IS NOT NULL AND (number IS NOT NULL OR text IS NOT NULL)
),
cells AS (
    SELECT
        SUBJECT_ID,
        CHARTTIME,
        list_sort(list_distinct(list(ICUSTAY_ID))) AS charted_for,
        number_of('Capillary refill rate', VARIABLE, number) AS "Capillary refill rate",
        number_of('Diastolic blood pressure', VARIABLE, number) AS "Diastolic blood pressure",
        number_of('Fraction inspired oxygen', VARIABLE, number) AS "Fraction inspired oxygen",
        text_of('Glascow coma scale eye opening', VARIABLE, text, number, whole) AS "Glascow coma scale eye opening",
        text_of('Glascow coma scale motor response', VARIABLE, text, number, whole) AS "Glascow coma scale motor response",
        text_of('Glascow coma scale total', VARIABLE, text, number, whole) AS "Glascow coma scale total",
        text_of('Glascow coma scale verbal response', VARIABLE, text, number, whole) AS "Glascow coma scale verbal response",
        number_of('Glucose', VARIABLE, number) AS "Glucose",
        text_of('Heart Rate', VARIABLE, text, number, whole) AS "Heart Rate",
        number_of('Height', VARIABLE, number) AS "Height",
        text_of('Mean blood pressure', VARIABLE, text, number, whole) AS "Mean blood pressure",
        number_of('Oxygen saturation', VARIABLE, number) AS "Oxygen saturation",
        text_of('Respiratory rate', VARIABLE, text, number, whole) AS "Respiratory rate",
        number_of('Systolic blood pressure', VARIABLE, number) AS "Systolic blood pressure",
        number_of('Temperature', VARIABLE, number) AS "Temperature",
        number_of('Weight', VARIABLE, number) AS "Weight",
        number_of('pH', VARIABLE, number) AS "pH"
    FROM cleaned
    GROUP BY SUBJECT_ID, CHARTTIME
),
-- An episode holds the rows charted for its stay, at any time, and the rows of its patient between INTIME and OUTTIME.
placed AS (
    SELECT stays.ICUSTAY_ID, stays.episode, stays.INTIME, cells.*
    FROM (SELECT *, unnest(charted_for) AS charted FROM cells) AS cells JOIN stays USING (SUBJECT_ID)
    WHERE cells.charted = stays.ICUSTAY_ID OR cells.CHARTTIME BETWEEN stays.INTIME AND stays.OUTTIME
)
SELECT
    ICUSTAY_ID,
    SUBJECT_ID,
    episode,
    CAST(row_number() OVER (PARTITION BY ICUSTAY_ID ORDER BY CHARTTIME, charted) - 1 AS INTEGER) AS row,
    hours(CHARTTIME, INTIME) AS Hours,
    written(hours(CHARTTIME, INTIME)) AS Hours_text,
    COLUMNS(* EXCLUDE (ICUSTAY_ID, SUBJECT_ID, episode, INTIME, CHARTTIME, charted, charted_for))
FROM placed
ORDER BY ICUSTAY_ID, row;
