-- Notes known within the first 48 hours: none in error, none without a chart time, no discharge summary.
SELECT CAST(link.ICUSTAY_ID AS BIGINT) AS series_id, link.known AS time, note.TEXT AS text
FROM notes_linked AS link JOIN NOTEEVENTS AS note USING (row)
WHERE link.clean AND link.known <= 48 AND link.ICUSTAY_ID IN (SELECT ICUSTAY_ID FROM note_stays)
ORDER BY series_id, time, row;
