import math

import pytest
import torch
import torch.nn.functional as F

from model.config import ModelConfig
from model.gpt import GPT, CausalSelfAttention, FeedForward, KeyValueCache, make_rope_tables
from model.kernels.cpu_norms import normalize_and_rotate, normalize_rms, rotate_features

TINY = {"depth": 2, "width": 32, "heads": 2, "context": 12}
GPT2 = {"position": "learned", "norm": "layer", "activation": "gelu", "qk_norm": False, "tied": True, "bias": True}


def randomised(config: ModelConfig, vocabulary: int = 50) -> GPT:
    """A model whose every weight counts (at its start the output projections are zero)."""
    torch.manual_seed(1)
    model = GPT(config, vocabulary).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def test_attention_equals_a_loop_over_heads_and_positions():
    config = ModelConfig(**TINY)
    torch.manual_seed(0)
    attention, x = CausalSelfAttention(config, 0), torch.randn(1, 5, 32)
    cos, sin = make_rope_tables(5, 16, config.rope_base)

    def head(layer, position, number):
        return layer(x)[0, position, 16 * number : 16 * (number + 1)]

    def normed(y, position):  # RMSNorm, then each pair (i, i + 8) turned by its angle
        y = y / (y.square().mean() + 1e-6).sqrt()
        angles = position * 10_000.0 ** (-torch.arange(8) / 8)
        return torch.cat(
            (y[:8] * angles.cos() - y[8:] * angles.sin(), y[8:] * angles.cos() + y[:8] * angles.sin())
        )  # fmt: skip

    rows = []
    for t in range(5):
        heads = []
        for h in range(2):
            q = normed(head(attention.q, t, h), t)
            scores = torch.stack([q @ normed(head(attention.k, s, h), s) / 4 for s in range(t + 1)]).softmax(0)
            heads.append(sum(scores[s] * head(attention.v, s, h) for s in range(t + 1)))
        rows.append(attention.out(torch.cat(heads)))
    torch.testing.assert_close(attention(x, (cos, sin), None)[0], torch.stack(rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mask", [False, True])
def test_grouped_queries_share_keys_and_values(mask):
    """Of four heads, each two read the same keys and values: as if those were there twice."""
    shape = {**TINY, "heads": 4, "document_mask": mask}
    grouped, whole = (randomised(ModelConfig(**shape, **keys)) for keys in ({"key_value_heads": 2}, {}))
    weights = dict(grouped.named_parameters())
    with torch.no_grad():
        for name, parameter in whole.named_parameters():
            value = weights[name]
            if name.endswith(("attention.k.weight", "attention.v.weight")):
                value = value.view(2, 1, 8, 32).expand(2, 2, 8, 32).reshape(32, 32)
            parameter.copy_(value)
    grouped.separator = whole.separator = 3
    tokens = torch.randint(8, (2, 12))
    torch.testing.assert_close(grouped(tokens), whole(tokens), rtol=1e-4, atol=1e-5)
    assert whole.count_parameters() - grouped.count_parameters() == 2 * 2 * 16 * 32


def test_rope_makes_scores_a_function_of_distance_only():
    torch.manual_seed(0)
    cos, sin = make_rope_tables(64, 8, 10_000.0)
    q, k = torch.randn(8), torch.randn(8)

    def score(i, j):
        return rotate_features(q, cos[i], sin[i]) @ rotate_features(k, cos[j], sin[j])

    torch.testing.assert_close(score(9, 4), score(60, 55), rtol=1e-4, atol=1e-5)
    assert not torch.isclose(score(9, 4), score(9, 5))


def test_norms_for_cpus_have_torchs_results_and_gradients(monkeypatch):
    torch.manual_seed(0)
    tables = make_rope_tables(5, 8, 10_000.0)
    parts = {
        "alone": lambda x: (normalize_rms(x, 1e-3),),
        "rotated": lambda x: normalize_and_rotate(x, 2, 1e-3, *tables),
    }
    for name, part in parts.items():
        x = torch.randn(2, 5, 4, 8, requires_grad=True)  # two heads of queries, one of keys, one of values
        weights = [torch.randn(y.shape) for y in part(x)]
        results = []
        for plain in (True, False):
            monkeypatch.setattr("model.kernels.cpu_norms.is_plain_cpu", lambda x, plain=plain: plain)
            results.append((*part(x), *torch.autograd.grad(part(x), x, weights)))
        torch.testing.assert_close(results[0], results[1], msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("activation", ["swiglu", "relu2", "gelu", "relu"])
def test_feed_forward_equals_its_formula(activation):
    torch.manual_seed(0)
    layer, x = FeedForward(ModelConfig(**TINY, activation=activation)), torch.randn(3, 32)
    up = x @ layer.up.weight.T
    if activation == "swiglu":
        gate = x @ layer.gate.weight.T
        hidden = gate * torch.sigmoid(gate) * up
    elif activation in ("relu", "relu2"):
        hidden = up.clamp(min=0) ** (2 if activation == "relu2" else 1)
    else:
        hidden = 0.5 * up * (1 + torch.tanh(math.sqrt(2 / math.pi) * (up + 0.044715 * up**3)))
    torch.testing.assert_close(layer(x), hidden @ layer.out.weight.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"softcap": 15.0, "activation": "relu2"}, GPT2])
def test_the_future_does_not_leak_and_the_cache_changes_nothing(options):
    model = randomised(ModelConfig(**TINY, **options))
    tokens = torch.randint(50, (2, 12))
    whole = model(tokens)
    changed = tokens.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 50
    torch.testing.assert_close(model(changed)[:, :7], whole[:, :7])
    cache = KeyValueCache()
    parts = [model(tokens[:, :4], cache=cache)]
    parts += [model(tokens[:, t : t + 1], cache=cache) for t in range(4, 12)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)
    assert whole.shape == (2, 12, 64)
    assert not options.get("softcap") or whole.abs().max() < 15


def test_a_new_model_knows_nothing_and_its_loss_is_the_mean_over_targets():
    model = GPT(ModelConfig(**TINY), 50)
    tokens, targets = torch.randint(50, (3, 12)), torch.randint(50, (3, 12))
    targets[0, :6] = -1
    assert model(tokens, targets).item() == pytest.approx(math.log(64))
    model = randomised(ModelConfig(**TINY))
    nats = -F.log_softmax(model(tokens), -1)
    kept = [nats[b, t, targets[b, t]] for b in range(3) for t in range(12) if targets[b, t] >= 0]
    assert len(kept) == 30
    torch.testing.assert_close(model(tokens, targets), torch.stack(kept).mean())
    torch.testing.assert_close(model(tokens, targets, reduction="sum"), torch.stack(kept).sum())


def test_one_dial_sets_the_size():
    """Attention 4 C^2 and SwiGLU 3 C x 512 a block, C = 64 x depth = 192, and embedding and head of 64 padded ids."""
    assert GPT(ModelConfig(depth=3), 50).count_parameters() == 3 * (4 * 192**2 + 3 * 192 * 512) + 2 * 64 * 192


def test_the_gpt2_preset_is_gpt2():
    """124,439,808 published parameters (vocabulary 50,257), and 47 rows of padding."""
    from model.config_reader import build_trainer_config

    config = build_trainer_config({"data": "x", "output": "y", "steps": 1, "preset": "gpt2"}).model
    with torch.device("meta"):
        assert GPT(config, 50_257).count_parameters() == 124_439_808 + 47 * 768
