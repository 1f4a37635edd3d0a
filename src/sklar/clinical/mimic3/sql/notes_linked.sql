-- Notes of kept stays, without their text: hours since INTIME, and whether each rule may see them.
WITH linked AS (
    SELECT
        stays.ICUSTAY_ID,
        note.row,
        hours(note.CHARTTIME, INTIME) AS charted,
        hours(note.STORETIME, INTIME) AS stored,
        note.CHARTTIME,
        floor((epoch(note.CHARTTIME) - epoch(T0)) / 3600) AS hours_since_t0,
        note.TEXT IS NOT NULL AS has_text,
        trim(coalesce(ISERROR, '')) = '1' AS in_error,
        lower(trim(coalesce(CATEGORY, ''))) = 'discharge summary' AS discharge_summary
    FROM NOTEEVENTS AS note
        JOIN stays USING (SUBJECT_ID, HADM_ID)
        LEFT JOIN (SELECT SUBJECT_ID, HADM_ID, T0 FROM admission_events) AS zero USING (SUBJECT_ID, HADM_ID)
),
-- CM2: notes of one chart time overwrite each other; up to but excluding T0 + 49 hours, and any time before.
within AS (
    SELECT ICUSTAY_ID, max(row) AS row, CHARTTIME
    FROM linked
    WHERE has_text AND hours_since_t0 <= 48
    GROUP BY ICUSTAY_ID, CHARTTIME
),
-- More than five must remain; the last five are used.
last_five AS (
    SELECT row
    FROM within
    QUALIFY count(*) OVER (PARTITION BY ICUSTAY_ID) > 5
        AND row_number() OVER (PARTITION BY ICUSTAY_ID ORDER BY CHARTTIME DESC) <= 5
)
SELECT
    linked.* EXCLUDE (CHARTTIME, hours_since_t0),
    last_five.row IS NOT NULL AS cm2,
    -- a note is known once it is both charted and stored
    greatest(charted, stored) AS known,
    has_text AND NOT in_error AND NOT discharge_summary AND charted IS NOT NULL AS clean
FROM linked LEFT JOIN last_five USING (row)
ORDER BY ICUSTAY_ID, row;
