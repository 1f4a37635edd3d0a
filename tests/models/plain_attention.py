"""Attention and a transformer written out for one row without padding (Vaswani et al., 2017), normalisation first."""

import torch


def attend(module, queries, keys):
    """Multi-head attention of ``(L, W)`` to ``(K, W)`` with the weights of torch's module."""
    weights, biases = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
    q, k, v = [x @ w.T + b for x, w, b in zip((queries, keys, keys), weights, biases, strict=True)]
    width = q.shape[-1] // module.num_heads
    found = []
    for head in range(module.num_heads):
        part = slice(head * width, (head + 1) * width)
        scores = q[:, part] @ k[:, part].T / width**0.5
        share = scores.exp() / scores.exp().sum(-1, keepdim=True)
        found.append(share @ v[:, part])
    return torch.cat(found, -1) @ module.out_proj.weight.T + module.out_proj.bias


def norm(module, x):
    """Layer normalisation."""
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + module.eps).sqrt()
    return scaled * module.weight + module.bias


def linear(module, x):
    return x @ module.weight.T + module.bias


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / 2**0.5))


def transformer(module, x):
    """Self-attention and a feed-forward network, residual each, layer by layer; a last normalisation."""
    for layer in module.layers:
        normal = norm(layer.norm1, x)
        x = x + attend(layer.self_attn, normal, normal)
        x = x + linear(layer.linear2, gelu(linear(layer.linear1, norm(layer.norm2, x))))
    return norm(module.norm, x)
