"""Weights and settings of the published MIRROR code, by its names.

Checkpoints are read without running anything from the file.
"""

import argparse
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.errors import InputError

# Beginnings of our names and of the published ones; what follows is kept, layers aside.
BEGINNINGS = (
    ("alignment.log_scale", "logit_scale"),
    ("alignment.wsi_head.", "wsi_encoder.alignment_head."),
    ("alignment.rna_head.", "rna_encoder.alignment_head."),
    ("wsi.encoder.patch_embedding.", "wsi_encoder._fc1.0."),
    ("wsi.encoder.first.", "wsi_encoder.layer1."),
    ("wsi.encoder.second.", "wsi_encoder.layer2."),
    ("wsi.encoder.position.wide.", "wsi_encoder.pos_layer.proj."),
    ("wsi.encoder.position.middle.", "wsi_encoder.pos_layer.proj1."),
    ("wsi.encoder.position.narrow.", "wsi_encoder.pos_layer.proj2."),
    ("rna.encoder.position", "rna_encoder.gene_embed"),
    ("rna.encoder.rise.", "rna_encoder.embedding.fc1."),
    ("rna.encoder.rise_norm.", "rna_encoder.embedding.norm."),
    ("rna.encoder.fall.", "rna_encoder.embedding.fc2."),
    *(
        (f"{side}.retention.{ours}", f"{side}_encoder.{theirs}")
        for side in ("wsi", "rna")
        for ours, theirs in (
            ("mask_token", "mask_token"),
            ("position", "retention_gene_embed"),
            ("embedding.", "retention_embed."),
            ("blocks.", "retention_blocks."),
            ("norm.", "retention_norm."),
            ("head.", "retention_head."),
        )
    ),
    ("wsi.encoder.", "wsi_encoder."),
    ("rna.encoder.", "rna_encoder."),
    ("style.mlp.0.", "style_encoder_mlp.fc1."),
    ("style.mlp.2.", "style_encoder_mlp.fc2."),
    ("style.mean.", "style_mu."),
    ("style.log_variance.", "style_logstd."),
    ("style.decoder.", "style_decoder."),
    ("style.prototypes.", "prototypes."),
)
# Parts of a layer, which the two sides name differently.
LAYER_PARTS = {
    "wsi": (
        (".attention.qkv.", ".attn.to_qkv."),
        (".attention.output.", ".attn.to_out.0."),
        (".attention.convolution.", ".attn.res_conv."),
    ),
    "rna": (
        (".attention_norm.", ".norm1."),
        (".mlp_norm.", ".norm2."),
        (".attention.qkv.", ".attn.qkv."),
        (".attention.output.", ".attn.proj."),
    ),
}
VECTOR_MLP = ((".rise.", ".mlp.fc1."), (".fall.", ".mlp.fc2."))
# Arguments of the published constructor that have one supported value.
FIXED = {"rna_gene_embed": "learn", "rna_norm_layer": "layernorm", "rna_act_layer": "gelu"}
# Arguments of the published constructor -> fields of `MirrorArchitecture`.
ARGUMENTS = {
    "embed_dim": "width",
    "rna_encoder_depth": "depth",
    "rna_mlp_ratio": "mlp_ratio",
    "rna_proj_drop_rate": "vector_dropout",
    "wsi_retention_decoder_depth": "wsi_retention_depth",
    "rna_retention_decoder_depth": "rna_retention_depth",
    "style_mlp_hidden_dim": "style_hidden",
    "style_mlp_out_dim": "style_output",
    "style_latent_dim": "style_latent",
    "num_prototypes": "prototypes",
    "mask_ratio": "mask_ratio",
}
WEIGHTS = ("alignment", "wsi_retention", "rna_retention", "style", "cluster")


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `MirrorArchitecture`; what a configuration lacks is the published template's.

    Raises:
        InputError: A width is missing, or an argument has a value that is not supported.
    """
    for key in ("wsi_embed_dim", "rna_embed_dim", "wsi_num_tokens", "embed_dim"):
        if key not in config:
            raise InputError(f"published configuration: {key} expected, not found")
    for key, value in FIXED.items():
        if config.get(key, value) != value:
            raise InputError(
                f"published configuration: {key} {value!r} expected, {config[key]!r} found"
            )
    weights = config.get("loss_weights", {})
    if unknown := set(weights) - set(WEIGHTS):
        raise InputError(
            f"published configuration: loss_weights of {', '.join(WEIGHTS)} expected, "
            f"{', '.join(sorted(unknown))} found"
        )
    known = {ours: config[theirs] for theirs, ours in ARGUMENTS.items() if theirs in config}
    # whatever the number of patches, the published attention is the approximated one
    return {**known, **weights, "exact_attention": False}


def published_name(name: str) -> str:
    """The published name of one of our weights."""
    for ours, theirs in BEGINNINGS:
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    for part, theirs in LAYER_PARTS.get(name[:3], ()):
        name = name.replace(part, theirs)
    if ".blocks." in name or "_blocks." in name:
        for part, theirs in VECTOR_MLP:
            name = name.replace(part, theirs)
    return name


def to_ours(published: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published weights by our names.

    Args:
        published: Weights by published name.
        expected: Our weights, for their names and shapes.

    Raises:
        InputError: A weight is missing, unknown, or of another shape.
    """
    found: dict[str, Tensor] = {}
    names = {name: published_name(name) for name in expected}
    for name, theirs in names.items():
        if theirs not in published:
            raise InputError(f"published weights: {theirs} expected, not found")
        wanted, shape = tuple(expected[name].shape), tuple(published[theirs].shape)
        if shape != wanted:
            raise InputError(
                f"published weights: {theirs} of shape {wanted} expected, {shape} found"
            )
        found[name] = published[theirs]
    if unknown := sorted(set(published) - set(names.values())):
        raise InputError(f"published weights: unknown weight {unknown[0]} ({len(unknown)} in all)")
    return found


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint file.

    Attributes:
        state: Weights by published name.
        config: The published constructor's arguments, read off the weights' shapes; with
            `mask_ratio` and `loss_weights` only where the file's own arguments say them.
    """

    state: Mapping[str, Tensor]
    config: Mapping[str, Any]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file of the published training code: `state_dict`, `args`, `epoch`, optimiser.

    Only tensors, plain containers and `argparse.Namespace` are accepted, and nothing in the file
    is executed.

    Raises:
        InputError: The file is not there, is no such checkpoint, needs other objects, or lacks a
            weight.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: a published checkpoint expected, no such file") from None
    except pickle.UnpicklingError as error:
        reason = _refused(str(error))
        raise InputError(f"{path}: tensors and argparse.Namespace expected, {reason}") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: a file of torch.save expected, found: {reason}") from None
    if not isinstance(content, Mapping) or not isinstance(content.get("state_dict"), Mapping):
        raise InputError(f"{path}: a dict with state_dict expected, not found")
    # Training on several devices puts every name under `module.`.
    state = {name.removeprefix("module."): w for name, w in content["state_dict"].items()}
    if wrong := [name for name, weight in state.items() if not isinstance(weight, Tensor)]:
        raise InputError(f"{path}: a tensor expected at state_dict {wrong[0]}")
    arguments = content.get("args")
    said = vars(arguments) if isinstance(arguments, argparse.Namespace) else {}
    try:
        config = config_of(state) | {
            k: said[k] for k in ("mask_ratio", "loss_weights") if k in said
        }
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Checkpoint(state, config)


def config_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The published constructor's arguments that weights of published names imply.

    Raises:
        InputError: A weight that tells one of them is missing.
    """

    def shape(name: str) -> torch.Size:
        if name not in state:
            raise InputError(f"published weights: {name} expected, not found")
        return state[name].shape

    def depth(beginning: str) -> int:
        rest = [name.removeprefix(beginning) for name in state if name.startswith(beginning)]
        return len({name.split(".")[0] for name in rest})

    width, wsi_width = shape("wsi_encoder._fc1.0.weight")
    hidden = shape("rna_encoder.retention_blocks.0.mlp.fc1.weight")[0]
    style_output, style_hidden = shape("style_encoder_mlp.fc2.weight")
    return {
        "wsi_embed_dim": wsi_width,
        "rna_embed_dim": shape("rna_encoder.embedding.fc1.weight")[1],
        "embed_dim": width,
        "wsi_num_tokens": shape("wsi_encoder.retention_gene_embed")[1] - 1,
        "wsi_retention_decoder_depth": depth("wsi_encoder.retention_blocks."),
        "rna_encoder_depth": depth("rna_encoder.blocks."),
        "rna_retention_decoder_depth": depth("rna_encoder.retention_blocks."),
        # The hidden width was rounded down: a half more gives it back whatever the rounding.
        "rna_mlp_ratio": (hidden + 0.5) / width,
        "style_mlp_hidden_dim": style_hidden,
        "style_mlp_out_dim": style_output,
        "style_latent_dim": shape("style_mu.weight")[0],
        "num_prototypes": shape("prototypes.weight")[0],
    }


def require_inputs(checkpoint: Checkpoint, wsi_width: int, rna_width: int) -> None:
    """Refuse a checkpoint for data of other widths.

    Raises:
        InputError: Says which width, what the checkpoint expects and what the data have.
    """
    for what, key, found in (
        ("patch width", "wsi_embed_dim", wsi_width),
        ("gene count", "rna_embed_dim", rna_width),
    ):
        if checkpoint.config[key] != found:
            raise InputError(
                f"checkpoint: {what} {checkpoint.config[key]} expected ({key}), {found} found"
            )


def _refused(message: str) -> str:
    """What the restricted unpickler stumbled on, in a few words."""
    found = re.search(r"GLOBAL (\S+)", message)
    return f"{found[1]} found" if found else "something else found"
