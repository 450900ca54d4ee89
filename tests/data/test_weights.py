import hashlib

import pytest

from pipeline.data import DataError, weights
from pipeline.params import EfficientNet
from pipeline.stages.weights import fetch

CONTENT = b"published weights"
MD5 = hashlib.md5(CONTENT).hexdigest()


def test_a_mirror_folder_is_enough_and_is_checked(tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "net.h5").write_bytes(CONTENT)
    found = weights.obtain("net.h5", (), MD5, str(mirror), tmp_path / "out")
    assert found.read_bytes() == CONTENT
    with pytest.raises(DataError, match="another"):
        weights.obtain("net.h5", (), MD5[::-1], str(mirror), tmp_path / "other")
    assert not (tmp_path / "other" / "net.h5").exists()


def test_without_the_file_or_the_network_the_error_says_how_to_go_on(tmp_path):
    with pytest.raises(DataError, match=r"net.h5 is not there.*take a Lite variant"):
        weights.obtain("net.h5", (), MD5, str(tmp_path), tmp_path / "out")
    with pytest.raises(DataError, match="set weights to null"):
        weights.obtain("net.h5", ["http://127.0.0.1:9/net.h5"], MD5, None, tmp_path / "out")


@pytest.mark.parametrize("mirror", ["empty", "http://127.0.0.1:9/mirror"])
def test_a_mirror_without_the_file_is_said_and_the_origin_asked(
    tmp_path, capsys, monkeypatch, mirror
):
    monkeypatch.chdir(tmp_path)
    asked = []

    def fetch(url, name, md5, folder):
        asked.append(url)
        return "refused" if "mirror" in url else None

    monkeypatch.setattr(weights, "_fetch", fetch)
    found = weights.obtain("net.h5", ["http://origin/net.h5", "http://b"], MD5, mirror, tmp_path)
    assert found == tmp_path / "net.h5"
    assert asked[-1] == "http://origin/net.h5"
    assert "asking the origin for net.h5" in capsys.readouterr().out


@pytest.mark.parametrize(
    "section", [EfficientNet(), EfficientNet(variant="Lite0", weights="imagenet")]
)
def test_from_scratch_and_for_installed_weights_nothing_is_fetched(tmp_path, section):
    fetch(section, None, tmp_path / "weights")
    assert [file.name for file in (tmp_path / "weights").iterdir()] == ["README"]
