"""Who is in which part."""

import hashlib
import json

import pandas as pd
import pytest

from sklar.cli import main
from sklar.clinical.mimic3 import prepare_mimic3


def _parts(out):
    table = pd.read_parquet(out / "stages" / "splits.parquet")
    return dict(zip(table["SUBJECT_ID"].tolist(), table["split"], strict=True))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_list_of_ones_own(suffix, mimic3_slice, tmp_path):
    table = pd.DataFrame({"SUBJECT_ID": [10006, 10032, 10046], "split": ["test", "validation", "val"]})
    file = tmp_path / f"list.{suffix}"
    table.to_csv(file, index=False) if suffix == "csv" else table.to_parquet(file)
    parts = _parts(prepare_mimic3(mimic3_slice, tmp_path / "out", tasks="ihm", splits=file, threads=1))
    assert {subject: parts[subject] for subject in (10006, 10032, 10046)} == {10006: "test", 10032: "val", 10046: "val"}
    assert set(parts.values()) == {"test", "val", "train"}  # who is not listed is training in compat


def test_who_is_not_listed_is_hashed_in_clean(mimic3_slice, tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("SUBJECT_ID,split\n10006,test\n")
    parts = _parts(prepare_mimic3(mimic3_slice, tmp_path / "out", tasks="ihm", mode="clean", splits=file, threads=1))
    for subject, part in parts.items():
        bucket = int(hashlib.sha256(str(subject).encode()).hexdigest()[:8], 16) % 1000
        expected = "test" if bucket < 150 else "val" if bucket < 278 else "train"
        assert part == ("test" if subject == 10006 else expected)


def test_the_official_list_is_shipped(mimic3_slice, shared, tmp_path):
    golden = pd.read_parquet(shared / "golden" / "mimic3-benchmarks" / "reference" / "official_split.parquet")
    official = dict(zip(golden["SUBJECT_ID"].tolist(), golden["split"], strict=True))
    parts = _parts(prepare_mimic3(mimic3_slice, tmp_path / "out", tasks="ihm", threads=1))
    assert parts == {subject: official[subject] for subject in parts}


def test_the_commands(mimic3_slice, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as done:
        main(["prepare", "mimic3", str(mimic3_slice), str(out), "--tasks", "ihm", "readmission", "--threads", "1"])
    assert not done.value.code
    assert capsys.readouterr().out.strip() == str(out)
    assert json.loads((out / "cohort.json").read_text())["settings"]["tasks"] == ["ihm", "readmission"]
    with pytest.raises(SystemExit) as done:
        main(["verify", "mimic3", str(out), "--threads", "1"])
    assert done.value.code == 0
    assert "verified" in capsys.readouterr().out
    with pytest.raises(SystemExit) as done:
        main(["prepare", "mimic3", str(tmp_path / "nowhere"), str(out)])
    assert "sklar: there is no folder" in str(done.value.code)
