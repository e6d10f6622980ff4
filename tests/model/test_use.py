"""What is done with a trained run: sampling, evaluation, export."""

import json
import math
from collections import Counter

import numpy as np
import pytest
import torch

from model import run_folder
from model.__main__ import main
from model.config_reader import build_trainer_config, load_trainer_config
from model.evaluation.text_loss import sum_nll
from model.inference.export import export_run
from model.inference.sample import SamplingOptions, choose_token, generate_tokens
from model.train import train_gpt
from tests.model.test_gpt import GPT2, TINY, randomised

TEXT = "The mill on the river. 水車 grinds\n\n\tits corn."


@pytest.fixture
def run(config_file, tmp_path):
    train_gpt(load_trainer_config(config_file))
    return tmp_path / "run"


def test_evaluate_gives_bits_per_byte_of_whole_files(run, tmp_path, capsys, fails):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_text(TEXT * 9)
    paths = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    capsys.readouterr()
    assert main(["evaluate", str(run), "--text", *paths, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    loaded = run_folder.load_trained_run(run, "cpu")
    ids = [0, *loaded.tokenizer.encode(TEXT, add_special_tokens=False).ids]
    bits = sum_nll(loaded.model, np.array(ids), 3) / math.log(2)
    sizes = [len(TEXT.encode()), 9 * len(TEXT.encode())]
    rates = [result["files"][path]["bits_per_byte"] for path in paths]
    assert rates[0] == pytest.approx(bits / sizes[0], rel=1e-5)
    expected = sum(size * rate for size, rate in zip(sizes, rates, strict=True)) / sum(sizes)
    assert result["bits_per_byte"] == pytest.approx(expected)
    (tmp_path / "c.txt").write_bytes(b"\xff")
    assert "not UTF-8" in fails("evaluate", run, "--text", tmp_path / "c.txt")
    assert "No such file" in fails("evaluate", run, "--text", tmp_path / "none.txt")


def test_the_same_seed_gives_the_same_text(run, capsys, fails):
    def text(*arguments: str) -> str:
        capsys.readouterr()
        assert main(["sample", str(run), "--prompt", "mill 水", "--tokens", "40", *arguments]) == 0
        return capsys.readouterr().out

    assert text("--seed", "1") == text("--seed", "1") != text("--seed", "2")
    assert text().startswith("mill 水")
    assert text("--temperature", "0") == text("--top-k", "1", "--seed", "3") == text("--top-p", "0.0001")
    assert "--top-p" in fails("sample", run, "--top-p", "2")
    assert "--tokens" in fails("sample", run, "--tokens", "0")
    assert text("--temperature", "1e-50") == text("--temperature", "0")
    assert "--temperature: nan" in fails("sample", run, "--temperature", "nan")
    assert "--temperature: inf" in fails("sample", run, "--temperature", "inf")


def test_a_prompt_may_spell_the_separator_and_be_longer_than_the_context(run, capsys):
    prompt = "the mill <|endoftext|> " * 5
    capsys.readouterr()
    assert main(["sample", str(run), "--prompt", prompt, "--tokens", "1"]) == 0
    assert capsys.readouterr().out.startswith(prompt)


def test_a_character_that_the_tokenizer_lacks_is_named(run, tmp_path, fails):
    assert "--prompt: not Unicode text: it has '\\udcff'" in fails("sample", run, "--prompt", "水 \udcff")
    (tmp_path / "a.txt").write_text("the mill on the river " * 20)
    assert main(["train", str(tmp_path / "tiny.yaml"), "--set", f"data={tmp_path}/a.txt", f"output={tmp_path}/b"]) == 0
    assert "--prompt: the run's tokenizer has no token for '水'" in fails(
        "sample", tmp_path / "b", "--prompt", "mill 水"
    )


def test_sampling_goes_on_past_the_context_from_its_last_half():
    model = randomised(build_trainer_config({"data": "x", "output": "y", "steps": 1, "model": TINY}).model)
    stream = generate_tokens(model, [1, 2, 3], SamplingOptions(0))
    seen = [1, 2, 3] + [next(stream) for _ in range(30)]
    start = 0
    for t in range(3, 33):
        if t - start > 12:
            start = t - 6
        assert model(torch.tensor([seen[start:t]]))[0, -1, :50].argmax() == seen[t]


def test_top_k_top_p_and_temperature_draw_as_their_definitions_say():
    logits, draw = torch.tensor([0.5, 0.3, 0.15, 0.05]).log(), torch.Generator().manual_seed(0)

    def shares(**options):
        settings = SamplingOptions(**{"temperature": 1.0, **options})
        counts = Counter(choose_token(logits, settings, draw) for _ in range(4000))
        return [counts[token] / 4000 for token in range(4)]

    assert shares() == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    assert shares(top_k=2) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
    assert shares(top_p=0.81) == pytest.approx([0.526, 0.316, 0.158, 0], abs=0.03)
    assert shares(top_p=0.79) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
    assert shares(temperature=0.5) == pytest.approx([0.685, 0.247, 0.062, 0.007], abs=0.03)


@pytest.mark.parametrize(
    ("options", "architecture"),
    [
        ({}, "Qwen3ForCausalLM"),
        ({"tied": True, "rope_base": 500.0}, "Qwen3ForCausalLM"),
        ({"qk_norm": False}, "LlamaForCausalLM"),
        (GPT2, "GPT2LMHeadModel"),
    ],
)
def test_transformers_loads_the_export_and_gives_the_same_logits(run, tmp_path, options, architecture):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ours = run_folder.load_trained_run(run, "cpu")
    config = build_trainer_config({"data": "x", "output": "y", "steps": 1, "model": TINY | options})
    model = randomised(config.model, ours.tokenizer.get_vocab_size())
    export_run(run_folder.TrainedRun(config, ours.tokenizer, model, 1, torch.device("cpu")), tmp_path / "hf")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "hf").eval()
    assert type(theirs).__name__ == architecture
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    ids = ours.tokenizer.encode(TEXT, add_special_tokens=False).ids
    assert tokenizer(TEXT)["input_ids"] == ids and tokenizer.decode(ids) == TEXT
    assert tokenizer.eos_token == "<|endoftext|>"
    tokens = torch.tensor([ids[:12], ids[1:13]])
    with torch.no_grad():
        expected, logits = model(tokens), theirs(tokens).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_export_by_command_and_what_it_refuses(run, tmp_path, capsys, fails):
    from transformers import AutoModelForCausalLM

    assert main(["export", str(run), str(tmp_path / "hf")]) == 0
    theirs, ours = (
        AutoModelForCausalLM.from_pretrained(tmp_path / "hf").eval(),
        run_folder.load_trained_run(run, "cpu").model,
    )
    tokens = torch.arange(32).view(2, 16)
    with torch.no_grad():  # from Parquet to the logits of what was trained, by commands
        torch.testing.assert_close(theirs(tokens).logits, ours(tokens), rtol=1e-4, atol=1e-4)
    assert ours.head.weight.abs().max() > 0
    names = {path.name for path in (tmp_path / "hf").iterdir()}
    files = {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    assert names == files | {"README.md"}
    assert theirs.generation_config.eos_token_id == 0
    card = (tmp_path / "hf/README.md").read_text()
    assert "library_name: transformers" in card and "on `out`" in card and "Steps: 6, 192 tokens" in card
    assert "not empty" in fails("export", run, tmp_path / "hf")
    config = build_trainer_config({"data": "x", "output": "y", "steps": 1, "model": TINY | {"activation": "relu2"}})
    odd = run_folder.TrainedRun(
        config, run_folder.load_trained_run(run, "cpu").tokenizer, randomised(config.model), 1, torch.device("cpu")
    )
    with pytest.raises(ValueError, match="nearest, Llama, has no model.activation='relu2'$"):
        export_run(odd, tmp_path / "odd")
    assert not (tmp_path / "odd").exists()
