import hashlib

import pytest
import requests

from pipeline.data import DataError, fetching
from pipeline.data.catalog import Archive

CONTENT = b"a data set" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URLS = ("https://one.test/set.gz", "https://two.test/set.gz")
ARCHIVE = Archive("set.gz", URLS, ("0" * 64, SHA256), len(CONTENT))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE_SECONDS", 0)


class Web:
    """Answers to requests, by URL; an exception is raised, bytes are sent."""

    def __init__(self, **answers):
        self.answers = {
            f"https://{host}.test/set.gz": list(found) for host, found in answers.items()
        }
        self.asked = []

    def __call__(self, url, file):
        self.asked.append(url)
        answer = self.answers[url].pop(0)
        if isinstance(answer, Exception):
            raise answer
        file.write(answer)


def answered(status):
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(response=response)


def test_a_fetched_archive_is_kept_and_not_fetched_again(tmp_path):
    web = Web(one=[CONTENT])
    for _ in range(2):
        path = fetching.obtain(ARCHIVE, None, tmp_path / "cache", web)
        assert path.read_bytes() == CONTENT
    assert web.asked == [URLS[0]]
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["set.gz"]


def test_a_broken_connection_is_tried_again(tmp_path):
    web = Web(one=[requests.ConnectionError(), requests.Timeout(), CONTENT])
    assert fetching.obtain(ARCHIVE, None, tmp_path, web).read_bytes() == CONTENT
    assert len(web.asked) == 3


@pytest.mark.parametrize("answer", [answered(404), CONTENT[:-1], b"other" * 200])
def test_the_next_url_is_asked_where_one_has_not_the_archive(tmp_path, answer):
    web = Web(one=[answer], two=[CONTENT])
    assert fetching.obtain(ARCHIVE, None, tmp_path, web).read_bytes() == CONTENT
    assert web.asked == list(URLS)


def test_offline_names_every_try_and_the_way_without_a_network(tmp_path):
    web = Web(one=[requests.ConnectionError()] * 3, two=[requests.Timeout()] * 3)
    with pytest.raises(DataError) as caught:
        fetching.obtain(ARCHIVE, None, tmp_path, web)
    message = str(caught.value)
    assert "one.test/set.gz: no connection, or it broke off (3 tries)" in message
    assert "two.test/set.gz: no answer within 30 s (3 tries)" in message
    assert "download.mirror" in message and "fashion_mnist_mini" in message
    assert list(tmp_path.iterdir()) == []


def test_half_a_file_and_a_wrong_one_are_named_and_not_kept(tmp_path):
    wrong = b"x" * len(CONTENT)
    web = Web(one=[CONTENT[:500]], two=[wrong])
    with pytest.raises(DataError) as caught:
        fetching.obtain(ARCHIVE, None, tmp_path, web)
    assert "only 500 of 1,000 bytes: half a file" in str(caught.value)
    assert f"got SHA-256 {hashlib.sha256(wrong).hexdigest()}, expected 000" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_sends_without_end_is_stopped(tmp_path):
    web = Web(one=[bytes(3_000_000)], two=[answered(500)] * 3)
    with pytest.raises(DataError, match="it sends more than the archive has"):
        fetching.obtain(ARCHIVE, None, tmp_path, web)


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path):
    (tmp_path / "set.gz").write_bytes(CONTENT[:10])
    assert fetching.obtain(ARCHIVE, None, tmp_path, Web(one=[CONTENT])).read_bytes() == CONTENT


def test_a_mirror_folder_is_used_in_place_without_the_network(tmp_path):
    (tmp_path / "set.gz").write_bytes(CONTENT)
    found = fetching.obtain(ARCHIVE, str(tmp_path), tmp_path / "cache", Web())
    assert found == tmp_path / "set.gz" and not (tmp_path / "cache").exists()


def test_a_mirror_url_is_asked_instead_of_the_others(tmp_path):
    web = Web(school=[CONTENT])
    assert fetching.obtain(ARCHIVE, "https://school.test/", tmp_path, web).exists()
    assert web.asked == ["https://school.test/set.gz"]


def test_a_mirror_folder_without_the_file_says_what_it_holds(tmp_path):
    (tmp_path / "else.txt").touch()
    with pytest.raises(DataError, match=r"needs the file set.gz; it holds \['else.txt'\]"):
        fetching.obtain(ARCHIVE, str(tmp_path), tmp_path, Web())
    with pytest.raises(DataError, match="there is no such folder"):
        fetching.obtain(ARCHIVE, str(tmp_path / "nowhere"), tmp_path, Web())


@pytest.mark.parametrize(
    ("content", "said"), [(CONTENT[:99], "half a file"), (b"y" * 1000, "SHA-256")]
)
def test_a_mirror_folder_with_a_wrong_file_names_it(tmp_path, content, said):
    (tmp_path / "set.gz").write_bytes(content)
    with pytest.raises(DataError, match=f"set.gz: .*{said}.*Fetch it again, from {URLS[0]}"):
        fetching.obtain(ARCHIVE, str(tmp_path), tmp_path, Web())


def test_a_full_disk_is_not_taken_for_a_bad_server(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        fetching.obtain(ARCHIVE, None, tmp_path, Web(one=[OSError(28, "No space left on device")]))
    assert list(tmp_path.iterdir()) == []


def test_a_real_server_is_read_with_a_progress_bar_or_without(tmp_path, local_server):
    (local_server.folder / "set.gz").write_bytes(CONTENT)
    path = fetching.obtain(ARCHIVE, local_server.url, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    (local_server.folder / "set.gz").unlink()
    (tmp_path / "cache" / "set.gz").unlink()
    with pytest.raises(DataError, match=r"the server answered 404 \(1 tries\)"):
        fetching.obtain(ARCHIVE, local_server.url, tmp_path / "cache")


def test_the_cache_can_be_put_elsewhere(monkeypatch, tmp_path):
    assert fetching.cache().name == "overfit-atlas"
    monkeypatch.setenv("OVERFIT_ATLAS_CACHE", str(tmp_path))
    assert fetching.cache() == tmp_path
