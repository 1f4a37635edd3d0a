"""What a model sees that looks inside an encoder: hidden features, which of them are padding, and their pooling."""

import pytest
import torch
from encoder_cases import CASES, series

from sklar.data import Texts
from sklar.encoders import Encoder, make_encoder

EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
PADDED = pytest.mark.parametrize(
    "case", [case for name, case in CASES.items() if name.split(",")[0] in ("lstm", "transformer", "text")]
)
HIDDEN, DIM = 16, 4


def read(encoder, x):
    return encoder.read(x, torch.ones(len(x), dtype=torch.bool), "m")


def started(case, networks, rows=20):
    """An encoder that knows its training rows, and what it read of some, of which one has no content if it can."""
    encoder, (x, _) = case.encoder(networks, hidden=HIDDEN, dim=DIM), case.rows(rows)
    encoder.start(read(encoder, x))
    if isinstance(x, Texts):
        x = Texts([(), *x.rows[1:]])
    elif case.pad is not None:
        x[0] = torch.nan
    return encoder, x


def gradients(encoder, loss):
    names, parameters = zip(*encoder.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True))


@EVERY
def test_shapes_and_a_token_a_row(case, networks):
    encoder, x = started(case, networks)
    tokens, padding = encoder.tokens(read(encoder, x))
    assert tokens.shape == (len(x), padding.shape[1], encoder.token_width)
    assert padding.shape == tokens.shape[:2]
    assert padding.dtype == torch.bool
    assert not padding.all(1).any()
    assert tokens[~padding].isfinite().all()
    assert encoder.pool(tokens, padding).shape == (len(x), 2 * DIM)


@EVERY
def test_pooled_tokens_are_what_encode_gives(case, networks):
    encoder, x = started(case, networks)
    value = read(encoder, x)
    pooled = encoder.pool(*encoder.tokens(value))
    assert torch.equal(pooled, encoder.encode(value))
    mean, log_scale = encoder(value)
    assert torch.equal(mean, pooled[:, :DIM])
    assert torch.equal(log_scale, pooled[:, DIM:].clamp(-5, 2))


@EVERY
def test_pooled_tokens_depend_on_no_other_row(case, networks):
    encoder, x = started(case, networks)
    value = read(encoder, x)
    tokens, padding = encoder.tokens(value)
    pooled = encoder.pool(tokens, padding)
    for row in range(len(x)):
        assert (encoder.pool(*encoder.tokens(value[row : row + 1]))[0] - pooled[row]).abs().max() < 1e-6
        assert (encoder.pool(tokens[row : row + 1], padding[row : row + 1])[0] - pooled[row]).abs().max() < 1e-6


@EVERY
def test_tokens_depend_on_no_other_row(case, networks):
    encoder, x = started(case, networks)
    # In single precision a convolution rounds otherwise when the number of images is another, and group normalisation
    # of a map of four places magnifies that, up to 2e-5.
    encoder.double()
    value = read(encoder, x)
    tokens, padding = encoder.tokens(value)
    for row in range(len(x)):
        alone, pad = encoder.tokens(value[row : row + 1])
        kept = tokens[row][~padding[row]]
        assert alone[~pad].shape == kept.shape  # company, longer rows in it, adds padding alone
        assert (alone[~pad] - kept).abs().max() < 1e-10


@PADDED
@pytest.mark.parametrize("garbage", [torch.nan, torch.inf, 1e30])
def test_what_stands_in_padded_tokens_never_matters(case, networks, garbage):
    encoder, x = started(case, networks)
    value = read(encoder, x)
    results = []
    for content in (0.0, garbage):
        tokens, padding = encoder.tokens(value)
        assert padding.any()
        tokens = torch.where(padding[..., None], content, tokens)
        pooled = encoder.pool(tokens, padding)
        results.append({"pooled": pooled, **gradients(encoder, pooled.square().sum())})
    plain, planted = results
    for name, expected in plain.items():
        if expected is None:
            assert planted[name] is None
        else:
            assert expected.isfinite().all(), name
            assert torch.equal(planted[name], expected), name


@EVERY
def test_what_is_done_to_tokens_is_seen(case, networks):
    encoder, x = started(case, networks)
    tokens, padding = encoder.tokens(read(encoder, x))
    pooled = encoder.pool(tokens, padding)
    generator = torch.Generator().manual_seed(0)
    scale = 1 + torch.rand(encoder.token_width, generator=generator)
    shift = torch.randn(encoder.token_width, generator=generator)
    changed = encoder.pool(scale * tokens + shift, padding)
    assert changed.isfinite().all()
    assert ((changed - pooled).abs().amax(1) > 1e-3).all()


def test_lstm_states_are_those_of_the_layers_below():
    x = series(torch.tensor([0, 1, 0, 1, 1]), torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    encoder = make_encoder({"kind": "lstm", "channels": 3, "layers": 3}, DIM, HIDDEN, 0.0)
    value = read(encoder, x)
    below = torch.nn.LSTM(6, HIDDEN, 2, batch_first=True)
    below.load_state_dict(encoder.recurrent.state_dict())
    tokens, padding = encoder.tokens(value)
    for row in range(len(x)):
        length = int((~x[row].isnan()).any(-1).nonzero().max()) + 1
        expected, _ = below(encoder.inputs(x[row : row + 1, :length]))
        assert (~padding[row]).sum() == length
        assert (tokens[row, :length] - expected[0]).abs().max() < 1e-6


def test_dropout_between_lstm_layers_is_as_ever():
    encoder = make_encoder({"kind": "lstm", "channels": 3, "layers": 2}, DIM, HIDDEN, 0.5).train()
    x = read(encoder, torch.randn(40, 9, 3, generator=torch.Generator().manual_seed(0)))
    torch.manual_seed(0)
    tokens, _ = encoder.tokens(x)
    states, _ = encoder.recurrent(encoder.inputs(x))
    dropped = tokens == 0
    assert 0.45 < dropped.float().mean() < 0.55
    assert torch.allclose(tokens[~dropped], 2 * states[~dropped])
    assert (encoder.eval().tokens(x)[0] - states).abs().max() < 1e-6


@pytest.mark.parametrize("name", ["text, frozen", "text, fine-tuned"])
def test_a_text_is_a_token_and_none_is_one_of_zeros(name, networks):
    encoder = CASES[name].encoder(networks)
    tokens, padding = encoder.tokens(read(encoder, Texts([("stable", "bad"), (), ("bad",)])))
    assert padding.tolist() == [
        [True, False, False, True, True, True], [False] + 5 * [True], [True, False, True, True, True, True]
    ]  # fmt: skip
    assert (tokens[1, 0] == 0).all()
    assert (tokens[0, 2] - tokens[2, 1]).abs().max() < 1e-5
    assert (tokens[0, 1] - tokens[2, 1]).abs().max() > 1e-3


@pytest.mark.parametrize(("name", "count"), [("image, resnet", 4), ("image, fine-tuned", 9), ("image, vit", 5)])
def test_places_of_an_image_are_those_of_the_network(name, count, networks):
    encoder, x = started(CASES[name], networks, rows=6)
    tokens, _ = encoder.eval().tokens(x)
    resized = torch.nn.functional.interpolate(x, (encoder.size, encoder.size), mode="bilinear", antialias=True)
    pixels = (resized.expand(-1, encoder.takes, -1, -1) - encoder.mean) / encoder.std
    states = encoder.backbone(pixel_values=pixels).last_hidden_state
    expected = states if states.ndim == 3 else states.flatten(2).transpose(1, 2)
    assert tokens.shape[1] == expected.shape[1]
    assert (tokens - expected).abs().max() < 1e-5
    pooled = expected[:, 0] if states.ndim == 3 else expected.mean(1)
    assert (encoder.encode(x) - encoder.network(pooled)).abs().max() < 1e-5
    assert count == expected.shape[1]


class Halves(Encoder):
    """A user's own, which gives `encode` alone."""

    def __init__(self, dim):
        super().__init__(features=2, dim=dim)
        self.output = torch.nn.Linear(2, 2 * dim)

    def encode(self, x):
        return self.output(x)


def test_an_encoder_that_gives_encode_alone_works_and_says_what_it_lacks():
    encoder, x = Halves(3), torch.randn(5, 2)
    assert encoder(x)[0].shape == (5, 3)
    message = r"Halves has no tokens.*give the encoder token_width, tokens and pool \(docs/encoders.md"
    for look in (
        lambda: encoder.token_width,
        lambda: encoder.tokens(x),
        lambda: encoder.pool(x[:, None], torch.zeros(5, 1, dtype=torch.bool)),
    ):
        with pytest.raises(NotImplementedError, match=message):
            look()
