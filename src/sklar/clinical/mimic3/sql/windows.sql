-- What the tasks need of every stay with a static table and a length of stay. All times in hours since INTIME.
-- los: length of stay; lived: until death, 1e18 if there is none; first_hour and first_hour_48: of the first row in the
-- stay and in its first 48 hours, null if there is none.
WITH rows_of_stay AS (
    SELECT
        series.ICUSTAY_ID,
        min(Hours) FILTER (Hours > -eps() AND Hours < 24.0::DOUBLE * LOS + eps()) AS first_hour,
        min(Hours) FILTER (Hours > -eps() AND Hours < 48 + eps()) AS first_hour_48,
        min(row) FILTER (Hours > -eps() AND Hours < 24.0::DOUBLE * LOS + eps()) AS first_row,
        max(row) FILTER (Hours > -eps() AND Hours < 24.0::DOUBLE * LOS + eps()) AS last_row,
        min(row) FILTER (Hours > -eps() AND Hours < 48 + eps()) AS first_row_48,
        max(row) FILTER (Hours > -eps() AND Hours < 48 + eps()) AS last_row_48,
        count(*) AS rows_in_episode
    FROM timeseries AS series JOIN stays USING (ICUSTAY_ID)
    GROUP BY series.ICUSTAY_ID
)
SELECT
    stays.ICUSTAY_ID, stays.SUBJECT_ID, stays.HADM_ID, stays.stay, splits.split,
    24.0::DOUBLE * stays.LOS AS los,
    CAST(stays.died_in_hospital AS BIGINT) AS mortality,
    coalesce((epoch(DEATHTIME) - epoch(INTIME)) / 3600, 1e18::DOUBLE) AS lived,
    rows_of_stay.* EXCLUDE (ICUSTAY_ID)
FROM stays
    JOIN rows_of_stay USING (ICUSTAY_ID)
    JOIN episodes ON episodes.Icustay = stays.ICUSTAY_ID
    JOIN splits ON splits.SUBJECT_ID = stays.SUBJECT_ID
WHERE stays.LOS IS NOT NULL
ORDER BY stays.ICUSTAY_ID;
