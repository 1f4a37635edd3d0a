-- CM2's notes of the stays of in-hospital mortality; time is that of charting.
SELECT CAST(link.ICUSTAY_ID AS BIGINT) AS series_id, link.charted AS time, note.TEXT AS text
FROM notes_linked AS link JOIN NOTEEVENTS AS note USING (row)
WHERE link.cm2 AND link.ICUSTAY_ID IN (SELECT ICUSTAY_ID FROM note_stays)
ORDER BY series_id, time, row;
