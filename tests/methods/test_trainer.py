"""The training loop: its options change cost, order or precision, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods import operations
from methods.base import Budget, Context, UnableError
from methods.registry import all_methods
from methods.trainer import (
    Network,
    Precision,
    Shape,
    TorchConfig,
    TorchMethod,
    TrainingError,
    bag_tokens,
)
from tasks.data.cohort import BagModality, Cohort, Slide
from tests.helpers.planted import planted


class Regression(Network):
    """Expression from slides by one matrix: a loss that is a mean over patients."""

    def __init__(self, wsi: int, rna: int) -> None:
        super().__init__()
        self.map = nn.Linear(wsi, rna, bias=False)

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """Mean squared error."""
        return {"total": (self.map(wsi) - rna).square().mean()}

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """What is expected of the expression."""
        out: Tensor = self.map(wsi)
        return out

    def encode_rna(self, rna: Tensor) -> Tensor:
        """The expression."""
        return rna


class RegressionMethod(TorchMethod):
    """The regression in the training loop."""

    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The network."""
        return Regression(shapes["wsi"].width, shapes["rna"].width)


def train(n: int = 32) -> Cohort:
    cohort = planted(bags=False)
    return cohort.subset(cohort.complete()[:n])


def fitted(config: TorchConfig, cohort: Cohort) -> RegressionMethod:
    method = RegressionMethod(config)
    method.fit(cohort, Context(seed=0))
    return method


def test_accumulated_batches_make_the_step_of_one() -> None:
    whole = fitted(TorchConfig(epochs=3, batch_size=16, genes=50), train())
    parts = fitted(TorchConfig(epochs=3, batch_size=4, accumulate=4, genes=50), train())
    for name, values in whole.state().items():
        np.testing.assert_allclose(parts.state()[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


def test_operations_are_counted_as_the_matrix_products_have_them() -> None:
    method = fitted(TorchConfig(epochs=1, batch_size=16, genes=50), train())
    wsi, rna = method.state()["network.map.weight"].shape[::-1]
    # One product forward, one for the weight's gradient; a multiplication and an addition each.
    assert method.step_flops == 2 * (2 * 16 * wsi * rna)


@pytest.mark.parametrize(("groups", "transposed"), [(1, False), (4, False), (8, False), (2, True)])
def test_operations_of_grouped_convolutions_are_those_of_their_groups(
    groups: int, transposed: bool
) -> None:
    kind = nn.ConvTranspose1d if transposed else nn.Conv1d
    layer, x = kind(8, 16, 3, groups=groups), torch.randn(2, 8, 10, requires_grad=True)
    with operations.counter() as counted:
        layer(x).sum().backward()
    # A product of each group a place: of ten inputs where transposed, else of eight outputs.
    forward = 2 * 2 * (10 if transposed else 8) * 8 * 16 * 3 // groups
    assert counted.get_total_flops() == 3 * forward


def test_an_untrained_network_has_no_step() -> None:
    assert fitted(TorchConfig(epochs=0), train()).step_flops is None


def test_bfloat16_is_close_and_keeps_its_weights_in_float32() -> None:
    exact = fitted(TorchConfig(epochs=2, genes=50), train())
    rough = fitted(TorchConfig(epochs=2, genes=50, precision=Precision.BFLOAT16), train())
    joint, other = exact.embed(train()).joint, rough.embed(train()).joint
    assert other.dtype == np.float32
    assert not np.array_equal(joint, other)
    np.testing.assert_allclose(other, joint, rtol=0.05, atol=0.05)
    assert rough.state()["network.map.weight"].dtype == np.float32


def test_a_loss_that_is_not_finite_ends_the_fit_with_its_place() -> None:
    with pytest.raises(TrainingError, match="not finite at epoch"):
        fitted(TorchConfig(epochs=4, learning_rate=1e30, genes=50), train())


def shuffled(slide: Slide, *, placed: bool) -> Slide:
    """The slide with its patches, and their coordinates, in another order in the file."""
    order = np.random.default_rng(0).permutation(slide.n_instances)
    xy = slide.coordinates()
    assert xy is not None
    features = slide.read()
    return replace(
        slide,
        read=lambda: features[order],
        coordinates=(lambda: xy[order]) if placed else (lambda: None),
        pick=None,
    )


def with_slides(cohort: Cohort, *, placed: bool) -> Cohort:
    wsi = cohort.modalities["wsi"]
    assert isinstance(wsi, BagModality)
    slides = {p: tuple(shuffled(s, placed=placed) for s in wsi.slides[p]) for p in wsi.patients}
    modalities = {**cohort.modalities, "wsi": BagModality(slides, wsi.width)}
    return replace(cohort, modalities=modalities)


def test_in_spatial_order_the_order_in_the_file_is_of_no_consequence() -> None:
    cohort = planted(bags=True)
    spec = all_methods()["mirror-spatial"]
    part = cohort.subset(cohort.complete()[:16])
    method = spec.build(replace(spec.config_for(Budget.SMOKE), epochs=1))  # type: ignore[call-arg]
    method.fit(part, Context(seed=0))
    moved = with_slides(part, placed=True)
    np.testing.assert_array_equal(method.embed(moved).joint, method.embed(part).joint)
    with pytest.raises(UnableError, match="coordinates"):
        method.embed(with_slides(part, placed=False))


def test_coordinates_are_sorted_by_row_then_column() -> None:
    slide = Slide(
        "s",
        4,
        "",
        lambda: np.arange(4, dtype=np.float32)[:, None],
        lambda: np.array([[5.0, 1], [0, 1], [9, 0], [1, 2]]),
    )
    order = slide.spatial_order()
    assert order is not None
    assert order.tolist() == [2, 1, 0, 3]


def bags(*patches: int) -> BagModality:
    def slide(n: int) -> Slide:
        return Slide("S", n, "", lambda: np.zeros((n, 3), np.float32))

    return BagModality({f"P{i}": (slide(n),) for i, n in enumerate(patches)}, 3)


@pytest.mark.parametrize(
    ("patches", "tokens", "oversample", "drawn"),
    [
        ((900, 900, 900), 64, False, 64),  # enough: what was asked for
        ((38, 38, 900), 64, False, 36),  # most bags have 38: a square of 36
        ((38, 900, 900), 64, False, 64),
        ((2, 3, 5), 64, False, 16),  # enough to hide three quarters of
        ((2, 3, 5), 9, False, 9),
        ((2, 3, 5), 64, True, 64),  # as published
    ],
)
def test_no_more_patches_are_drawn_than_most_bags_have(
    patches: tuple[int, ...], tokens: int, oversample: bool, drawn: int
) -> None:
    config = TorchConfig(tokens=tokens, oversample=oversample)
    assert bag_tokens(bags(*patches), config) == drawn
