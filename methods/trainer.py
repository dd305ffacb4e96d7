"""The one training loop: seeded, on CPU or CUDA, over bags or vectors."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from statistics import median_low
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods import operations
from methods.base import Config, Context, Method, State, UnableError, rows_for
from methods.optimisation import Optimisation, Stepper
from tasks.data.cohort import SIDES, BagModality, Cohort, Features, Modality, VectorModality
from tasks.data.preprocess import InstanceScaler, VectorScaler
from tasks.draws import fixed_rows
from tasks.embeddings import Embeddings
from tasks.errors import InputError
from tasks.metrics.geometry import geometry
from tasks.seeds import generator

EMBED_BATCH = 256
DROPOUTS = (nn.Dropout, nn.AlphaDropout)
# Opening a file costs more than reading a few hundred patches. A worker may hold this much of a
# cohort's bags while it fits, and no more; of the other bags it reads the patches that are drawn.
KEPT_BYTES = 64_000_000
WATCHED = 64
"""Training patients, at most, and patches of a bag, at most, by which training is watched."""


FEWEST_TOKENS = 16
"""Patches that are drawn of the shortest bags: enough to hide three quarters of them."""


class TrainingError(Exception):
    """A fit that cannot go on, for example because its loss is not finite."""


class Precision(StrEnum):
    """Arithmetic of the network: all in float32, or products in bfloat16 by autocast."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Shape:
    """A modality as the network receives it.

    Attributes:
        width: Of a patch, or of a vector.
        tokens: Patches in a training bag; None of vectors.
    """

    width: int
    tokens: int | None = None


@dataclass(frozen=True)
class TorchConfig(Optimisation, Config):
    """What every method trained by gradient descent can be told.

    Attributes:
        width: Embedding width of each side.
        batch_size: Patients per step, at most.
        tokens: Patches drawn per bag and step, without replacement where the bag has enough: at
            most so many, and no more than half of the training bags have (`bag_tokens`).
        oversample: As published, `tokens` whatever the bags have.
        eval_tokens: Patches per bag when embedding; a larger bag gives a draw fixed by its patient.
        genes: Features of highest training variance that are kept of a vector; 0 keeps all.
        accumulate: Batches whose mean gradient makes one step, for devices with little memory.
        precision: Of the network's arithmetic; weights, losses and steps stay float32.
        spatial_order: Patches stand in the order of their rows on the slide, not as drawn.
    """

    width: int = 192
    batch_size: int = 32
    tokens: int = 64
    oversample: bool = False
    eval_tokens: int = 4096
    genes: int = 4096
    accumulate: int = 1
    precision: Precision = Precision.FLOAT32
    spatial_order: bool = False


def bag_tokens(modality: BagModality, config: TorchConfig) -> int:
    """Patches drawn of each training bag.

    What is drawn beyond a bag's patches are copies, which cost as much as patches and tell nothing.
    A square number, since MIRROR's encoder lays the tokens out on a square.
    """
    if config.oversample:
        return config.tokens
    median = median_low(modality.n_instances(patient) for patient in modality.patients)
    return min(config.tokens, max(FEWEST_TOKENS, math.isqrt(median) ** 2))


class Network(nn.Module):
    """What `TorchMethod.build` returns; a subclass adds losses, and encoders of what is embedded.

    Those are `encode_wsi(wsi)` and `encode_rna(rna)`, embeddings [B, any width]. `wsi` is float32
    [B, T, D] for bags or [B, D] for slide vectors; `rna` is [B, G]. A network of one side has
    neither the argument nor the `encode_` of the other. Where the objective sees embeddings through
    heads, `project(side, z)` is what it sees of them, [B, any width].

    Attributes:
        losses: Takes the sides by name; gives scalars by name, of which `total` is minimised. The
            next batch of bags is written over `wsi`: what is to outlive the step is copied.
    """

    losses: Callable[..., dict[str, Tensor]]

    def before_step(self) -> None:
        """Called before every training step, for example to renormalise prototypes."""

    def after_step(self) -> None:
        """Called after every training step, for example to clamp a scale."""


class TorchMethod(Method):
    """A method whose network is trained on patients; a subclass supplies the network.

    Attributes:
        sides: The modalities that the network learns from; who lacks one is not trained on.
        embeds: Those that it embeds, None for the same ones.
    """

    config: TorchConfig
    sides: ClassVar[tuple[str, ...]] = SIDES
    embeds: ClassVar[tuple[str, ...] | None] = None

    def __init__(self, config: TorchConfig) -> None:
        super().__init__(config)
        self._scalers: dict[str, VectorScaler | InstanceScaler] = {}
        self._tokens: dict[str, int] = {}
        self._network: Network | None = None
        self._step_flops: int | None = None
        self._dropout_on = False
        self._kept: dict[str, Features] = {}
        self._rooms: dict[str, _Room] = {}

    @abstractmethod
    def build(self, shapes: Mapping[str, Shape]) -> Network:
        """The untrained network for inputs of these shapes, by side; see `Network`."""

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the scalers, then the network, on the training patients.

        Raises:
            TrainingError: If a loss is not finite, or there are not two patients to train on.
        """
        patients = train.complete(self.sides)
        if len(patients) < 2:
            raise TrainingError(
                f"{train.name}: {len(patients)} training patients with {' and '.join(self.sides)}; "
                "at least 2 needed"
            )
        self._device = torch.device(context.device)
        self._fit_scalers(train)
        self._kept, self._rooms = {}, {}
        with torch.random.fork_rng(devices=_cuda_devices(self._device)):
            torch.manual_seed(context.seed)
            self._network = self.build(self._shapes()).to(self._device)
            self._train(self._network, train, patients, context)
        self._kept, self._rooms = {}, {}

    def _fit_scalers(self, train: Cohort) -> None:
        """Fit what has to be known of the training patients' features before `build`."""
        self._scalers = {
            side: _fit_scaler(train.modalities[side], self.config.genes) for side in self.sides
        }
        self._tokens = {
            side: bag_tokens(modality, self.config)
            for side in self.sides
            if isinstance(modality := train.modalities[side], BagModality)
        }

    def _train(
        self, network: Network, train: Cohort, patients: tuple[str, ...], context: Context
    ) -> None:
        config = self.config
        steps = -(-_n_batches(patients, config.batch_size) // config.accumulate)
        stepper = Stepper(network.parameters(), config, steps)
        draws = generator("draws", context.seed)
        watched = self._watched(train, patients)
        totals: list[float] = []
        self._watch(network, watched, context)
        for epoch in range(config.epochs):
            network.train()  # whoever is told of an epoch may embed with what it left
            sums: dict[str, float] = {}
            batches = list(_batches(patients, config.batch_size, draws))
            for start in range(0, len(batches), config.accumulate):
                step = batches[start : start + config.accumulate]
                network.before_step()
                stepper.forget()
                for batch in step:
                    # No name for the inputs: they are gone before the next ones are read.
                    values = self._backward(
                        network, self._inputs(train, batch, draws), 1 / len(step)
                    )
                    if not np.isfinite(list(values.values())).all():
                        raise TrainingError(f"loss is not finite at epoch {epoch}: {values}")
                    for name, value in values.items():
                        sums[name] = sums.get(name, 0.0) + value
                stepper.step()
                network.after_step()
            context.log(epoch, {name: value / len(batches) for name, value in sums.items()})
            self._watch(network, watched, context)
            totals.append(sums["total"])
            if config.has_converged(totals):
                break

    def _watched(self, train: Cohort, patients: tuple[str, ...]) -> dict[str, Tensor]:
        """Embedded sides of some training patients: [n, D], or [n, T, D] of few patches a bag."""
        draws = generator("watched", train.name)
        some = [patients[row] for row in draws.permutation(len(patients))[:WATCHED]]
        found = {}
        for side in self.embeds or self.sides:
            modality = train.modalities[side]
            if isinstance(modality, VectorModality):
                found[side] = self._vectors(modality, side, some)
            else:
                tokens = min(WATCHED, self._tokens[side])
                room = _Room(modality, len(some), tokens, self._device)
                found[side] = self._bags(room, modality, side, some, draws)
        return found

    @torch.inference_mode()
    def _watch(self, network: Network, watched: Mapping[str, Tensor], context: Context) -> None:
        """Say how embeddings lie; nothing of the training hangs on it."""
        if not watched:
            return
        network.eval()
        sides = {}
        for side, x in watched.items():
            encode = getattr(network, f"encode_{side}")
            with self._autocast():
                parts = [encode(part) for part in x.split(self.config.batch_size)]
            sides[side] = torch.cat(parts).float().cpu().numpy()
            if not np.isfinite(sides[side]).all():
                raise TrainingError(f"embeddings of {side} are not finite")
        context.watch(geometry(sides))

    def _inputs(
        self, train: Cohort, batch: list[str], draws: np.random.Generator
    ) -> dict[str, Tensor]:
        """What the losses of a batch are computed from: its sides, by name."""
        return {
            side: self._batch(train.modalities[side], side, batch, draws) for side in self.sides
        }

    def _backward(
        self, network: Network, inputs: Mapping[str, Tensor], share: float
    ) -> dict[str, float]:
        """Add `share` of a batch's gradients; its losses as numbers. The first step is counted."""
        counting = operations.counter() if self._step_flops is None else None
        with counting or nullcontext():
            with self._autocast():
                losses = network.losses(**inputs)
            values = {name: float(loss.detach()) for name, loss in losses.items()}
            (losses["total"] * share).backward()
        if counting is not None:
            self._step_flops = int(counting.get_total_flops())
        return values

    def _autocast(self) -> torch.autocast:
        enabled = self.config.precision == Precision.BFLOAT16
        return torch.autocast(self._device.type, torch.bfloat16, enabled=enabled)

    def _batch(
        self, modality: Modality, side: str, batch: list[str], draws: np.random.Generator
    ) -> Tensor:
        """One side of a batch: float32 [B, D], or [B, tokens, D] with patches drawn afresh.

        Bags are there until the next batch is read, which is written over them.
        """
        if isinstance(modality, VectorModality):
            return self._vectors(modality, side, batch)
        if side not in self._rooms:
            self._rooms[side] = _Room(
                modality, self.config.batch_size, self._tokens[side], self._device
            )
        return self._bags(self._rooms[side], modality, side, batch, draws)

    def _bags(
        self,
        room: "_Room",
        modality: BagModality,
        side: str,
        batch: list[str],
        draws: np.random.Generator,
    ) -> Tensor:
        """Scaled bags in a room, as many patches of each as it has room for."""
        for bag, patient in zip(room.drawn(len(batch)), batch, strict=True):
            self._draw(bag, modality, patient, draws)
        return self._scaler(side).scale_(room.on_device(len(batch)))

    def _draw(
        self, out: Features, modality: BagModality, patient: str, draws: np.random.Generator
    ) -> None:
        """Random patches, with replacement only where the bag has fewer (MIRROR.md 1.1)."""
        n, tokens = modality.n_instances(patient), len(out)
        rows = draws.choice(n, tokens, replace=n < tokens)
        if self.config.spatial_order:
            rows.sort()
        if patient not in self._kept:
            size = out.itemsize * n * modality.width
            if sum(kept.nbytes for kept in self._kept.values()) + size > KEPT_BYTES:
                modality.read_into(out, patient, self._in_order(modality, patient, rows))
                return
            whole = self._patches(modality, patient, None)
            half = out.dtype == np.float16
            self._kept[patient] = whole.astype(np.float16) if half else whole
        # `clip` since numpy fills another array first where it might raise.
        self._kept[patient].take(rows, axis=0, out=out, mode="clip")

    def _patches(
        self, modality: BagModality, patient: str, rows: NDArray[np.intp] | None
    ) -> NDArray[np.float32]:
        """Some patches, or all, of a bag in the order that the method asks for."""
        if self.config.spatial_order:
            n = modality.n_instances(patient)
            rows = self._in_order(modality, patient, np.arange(n) if rows is None else rows)
        return modality.read(patient) if rows is None else modality.read_rows(patient, rows)

    def _in_order(
        self, modality: BagModality, patient: str, rows: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        """Rows of a bag's file for those of the bag in the order that the method asks for."""
        if not self.config.spatial_order:
            return rows
        order = modality.spatial_order(patient)
        if order is None:
            raise UnableError("spatial order needs the patches' coordinates, which the files lack")
        return order[rows]

    @torch.inference_mode()
    def embed(self, cohort: Cohort) -> Embeddings:
        """Each side on its own, and the sides side by side; NaN where a side is missing."""
        if self._network is None:
            raise TrainingError("embed was called before fit")
        self._network.train(self._dropout_on)
        parts = {side: self._embed_side(cohort, side) for side in self.embeds or self.sides}
        joint = np.concatenate(list(parts.values()), axis=1)
        return Embeddings(
            cohort.patients, joint, parts.get("wsi"), parts.get("rna"), self._behind_heads(parts)
        )

    def embed_with_dropout(self, cohort: Cohort, seed: int) -> Embeddings:
        """Embed in training mode, as the published probe left frozen encoders."""
        if self._network is None:
            raise TrainingError("embed was called before fit")
        dropouts = (m for m in self._network.modules() if isinstance(m, DROPOUTS))
        if not any(layer.p > 0 for layer in dropouts):
            raise UnableError("the method has no dropout")
        self._dropout_on = True
        try:
            with torch.random.fork_rng(devices=_cuda_devices(self._device)):
                torch.manual_seed(seed)
                return self.embed(cohort)
        finally:
            self._dropout_on = False
            self._network.eval()

    def _embed_side(self, cohort: Cohort, side: str) -> NDArray[np.float32]:
        encode = getattr(self._network, f"encode_{side}")
        modality = cohort.modalities[side]
        chunks: list[NDArray[np.float32]] = []
        for patients in self._embedding_chunks(modality):
            with self._autocast():
                encoded = encode(self._whole(modality, side, patients))
            chunks.append(encoded.float().cpu().numpy())
        values = np.concatenate(chunks or [np.empty((0, self.config.width), np.float32)])
        return rows_for(cohort.patients, modality.patients, values)

    def _together(
        self, cohort: Cohort, encode: Callable[..., Tensor], width: int
    ) -> NDArray[np.float32]:
        """All sides at once, a row for each patient, NaN where one is missing.

        Args:
            cohort: Whom to embed.
            encode: Takes the sides of patients who have all, in the method's order; [B, width].
            width: Of what it gives.
        """
        complete = cohort.subset(cohort.complete(self.sides))
        modalities = {side: complete.modalities[side] for side in self.sides}
        bags = (m for m in modalities.values() if isinstance(m, BagModality))
        leading = next(bags, modalities[self.sides[0]])
        found = [torch.empty((0, width), device=self._device)]
        for patients in self._embedding_chunks(leading):
            sides = [self._whole(m, side, patients) for side, m in modalities.items()]
            with self._autocast():
                found.append(encode(*sides).float())
        return rows_for(cohort.patients, complete.patients, torch.cat(found).cpu().numpy())

    def _behind_heads(self, parts: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32] | None:
        """Embeddings of all sides as the objective sees them; None if it has no heads."""
        project = getattr(self._network, "project", None)
        if project is None:
            return None
        with self._autocast():
            behind = [project(side, torch.tensor(z).to(self._device)) for side, z in parts.items()]
        found: NDArray[np.float32] = torch.cat(behind, dim=1).float().cpu().numpy()
        return found

    def _whole(self, modality: Modality, side: str, patients: list[str]) -> Tensor:
        """One side as it is embedded: vectors [B, D], or the bag of one patient [1, T, D]."""
        if isinstance(modality, VectorModality):
            return self._vectors(modality, side, patients)
        # The draw belongs to the patient: who else is embedded cannot change it.
        (patient,) = patients
        n = modality.n_instances(patient)
        rows = fixed_rows(n, self.config.eval_tokens, "thin", patient)
        # A copy, since what is read may be another's.
        bag = torch.tensor(self._patches(modality, patient, rows), device=self._device)
        return self._scaler(side).scale_(bag[None])

    def _vectors(self, modality: VectorModality, side: str, patients: list[str]) -> Tensor:
        scaler = cast("VectorScaler", self._scalers[side])
        return torch.from_numpy(scaler.transform(modality.rows(patients))).to(self._device)

    def _scaler(self, side: str) -> InstanceScaler:
        return cast("InstanceScaler", self._scalers[side])

    def _embedding_chunks(self, modality: Modality) -> Iterator[list[str]]:
        size = 1 if isinstance(modality, BagModality) else EMBED_BATCH
        patients = list(modality.patients)
        for start in range(0, len(patients), size):
            yield patients[start : start + size]

    def _shapes(self) -> dict[str, Shape]:
        return {
            side: Shape(scaler.width, self._tokens.get(side))
            for side, scaler in self._scalers.items()
        }

    def state(self) -> State:
        """Arrays of scalers as `SIDE.scaler.NAME`, `SIDE.tokens` of bags, `network.NAME`."""
        if self._network is None:
            raise TrainingError("there is no state before fit")
        state: State = {
            f"{side}.scaler.{name}": values
            for side, scaler in self._scalers.items()
            for name, values in scaler.state().items()
        }
        for side, tokens in self._tokens.items():
            state[f"{side}.tokens"] = np.array(tokens)
        for name, tensor in self._network.state_dict().items():
            state[f"network.{name}"] = tensor.detach().cpu().numpy()
        return state

    def restore(self, state: State) -> None:
        """Rebuild the scalers and the network from `state`."""
        for side in self.sides:
            prefix = f"{side}.scaler."
            part = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            if not part:
                raise InputError(f"state: expected the scaler of {side}, found none")
            if f"{side}.tokens" in state:
                self._tokens[side] = int(state[f"{side}.tokens"])
            scaler = InstanceScaler if side in self._tokens else VectorScaler
            self._scalers[side] = scaler.from_state(part)
        self._device = torch.device("cpu")
        self._network = self.build(self._shapes())
        prefix = "network."
        self._network.load_state_dict(
            {
                name.removeprefix(prefix): torch.from_numpy(np.array(values))
                for name, values in state.items()
                if name.startswith(prefix)
            }
        )
        self._network.eval()

    @property
    def n_parameters(self) -> int:
        """Trainable parameters of the fitted network."""
        if self._network is None:
            return 0
        return sum(w.numel() for w in self._network.parameters() if w.requires_grad)

    def parameters_on(self, wsi_width: int, rna_width: int) -> int | None:
        """Trainable parameters on bags of patches and expression of these widths."""
        shapes = {"wsi": Shape(wsi_width, self.config.tokens), "rna": Shape(rna_width)}
        network = self.build({side: shapes[side] for side in self.sides})
        return sum(w.numel() for w in network.parameters() if w.requires_grad)

    @property
    def step_flops(self) -> int | None:
        """Of the first batch, forward and backward, as torch counts them; None if untrained."""
        return self._step_flops


class _Room:
    """Where batches of bags are read, one over the other: a new array costs as much as the bags.

    To another device they go as they are kept, in float16 half as many bytes, and are made float32
    there.
    """

    def __init__(self, modality: BagModality, bags: int, tokens: int, device: torch.device) -> None:
        dtype = np.dtype(np.float32) if device.type == "cpu" else modality.dtype
        self._drawn = np.empty((bags, tokens, modality.width), dtype)
        self._device = device

    def drawn(self, n: int) -> Features:
        """Room for `n` bags [n, tokens, columns], to be written."""
        return self._drawn[:n]

    def on_device(self, n: int) -> Tensor:
        """The `n` bags that were written, in float32."""
        return torch.from_numpy(self._drawn[:n]).to(self._device).float()


def _fit_scaler(modality: Modality, genes: int) -> VectorScaler | InstanceScaler:
    if isinstance(modality, VectorModality):
        return VectorScaler.fit(modality.values, genes or None)
    return InstanceScaler.fit(modality)


def _batches(
    patients: tuple[str, ...], batch_size: int, draws: np.random.Generator
) -> Iterator[list[str]]:
    """Shuffled batches of nearly equal size: no patient is dropped, none stands alone."""
    order = draws.permutation(len(patients))
    for rows in np.array_split(order, _n_batches(patients, batch_size)):
        yield [patients[row] for row in rows]


def _n_batches(patients: tuple[str, ...], batch_size: int) -> int:
    return max(1, -(-len(patients) // batch_size))


def _cuda_devices(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []
