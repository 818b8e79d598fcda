"""Bookmarks tell who counts to the next page of a list where it begins."""

import pytest

from ocpi.bookmarks import SECONDS, Bookmarks


class Watch:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_bookmark_is_of_one_list_and_one_offset(watch: Watch) -> None:
    bookmarks = Bookmarks(watch)
    bookmarks.leave(1, 1050, 77)
    found = [bookmarks.find(*asked) for asked in ((1, 1050), (2, 1050), (1, 1000))]
    assert found == [77, None, None]


def test_the_last_one_left_counts_and_only_for_a_minute(watch: Watch) -> None:
    bookmarks = Bookmarks(watch)
    bookmarks.leave(1, 1050, 77)
    watch.now += SECONDS - 1
    bookmarks.leave(1, 1050, 80)
    watch.now += SECONDS - 1
    assert bookmarks.find(1, 1050) == 80
    watch.now += 1
    assert bookmarks.find(1, 1050) is None


def test_of_too_many_the_one_that_was_left_longest_ago_is_forgotten(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi.bookmarks.MOST", 2)
    bookmarks = Bookmarks(watch)
    for offset in (1000, 2000, 1000, 3000):
        bookmarks.leave(1, offset, offset)
    assert [bookmarks.find(1, offset) for offset in (1000, 2000, 3000)] == [1000, None, 3000]
