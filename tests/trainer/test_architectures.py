"""Every architecture, tokenizer and task: trained, interrupted, saved and opened again, or refused before training.

What each comes to is written down in tests/data/models.json, from which docs/models.md is made: `make models`.
"""

import pytest

from support.model_matrix import PAGE, TASKS, VARIANTS, found, page, quick_collections, try_variant, write_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(autouse=True, scope="module")
def collections():
    with quick_collections():
        yield


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_each_task_of_a_model_ends_as_it_is_written_down(tables, tmp_path, variant):
    made, known = try_variant(variant, tmp_path, tables), found()
    assert made == {cell: known[cell] for cell in made}


def test_the_page_of_the_docs_is_what_the_tests_say():
    cells = {variant.cell(task) for variant in VARIANTS for task in TASKS}
    assert set(found()) == cells, "write them anew: make models"
    assert PAGE.read_text() == page(found()), "write it anew: make models"


def test_a_refusal_says_what_to_do():
    refused = {one.refused for one in found().values() if one.refused}
    assert all(": add " in words for words in refused), refused
