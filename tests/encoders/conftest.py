"""Tiny networks made from a configuration, stored as the hub stores them."""

import pytest
import torch

WORDS = ["the", "patient", "is", "doing", "well", "and", "stable", "today", "bad", "septic", "shock", "worse", "again"]


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """Folders of a language model and of two vision networks."""
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("networks")
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(0)
    small = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    dry = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    bert = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, max_position_embeddings=24, initializer_range=0.3, **small, **dry
    )
    resnet = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], image_size=20)
    vit = transformers.ViTConfig(hidden_size=16, image_size=16, patch_size=8, initializer_range=0.3, **small, **dry)
    for name, network in (
        ("bert", transformers.BertModel(bert)),
        ("resnet", transformers.ResNetModel(resnet)),
        ("vit", transformers.ViTModel(vit)),
    ):
        network.save_pretrained(folder / name)
    fast.save_pretrained(folder / "bert")
    return folder
