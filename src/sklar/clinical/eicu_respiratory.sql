-- Respiratory charting up to 24 hours: label and, where it is a number, value. What was charted later about an earlier
-- time was not known then. Labels of few stays share one code.
WITH
-- Beyond these a value is in another unit or a slip of the keyboard (the demo holds a tidal volume of 722,000).
plausible (label, low, high) AS (
    VALUES
        ('RR (patient)', 0, 100), ('Total RR', 0, 100), ('Vent Rate', 0, 100),  -- 1/min
        ('LPM O2', 0, 100), ('Peak Flow', 0, 200), ('Exhaled MV', 0, 100),  -- L/min
        ('FiO2', 21, 100), ('FIO2 (%)', 21, 100), ('SaO2', 1, 100),  -- %
        ('Tidal Volume (set)', 0, 3000), ('Exhaled TV (patient)', 0, 3000), ('Exhaled TV (machine)', 0, 3000),  -- mL
        ('TV/kg IBW', 0, 50),  -- mL/kg
        ('PEEP', 0, 60), ('PEEP/CPAP', 0, 60), ('CPAP', 0, 60), ('Pressure Support', 0, 100),  -- cm of water
        ('Pressure Control', 0, 100), ('Peak Insp. Pressure', 0, 120), ('Plateau Pressure', 0, 100),
        ('Mean Airway Pressure', 0, 100)
),
known AS (
    SELECT
        cohort.stay,
        chart.respchartoffset AS minute,
        chart.respchartid AS id,
        chart.respchartvaluelabel AS label,
        TRY_CAST(rtrim(chart.respchartvalue, '% ') AS DOUBLE) AS number,
        -- a fraction of oxygen is charted as 0.4 or as 40
        CASE WHEN label IN ('FiO2', 'FIO2 (%)') AND number <= 1 THEN 100 * number ELSE number END AS value
    FROM respiratorycharting AS chart JOIN cohort ON cohort.stay = chart.patientunitstayid
    WHERE chart.respchartoffset <= 1440 AND chart.respchartentryoffset <= 1440
),
common AS (
    SELECT label FROM known GROUP BY label HAVING count(DISTINCT stay) >= $minimum_stays
)
SELECT
    known.stay,
    known.minute / 60 AS time,
    coalesce(common.label, 'other charting') AS code,
    common.label IS NOT NULL AND known.value NOT BETWEEN coalesce(low, -1e6) AND coalesce(high, 1e6) AS implausible,
    CASE WHEN common.label IS NOT NULL AND NOT implausible THEN known.value END AS value,
    NULL::VARCHAR AS unit
FROM known
    LEFT JOIN common USING (label)
    LEFT JOIN plausible USING (label)
ORDER BY known.stay, time, known.id;
