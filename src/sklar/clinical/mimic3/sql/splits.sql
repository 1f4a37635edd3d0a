-- The part of every patient with a kept stay: test where testset is 1, else validation where valset is 1, else train.
-- Patients that the list lacks are training (compat), or dealt by the hash of their number (clean; the official list's
-- shares, 15% test and 15% of the rest validation).
SELECT
    SUBJECT_ID,
    listed.testset,
    listed.valset,
    CASE
        WHEN listed.split IS NOT NULL THEN listed.split
        WHEN NOT getvariable('clean') THEN 'train'
        WHEN bucket < 150 THEN 'test'
        WHEN bucket < 278 THEN 'val'
        ELSE 'train'
    END AS split
FROM (SELECT DISTINCT SUBJECT_ID FROM stays) AS subject
    LEFT JOIN split_list AS listed USING (SUBJECT_ID),
    LATERAL (SELECT ('0x' || left(sha256(SUBJECT_ID::VARCHAR), 8))::BIGINT % 1000 AS bucket)
ORDER BY SUBJECT_ID;
