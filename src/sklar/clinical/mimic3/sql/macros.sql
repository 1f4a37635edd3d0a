-- Words that count as a missing value (those of pandas 1.2.5, which the published scripts ran with; None is not one).
CREATE OR REPLACE TEMP MACRO known(word) AS
    CASE WHEN word NOT IN (
        '#N/A', '#N/A N/A', '#NA', '-1.#IND', '-1.#QNAN', '-NaN', '-nan', '1.#IND', '1.#QNAN', '<NA>', 'N/A', 'NA',
        'NULL', 'NaN', 'n/a', 'nan', 'null', ''
    ) THEN word END;

-- The shortest text that reads back as the number.
CREATE OR REPLACE TEMP MACRO written(number) AS CASE WHEN NOT isnan(number) THEN CAST(number AS VARCHAR) END;

-- The same of an uncleaned value that was read as a number: a whole one without a point.
CREATE OR REPLACE TEMP MACRO written_as(number, whole) AS
    CASE WHEN whole THEN CAST(CAST(number AS BIGINT) AS VARCHAR) ELSE written(number) END;

-- Hours between two times; two divisions, as published: the last bit differs from one by 3600.
CREATE OR REPLACE TEMP MACRO hours(later, earlier) AS (epoch(later) - epoch(earlier)) / 60 / 60;

CREATE OR REPLACE TEMP MACRO timestamp_text(moment) AS strftime(moment, '%Y-%m-%d %H:%M:%S');

-- Slack, in hours, at the ends of windows.
CREATE OR REPLACE TEMP MACRO eps() AS 1e-6::DOUBLE;

-- The prediction times 0, 1, 2, ... before an end.
CREATE OR REPLACE TEMP MACRO whole_hours_before(finish) AS
    range(CAST(greatest(ceil(finish), 0) AS BIGINT));

-- Fahrenheit is known by its size alone.
CREATE OR REPLACE TEMP MACRO celsius(number) AS CASE WHEN number >= 79 THEN (number - 32) * 5 / 9 ELSE number END;

-- Ounces and pounds are known by unit or label, both in lower case.
CREATE OR REPLACE TEMP MACRO kilograms(number, unit, label) AS CASE
    WHEN contains(unit, 'oz') OR contains(label, 'oz') THEN number / 16 * 0.453592
    WHEN contains(unit, 'lb') OR contains(label, 'lb') THEN number * 0.453592
    ELSE number
END;

-- The rows of a task's list in a dataset folder's words, with the list's own further columns.
CREATE OR REPLACE TEMP MACRO listed(name) AS TABLE
SELECT
    CAST(windows.SUBJECT_ID AS BIGINT) AS group_id,
    CASE task.split WHEN 'val' THEN 'validation' ELSE task.split END AS split,
    CAST(task.ICUSTAY_ID AS BIGINT) AS stay_id,
    los,
    first_hour,
    task.* EXCLUDE (split, ICUSTAY_ID, stay)
FROM query_table(name) AS task JOIN windows ON windows.ICUSTAY_ID = task.ICUSTAY_ID;

-- The same of a list with a row an hour, which sees the stay up to that hour.
CREATE OR REPLACE TEMP MACRO listed_hourly(name) AS TABLE
SELECT
    stay_id * 100000 + CAST(CAST(period_length AS DOUBLE) AS BIGINT) AS sample_id,
    group_id,
    split,
    stay_id,
    stay_id AS series_id,
    CAST(period_length AS DOUBLE) AS until,
    y_true
FROM listed(name);
