"""The record of trials survives what machines do to files."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.calibration.files import to_json, write_file, write_manifest
from simulator.calibration.record import Record, RecordMismatch, ResultsBusy, decode, encode

LINES = [{"kind": "evaluation", "x": [0.1 * k, 1e-300, -0.0], "n": k} for k in range(20)]


def written(folder):
    with Record(folder, "hash", "1") as record:
        for line in LINES:
            record.append(line)
    return (folder / "log.jsonl").read_bytes()


def reopened(folder):
    with Record(folder, "hash", "1") as record:
        return [line for line in record.lines if line["kind"] == "evaluation"]


def test_what_was_appended_is_read_again_to_the_last_bit(tmp_path):
    written(tmp_path)
    assert reopened(tmp_path) == LINES
    odd = {"kind": "x", "values": [math.nan, math.inf, -math.inf, 0.1 + 0.2, 5e-324]}
    read = decode(encode(odd))["values"]
    assert math.isnan(read[0])
    assert read[1:] == odd["values"][1:]


@pytest.mark.parametrize("cut", [1, 2, 17, 60, 61, 300, 900])
def test_a_torn_tail_is_cut_after_the_last_good_line(tmp_path, cut):
    content = written(tmp_path)
    (tmp_path / "log.jsonl").write_bytes(content[:-cut])
    survivors = reopened(tmp_path)
    assert survivors == LINES[: len(survivors)]
    assert content[: len((tmp_path / "log.jsonl").read_bytes())] == (tmp_path / "log.jsonl").read_bytes()
    with Record(tmp_path, "hash", "1") as record:
        for line in LINES[len(survivors) :]:
            record.append(line)
    assert (tmp_path / "log.jsonl").read_bytes() == content


def test_a_flipped_bit_anywhere_is_found(tmp_path):
    content = written(tmp_path)
    for place in range(0, len(content), 7):
        for bit in (0, 3, 6):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            (tmp_path / "log.jsonl").write_bytes(changed)
            survivors = reopened(tmp_path)
            assert survivors == LINES[: len(survivors)]
            assert len(survivors) < len(LINES)


def test_another_scenario_or_version_may_not_continue_a_record(tmp_path):
    written(tmp_path)
    with pytest.raises(RecordMismatch, match="the scenario changed"):
        Record(tmp_path, "other", "1")
    with pytest.raises(RecordMismatch, match="begun by version 1, this is 2"):
        Record(tmp_path, "hash", "2")
    with Record(tmp_path, "hash", "2", allow_version_change=True) as record:
        assert record.version_changed
    with Record(tmp_path, "hash", "2") as record:
        assert not record.version_changed


def test_two_processes_cannot_share_a_folder_and_a_killed_one_frees_it(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from simulator.calibration.record import Record\n"
        "Record(Path(sys.argv[1]), 'hash', '1'); print('held', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ResultsBusy, match="another process") as busy:
            Record(tmp_path, "hash", "1")
        assert busy.value.exit_code == 3
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with Record(tmp_path, "hash", "1"):
        pass


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    target = tmp_path / "proposal.json"
    write_file(target, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(target, b"new and longer")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["proposal.json"]


def test_the_manifest_names_every_file_by_its_content(tmp_path):
    write_file(tmp_path / "b", b"2")
    write_file(tmp_path / "a", b"1")
    write_manifest(tmp_path, ["b", "a"], {"seed": 7})
    one = (tmp_path / "manifest.json").read_bytes()
    write_manifest(tmp_path, ["a", "b"], {"seed": 7})
    assert (tmp_path / "manifest.json").read_bytes() == one
    assert b"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b" in one


def test_json_is_deterministic_and_refuses_what_json_has_no_word_for():
    assert to_json({"b": 0.1, "a": [1]}) == b'{\n "a": [\n  1\n ],\n "b": 0.1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        to_json({"a": math.nan})


def test_a_results_folder_that_is_a_file_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OSError, match="exists"):
        Record(Path(tmp_path / "run"), "hash", "1")
