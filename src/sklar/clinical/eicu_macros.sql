-- A form's path, value and text as one line: "notes/Progress Notes/Social History/Smoking Status/denies smoking" with
-- the value "denies smoking" becomes "Social History: Smoking Status: denies smoking".
CREATE OR REPLACE TEMP MACRO form_line(path, value, content) AS
    regexp_replace(
        replace(replace(replace(
            CASE WHEN ends_with(path, value) THEN left(path, length(path) - length(value)) ELSE path || '/' END,
            ':/', '/'), ' / ', ' and '), '/', ': '),
        '^notes: (Progress Notes: (Past History: )?)?', ''
    )
    || value
    || CASE WHEN replace(content, ' ', '') <> replace(value, ' ', '') THEN ' ' || content ELSE '' END;

-- The name of a drug without pack, strength and form: "2 ML VIAL : ONDANSETRON HCL 4 MG/2ML IJ SOLN" and
-- "ondansetron hcl inj" both become "ondansetron hcl"; null where no name is left.
CREATE OR REPLACE TEMP MACRO drug_word(name) AS
    nullif(trim(regexp_replace(
        regexp_extract(
            regexp_replace(
                regexp_replace(lower(trim(name, ' <*.')), '^\.?[0-9][0-9.,]* *(ml|g|gm|each|l)\b[a-z ]*(:| - ) *', ''),
                '^(volume|concentration) *\([^)]*\) *', ''
            ),
            '^[a-z][a-z /''&.+-]*'
        ),
        '( (in|inj|injection|tab|tabs|tablet|cap|caps|capsule|iv|ivpb|po|ud|soln|sdv|emulsion|infusion|drip|liq|oral|per'
        '|with|w/|d|ns|sl|pf|human|ivf|premix|- *)[ /.&+-]*)+$|[ /.&+-]+$', '', 'g'
    )), '');
