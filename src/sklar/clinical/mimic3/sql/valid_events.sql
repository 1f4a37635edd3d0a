-- The event rows that validation keeps, with the stay of their admission, numbered within their patient in the order of
-- the tables.
CREATE OR REPLACE TEMP VIEW valid_events AS
SELECT
    event.* REPLACE (stays.ICUSTAY_ID AS ICUSTAY_ID),
    coalesce(event.CHARTTIME BETWEEN stays.INTIME AND stays.OUTTIME, false) AS in_stay,
    row_number() OVER (PARTITION BY event.SUBJECT_ID ORDER BY event.source, event.row) - 1 AS EVENT_ROW
FROM events AS event JOIN stays USING (SUBJECT_ID, HADM_ID)
WHERE coalesce(event.ICUSTAY_ID = stays.ICUSTAY_ID, true);
