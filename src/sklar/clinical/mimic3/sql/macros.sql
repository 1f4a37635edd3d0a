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
