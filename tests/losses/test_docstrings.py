"""Every public loss says what it takes and returns, and shows an example that runs."""

import doctest
import importlib
import inspect
import pkgutil

import jax
import jax.numpy as jnp
import pytest

from contrastive_jax import losses, similarity

ROOMS = {"losses": losses, "variants": losses.variants, "mutual_information": losses.mutual_information}
PUBLIC = {f"{room}.{n}": getattr(at, n) for room, at in ROOMS.items() for n in at.__all__}
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if inspect.isfunction(thing)}
SCOPE = {"jax": jax, "jnp": jnp, "losses": losses}
"""What the package's docstring imports."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_loss_documents_itself(name):
    text = inspect.getdoc(FUNCTIONS[name])
    parts = [part for part in ("Args:", "Returns:", "Example:", ">>> ") if part not in text]
    undocumented = [p for p in inspect.signature(FUNCTIONS[name]).parameters if f"\n  {p}: " not in text]
    assert not parts and not undocumented, f"{name} lacks {parts or undocumented}"


def test_named_terms_document_how_they_are_weighted():
    terms = [thing for thing in PUBLIC.values() if inspect.isclass(thing) and issubclass(thing, tuple)]
    assert all(thing.__doc__ and not thing.__doc__.startswith(f"{thing.__name__}(") for thing in terms)
    weighted = [thing.weighted for thing in terms if hasattr(thing, "weighted")]
    assert len(weighted) == 4 and all(method.__doc__ for method in weighted)


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_of_losses(name):
    run_examples(name, PUBLIC[name])


def test_examples_of_the_similarity_engine():
    prefix = "contrastive_jax.similarity."
    modules = [importlib.import_module(m.name) for m in pkgutil.iter_modules(similarity.__path__, prefix)]
    for module in (similarity, *modules):
        run_examples(module.__name__, module)


def run_examples(name, thing):
    failures = []
    runner = doctest.DocTestRunner(verbose=False)
    is_module = inspect.ismodule(thing)
    scope = (vars(thing) if is_module else {}) | SCOPE
    for test in doctest.DocTestFinder(recurse=is_module).find(thing, name, globs=scope):
        runner.run(test, out=failures.append)
    assert not failures, "".join(failures)
