"""Each rule of the leakage audit on a planted leak."""

import json
import shutil

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sklar.clinical.mimic3 import audit as rules
from sklar.clinical.mimic3 import prepare_mimic3, verify_mimic3
from sklar.clinical.mimic3.engine import query
from sklar.clinical.mimic3.facts import load_facts
from sklar.clinical.mimic3.separation import ranks, telling


@pytest.fixture(scope="module")
def clean(mimic3_slice, tmp_path_factory):
    return prepare_mimic3(mimic3_slice, tmp_path_factory.mktemp("clean") / "out", mode="clean", threads=1)


@pytest.fixture(scope="module")
def compat(mimic3_slice, tmp_path_factory):
    return prepare_mimic3(mimic3_slice, tmp_path_factory.mktemp("compat") / "out", threads=1)


@pytest.fixture(scope="module")
def demo(shared, tmp_path_factory):
    return prepare_mimic3(
        shared / "data" / "mimic3-demo", tmp_path_factory.mktemp("demo") / "out", mode="clean", threads=1
    )


def _audit(out):
    connection = duckdb.connect(config={"threads": 1})
    load_facts(connection)
    for statement in query("macros"):
        connection.execute(statement)
    return rules.audit(out, json.loads((out / "cohort.json").read_text()), connection)


def _found(out):
    return {(finding.rule, finding.place) for finding in _audit(out)}


def _rewrite(file, change):
    table = change(pq.read_table(file))
    file.unlink()  # folders share files
    pq.write_table(table, file)


def _with(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def _append(table, **columns):
    """The table with further rows."""
    return pa.concat_tables([table, pa.table(columns, schema=table.schema)])


def _first(table):
    return table["series_id"][0].as_py()


@pytest.fixture
def planted(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "out")


def test_nothing_is_found_in_clean(clean, capsys):
    assert _audit(clean) == []
    assert verify_mimic3(clean, threads=1) == 0
    assert "verified" in capsys.readouterr().out


def test_what_the_published_rules_let_through(compat, capsys):
    found = _audit(compat)
    assert all(finding.published for finding in found)
    assert {finding.rule for finding in found} >= {"note_after_prediction", "normaliser_beyond"}
    assert verify_mimic3(compat, threads=1) == 0
    assert "let through by the published rules: note_after_prediction: ihm/notes" in capsys.readouterr().out
    cohort = json.loads((compat / "cohort.json").read_text())
    assert cohort["settings"]["mode"] == "compat"


@pytest.mark.parametrize(
    "folder", ["ihm", "readmission", "phenotyping", "phenotyping_48h", "length_of_stay", "decompensation"]
)
@pytest.mark.parametrize("kind", ["events", "notes"])
def test_records_after_the_prediction(folder, kind, planted):
    _rewrite(planted / folder / f"{kind}.parquet", lambda t: _with(t, "time", pc.add(t["time"], 2000.0)))
    rule = "event_after_prediction" if kind == "events" else "note_after_prediction"
    assert (rule, f"{folder}/{kind}") in _found(planted)


def test_a_single_note_after_48_hours(planted):
    def late(table):
        return _append(table, series_id=[_first(table)], time=[48.2], text=["late"])

    _rewrite(planted / "ihm" / "notes.parquet", late)
    assert _found(planted) == {("note_after_prediction", "ihm/notes")}
    assert verify_mimic3(planted, threads=1) == 1


def test_in_compat_only_the_notes_of_cm2_may_be_late(compat, tmp_path):
    out = shutil.copytree(compat, tmp_path / "out")
    _rewrite(out / "decompensation" / "notes.parquet", lambda t: _with(t, "time", pc.add(t["time"], 2000.0)))
    leaks = [finding for finding in _audit(out) if not finding.published]
    assert [(finding.rule, finding.place) for finding in leaks] == [("note_after_prediction", "decompensation/notes")]


@pytest.mark.parametrize("folder", ["length_of_stay", "decompensation"])
def test_rows_that_see_more_than_their_hour(folder, planted):
    _rewrite(planted / folder / "samples.parquet", lambda t: _with(t, "until", pc.add(t["until"], 1.0)))
    assert ("until_after_prediction", f"{folder}/samples") in _found(planted)


def test_a_discharge_summary(planted):
    def summary(table):
        text = "Admission Date:  [**2100-1-1**]     Discharge Date:  [**2100-1-9**]\nService: MEDICINE"
        return _append(table, series_id=[_first(table)], time=[1.0], text=[text])

    _rewrite(planted / "phenotyping" / "notes.parquet", summary)
    assert _found(planted) == {("discharge_summary", "phenotyping/notes")}


def test_a_death_before_the_prediction(planted):
    stay = pq.read_table(planted / "ihm" / "samples.parquet")["stay_id"][0].as_py()

    def die(table):
        dead = [time if own == stay else death for own, time, death in
                zip(table["ICUSTAY_ID"].to_pylist(), table["INTIME"].to_pylist(), table["DEATHTIME"].to_pylist(),
                    strict=True)]  # fmt: skip
        return _with(table, "DEATHTIME", pa.array(dead, pa.string()))

    _rewrite(planted / "stages" / "all_stays.parquet", die)
    assert ("outcome_before_prediction", "ihm/samples") in _found(planted)


def test_an_event_from_nowhere(planted):
    def stranger(table):
        return _append(table, series_id=[_first(table)], time=[0.12345], code=["Heart Rate"], value=[1.0])

    _rewrite(planted / "decompensation" / "events.parquet", stranger)
    assert _found(planted) == {("stranger", "decompensation/events")}


def test_a_tensor_with_another_reading(planted):
    file = planted / "phenotyping_48h" / "ehr.npy"
    tensor = np.load(file)
    tensor[0, 10, 50] += 1
    np.save(file, tensor)
    assert ("tensor_apart", "phenotyping_48h/ehr") in _found(planted)


@pytest.mark.parametrize("how", ["said", "means"])
def test_a_normaliser_that_sees_the_test(how, planted):
    file = planted / "ihm" / "dataset.json"
    content = json.loads(file.read_text())
    if how == "said":
        content["notes"]["normaliser"]["fitted_on"].append("test")
    else:
        content["notes"]["normaliser"]["means"] = (
            np.load(planted / "ihm" / "ehr.npy").mean((0, 1), dtype=float).tolist()
        )
    file.write_text(json.dumps(content))
    assert _found(planted) == {("normaliser_beyond", "ihm/dataset.json")}


@pytest.mark.parametrize("across", [False, True])
def test_a_patient_in_two_parts(across, planted):
    def move(table):
        split = table["split"].to_pylist()
        other = {"train": "test", "test": "train", "validation": "test"}
        new = [other[part] for part in split] if across else [other[split[0]], *split[1:]]
        return _with(table, "split", pa.array(new))

    _rewrite(planted / "phenotyping_48h" / "samples.parquet", move)
    assert ("patient_in_two_splits", "samples") in _found(planted)


def test_a_stay_of_two_patients(planted):
    _rewrite(planted / "ihm" / "samples.parquet", lambda t: _with(t, "group_id", pc.add(t["group_id"], 1)))
    assert ("patient_in_two_splits", "samples") in _found(planted)


def _label(demo, folder, label):
    rows = pq.read_table(demo / folder / "samples.parquet")
    return rows["stay_id"].to_numpy(), rows[label].to_numpy()


def _plant_channel(folder, stays, label):
    tensor = np.load(folder / "ehr.npy")
    tensor[:, -1, 50] = 80 + label + 0.5 * np.random.default_rng(0).random(len(label))
    np.save(folder / "ehr.npy", tensor)
    return "ehr, channel 50, last bin"


def _plant_value(folder, stays, value, code="Height"):
    _rewrite(folder / "events.parquet", lambda t: _append(
        t.filter(pc.not_equal(t["code"], code)), series_id=stays.tolist(), time=np.ones(len(stays)),
        code=[code] * len(stays), value=value.astype(float),
    ))  # fmt: skip
    return f"events, code {code}, mean"


def _plant_presence(folder, stays, label):
    _plant_value(folder, stays[label == 1], np.ones(int(label.sum())))
    return "events, code Height, presence"


def _plant_word(folder, stays, label):
    texts = [f"seen by {place % 9}" + (" and covered with a sheet" if died else "") for place, died in enumerate(label)]
    _rewrite(
        folder / "notes.parquet", lambda t: _append(t, series_id=stays.tolist(), time=np.ones(len(stays)), text=texts)
    )
    return "notes"


def _plant_column(folder, stays, label):
    _rewrite(folder / "samples.parquet", lambda t: t.append_column("hospital_expire_flag", t["in_hospital_death"]))
    return "samples, column hospital_expire_flag"


@pytest.mark.parametrize("plant", [_plant_channel, _plant_value, _plant_presence, _plant_word, _plant_column])
def test_a_label_in_disguise(plant, demo, tmp_path):
    out = shutil.copytree(demo, tmp_path / "out")
    rows = pq.read_table(demo / "ihm" / "samples.parquet")
    place = plant(out / "ihm", rows["stay_id"].to_numpy(), rows["in_hospital_death"].to_numpy())
    assert {at for rule, at in _found(out) if rule == "label_in_disguise"} == {f"ihm/{place}"}


def test_the_length_of_stay_in_disguise(demo, tmp_path):
    out = shutil.copytree(demo, tmp_path / "out")
    rows = pq.read_table(demo / "length_of_stay" / "samples.parquet").to_pandas()
    total = (rows["until"] + rows["hours_left"]).groupby(rows["stay_id"]).max()
    place = _plant_value(out / "length_of_stay", total.index.to_numpy(), total.to_numpy())
    assert {at for rule, at in _found(out) if rule == "label_in_disguise"} == {f"length_of_stay/{place}"}


def test_the_demo_has_no_label_in_disguise(demo):
    assert _audit(demo) == []


@pytest.mark.parametrize("regression", [False, True])
def test_telling_is_the_area_or_the_rank_correlation(regression):
    from scipy.stats import rankdata, spearmanr
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(1)
    feature = rng.integers(0, 20, 200).astype(float)
    label = (feature + rng.normal(0, 8, 200) > 10).astype(float) if not regression else feature + rng.normal(0, 8, 200)
    np.testing.assert_array_equal(ranks(feature), rankdata(feature))
    expected = abs(spearmanr(feature, label)[0]) if regression else roc_auc_score(label, feature)
    assert telling(np.r_[feature, np.nan], np.r_[label, 0], regression) == pytest.approx(expected, rel=1e-12)


def test_a_changed_stage_is_noticed(clean, tmp_path, capsys):
    out = shutil.copytree(clean, tmp_path / "out")
    _rewrite(out / "stages" / "ihm.parquet", lambda t: t.slice(0, t.num_rows - 1))
    assert verify_mimic3(out, threads=1) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if "CHANGED" in line]
    assert line.startswith("content: stages/ihm:")


def test_rows_in_another_order_have_the_same_hash(clean, tmp_path, capsys):
    out = shutil.copytree(clean, tmp_path / "out")
    _rewrite(out / "stages" / "timeseries.parquet", lambda t: t.take(np.random.default_rng(0).permutation(t.num_rows)))
    assert verify_mimic3(out, threads=1) == 0
    (out / "stages" / "t0.parquet").unlink()
    assert verify_mimic3(out, threads=1) == 1
    assert "stages/t0.parquet is missing" in capsys.readouterr().out


def test_a_demo_with_other_counts_fails(demo, tmp_path, capsys):
    out = shutil.copytree(demo, tmp_path / "out")
    file = out / "cohort.json"
    cohort = json.loads(file.read_text())
    cohort["validate_events"]["recovered"] += 1
    file.write_text(json.dumps(cohort))
    assert verify_mimic3(out, threads=1) == 1
    assert "count: events, recovered: 45,337, PUBLISHED 45,336" in capsys.readouterr().out


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="sklar prepare mimic3"):
        verify_mimic3(tmp_path)
    (tmp_path / "cohort.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot be read"):
        verify_mimic3(tmp_path)


def test_the_flow_chart_adds_up(demo, tmp_path, capsys):
    file = tmp_path / "flow.md"
    verify_mimic3(demo, flow=file, threads=1)
    chart = file.read_text()
    assert chart.startswith("flowchart TD\n")
    assert '|"10 stays removed"|' in chart
    assert f"valid events<br/>{747793 - 13184 - 86481 - 1200:,}" in chart
    assert "test: 11 rows of 11 stays, 5 positive" in chart
