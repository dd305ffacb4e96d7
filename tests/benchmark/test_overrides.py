"""`--set`: a configuration changed by hand is one that the budget cannot change back."""

from pathlib import Path

import pytest

from benchmark.engine.overrides import configured
from methods.base import Budget
from methods.mirror.family import MirrorConfig
from methods.registry import select_methods
from methods.trainer import Precision
from tasks.errors import InputError


def one(*settings: str) -> MirrorConfig:
    (spec,) = configured(select_methods("mirror"), settings)
    config = spec.config_for(Budget.SMOKE)
    assert isinstance(config, MirrorConfig)
    return config


def test_values_have_the_type_of_their_field() -> None:
    config = one(
        "mirror.epochs=3",
        "mirror.learning_rate=1e-2",
        "mirror.cosine=true",
        "mirror.precision=bfloat16",
    )
    assert (config.epochs, config.learning_rate, config.cosine) == (3, 1e-2, True)
    assert config.precision is Precision.BFLOAT16
    assert config.width == 24  # of the budget


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("epochs=3", "METHOD.FIELD=VALUE"),
        ("mirror.epochs", "METHOD.FIELD=VALUE"),
        ("pca.components=3", "pca"),
        ("mirror.epoch=3", "epochs"),
        ("mirror.epochs=many", "int"),
        ("mirror.cosine=maybe", "bool"),
        ("mirror.learning_rate=nan", "a finite float, found 'nan'"),
        ("mirror.learning_rate=-inf", "a finite float, found '-inf'"),
        ("mirror.precision=half", "bfloat16"),
    ],
)
def test_a_wrong_setting_says_what_was_expected(setting: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        one(setting)


def test_what_a_method_needs_has_to_be_given(tmp_path: Path) -> None:
    chosen = select_methods("mirror-checkpoint")
    with pytest.raises(InputError, match="checkpoint"):
        configured(chosen, ())
    with pytest.raises(InputError, match="file"):
        configured(chosen, (f"mirror-checkpoint.checkpoint={tmp_path / 'none.pt'}",))
