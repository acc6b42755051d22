"""Components are found by class name over all files of a package, or by an import path."""

import dataclasses
import inspect
import sys

import pytest

from contrastive_jax.config import registry
from contrastive_jax.config.registry import Registry
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import CHOICES
from contrastive_jax.methods import Method, OneEncoder

LAB = '''
import abc
import dataclasses
import flax.linen as nn
from contrastive_jax.methods.supcon import SupCon

@dataclasses.dataclass(frozen=True, kw_only=True)
class Mine(SupCon):
    """A method."""
    strength: float = 2.0

@dataclasses.dataclass(frozen=True, kw_only=True)
class Unfinished(SupCon):
    @abc.abstractmethod
    def loss(self): ...

class Plain(SupCon):
    """Not decorated."""

@dataclasses.dataclass(frozen=True)
class Foreign:
    """A dataclass that is not a method."""

class TinyNet(nn.Module):
    width: int = 4

number = 3
'''


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A package `my_lab` of the user's, as if the tests were run where it is."""
    (tmp_path / "my_lab").mkdir()
    (tmp_path / "my_lab" / "parts.py").write_text(LAB)
    (tmp_path / "my_lab" / "broken.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_lab"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["supcon_in", "SupConIn", "SUPCONIN", "sup_con_in"])
def test_a_class_is_found_whatever_file_defines_it(name):
    cls = CHOICES["method"].find(name)
    assert cls.__name__ == "SupConIn" and cls.__module__ == "contrastive_jax.methods.supcon"


def test_base_classes_and_helpers_are_not_offered():
    methods = CHOICES["method"].classes()
    assert {"SupCon", "SupConIn", "MoCoV3"} <= methods.keys()
    assert not {"Method", "OneEncoder", "StudentTeacher", "CohortMethod"} & methods.keys()
    assert not any(inspect.isabstract(cls) for cls in methods.values())
    assert all(issubclass(cls, Method) for cls in methods.values())
    assert list(CHOICES["network"].classes()) == [
        *("CifarResNet", "HCGNet", "ResNet", "ShuffleNet", "VGG", "ViT", "WideResNet")
    ]
    assert list(CHOICES["optimizer"].classes()) == ["AdamW", "LARS", "RMSProp", "SGD"]
    assert list(CHOICES["sampler"].classes()) == ["Balanced", "ClassAware", "Uniform"]
    with pytest.raises(InputError, match="unknown method 'one_encoder'"):
        CHOICES["method"].find("one_encoder")


@pytest.mark.parametrize("section", CHOICES)
def test_no_two_classes_share_a_name(section):
    names = [registry.normalised(name) for name in CHOICES[section].classes()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "section, name, nearest",
    [
        ("method", "supcom", "SupCon"),
        ("method", "supconn", "SupCon"),
        ("method", "supcon_inn", "SupConIn"),
        ("method", "selfcon_1stage_crt", "SelfCon1StageCRD"),
        ("network", "wide_resnot", "WideResNet"),
        ("optimizer", "sgdd", "SGD"),
        ("schedule", "cosin", "Cosine"),
        ("sampler", "clas_aware", "ClassAware"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(section, name, nearest):
    with pytest.raises(InputError, match=f"unknown {section} '{name}': did you mean '{nearest}'"):
        CHOICES[section].find(name)


def test_import_paths(lab):
    mine = CHOICES["method"].find("my_lab.parts:Mine")
    assert issubclass(mine, OneEncoder) and mine.__module__ == "my_lab.parts"
    assert CHOICES["network"].find("my_lab.parts:TinyNet").__name__ == "TinyNet"
    assert CHOICES["optimizer"].find("contrastive_jax.train.optimizers:SGD").__name__ == "SGD"


@pytest.mark.parametrize(
    "path, words",
    [
        (
            "your_lab.parts:Mine",
            "there is no module 'your_lab'. It must be importable: in the current directory (/",
        ),
        ("my_lab.part:Mine", "there is no module 'my_lab.part'"),
        ("my_lab.broken:Mine", "importing 'my_lab.broken' failed: No module named 'nothing_of_that_name'"),
        ("my_lab.parts:Mina", "'my_lab.parts' has no 'Mina': did you mean 'Mine'?"),
        ("my_lab.parts:number", "is not a class"),
        ("my_lab.parts:Foreign", "does not inherit from contrastive_jax.methods.base.Method"),
        ("my_lab.parts:Plain", "is not a dataclass"),
        ("my_lab.parts:Unfinished", "is abstract: it lacks loss"),
        ("my_lab/parts.py:Mine", "is not an import path"),
        ("parts.py:Mine", "names a file: write its module, parts:Mine."),
    ],
)
def test_a_wrong_import_path_is_refused_in_a_sentence(lab, path, words):
    with pytest.raises(InputError, match="^method '") as refusal:
        CHOICES["method"].find(path)
    assert words in str(refusal.value)


def test_the_current_directory_is_searched(tmp_path, monkeypatch):
    (tmp_path / "here_only.py").write_text("def views():\n    return {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    found = registry.function("contrastive_jax.recipes.augmentations", "here_only:views", "recipe")
    assert found() == {}
    assert registry.module_exists("here_only") and not registry.module_exists("not_here.at_all")


def test_classes_of_other_modules_are_not_offered(tmp_path, monkeypatch):
    """An import into a module of the package is not a definition; private names are not public."""
    (tmp_path / "pieces").mkdir()
    (tmp_path / "pieces" / "__init__.py").write_text("")
    source = "import dataclasses\nfrom contrastive_jax.train.optimizers import SGD\n"
    for name in ("First", "_Second"):
        source += f"@dataclasses.dataclass(frozen=True)\nclass {name}:\n    pass\n"
    (tmp_path / "pieces" / "one.py").write_text(source + "class NoDataclass:\n    pass\n")
    (tmp_path / "pieces" / "_two.py").write_text("raise RuntimeError('private modules are not imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Registry("pieces", "piece")
    assert list(found.classes()) == ["First"] and dataclasses.is_dataclass(found.find("first"))
