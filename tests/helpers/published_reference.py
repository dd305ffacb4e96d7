"""MIRROR from its description, plainly and slowly: what the fast network is compared with.

Written from the paper's text as functions of a dict of weights by published name; nothing of
`methods` is used. Evaluation mode only.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def norm(w: Weights, name: str, x: Tensor, eps: float) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], eps)


def nystrom(w: Weights, name: str, x: Tensor) -> Tensor:
    """8 heads, width / 2 landmarks, six steps of the pseudo-inverse, every product formed."""
    n, width = x.shape[1:]
    marks = width // 2
    x = torch.cat([x.new_zeros(len(x), -n % marks, width), x], dim=1)
    q, k, v = (
        t.unflatten(-1, (8, width // 8)).transpose(1, 2)
        for t in linear(w, f"{name}.to_qkv", x).chunk(3, dim=-1)
    )
    q = q * (width // 8) ** -0.5
    q_marks = torch.stack([t.mean(2) for t in q.chunk(marks, dim=2)], dim=2)
    k_marks = torch.stack([t.mean(2) for t in k.chunk(marks, dim=2)], dim=2)
    first, between, last = (
        torch.softmax(a @ b.mT, dim=-1) for a, b in ((q, k_marks), (q_marks, k_marks), (q_marks, k))
    )
    inverse = between.mT / (between.sum(-1).max() * between.sum(-2).max())
    one = torch.eye(marks, dtype=x.dtype)
    for _ in range(6):
        y = between @ inverse
        inverse = inverse @ (13 * one - y @ (15 * one - y @ (7 * one - y))) / 4
    out = first @ inverse @ last @ v
    out = out + functional.conv2d(v, w[f"{name}.res_conv.weight"], padding=(16, 0), groups=8)
    return linear(w, f"{name}.to_out.0", out.transpose(1, 2).flatten(2))[:, -n:]


def layer(w: Weights, name: str, x: Tensor) -> Tensor:
    return x + nystrom(w, f"{name}.attn", norm(w, f"{name}.norm", x, 1e-5))


def slide_encoder(w: Weights, patches: Tensor) -> Tensor:
    tokens = functional.relu(linear(w, "wsi_encoder._fc1.0", patches))
    n, width = tokens.shape[1:]
    side = math.ceil(math.sqrt(n))
    tokens = torch.cat([tokens, tokens[:, : side**2 - n]], dim=1)
    cls = w["wsi_encoder.cls_token"].expand(len(tokens), 1, width)
    x = layer(w, "wsi_encoder.layer1", torch.cat([cls, tokens], dim=1))
    square = x[:, 1:].transpose(1, 2).reshape(len(x), width, side, side)
    summed = square
    for proj, pad in (("proj", 3), ("proj1", 2), ("proj2", 1)):
        weight, bias = (w[f"wsi_encoder.pos_layer.{proj}.{part}"] for part in ("weight", "bias"))
        summed = summed + functional.conv2d(square, weight, bias, padding=pad, groups=width)
    x = torch.cat([x[:, :1], summed.flatten(2).transpose(1, 2)], dim=1)
    return norm(w, "wsi_encoder.norm", layer(w, "wsi_encoder.layer2", x), 1e-5)[:, : n + 1]


def vector_block(w: Weights, name: str, x: Tensor) -> Tensor:
    """Each of 12 heads of a vector attends to the 12; channels come out transposed."""
    width = x.shape[1]
    rows = []
    for row in norm(w, f"{name}.norm1", x, 1e-6):
        q, k, v = linear(w, f"{name}.attn.qkv", row).reshape(3, 12, width // 12)
        rows.append((torch.softmax(q @ k.T * (width // 12) ** -0.5, dim=-1) @ v).T.reshape(-1))
    x = x + linear(w, f"{name}.attn.proj", torch.stack(rows))
    hidden = functional.gelu(linear(w, f"{name}.mlp.fc1", norm(w, f"{name}.norm2", x, 1e-6)))
    return x + linear(w, f"{name}.mlp.fc2", hidden)


def vector_blocks(w: Weights, name: str, x: Tensor) -> Tensor:
    number = 0
    while f"{name}.{number}.norm1.weight" in w:
        x = vector_block(w, f"{name}.{number}", x)
        number += 1
    return x


def rna_encoder(w: Weights, rna: Tensor) -> Tensor:
    x = functional.gelu(linear(w, "rna_encoder.embedding.fc1", rna))
    x = linear(w, "rna_encoder.embedding.fc2", norm(w, "rna_encoder.embedding.norm", x, 1e-6))
    x = vector_blocks(w, "rna_encoder.blocks", x + w["rna_encoder.gene_embed"])
    return norm(w, "rna_encoder.norm", x, 1e-6)


def hidden_places(noise: Tensor, ratio: float) -> Tensor:
    """One where masked: every row's places but the int(n * (1 - ratio)) of smallest noise."""
    mask = torch.ones_like(noise)
    for row, places in zip(mask, noise.argsort(dim=1), strict=True):
        row[places[: int(noise.shape[1] * (1 - ratio))]] = 0
    return mask


def wsi_retention(w: Weights, h: Tensor, noise: Tensor, ratio: float) -> Tensor:
    mask = hidden_places(noise, ratio)
    r = linear(w, "wsi_encoder.retention_embed", h)
    patches = r[:, 1:] * (1 - mask[..., None]) + w["wsi_encoder.mask_token"] * mask[..., None]
    x = torch.cat([r[:, :1], patches], dim=1) + w["wsi_encoder.retention_gene_embed"]
    x = norm(w, "wsi_encoder.retention_norm", layer(w, "wsi_encoder.retention_blocks.0", x), 1e-5)
    error = (linear(w, "wsi_encoder.retention_head", x)[:, 1:] - h[:, 1:]).square().mean(-1)
    return (error * mask).sum() / mask.sum()


def rna_retention(w: Weights, z: Tensor, noise: Tensor, ratio: float) -> Tensor:
    mask = hidden_places(noise, ratio)
    r = linear(w, "rna_encoder.retention_embed", z)
    x = r * (1 - mask) + w["rna_encoder.mask_token"] * mask + w["rna_encoder.retention_gene_embed"]
    x = norm(
        w, "rna_encoder.retention_norm", vector_blocks(w, "rna_encoder.retention_blocks", x), 1e-6
    )
    error = (linear(w, "rna_encoder.retention_head", x) - z).square()
    return (error * mask).sum() / mask.sum()


def style(w: Weights, z: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
    """Divergence from the prior, and prototype scores."""
    x = linear(w, "style_encoder_mlp.fc1", z)
    x = linear(w, "style_encoder_mlp.fc2", functional.gelu(x))
    mu, logvar = linear(w, "style_mu", x), linear(w, "style_logstd", x)
    drawn = linear(w, "style_decoder", mu + torch.exp(0.5 * logvar) * eps)
    divergence = (torch.exp(logvar) + mu**2 - 1 - logvar).sum(1).mean()
    return divergence, linear(w, "prototypes", drawn)


def alignment(w: Weights, wsi: Tensor, rna: Tensor) -> Tensor:
    a = linear(w, "wsi_encoder.alignment_head", wsi / wsi.norm(dim=1, keepdim=True))
    b = linear(w, "rna_encoder.alignment_head", rna / rna.norm(dim=1, keepdim=True))
    logits = w["logit_scale"].exp() * a @ b.T
    target = torch.arange(len(a))
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def losses(
    w: Weights, wsi: Tensor, rna: Tensor, noise: Mapping[str, Tensor], ratio: float
) -> dict[str, Tensor]:
    """The five losses, unweighted."""
    h, z = slide_encoder(w, wsi), rna_encoder(w, rna)
    style_wsi, scores_wsi = style(w, h[:, 0], noise["wsi_style"])
    style_rna, scores_rna = style(w, z, noise["rna_style"])
    p, q = torch.softmax(scores_wsi, 1), torch.softmax(scores_rna, 1)
    both_ways = (p * (p / q).log()).sum(1).mean() + (q * (q / p).log()).sum(1).mean()
    return {
        "alignment": alignment(w, h[:, 0], z),
        "wsi_retention": wsi_retention(w, h, noise["wsi_mask"], ratio),
        "rna_retention": rna_retention(w, z, noise["rna_mask"], ratio),
        "style": (style_wsi + style_rna) / 2,
        "cluster": both_ways / 2,
    }
