"""Passwords are masked in any text: those in addresses, and those that are known."""

import base64
import io
import sys
import time

import pytest

from overfit_atlas import addresses
from overfit_atlas.errors import AtlasError

SECRET = "S3cr3t"
CLOSED = "127.0.0.1:9"  # a port where nobody listens

pytestmark = pytest.mark.usefixtures("no_secrets")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://anna:secret@db:5432/x", "postgresql://***@db:5432/x"),
        ("see http://u:p@h/a, and ftp://q@h", "see http://***@h/a, and ftp://***@h"),
        ("anna@example.org", "anna@example.org"),
        ("http://host/path", "http://host/path"),
        ("http://u:p@[::1]:80/x", "http://***@[::1]:80/x"),
        ("mysql+pymysql://u:p@h/d", "mysql+pymysql://***@h/d"),
        ("x_y://u:p@h/d", "x_y://***@h/d"),
        # Where a password ends is for each program to guess: nothing but the scheme is sure.
        ("postgresql://user:ab/S3cr3t@127.0.0.1:9/o", "postgresql://***"),
        ("postgresql://user:ab?S3cr3t@h/o", "postgresql://***"),
        ("postgresql://user:ab#S3cr3t@h/o", "postgresql://***"),
        ("postgresql://u:p@h/S3cr3t@other", "postgresql://***"),
        ("postgresql://user:ab@S3cr3t@h/o", "postgresql://***@h/o"),
        ("http://u:p@[::1/x", "http://***"),
        ("postgresql://h/o?password=S3cr3t", "postgresql://h/o?***"),
        ("https://h/o?a=1&sig=S3cr3t#S3cr3t", "https://h/o?***#***"),
        ("https://h/o#S3cr3t", "https://h/o#***"),
        ("(https://h/o?x=1).", "(https://h/o?***)."),
        ("sqlite:////a/b@c/d.db", "sqlite:////a/b@c/d.db"),
        ("sqlite:///a/d.db?key=S3cr3t", "sqlite:///a/d.db?***"),
    ],
)
def test_addresses_are_masked_in_any_text_and_only_once(text: str, expected: str) -> None:
    assert addresses.masked(text) == expected
    assert addresses.masked(expected) == expected


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://user:S3cr3t@h/o",
        "postgresql://user:S3cr3t ab@h/o",
        "postgresql://user:ab/S3cr3t@h/o",
        "postgresql://user:ab@S3cr3t@h/o",
        "postgresql://user:ab?S3cr3t#cd@h/o",
        "postgresql://user:'S3cr3t'\"ab@h/o",
        "postgresql://user:ab%2FS3cr3t@h/o",
        "postgresql://h/o?password=S3cr3t",
        "https://S3cr3t@h/o",
        "https://S3cr3t:@h/o",
        "https://h/o?X-Amz-Signature=S3cr3t",
    ],
)
def test_parts_of_a_known_address_are_masked_wherever_they_stand(address: str) -> None:
    addresses.know({"tune": {"storage": [address]}})
    said = [
        f"{address} cannot be used",
        f"{address!r}",
        f"{address}/and/more",
        "port is no number: 'S3cr3t'",
        "url: /S3cr3t@h/o (Caused by ...)",
        "S3cr3t",
    ]
    if "%2F" in address:
        said += ["password ab/S3cr3t", "password ab%2FS3cr3t"]
    for text in said:
        assert SECRET not in addresses.masked(text), text
    assert addresses.masked("an epoch and a user of 3 images") == "an epoch and a user of 3 images"


def test_credentials_sent_as_a_header_are_masked() -> None:
    addresses.know(["http://user:S3cr3t@h"])
    sent = base64.b64encode(b"user:S3cr3t").decode()
    assert addresses.masked(f"Authorization: Basic {sent}") == "Authorization: Basic ***"


def test_a_short_secret_hides_no_part_of_a_word() -> None:
    addresses.know(["postgresql://atlas:data@h/o", "postgresql://atlas:o@h/o"])
    said = "data of a database: o, postgresql://atlas:o@h/o"
    assert addresses.masked(said) == "*** of a database: o, postgresql://***@h/o"


def test_a_long_text_with_an_address_in_it_takes_no_longer_than_its_length() -> None:
    said = "a" * 1_000_000 + " http://u:S3cr3t@h/x"
    begun = time.process_time()
    assert addresses.masked(said) == "a" * 1_000_000 + " http://***@h/x"
    assert time.process_time() - begun < 5


def test_secrets_of_the_environment_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert addresses.masked("got S3cr3t") == "got S3cr3t"
    monkeypatch.setenv("PGPASSWORD", SECRET)
    assert addresses.masked("got S3cr3t") == "got ***"
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:{SECRET}@{CLOSED}")
    assert addresses.masked("got S3cr3t") == "got ***"


def test_an_error_holds_no_password() -> None:
    error = AtlasError("postgresql://user:S3cr3t@h/o cannot be used", 7)
    assert error.args == ("postgresql://***@h/o cannot be used", 7)


def test_from_then_on_nothing_that_is_printed_holds_a_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, error = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", error)
    addresses.filter_output()
    addresses.filter_output()  # once is enough
    assert addresses.unfiltered(sys.stdout) is out
    assert addresses.unfiltered(out) is out
    print("from postgresql://user:S3cr3t@h/o")
    sys.stderr.writelines(["a\n", "http://S3cr3t@h/x\n"])
    sys.stderr.flush()
    assert out.getvalue() == "from postgresql://***@h/o\n"
    assert error.getvalue() == "a\nhttp://***@h/x\n"
