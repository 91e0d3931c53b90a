import pytest

from horos_model.scripted_script import ScriptError, load_script, parse_script


def test_a_yaml_file_is_read(tmp_path):
    path = tmp_path / "script.yaml"
    path.write_text(
        """
        pace: 5
        replies:
          - match: {text: weather}
            toolCalls: [{name: look, arguments: {at: sky}}]
          - chunks: [It is, {text: " fine", hold: true}]
        """
    )
    script = load_script(path)
    assert script.pace == 5
    assert script.replies[0].tool_calls[0].arguments == {"at": "sky"}
    assert script.replies[1].chunks[1].hold


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "script: Input should be a valid dictionary"),
        ({"replies": []}, "replies: "),
        ({"replies": [{"text": 3}]}, "replies[0].text: Input should be a valid string (value: 3)"),
        ({"replies": [{"text": "a", "pase": 3}]}, "replies[0].pase: unknown field (value: 3)"),
        ({"replies": [{"text": "a", "echo": True}]}, "one of text, chunks, echo and find, not text and echo"),
        ({"replies": [{}]}, "or garbage; not nothing"),
        ({"replies": [{"text": "a", "garbage": "b"}]}, "not text or toolCalls and garbage"),
        ({"replies": [{"text": "a", "raw": ["b"]}]}, "not text or toolCalls and raw"),
        ({"replies": [{"text": "a", "reasoningField": "x"}]}, "'reasoning_content', 'reasoning' or 'think'"),
        ({"replies": [{"text": "a", "usageIn": "x"}]}, "Input should be 'end', 'last' or 'every'"),
        ({"replies": [{"text": "a", "error": {"after": -1}}]}, "replies[0].error.after: Input should be"),
        ({"replies": [{"fault": {"status": 200}}]}, "replies[0].fault.status: Input should be greater than"),
        ({"replies": [{"text": "a", "match": {"pattern": "("}}]}, "expected a regular expression"),
        ({"replies": [{"text": "a", "chunkSize": 0}]}, "chunkSize: expected at least 1, not 0"),
        ({"replies": [{"text": "a", "pace": -1}]}, "replies[0].pace: Input should be greater than"),
        ({"replies": [{"text": "a"}], "repeat": "x"}, "repeat: Input should be 'last', 'loop' or 'error'"),
    ],
)
def test_a_wrong_script_is_refused_with_field_value_and_expectation(document, said):
    with pytest.raises(ScriptError) as refused:
        parse_script(document)
    assert said in str(refused.value)


@pytest.mark.parametrize("content", [b"replies: [", b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "script.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ScriptError, match=r"script\.yaml: cannot be read"):
        load_script(path)
