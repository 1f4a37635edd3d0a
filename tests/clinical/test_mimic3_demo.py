"""The quirks that the MIMIC-III demo shows, each by its name in the golden folder's README."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from sklar.clinical.mimic3 import prepare_mimic3
from sklar.clinical.mimic3.facts import channels
from sklar.clinical.mimic3.tensor import bins_of


@pytest.fixture(scope="module")
def out(shared, tmp_path_factory):
    return prepare_mimic3(shared / "data" / "mimic3-demo", tmp_path_factory.mktemp("demo") / "out", threads=1)


@pytest.fixture(scope="module")
def stage(out):
    return lambda name: pd.read_parquet(out / "stages" / f"{name}.parquet")


@pytest.fixture(scope="module")
def raw(shared):
    """A raw table, all text."""
    demo = shared / "data" / "mimic3-demo"
    return lambda name, *columns: pd.read_csv(
        demo / f"{name}.csv.gz", dtype=str, usecols=columns, keep_default_na=False, na_values=[""]
    )


def transfers_before_counting(stage, raw):
    decisions = stage("stay_decisions")
    mine = decisions[decisions["HADM_ID"] == 198480]
    assert sorted(mine["decision"]) == ["kept", "transfer"]


def ages_300(stage, raw):
    assert (stage("all_stays")["AGE"] > 250).sum() == 9


def age_365(stage, raw):
    decisions = stage("stay_decisions")
    young = decisions[decisions["decision"] == "age_below_18"]
    assert young["SUBJECT_ID"].tolist() == [10127]


def recovered_icustay(stage, raw):
    total = stage("validate_events_by_subject").sum()
    assert (total["recovered"], total["icustay_missing_in_stays"]) == (45_336, 1_200)


def readings_outside_stay(stage, raw):
    series, stays = stage("timeseries"), stage("all_stays").set_index("ICUSTAY_ID")
    los = 24 * series["ICUSTAY_ID"].map(stays["LOS"])
    assert ((series["Hours"] < 0).sum(), (series["Hours"] > los).sum()) == (415, 409)


def urine_ph(stage, raw):
    events = stage("events_mapped")
    assert events[events["ITEMID"].isin([51094, 51491, 50831])]["VALUE_CLEAN"].notna().sum() == 190


def ties_text_order(stage, raw):
    events = stage("events_mapped").dropna(subset=["VALUE_CLEAN"])
    several = events.groupby(["SUBJECT_ID", "CHARTTIME", "VARIABLE"])["VALUE_CLEAN"].agg(set)
    several = several[several.map(len) > 1]
    apart = several[several.map(lambda texts: all(re.fullmatch(r"[-\d.]+", text) for text in texts))]
    apart = apart[apart.map(lambda texts: max(texts) != max(texts, key=float))].reset_index()
    counts = apart[apart["VARIABLE"].isin(["Respiratory rate", "Mean blood pressure"])]["VARIABLE"].value_counts()
    assert counts.to_dict() == {"Respiratory rate": 228, "Mean blood pressure": 74}
    series, stays = stage("timeseries"), stage("all_stays")
    start = series["ICUSTAY_ID"].map(stays.set_index("ICUSTAY_ID")["INTIME"])
    time = pd.to_datetime(start) + pd.to_timedelta((series["Hours"] * 3600).round(), unit="s")
    series = series.assign(CHARTTIME=time.dt.strftime("%Y-%m-%d %H:%M:%S")).set_index(["SUBJECT_ID", "CHARTTIME"])
    for _, (subject, time, name, texts) in apart[apart["VARIABLE"].isin([*counts.index])].iterrows():
        if (subject, time) in series.index:
            assert set(series.loc[[(subject, time)], name]) == {max(texts)}


def two_units_one_time(stage, raw):
    events = stage("events_mapped")
    events = events[events["VARIABLE"] == "Temperature"]
    groups = events.groupby(["SUBJECT_ID", "CHARTTIME"])
    both = groups.filter(lambda rows: rows["ITEMID"].nunique() > 1).groupby(["SUBJECT_ID", "CHARTTIME"])
    spread = both["VALUE_CLEAN"].agg(lambda texts: np.ptp(texts.astype(float)))
    assert spread.max() == pytest.approx(1.2, abs=0.05)
    assert (spread[spread > 0] < 0.001).sum() == 1_975
    assert (spread > 0).sum() == 1_986


def error_rows_used(stage, raw):
    chart = raw("CHARTEVENTS", "SUBJECT_ID", "CHARTTIME", "ITEMID", "VALUE", "ERROR")
    wrong = chart[chart["ERROR"] == "1"].dropna(subset=["VALUE"])
    keys = ["SUBJECT_ID", "CHARTTIME", "ITEMID", "VALUE"]
    used = stage("events_mapped")[keys].astype(str).drop_duplicates()
    assert len(wrong.merge(used, on=keys)) == 43


def fio2_torr(stage, raw):
    events = stage("events_mapped")
    torr = events[(events["VARIABLE"] == "Fraction inspired oxygen") & (events["VALUEUOM"] == "torr")]
    assert len(torr) == 19
    assert set(torr["SUBJECT_ID"]) == {10114}
    assert (torr["VALUE"].astype(float) == torr["VALUE_CLEAN"].astype(float)).all()


def lab_text_dropped(stage, raw):
    events = stage("events_mapped")
    dropped = events[events["VALUE_CLEAN"].isna()]
    assert len(dropped) == 165
    assert set(dropped["VALUE"]) == {"NEG", "TR", "."}


def urine_glucose(stage, raw):
    events = stage("events_mapped")
    assert events[events["ITEMID"] == 51478]["VALUE_CLEAN"].notna().sum() == 8


def outliers_kept(stage, raw):
    series = stage("timeseries")
    assert series["Systolic blood pressure"].dropna().astype(float).max() == 11_647
    assert series["Mean blood pressure"].dropna().astype(float).min() == -8
    assert (series["Systolic blood pressure"].dropna().astype(float) == 0).any()


def none_is_a_category(stage, raw):
    assert (stage("timeseries")["Glascow coma scale eye opening"] == "None").sum() == 438


def numeric_codes_subject(stage, raw):
    episodes = stage("episodes")
    flags = episodes[[name for name in episodes.columns if name.startswith("Diagnosis ")]]
    empty = episodes[flags.sum(axis=1) == 0]["SUBJECT_ID"]
    codes = stage("diagnoses").groupby("SUBJECT_ID")["ICD9_CODE"].agg(lambda own: own.str.fullmatch("[0-9]+").all())
    digits = {int(subject) for subject in codes.index[codes]} & set(episodes["SUBJECT_ID"])
    assert len(digits) == 37
    assert 10011 in digits
    assert digits <= set(empty)


def stay_without_readings(stage, raw):
    series = stage("timeseries")
    assert (series["SUBJECT_ID"] == 10067).any()
    stays = set(series[series["SUBJECT_ID"] == 10067]["ICUSTAY_ID"])
    for name in ("ihm", "decompensation", "length_of_stay", "phenotyping", "multitask"):
        assert not stays & set(stage(name)["ICUSTAY_ID"])


def bins_closed_right(stage, raw):
    hours = stage("timeseries")["Hours"]
    exact = hours[hours.between(1, 48) & (hours % 1 == 0)].to_numpy()
    assert len(exact)
    np.testing.assert_array_equal(bins_of(exact, 1.0, 48.0), exact.astype(int) - 1)


SHOWN = [
    transfers_before_counting, ages_300, age_365, recovered_icustay, readings_outside_stay, urine_ph, ties_text_order,
    two_units_one_time, error_rows_used, fio2_torr, lab_text_dropped, urine_glucose, outliers_kept, none_is_a_category,
    numeric_codes_subject, stay_without_readings, bins_closed_right,
]  # fmt: skip


@pytest.mark.parametrize("quirk", SHOWN, ids=lambda quirk: quirk.__name__)
def test_quirk(quirk, stage, raw):
    quirk(stage, raw)


def test_normaliser_of_the_demo(out, stage):
    """normaliser_sees_val and constant_columns: means over the rows of train and val, a column that never varies."""
    notes = json.loads((out / "ihm" / "dataset.json").read_text())["notes"]["normaliser"]
    split = pd.read_parquet(out / "ihm" / "samples.parquet")["split"]
    tensor = np.load(out / "ihm" / "ehr.npy")[(split != "test").to_numpy()].reshape(-1, 76).astype(float)
    np.testing.assert_allclose(notes["means"], tensor.mean(0), rtol=1e-6)
    np.testing.assert_allclose(notes["stds"], np.maximum(tensor.std(0, ddof=1), 1e-7), rtol=1e-5)
    refill = [place for place, name in enumerate(channels().columns) if name == "Capillary refill rate->1.0"]
    assert [notes["stds"][place] for place in refill] == [1e-7]
