-- Strings of four tables, up to 24 hours. One text a stay, table and time: the entries of one visit to a form, joined.
-- An entry made after 24 hours about an earlier time was not known then, so both times count.
WITH
entries AS (
    SELECT
        patientunitstayid AS stay,
        'Admission diagnosis' AS source,
        admitdxenteredoffset AS minute,
        admitdxenteredoffset AS entered,
        admissiondxid AS id,
        replace(regexp_replace(admitdxpath, '^admission diagnosis\|', ''), '|', ': ') AS line
    FROM admissiondx
    UNION ALL
    SELECT
        patientunitstayid, 'Diagnosis', diagnosisoffset, diagnosisoffset, diagnosisid,
        replace(diagnosisstring, '|', ': ')
    FROM diagnosis
    UNION ALL
    SELECT
        patientunitstayid, 'Past history', pasthistoryoffset, pasthistoryenteredoffset, pasthistoryid,
        form_line(pasthistorypath, pasthistoryvalue, pasthistoryvaluetext)
    FROM pasthistory
    UNION ALL
    SELECT
        patientunitstayid, 'Note', noteoffset, noteenteredoffset, noteid,
        form_line(notepath, notevalue, notetext)
    FROM note
),
known AS (
    SELECT stay, source, minute, line, min(id) AS id  -- a line that a form holds twice is said once
    FROM entries SEMI JOIN cohort USING (stay)
    WHERE minute <= 1440 AND entered <= 1440 AND line IS NOT NULL
    GROUP BY stay, source, minute, line
)
SELECT
    stay,
    minute / 60 AS time,
    source || '. ' || string_agg(line, '; ' ORDER BY id, line) AS text
FROM known
GROUP BY stay, source, minute
ORDER BY stay, time, source;
