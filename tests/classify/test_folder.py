"""Where a model is saved: through links, over an old one, beside another process, and places that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_labels import toy_texts

from retrieve import Classifier
from retrieve.errors import UsageError
from retrieve.trainer import model_folder as folders

WORDS = {"tfidf.C": [1.0], "tfidf.models": ["logistic"], "tfidf.balanced": [False], "tfidf.min_df": 1}


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    texts, labels = toy_texts(30)
    return Classifier("tfidf", settings=WORDS).fit(texts, [row[0] for row in labels])


def test_a_link_and_the_folder_itself_are_saved_through(
    fitted: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "model")
    (tmp_path / "link").symlink_to(tmp_path / "model")
    fitted.save(tmp_path / "link", force=True)
    monkeypatch.chdir(tmp_path / "model")
    fitted.save(".", force=True)
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "model"]
    assert Classifier.load(tmp_path / "link").labels_ == fitted.labels_


def test_the_old_model_is_there_until_the_new_one_is(
    fitted: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "model")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(folders, "publish_folder", full)
        with pytest.raises(OSError, match="No space left"):
            fitted.save(tmp_path / "model", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    Classifier.load(tmp_path / "model")


def test_another_process_that_saves_there_is_told_of(
    fitted: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = folders.publish_folder

    def second(building: Path, sealed: Path) -> None:
        sealed.mkdir()
        (sealed / "model.json").touch()
        publish(building, sealed)

    monkeypatch.setattr(folders, "publish_folder", second)
    with pytest.raises(UsageError, match="by another process meanwhile"):
        fitted.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_places_that_cannot_be_are_refused(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is no folder to write in"):
        fitted.save(tmp_path / "file" / "below" / "model")
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="is no classifier's folder: choose another place"):
        fitted.save(tmp_path / "other", force=True)
