"""Every architecture, tokenizer and task: trained, interrupted, saved and opened again, or refused before training.

What each comes to is written down in tests/data/models.json, from which docs/models.md is made: `make models`.
"""

import pytest

from support.model_matrix import CELLS, PAGE, found, page, quick_collections, try_cell, write_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(autouse=True, scope="module")
def collections():
    with quick_collections():
        yield


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_cell_of_the_matrix_ends_as_it_is_written_down(tables, tmp_path, cell):
    assert try_cell(cell, tmp_path, tables) == found()[str(cell)]


def test_the_page_of_the_docs_is_what_the_tests_say():
    assert set(found()) == {str(cell) for cell in CELLS}, "write them anew: make models"
    assert PAGE.read_text() == page(found()), "write it anew: make models"


def test_a_refusal_says_what_to_do():
    refused = {one.refused for one in found().values() if one.refused}
    assert all(": add " in words for words in refused), refused
