"""The training algorithms: base classes, and one file per family.

A config names an algorithm by its class (`supcon_in` is `SupConIn`), wherever in this package it is defined, or by
an import path (`my_lab.methods:BarlowTwins`). `base.Method` is the contract.
"""

from contrastive_jax.methods.base import Batch, Collections, Method, Metrics, OneEncoder, Tree
from contrastive_jax.methods.cohort import CohortMethod
from contrastive_jax.methods.student_teacher import PredictingStudent, StudentTeacher, TeacherState

__all__ = [
    "Batch",
    "CohortMethod",
    "Collections",
    "Method",
    "Metrics",
    "OneEncoder",
    "PredictingStudent",
    "StudentTeacher",
    "TeacherState",
    "Tree",
]
