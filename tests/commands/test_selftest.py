"""The selftest finds the losses, passes for ours, and says so when one depends on how it is computed."""

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array, Float

from contrastive_jax.commands import selftest


def test_losses_are_found_by_their_annotations():
    cases = {case.name: case for case in selftest.discover()}
    assert cases["supcon"].engine and list(cases["supcon"].arrays) == ["z", "label"]
    assert cases["vcl"].scalars == {"tau": selftest.SCALARS["tau"]}
    assert not cases["cross_entropy"].engine
    assert "variants.cross_view" in cases
    assert not {"l2_normalize", "mean_keep", "has_positive", "push", "directions"} & set(cases)


def test_it_passes_and_prints_a_line_per_loss(capsys):
    assert selftest.COMMAND.main(["--only", "selfcon_su"]) == 0
    printed = capsys.readouterr().out
    assert "selfcon_su " in printed and "variants.selfcon_su_star " in printed
    assert "2 of 2 losses are the same everywhere" in printed
    assert "DIFFERS" not in printed


@pytest.mark.parametrize("fault", ["value", "gradient", "nan"])
def test_it_catches_a_loss_that_depends_on_the_implementation(fault, capsys):
    def wrong(z: Float[Array, "sample dim"], *, tau: float, impl: str = "auto") -> Float[Array, " sample"]:
        loss = jnp.sum(jnp.sin(z), axis=1) / tau
        if impl == "ring":
            loss = {
                "value": 1.01 * loss,
                "gradient": jax.lax.stop_gradient(loss) + 0 * jnp.sum(z, axis=1),
                "nan": loss * jnp.nan,
            }[fault]
        return loss

    (case,) = selftest.as_case("wrong", wrong)
    assert selftest.table([case], [("dense", 2), ("ring", 2)]) == 1
    assert "DIFFERS" in capsys.readouterr().out


def test_a_name_that_no_loss_has_is_refused(capsys):
    assert selftest.COMMAND.main(["--only", "nothing like it"]) == 2
    assert "no loss's name contains" in capsys.readouterr().err
