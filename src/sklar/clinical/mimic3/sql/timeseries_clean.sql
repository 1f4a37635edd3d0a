-- One row a time and stay, one column a variable. Of several values of one time: of numbers the median, of the coma
-- scale the worst. Its total is the sum of its parts where it was not charted and the patient could speak.
CREATE OR REPLACE TEMP MACRO number_of(name, variable, number) AS
    written(median(number) FILTER (variable = name));
CREATE OR REPLACE TEMP MACRO word_of(name, variable, text) AS min(text) FILTER (variable = name);
CREATE OR REPLACE TEMP MACRO points(word) AS CAST(left(word, 1) AS INTEGER);
WITH cells AS (
    SELECT
        SUBJECT_ID,
        ICUSTAY_ID,
        CHARTTIME,
        number_of('Capillary refill rate', VARIABLE, round_even(number, 0)) AS refill,
        number_of('Diastolic blood pressure', VARIABLE, number) AS "Diastolic blood pressure",
        number_of('Fraction inspired oxygen', VARIABLE, number) AS "Fraction inspired oxygen",
        word_of('Glascow coma scale eye opening', VARIABLE, text) AS eye,
        word_of('Glascow coma scale motor response', VARIABLE, text) AS motor,
        CAST(CAST(min(number) FILTER (VARIABLE = 'Glascow coma scale total') AS INTEGER) AS VARCHAR) AS total,
        word_of('Glascow coma scale verbal response', VARIABLE, text) AS verbal,
        number_of('Glucose', VARIABLE, number) AS "Glucose",
        number_of('Heart Rate', VARIABLE, number) AS "Heart Rate",
        number_of('Height', VARIABLE, number) AS "Height",
        number_of('Mean blood pressure', VARIABLE, number) AS "Mean blood pressure",
        number_of('Oxygen saturation', VARIABLE, number) AS "Oxygen saturation",
        number_of('Respiratory rate', VARIABLE, number) AS "Respiratory rate",
        number_of('Systolic blood pressure', VARIABLE, number) AS "Systolic blood pressure",
        number_of('Temperature', VARIABLE, number) AS "Temperature",
        number_of('Weight', VARIABLE, number) AS "Weight",
        number_of('pH', VARIABLE, number) AS "pH"
    FROM readings
    WHERE number IS NOT NULL OR text IS NOT NULL
    GROUP BY SUBJECT_ID, ICUSTAY_ID, CHARTTIME
)
SELECT
    ICUSTAY_ID,
    cells.SUBJECT_ID,
    episode,
    CAST(row_number() OVER (PARTITION BY ICUSTAY_ID ORDER BY CHARTTIME) - 1 AS INTEGER) AS row,
    hours(CHARTTIME, INTIME) AS Hours,
    written(hours(CHARTTIME, INTIME)) AS Hours_text,
    CASE refill WHEN '0.5' THEN '1.0' ELSE refill END AS "Capillary refill rate",  -- the worse of the two
    "Diastolic blood pressure",
    "Fraction inspired oxygen",
    eye AS "Glascow coma scale eye opening",
    motor AS "Glascow coma scale motor response",
    coalesce(total, CASE WHEN verbal <> '1.0 ET/Trach' THEN CAST(points(eye) + points(motor) + points(verbal) AS VARCHAR) END)
        AS "Glascow coma scale total",
    verbal AS "Glascow coma scale verbal response",
    COLUMNS(cells.* EXCLUDE (
        SUBJECT_ID, ICUSTAY_ID, CHARTTIME, refill, eye, motor, total, verbal, "Diastolic blood pressure",
        "Fraction inspired oxygen"
    ))
FROM cells JOIN (SELECT ICUSTAY_ID, episode, INTIME FROM stays) AS stays USING (ICUSTAY_ID)
ORDER BY ICUSTAY_ID, row;
