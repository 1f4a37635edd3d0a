"""From MIMIC-III's raw files to scores, on the demo."""

import json

import pytest

from sklar.benchmark.mimic3 import _prepared, cohort_table, modalities_of, run_mimic3
from sklar.clinical.mimic3 import prepare_mimic3
from sklar.clinical.mimic3_simulation import simulate_mimic3
from sklar.data import open_dataset
from sklar.training import RunConfig, Schedule
from sklar.training.run import prepare_run


@pytest.fixture(scope="module")
def demo(shared):
    return shared / "data" / "mimic3-demo"


def test_the_notes_of_the_demo_are_absent_and_that_is_said(demo, tmp_path):
    out = prepare_mimic3(demo, tmp_path / "data", tasks=["ihm", "decompensation"], threads=1)
    assert modalities_of(open_dataset(out / "ihm")) == (
        ["ehr"], "Modality: ehr. No training row has a note: the notes are absent everywhere.",
    )  # fmt: skip
    assert modalities_of(open_dataset(out / "decompensation"))[0] == ["events"]
    table = cohort_table(json.loads((out / "cohort.json").read_text()))
    assert table.rows[0] == ["START", "136", "129", "100"]
    assert table.rows[-1][1:] == ["114", "114", "89"]
    config = RunConfig(out / "ihm", tmp_path / "model", modalities=["ehr"])
    _, learning, held_out = prepare_run(open_dataset(out / "ihm"), config)
    assert (len(learning), len(held_out)) == (41, 5)


def test_from_raw_files_to_a_report(demo, tmp_path, capsys):
    schedule = Schedule(steps=4, batch_size=16)
    records = run_mimic3(demo, tmp_path / "out", "ihm", schedule=schedule)
    said = capsys.readouterr().out
    assert "verified" in said
    assert "the notes are absent everywhere" in said
    assert records[0]["number"] == 11
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == records
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Cohort" in page
    assert "notes are absent" in page
    assert "verified beside the published counts of MIMIC-III Clinical Database Demo v1.4" in page
    assert "<tr><td>test</td><td>11</td><td>11</td><td>5 (45.5%)</td></tr>" in page
    assert "<td>normaliser_beyond</td>" in page
    assert "Johnson AEW" in page


def test_simulated_files_with_notes_are_said_to_be_nobodys(tmp_path, capsys):
    raw = simulate_mimic3(tmp_path / "raw", stays=40, seed=3)
    capsys.readouterr()
    run_mimic3(raw, tmp_path / "out", "ihm", mode="clean", schedule=Schedule(steps=4, batch_size=16))
    said = capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Modalities: ehr, and notes in" in page
    assert "no published counts to judge by" in page
    assert "Simulated in MIMIC-III&#x27;s tables by sklar simulate mimic3 --stays 40 --seed 3" in page
    assert "Johnson" not in page
    assert "Leaks" not in page
    assert "count: START: ICUSTAY_IDs 40, " in said
    described = json.loads((tmp_path / "out" / "data" / "ihm" / "dataset.json").read_text())
    assert described["licence"] == "none needed: nobody's data"


def test_unknown_tasks_and_empty_ones(demo, tmp_path):
    with pytest.raises(ValueError, match="unknown task 'death'; choose one of"):
        run_mimic3(demo, tmp_path / "out", "death")


def test_prepared_data_are_taken_as_they_are(demo, tmp_path, capfd):
    _prepared(demo, tmp_path / "data", "ihm", "compat")
    capfd.readouterr()
    assert _prepared(demo, tmp_path / "data", "ihm", "compat") == tmp_path / "data"
    assert capfd.readouterr().err == ""
    _prepared(demo, tmp_path / "data", "ihm", "clean")
    assert "[1/" in capfd.readouterr().err
