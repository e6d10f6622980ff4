"""Hugging Face folders as runs: transformers' logits, and back again."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model import run_folder
from model.__main__ import main
from model.gpt import KeyValueCache
from model.inference.export import export_run
from model.inference.import_pretrained import import_pretrained_model

transformers = pytest.importorskip("transformers", reason="transformers is not installed; pip install transformers")

TOKENS = torch.arange(60).view(3, 20) % 53
SMALL = {"vocab_size": 301, "bos_token_id": 0, "eos_token_id": 0}
LLAMA = SMALL | {
    "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 40, "rms_norm_eps": 1e-5,
}  # fmt: skip
SCALED = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 20,
}  # fmt: skip


def make_pretrained(folder: Path, tokenizer: Path, kind: str, keys: dict[str, object]) -> torch.nn.Module:
    """Write a random model of transformers, whose every weight counts, with a tokenizer; return it."""
    torch.manual_seed(2)
    config = transformers.AutoConfig.for_model(kind, **keys)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name or "ln_" in name else 0.0, 0.2)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    return model


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("gpt2", SMALL | {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 40}),
        ("llama", LLAMA),
        ("llama", LLAMA | {"tie_word_embeddings": True, "rope_parameters": SCALED}),
        ("qwen3", LLAMA | {"num_key_value_heads": 1, "head_dim": 20}),
    ],
)
def test_an_import_gives_transformers_logits_and_its_export_too(out, tmp_path, kind, keys, capsys):
    theirs = make_pretrained(tmp_path / "hf", out / "tokenizer/tokenizer.json", kind, keys)
    assert main(["import", str(tmp_path / "hf"), str(tmp_path / "run")]) == 0
    run = run_folder.load_trained_run(tmp_path / "run", "cpu")
    with torch.no_grad():
        expected = theirs(TOKENS).logits
        logits = run.model(TOKENS)
    assert expected.std() > 0.1 and logits.shape == expected.shape
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    cache = KeyValueCache()
    with torch.no_grad():
        parts = [run.model(TOKENS[:, :15], cache=cache), run.model(TOKENS[:, 15:16], cache=cache)]
    torch.testing.assert_close(torch.cat(parts, 1), expected[:, :16], rtol=1e-4, atol=1e-4)

    export_run(run, tmp_path / "back")
    import_pretrained_model(tmp_path / "back", tmp_path / "again")
    again = run_folder.load_trained_run(tmp_path / "again", "cpu")
    assert again.config.model == run.config.model
    with torch.no_grad():
        assert torch.equal(again.model(TOKENS), logits)
        back = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "back")
        torch.testing.assert_close(back(TOKENS).logits, expected, rtol=1e-4, atol=1e-4)
    capsys.readouterr()
    assert main(["sample", str(tmp_path / "run"), "--prompt", "the mill", "--tokens", "5"]) == 0
    assert capsys.readouterr().out.startswith("the mill")


def test_an_import_is_fine_tuned_from_shards_and_bf16_without_a_prefix(out, tmp_path):
    theirs = make_pretrained(tmp_path / "hf", out / "tokenizer/tokenizer.json", "llama", LLAMA)
    whole = load_file(tmp_path / "hf/model.safetensors")
    (tmp_path / "hf/model.safetensors").unlink()
    files: dict[str, dict[str, torch.Tensor]] = {"a.safetensors": {}, "b.safetensors": {}}
    for number, (name, tensor) in enumerate(whole.items()):
        files[sorted(files)[number % 2]][name.removeprefix("model.")] = tensor.bfloat16()
    for name, tensors in files.items():
        save_file(tensors, tmp_path / "hf" / name)
    index = {"weight_map": {key: name for name, tensors in files.items() for key in tensors}}
    (tmp_path / "hf/model.safetensors.index.json").write_text(json.dumps(index))
    import_pretrained_model(tmp_path / "hf", tmp_path / "base")
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(parameter.bfloat16())
        expected = theirs(TOKENS).logits
        logits = run_folder.load_trained_run(tmp_path / "base", "cpu").model(TOKENS)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    (tmp_path / "sft.jsonl").write_text(
        "".join(json.dumps({"prompt": f"a {n}", "answer": "b"}) + "\n" for n in range(9))
    )
    keys = [f"init_from={tmp_path}/base", f"data={tmp_path}/sft.jsonl", f"output={tmp_path}/sft", "task=sft", "steps=2"]
    (tmp_path / "sft.yaml").write_text("optimizer: {learning_rate: 1e-4}\n")
    assert main(["train", str(tmp_path / "sft.yaml"), "--set", *keys]) == 0
    assert run_folder.load_trained_run(tmp_path / "sft", "cpu").config.model.key_value_heads == 2


def test_what_cannot_be_imported_is_one_line(out, tmp_path, fails):
    def broken(**changes: object) -> str:
        content = {**about, **changes}
        path.write_text(json.dumps({key: value for key, value in content.items() if value != "absent"}))
        return fails("import", tmp_path / "hf", tmp_path / "run")

    make_pretrained(tmp_path / "hf", out / "tokenizer/tokenizer.json", "llama", LLAMA)
    path = tmp_path / "hf/config.json"
    about = json.loads(path.read_text())
    assert "model_type 'bloom' cannot be imported; gpt2, llama, qwen3 can" in broken(model_type="bloom")
    assert "hidden_act='gelu' cannot be imported" in broken(hidden_act="gelu")
    assert "rope_type='yarn' cannot be imported" in broken(rope_parameters={"rope_type": "yarn"})
    assert "it lacks 'hidden_size'" in broken(hidden_size="absent")
    assert "has the shape [301, 48]; config.json says [320, 48]" in broken(vocab_size=320)
    assert "no place for the tensor model.layers.1" in broken(num_hidden_layers=1)
    assert "model.key_value_heads: 4 heads cannot share 3 evenly" in broken(num_key_value_heads=3)
    assert "is below 300, the size of the tokenizer" in broken(vocab_size=200)
    assert "No such file" in fails("import", tmp_path, tmp_path / "run")
    (tmp_path / "hf/model.safetensors").rename(tmp_path / "hf/pytorch_model.bin")
    assert "no model.safetensors" in broken()
    assert "not empty" in fails("import", tmp_path / "hf", out)
    assert not (tmp_path / "run").exists()
