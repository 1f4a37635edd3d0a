import csv
import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score

import sklar.data
from sklar.clinical import prepare_physionet2012
from sklar.data import check_dataset

NAMES = ["static", "bedside", "arterial", "chemistry", "gas", "other_labs"]


@pytest.fixture(scope="module")
def raw(shared):
    return shared / "data" / "physionet2012"


@pytest.fixture(scope="module")
def folder(raw, tmp_path_factory):
    return prepare_physionet2012(raw, tmp_path_factory.mktemp("p12") / "full")


def test_both_sets_have_their_published_counts(folder):
    assert list(check_dataset(folder)) == []
    data = sklar.data.open(folder)
    assert data.names == NAMES
    notes = data.description.notes
    for letter, deaths, patterns, complete in (("a", 554, 17, 39.4), ("b", 568, 18, 40.0)):
        rows = data.column("set") == letter
        assert (rows.sum(), int(data.target[torch.as_tensor(rows)].sum())) == (4000, deaths)
        counts = notes["counts"][letter]
        assert counts["judged"] is True
        assert {name: counts["found"][name] for name in counts["published"]} == counts["published"]
        assert (counts["found"]["patterns"], counts["found"]["% complete"]) == (patterns, complete)
    assert [(data.split == part).sum() for part in ("train", "validation", "test")] == [3200, 800, 4000]
    assert set(data.column("set")[data.split == "test"]) == {"b"}
    assert int(data.part("validation").target.sum()) == 111  # 554 / 5
    known = ~np.isnan(data.column("saps_i")) & (data.column("set") == "b")
    risk = roc_auc_score(data.target.numpy()[known], data.column("saps_i")[known])
    assert (known.sum(), round(risk, 3)) == (3838, 0.671)


def test_records_beside_the_parquet(folder, raw):
    """One record read plainly, one without any measurement, and what -1 and impossible values became."""
    data = sklar.data.open(folder)
    place = {number: at for at, number in enumerate(data.sample_id.tolist())}
    table = pq.read_table(raw / "set-a.parquet", filters=[("RecordID", "=", 132551)])
    batch = data[torch.tensor([place[132551]])]
    for name in NAMES[1:]:
        codes = [code.name for code in data.modalities[name].codes]
        rows = table.filter(pc.is_in(table["Parameter"], pa.array(codes))).to_pylist()
        expected = sorted((row["Time"] / 60, codes.index(row["Parameter"]), row["Value"]) for row in rows)
        held = sorted(map(tuple, batch.inputs[name][0].tolist()))
        torch.testing.assert_close(torch.tensor(held), torch.tensor(expected))
    empty = data[torch.tensor([place[140501]])]
    assert empty.observed.tolist() == [[True] + [False] * 5]
    assert empty.inputs["static"][0].isnan().tolist() == [False, False, True, False, True]
    static = data[:].inputs["static"]
    assert [column.name for column in data.modalities["static"].columns] == list(LOWEST)
    lowest = [float(column[~column.isnan()].min()) for column in static.T]
    assert all(value >= LOWEST[name] for name, value in zip(LOWEST, lowest, strict=True))
    in_a = torch.as_tensor(data.column("set") == "a")
    assert int(static[in_a, 1].isnan().sum()) == 3
    ph = pq.read_table(folder / "gas.parquet", filters=[("code", "=", "pH")])["value"].to_numpy()
    assert 6.3 <= ph.min() < ph.max() <= 8.4
    raw_ph = [
        pq.read_table(raw / f"set-{s}.parquet", filters=[("Parameter", "=", "pH")])["Value"].to_numpy() for s in "ab"
    ]
    removed = sum(data.description.notes["implausible"][letter]["pH"] for letter in "ab")
    assert len(ph) + removed == sum(map(len, raw_ph))


LOWEST = {"Age": 15, "Gender": 0, "Height": 100, "ICUType": 0, "Weight": 20}


def test_text_and_parquet_give_the_same_bytes(raw, tmp_path, content):
    sample = raw / "set-a-sample"
    beside = prepare_physionet2012(sample, tmp_path / "beside")
    (tmp_path / "text").mkdir()
    shutil.copytree(sample, tmp_path / "text" / "set-a")
    (tmp_path / "text" / "set-a" / "Outcomes-a.txt").rename(tmp_path / "text" / "Outcomes-a.txt")
    as_shipped = prepare_physionet2012(tmp_path / "text", tmp_path / "as_shipped")
    numbers = pa.array([int(file.stem) for file in sample.glob("*.txt") if file.stem.isdigit()])
    (tmp_path / "parquet").mkdir()
    for name in ("set-a.parquet", "outcomes-a.parquet"):
        table = pq.read_table(raw / name)
        pq.write_table(table.filter(pc.is_in(table["RecordID"], numbers.cast(pa.int32()))), tmp_path / "parquet" / name)
    parquet = prepare_physionet2012(tmp_path / "parquet", tmp_path / "of_parquet")
    assert content(beside) == content(as_shipped) == content(parquet)
    data = sklar.data.open(beside)
    assert (len(data), int(data.target.sum()), (data.split == "validation").sum()) == (40, 7, 8)
    assert data.description.notes["counts"]["a"]["judged"] is False
    assert list(check_dataset(beside)) == []


RECORD = """Time,Parameter,Value
00:00,RecordID,{number}
00:00,Age,54
00:00,Gender,-1
00:00,Height,-1
00:00,ICUType,4
00:00,Weight,80
00:07,HR,73
00:07,pH,735
01:30,MAP,0
01:30,Urine,70
01:30,Urine,80
02:00,Weight,81
47:59,GCS,15
"""


@pytest.fixture
def small(tmp_path):
    """Ten records with their outcomes."""
    folder = tmp_path / "raw"
    (folder / "set-a").mkdir(parents=True)
    for number in range(1, 11):
        (folder / "set-a" / f"{number}.txt").write_text(RECORD.format(number=number))
    rows = [[number, 12 if number > 1 else -1, 3, 5, -1, int(number % 5 == 0)] for number in range(1, 11)]
    with (folder / "Outcomes-a.txt").open("w", newline="") as stream:
        header = ["RecordID", "SAPS-I", "SOFA", "Length_of_stay", "Survival", "In-hospital_death"]
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return folder


def test_a_small_record(small, tmp_path):
    data = sklar.data.open(prepare_physionet2012(small, tmp_path / "out", validation=5, seed=3))
    assert data.observed.tolist() == [[True, True, False, False, False, False]] * 10  # MAP and pH were impossible
    batch = data[:1]
    nan = float("nan")
    torch.testing.assert_close(batch.inputs["static"], torch.tensor([[54, nan, nan, 3, 80]]), equal_nan=True)
    codes = [code.name for code in data.modalities["bedside"].codes]
    expected = [(7 / 60, "HR", 73), (1.5, "Urine", 70), (1.5, "Urine", 80), (47 + 59 / 60, "GCS", 15)]
    held = [(time, codes[int(code)], value) for time, code, value in batch.inputs["bedside"][0].tolist()]
    assert [(code, value) for _, code, value in held] == [(code, value) for _, code, value in expected]
    assert [time for time, _, _ in held] == pytest.approx([time for time, _, _ in expected])
    assert np.isnan(data.column("saps_i")).tolist() == [True] + [False] * 9
    notes = json.loads((tmp_path / "out" / "dataset.json").read_text())["notes"]
    assert notes["implausible"] == {"a": {"MAP": 10, "pH": 10}}
    assert notes["emptied"] == {"a": {"bedside": 0, "arterial": 10, "chemistry": 0, "gas": 10, "other_labs": 0}}
    assert int(data.part("validation").target.sum()) == 1  # half of each class


def test_validation_is_an_option(small, tmp_path):
    none = sklar.data.open(prepare_physionet2012(small, tmp_path / "none", validation=0))
    assert set(none.split) == {"train"}
    parts = [sklar.data.open(prepare_physionet2012(small, tmp_path / "s", validation=4, seed=seed)).split.tolist()
             for seed in range(6)]  # fmt: skip
    assert len(set(map(tuple, parts))) > 1
    with pytest.raises(ValueError, match="validation=10 of 10"):
        prepare_physionet2012(small, tmp_path / "all", validation=10)


def _edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(("old", "new", "message"), [
    ("47:59,GCS,15\n", "47:59,GCS,1", "is truncated"),
    ("47:59,GCS,15\n", "47:59,GC\n", "line 14: should be HH:MM"),
    ("00:07,HR,73", "0:07,HR,73", "line 8: should be HH:MM"),
    ("00:07,HR,73", "00:07,HR,high", "line 8: the value of HR is no number"),
    ("00:07,HR,73", "00:07,HR,nan", "line 8: the value of HR is no number"),
    ("00:07,HR,73", "00:07,Pulse,73", "line 8: the parameter 'Pulse'"),
    ("00:00,RecordID,3\n", "00:00,RecordID,4\n", "holds RecordID 4; the file's name says 3"),
    ("00:00,RecordID,3\n", "", "holds no RecordID"),
    ("00:00,Height,-1\n", "", "record 3: no Height at 00:00"),
    ("Time,Parameter", "Hour,Parameter", "line 1: the header"),
    ("47:59", "48:01", "record 3: GCS at minute 2881"),
    ("HR", "Ä", "is not ASCII"),
])  # fmt: skip
def test_a_damaged_record_is_named(old, new, message, small, tmp_path):
    _edit(small / "set-a" / "3.txt", old, new)
    with pytest.raises(ValueError, match=message) as error:
        prepare_physionet2012(small, tmp_path / "out")
    assert "set-a" in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("old", "new", "message"), [
    ("\n7,12,3,5,-1,0", "", r"Outcomes-a\.txt lacks record 7: .* holds 10 records, Outcomes-a\.txt 9"),
    ("\n7,", "\n77,", r"Outcomes-a\.txt lacks record 7"),
    ("\n7,", "\n8,", "record 8 occurs more than once"),
    ("7,12,3,5,-1,0", "7,12,3,5,-1,2", "record 7: In-hospital_death is neither 0 nor 1"),
    ("10,12,3,5,-1,1\n", "10,12,3,5,", r"Outcomes-a\.txt, line 11: In-hospital_death is no whole number"),
    ("SAPS-I", "SAPS", "lacks the column 'SAPS-I'"),
])  # fmt: skip
def test_damaged_outcomes_are_named(old, new, message, small, tmp_path):
    _edit(small / "Outcomes-a.txt", old, new)
    with pytest.raises(ValueError, match=message):
        prepare_physionet2012(small, tmp_path / "out")


def test_missing_files_are_named(small, tmp_path):
    (small / "set-a" / "4.txt").unlink()
    with pytest.raises(ValueError, match="set-a lacks record 4"):
        prepare_physionet2012(small, tmp_path / "out")
    (small / "Outcomes-a.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no outcomes: .*Outcomes-a\.txt is not there"):
        prepare_physionet2012(small, tmp_path / "out")
    shutil.rmtree(small / "set-a")
    with pytest.raises(FileNotFoundError, match="neither set-a/ nor"):
        prepare_physionet2012(small, tmp_path / "out")


def test_a_full_set_with_another_count_is_refused(raw, tmp_path):
    (tmp_path / "set-a.parquet").symlink_to(raw / "set-a.parquet")
    outcomes = pq.read_table(raw / "outcomes-a.parquet")
    dead = pa.array(np.zeros(4000, dtype=np.int32))
    place = outcomes.column_names.index("In-hospital_death")
    pq.write_table(outcomes.set_column(place, "In-hospital_death", dead), tmp_path / "outcomes-a.parquet")
    with pytest.raises(ValueError, match=r"set a .*deaths: 0 here, 554 published"):
        prepare_physionet2012(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(("change", "message"), [
    (lambda table: table.drop_columns(["Value"]), "lacks the column 'Value'"),
    (lambda table: table.set_column(3, "Value", pa.array([None] + [1.0] * 6)), "column Value: 1 cells are empty"),
    (lambda table: table.set_column(3, "Value", pa.array([np.inf] + [1.0] * 6)), "column Value, row 0"),
    (lambda table: table.set_column(2, "Parameter", pa.array(["Pulse"] * 7)), "parameter 'Pulse'"),
])  # fmt: skip
def test_damaged_parquet_is_named(change, message, raw, tmp_path):
    table = pq.read_table(raw / "set-a.parquet").slice(0, 7)
    pq.write_table(change(table), tmp_path / "set-a.parquet")
    shutil.copy(raw / "outcomes-a.parquet", tmp_path)
    with pytest.raises(ValueError, match=message):
        prepare_physionet2012(tmp_path, tmp_path / "out")


def test_truncated_parquet_is_named(raw, tmp_path):
    (tmp_path / "set-a.parquet").write_bytes((raw / "set-a.parquet").read_bytes()[:-100])
    shutil.copy(raw / "outcomes-a.parquet", tmp_path)
    with pytest.raises(ValueError, match=r"set-a\.parquet is no whole Parquet file"):
        prepare_physionet2012(tmp_path, tmp_path / "out")
