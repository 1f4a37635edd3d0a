-- Notes known within the stay: none in error, none without a chart time, no discharge summary.
SELECT CAST(link.ICUSTAY_ID AS BIGINT) AS series_id, link.known AS time, note.TEXT AS text
FROM notes_linked AS link
    JOIN NOTEEVENTS AS note USING (row)
    JOIN windows USING (ICUSTAY_ID)
WHERE link.clean AND link.known <= windows.los
ORDER BY series_id, time, row;
