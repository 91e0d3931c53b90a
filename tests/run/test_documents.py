"""What `horos run` is given is checked whole before anything starts, and what is wrong is named."""

import json
from pathlib import Path

import pytest

from horos.errors import UsageError
from horos.local.documents import checked_documents

HEAD = "apiVersion: horos.dev/v1alpha1\n"
ADA = HEAD + "kind: Agent\nmetadata: {name: ada}\nspec: {instructions: Hello.}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: llm}\n"


def written(folder: Path, text: str, name: str = "team.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def refusal(*paths: Path) -> list[str]:
    with pytest.raises(UsageError) as refused:
        checked_documents(paths, "default")
    return str(refused.value).splitlines()


def test_all_documents_of_all_files_are_taken_in_order(tmp_path: Path) -> None:
    bob = ADA.replace("name: ada", "name: bob")
    team = written(tmp_path, f"{ADA}---\n# nobody\n---\n{SECRET}stringData: {{key: x}}\n---\n{bob}")
    more = written(tmp_path, ADA.replace("name: ada", "name: eve, namespace: lab"), "more.yaml")
    found = checked_documents([team, more], "here")
    assert found.names("Agent") == [("here", "ada"), ("here", "bob"), ("lab", "eve")]
    assert [each.place for each in found.all] == [
        f"{team}, document 1",
        f"{team}, document 3",
        f"{team}, document 4",
        f"{more}, document 1",
    ]


def test_json_is_taken_however_it_is_set_in(tmp_path: Path) -> None:
    ada = {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": {"name": "ada"}}
    text = json.dumps(ada | {"spec": {"instructions": "Hello\tyou."}}, indent="\t")
    (document,) = checked_documents([written(tmp_path, text, "ada.json")], "default").manifests
    assert document["spec"] == {"instructions": "Hello\tyou."}


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    written(tmp_path, ADA.replace("name: ada", "name: bob"), "b.yml")
    written(tmp_path, ADA, "a.yaml")
    written(tmp_path, "not a manifest", "notes.txt")
    assert [name for _, name in checked_documents([tmp_path], "default").names("Agent")] == ["ada", "bob"]


def test_a_date_is_a_text_as_for_kubernetes(tmp_path: Path) -> None:
    file = written(tmp_path, ADA.replace("Hello.", "2026-11-30"))
    [ada] = checked_documents([file], "default").manifests
    assert ada["spec"]["instructions"] == "2026-11-30"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ADA.replace("instructions", "instruction"), "(Agent ada): spec.instruction: unknown field"),
        (
            ADA.replace("instructions: Hello.", "budget: {toolRounds: 0}"),
            "(Agent ada): spec.budget.toolRounds: Input should be greater than or equal to 1, not 0",
        ),
        (
            ADA.replace("instructions: Hello.", "tools: {builtin: [send, shell]}"),
            "(Agent ada): spec.tools.builtin[1]: Input should be 'send', ",
        ),
        (
            ADA.replace("name: ada", "name: Ada"),
            "(Agent Ada): metadata.name: name 'Ada' is not a DNS label",
        ),
        (HEAD + "kind: Agent\nmetadata: {}\nspec: {}\n", ": metadata.name: expected, but it is not there"),
        (
            ADA.replace("name: ada", "name: ada, namespace: A_b"),
            "metadata.namespace: namespace 'A_b' is not a DNS label",
        ),
        (ADA.replace("Agent", "Agnt"), ": kind: expected one of Agent, "),
        (
            ADA.replace("v1alpha1", "v2"),
            "apiVersion: expected horos.dev/v1alpha1, not 'horos.dev/v2'",
        ),
        (ADA.partition("\n")[2], "apiVersion: expected horos.dev/v1alpha1, not nothing"),
        ("- a list\n", ": expected apiVersion, kind, metadata and spec, not a list"),
        ("kind: [Agent\n", ": is not YAML: line 2, column 1: "),
        (ADA + "spec: {}\n", ": is not YAML: line 5, column 1: the key 'spec' stands twice"),
        (SECRET + "data: {key: '***'}\n", "(Secret llm): data.key: expected base64"),
        (SECRET + "stringData: {key: 5}\n", "(Secret llm): stringData.key: expected a text"),
        (SECRET + "data: []\nstringData: x\n", "(Secret llm): stringData: expected texts by name"),
        (SECRET.replace("v1", "v2"), "(Secret llm): apiVersion: expected v1, not 'v2'"),
        (SECRET.replace("llm", "L_M"), "(Secret L_M): metadata.name: "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path, text)
    [line] = refusal(file)
    assert line.startswith(f"{file}, document 1")
    assert said in line


def test_a_secret_is_never_repeated(tmp_path: Path) -> None:
    [line] = refusal(written(tmp_path, SECRET + "data: {key: 'hush hush!'}\n"))
    assert "hush" not in line


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, f"{ADA.replace('Agent', 'Agnt')}---\n{ADA.replace('name: ada', 'name: -')}")
    gone = tmp_path / "gone.yaml"
    assert [line.split(":")[0] for line in refusal(file, gone)] == [
        f"{file}, document 1 (Agnt ada)",
        f"{file}, document 2 (Agent -)",
        f"{gone}",
    ]


def test_two_documents_of_one_name_are_refused_with_both_places(tmp_path: Path) -> None:
    first = written(tmp_path, ADA)
    second = written(tmp_path, f"{ADA.replace('name: ada', 'name: bob')}---\n{ADA}", "second.yaml")
    [line] = refusal(first, second)
    assert line == (
        f"{second}, document 2 (Agent ada): metadata.name: Agent ada of namespace default stands in {first},"
        " document 1 already"
    )


def test_the_same_name_in_another_namespace_or_of_another_kind_is_another_object(tmp_path: Path) -> None:
    elsewhere, another = ADA.replace("name: ada", "name: ada, namespace: lab"), SECRET.replace("llm", "ada")
    file = written(tmp_path, f"{ADA}---\n{elsewhere}---\n{another}")
    assert len(checked_documents([file], "default").all) == 3


@pytest.mark.parametrize("text", ["", "# nothing\n", SECRET + "stringData: {key: x}\n"])
def test_without_an_agent_there_is_nothing_to_run(tmp_path: Path, text: str) -> None:
    file = written(tmp_path, text)
    assert refusal(file) == [f"{file}: there is no Agent in it, so there is nobody to run"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"kind: \xff\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refusal(tmp_path / "gone.yaml", binary, empty) == [
        f"{tmp_path}/gone.yaml: cannot be read: No such file or directory",
        f"{binary}: is not UTF-8: invalid start byte at byte 6",
        f"{empty}: the folder has no file that ends in .yaml, .yml, .json",
    ]


@pytest.mark.parametrize(
    ("model", "needs"),
    [
        ("", True),
        ("model: {temperature: '0.2'}", True),
        ("model: {name: x}", True),
        ("model: {name: x, baseUrl: 'http://x/v1'}", False),
        ("model: {configName: shared}", False),
    ],
)
def test_who_says_no_model_needs_one_of_this_machine(tmp_path: Path, model: str, needs: bool) -> None:
    file = written(tmp_path, ADA.replace("instructions: Hello.", model))
    assert bool(checked_documents([file], "default").without_model) is needs


def test_a_model_config_named_default_is_for_all_of_its_namespace(tmp_path: Path) -> None:
    config = HEAD + "kind: ModelConfig\nmetadata: {name: default}\nspec: {name: x, baseUrl: 'http://x/v1'}\n"
    other = ADA.replace("name: ada", "name: eve, namespace: lab")
    found = checked_documents([written(tmp_path, f"{ADA}---\n{config}---\n{other}")], "default")
    assert [each.number for each in found.without_model] == [3]
