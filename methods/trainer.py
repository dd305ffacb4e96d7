"""The one training loop: seeded, on CPU or CUDA, over bags or vectors."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from methods.base import Config, Context, Method, State
from tasks.cohort import BagModality, Cohort, Kind, Modality, VectorModality
from tasks.embeddings import Embeddings
from tasks.errors import InputError
from tasks.preprocess import InstanceScaler, VectorScaler
from tasks.seeds import generator

SIDES = ("wsi", "rna")
EMBED_BATCH = 256


class TrainingError(Exception):
    """A fit that cannot go on, for example because its loss is not finite."""


@dataclass(frozen=True)
class Shape:
    """Kind and width of a modality as the network receives it."""

    kind: Kind
    width: int


@dataclass(frozen=True)
class TorchConfig(Config):
    """What every method trained by gradient descent can be told.

    Attributes:
        width: Embedding width of each side.
        epochs: Passes over the training pairs; fixed, so that no patient chooses the epoch.
        batch_size: Patients per step, at most.
        learning_rate: Of Adam, constant.
        tokens: Patches drawn per bag and step, without replacement where the bag has enough.
        eval_tokens: Patches per bag when embedding; a larger bag gives a draw fixed by its patient.
        genes: Features of highest training variance that are kept of a vector; 0 keeps all.
    """

    width: int = 48
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    tokens: int = 64
    eval_tokens: int = 4096
    genes: int = 4096


class PairedEncoder(Protocol):
    """A network over pairs: what `TorchMethod.build` returns.

    `wsi` is float32 [B, T, D] for bags or [B, D] for slide vectors; `rna` is [B, G].
    """

    def losses(self, wsi: Tensor, rna: Tensor) -> dict[str, Tensor]:
        """Scalar losses by name; `total` is minimised."""

    def encode_wsi(self, wsi: Tensor) -> Tensor:
        """Slide embeddings [B, width]."""

    def encode_rna(self, rna: Tensor) -> Tensor:
        """Expression embeddings [B, width]."""

    def before_step(self) -> None:
        """Called before every training step, for example to renormalise prototypes."""

    def after_step(self) -> None:
        """Called after every training step, for example to clamp a scale."""


class TorchMethod(Method):
    """A method whose network is trained on pairs; a subclass supplies the network."""

    config: TorchConfig

    def __init__(self, config: TorchConfig) -> None:
        super().__init__(config)
        self._scalers: dict[str, VectorScaler | InstanceScaler] = {}
        self._network: nn.Module | None = None

    @abstractmethod
    def build(self, shapes: Mapping[str, Shape]) -> nn.Module:
        """The untrained network for modalities `wsi` and `rna`; a `PairedEncoder`."""

    def fit(self, train: Cohort, context: Context) -> None:
        """Fit the scalers, then the network, on the training patients.

        Raises:
            TrainingError: If a loss is not finite, or there is no pair to train on.
        """
        patients = train.complete()
        if len(patients) < 2:
            raise TrainingError(f"{train.name}: {len(patients)} training pairs; at least 2 needed")
        self._device = torch.device(context.device)
        self._scalers = {
            side: _fit_scaler(train.modalities[side], self.config.genes) for side in SIDES
        }
        with torch.random.fork_rng(devices=_cuda_devices(self._device)):
            torch.manual_seed(context.seed)
            self._network = self.build(self._shapes()).to(self._device)
            self._train(self._network, train, patients, context)

    def _train(
        self, network: nn.Module, train: Cohort, patients: tuple[str, ...], context: Context
    ) -> None:
        optimiser = torch.optim.Adam(network.parameters(), lr=self.config.learning_rate, fused=True)
        draws = generator("draws", context.seed)
        network.train()
        for epoch in range(self.config.epochs):
            sums: dict[str, float] = {}
            n_steps = 0
            for step, batch in enumerate(_batches(patients, self.config.batch_size, draws)):
                wsi, rna = (
                    self._batch(train.modalities[side], side, batch, draws) for side in SIDES
                )
                network.before_step()  # type: ignore[operator]
                losses: dict[str, Tensor] = network.losses(wsi, rna)  # type: ignore[operator]
                values = {name: float(loss.detach()) for name, loss in losses.items()}
                if not np.isfinite(list(values.values())).all():
                    raise TrainingError(
                        f"loss is not finite at epoch {epoch} step {step}: {values}"
                    )
                optimiser.zero_grad(set_to_none=True)
                losses["total"].backward()
                optimiser.step()
                network.after_step()  # type: ignore[operator]
                n_steps += 1
                for name, value in values.items():
                    sums[name] = sums.get(name, 0.0) + value
            context.log(epoch, {name: value / n_steps for name, value in sums.items()})

    def _batch(
        self, modality: Modality, side: str, batch: list[str], draws: np.random.Generator
    ) -> Tensor:
        """One side of a batch: float32 [B, D], or [B, tokens, D] with patches drawn afresh."""
        scale = self._scalers[side].transform
        if isinstance(modality, VectorModality):
            values = scale(modality.rows(batch))
        else:
            tokens = self.config.tokens
            values = np.stack([scale(_draw(modality.read(p), tokens, draws)) for p in batch])
        return torch.from_numpy(values).to(self._device)

    @torch.inference_mode()
    def embed(self, cohort: Cohort) -> Embeddings:
        """Each side on its own and both side by side, [n, 2 width]; NaN where a side is missing."""
        if self._network is None:
            raise TrainingError("embed was called before fit")
        self._network.eval()
        wsi, rna = (self._embed_side(cohort, side) for side in SIDES)
        return Embeddings(cohort.patients, np.concatenate([wsi, rna], axis=1), wsi, rna)

    def _embed_side(self, cohort: Cohort, side: str) -> NDArray[np.float32]:
        encode = getattr(self._network, f"encode_{side}")
        modality = cohort.modalities[side]
        out = np.full((len(cohort.patients), self.config.width), np.nan, dtype=np.float32)
        row = {patient: i for i, patient in enumerate(cohort.patients)}
        for patients in self._embedding_chunks(modality):
            scale = self._scalers[side].transform
            if isinstance(modality, BagModality):
                # The draw belongs to the patient: who else is embedded cannot change it.
                bag = _thin(modality.read(patients[0]), self.config.eval_tokens, patients[0])
                values = scale(bag)[None]
            else:
                values = scale(modality.rows(patients))
            batch = torch.from_numpy(values).to(self._device)
            out[[row[patient] for patient in patients]] = encode(batch).float().cpu().numpy()
        return out

    def _embedding_chunks(self, modality: Modality) -> Iterator[list[str]]:
        size = 1 if isinstance(modality, BagModality) else EMBED_BATCH
        patients = list(modality.patients)
        for start in range(0, len(patients), size):
            yield patients[start : start + size]

    def _shapes(self) -> dict[str, Shape]:
        return {
            side: Shape(Kind.VECTOR if isinstance(scaler, VectorScaler) else Kind.BAG, scaler.width)
            for side, scaler in self._scalers.items()
        }

    def state(self) -> State:
        """The scalers' arrays as `SIDE.KIND.NAME`, the weights as `network.NAME`."""
        if self._network is None:
            raise TrainingError("there is no state before fit")
        state: State = {
            f"{side}.{shape.kind}.{name}": values
            for side, shape in self._shapes().items()
            for name, values in self._scalers[side].state().items()
        }
        for name, tensor in self._network.state_dict().items():
            state[f"network.{name}"] = tensor.detach().cpu().numpy()
        return state

    def restore(self, state: State) -> None:
        """Rebuild the scalers and the network from `state`."""
        for side in SIDES:
            for kind, scaler in ((Kind.VECTOR, VectorScaler), (Kind.BAG, InstanceScaler)):
                prefix = f"{side}.{kind}."
                part = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
                if part:
                    self._scalers[side] = scaler.from_state(part)
        if set(self._scalers) != set(SIDES):
            raise InputError(f"state: scalers of {SIDES} expected, {sorted(self._scalers)} found")
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


def _fit_scaler(modality: Modality, genes: int) -> VectorScaler | InstanceScaler:
    if isinstance(modality, VectorModality):
        return VectorScaler.fit(modality.values, genes or None)
    return InstanceScaler.fit(modality)


def _batches(
    patients: tuple[str, ...], batch_size: int, draws: np.random.Generator
) -> Iterator[list[str]]:
    """Shuffled batches of nearly equal size: no patient is dropped, none stands alone."""
    order = draws.permutation(len(patients))
    n_batches = max(1, -(-len(patients) // batch_size))
    for rows in np.array_split(order, n_batches):
        yield [patients[row] for row in rows]


def _draw(bag: NDArray[np.float32], tokens: int, draws: np.random.Generator) -> NDArray[np.float32]:
    """`tokens` random patches, with replacement only where the bag has fewer (MIRROR.md 1.1)."""
    return bag[draws.choice(len(bag), tokens, replace=len(bag) < tokens)]


def _thin(bag: NDArray[np.float32], tokens: int, patient: str) -> NDArray[np.float32]:
    """The whole bag, or a draw of `tokens` patches in their order that depends on the patient."""
    if len(bag) <= tokens:
        return bag
    return bag[np.sort(generator("thin", patient).choice(len(bag), tokens, replace=False))]


def _cuda_devices(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []
