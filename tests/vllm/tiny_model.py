"""Make a Llama of two layers with random weights and a tokenizer; run by vLLM's interpreter: `python tiny_model.py FOLDER`.

With a second word, `large`, it has 71 million parameters: enough for work that can be timed.

What it says is noise, held to a schema by the decoder alone: just what a validator has to stand.
"""

import sys

LEARNED_FROM = [
    '{"facts": [{"subject": "Ana", "attribute": "pet", "value": "a cat", "sentence": "Ana has a cat."}]}',
    '{"evidence": [{"id": "m1", "quote": "a cat"}], "verdicts": [{"pair": "p1", "decision": "supersede"}]}',
    '{"notes": [{"title": "", "context": "", "keywords": [], "tags": []}], "sentences": [], "lines": []}',
]
TEMPLATE = "{% for turn in messages %}{{ turn.role }}: {{ turn.content }}\n{% endfor %}assistant:"
SPREAD = 0.6  # of the weights; with the usual 0.02 every token is as likely, and greedy decoding says one for ever


SMALL = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
LARGE = {"hidden_size": 640, "intermediate_size": 2112, "num_hidden_layers": 12, "num_attention_heads": 10}
LARGE_VOCABULARY = 8000  # most of which no text uses


def make(folder: str, *, large: bool = False) -> None:
    """Write model and tokenizer to a folder."""
    # Here, so that whoever only collects tests imports none of it.
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LEARNED_FROM * 3, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        **(LARGE if large else SMALL),
        vocab_size=LARGE_VOCABULARY if large else len(fast),
        num_key_value_heads=2,  # Fewer than of questions, as hosted models have it.
        max_position_embeddings=8192,
        initializer_range=0.02 if large else SPREAD,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


if __name__ == "__main__":
    make(sys.argv[1], large=sys.argv[2:] == ["large"])
