-- Infusions up to 24 hours, and medication ordered and started by then and not cancelled (its recorded end is not used).
WITH
-- Half of the orders have no name but a HICL number of the ingredient: its most frequent name stands for all of them.
hicl_names AS (
    SELECT drughiclseqno AS hicl, drug_word(drugname) AS name, count(*) AS times
    FROM medication
    WHERE drughiclseqno IS NOT NULL AND drug_word(drugname) IS NOT NULL
    GROUP BY ALL
),
hicl AS (
    SELECT hicl, first(name ORDER BY times DESC, name) AS name FROM hicl_names GROUP BY hicl
),
orders AS (
    SELECT
        cohort.stay,
        greatest(medication.drugorderoffset, medication.drugstartoffset) AS minute,
        1 AS kind,
        medication.medicationid AS id,
        coalesce(hicl.name, drug_word(medication.drugname), 'HICL ' || medication.drughiclseqno, 'unnamed') AS drug,
        NULL::VARCHAR AS unit,
        NULL::DOUBLE AS value
    FROM medication
        JOIN cohort ON cohort.stay = medication.patientunitstayid
        LEFT JOIN hicl ON hicl.hicl = medication.drughiclseqno
    WHERE medication.drugorderoffset <= 1440
        AND medication.drugstartoffset <= 1440
        AND NOT medication.drugordercancelled
),
-- The rate's unit is the last bracket of the name; a rate without unit is not comparable and left out.
infusions AS (
    SELECT
        cohort.stay,
        infusiondrug.infusionoffset AS minute,
        2 AS kind,
        infusiondrug.infusiondrugid AS id,
        coalesce(drug_word(infusiondrug.drugname), 'unnamed') AS drug,
        nullif(regexp_extract(lower(infusiondrug.drugname), '\(([a-z]+(/[a-z]+)+)\)\s*$', 1), '') AS unit,
        TRY_CAST(infusiondrug.drugrate AS DOUBLE) AS value
    FROM infusiondrug JOIN cohort ON cohort.stay = infusiondrug.patientunitstayid
    WHERE infusiondrug.infusionoffset <= 1440
),
known AS (
    FROM orders UNION ALL FROM infusions
),
-- A code is a drug, for an infusion with its unit; of few stays, the drug alone; of still fewer, one code for the rest.
rates AS (
    SELECT kind, drug, unit
    FROM known
    WHERE unit IS NOT NULL AND drug <> 'unnamed'
    GROUP BY ALL
    HAVING count(DISTINCT stay) >= $minimum_stays
),
drugs AS (
    SELECT kind, drug
    FROM known ANTI JOIN rates USING (kind, drug, unit)
    WHERE drug <> 'unnamed'
    GROUP BY ALL
    HAVING count(DISTINCT stay) >= $minimum_stays
)
SELECT
    known.stay,
    known.minute / 60 AS time,
    CASE
        WHEN rates.unit IS NOT NULL THEN known.drug || ' infusion (' || known.unit || ')'
        WHEN known.kind = 1 THEN coalesce(drugs.drug, 'other medication')
        ELSE coalesce(drugs.drug || ' infusion', 'other infusion')
    END AS code,
    CASE WHEN rates.unit IS NOT NULL AND isfinite(known.value) THEN known.value END AS value,
    rates.unit
FROM known
    LEFT JOIN rates USING (kind, drug, unit)
    LEFT JOIN drugs USING (kind, drug)
ORDER BY known.stay, time, known.kind, known.id;
