//! Documents in JSON, YAML and TOML: what is read back, and what is refused at which position.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::Installation;

/// Writes and stores a file, and returns the document as it is read back.
fn stored(here: &Installation, name: &str, text: &str) -> Value {
    here.write(name, text);
    here.json(&["context", "put", "--project", "web", name, "--if-match", "*"])["context"]["context_data"]
        .clone()
}

fn installation() -> Installation {
    let here = Installation::new();
    here.json(&["context", "put", "--project", "web", "--data", "{}"]);
    here
}

#[test]
fn yaml_is_read_as_version_1_2() {
    let here = installation();
    let text = "\
# A comment.
text: plain words
quoted: '123'
double: \"tab\\tand \\u00e9\"
block: |
  two
  lines
folded: >-
  one
  line
no: no
on: On
date: 2026-09-01
time: 12:30:45
long: 1_000
version: 1.10
integer: [0, -7, +12, 0x1F, 0o17, 18446744073709551615, -9223372036854775808]
float: [1.5, -.5, 2., 1e3, 1.7976931348623157e308]
nothing: [~, null, ]
truth: [true, False, TRUE]
tagged: [!!str 1, !!int 2]
base: &base {a: 1, b: [x]}
copy: *base
'': empty name
世界: é
";
    let expected = json!({
        "text": "plain words", "quoted": "123", "double": "tab\tand é", "block": "two\nlines\n",
        "folded": "one line",
        "no": "no", "on": "On", "date": "2026-09-01", "time": "12:30:45", "long": "1_000", "version": 1.1,
        "integer": [0, -7, 12, 31, 15, u64::MAX, i64::MIN],
        "float": [1.5, -0.5, 2, 1000, 1.797_693_134_862_315_7e308],
        "nothing": [null, null], "truth": [true, false, true], "tagged": ["1", 2],
        "base": {"a": 1, "b": ["x"]}, "copy": {"a": 1, "b": ["x"]}, "": "empty name", "世界": "é"
    });
    assert_eq!(stored(&here, "a.yaml", text), expected);
    assert_eq!(stored(&here, "a.yml", "---\n{\"a\": [1, {}]}\n..."), json!({"a": [1, {}]}));
    // JSON is YAML: what the service prints is read back as it was.
    assert_eq!(stored(&here, "b.yaml", &format!("{expected:#}")), expected);
}

#[test]
fn dates_of_toml_become_strings() {
    let here = installation();
    let text = "\
day = 2026-09-01
moment = 2026-09-01T12:00:00.5+02:00
clock = 12:30:00
hex = 0xff
bits = 0b101
long = 1_000
negative = -7
float = [1.5, +2.0, 6.25e-2]
'quoted name' = \"\"\"
two
lines\"\"\"
a.b = {c = true}

[[list]]
n = 1
[[list]]
n = 2
";
    let expected = json!({
        "day": "2026-09-01", "moment": "2026-09-01T12:00:00.5+02:00", "clock": "12:30:00", "hex": 255,
        "bits": 5, "long": 1000, "negative": -7, "float": [1.5, 2, 0.0625], "quoted name": "two\nlines",
        "a": {"b": {"c": true}},
        "list": [{"n": 1}, {"n": 2}]
    });
    assert_eq!(stored(&here, "a.toml", text), expected);
}

#[test]
fn what_json_cannot_represent_is_refused_with_its_position() {
    let here = installation();
    for (name, text, says) in [
        ("a.json", "{\"a\": {\"b\": 1, \"b\": 2}}", "at '/a/b'"),
        ("a.json", "{\n \"a\": nul\n}", "line 2, column"),
        ("a.yaml", "a:\n  b: 1\n  b: 2\n", "line 3, column 3, at '/a/b'"),
        ("a.yaml", "a: [1, 0.1234567890123456789]", "line 1, column 8, at '/a/1'"),
        ("a.yaml", "a: 18446744073709551616", "64 bits"),
        ("a.yaml", "a: 0x1FFFFFFFFFFFFFFFFF", "64 bits"),
        ("a.yaml", "a: 010", "octal"),
        ("a.yaml", "a: [00]", "octal"),
        ("a.yaml", "a: -00.5", "octal"),
        ("a.yaml", "a: .inf", "infinity"),
        ("a.yaml", "a: .nan", "NaN"),
        ("a.yaml", "a: \"x\\0\"", "U+0000"),
        ("a.yaml", "a:\n  \"x\\0\": 1", "U+0000"),
        ("a.yaml", "a:\n  1: x\n", "line 2, column 3, at '/a'"),
        ("a.yaml", "true: x", "name is a string"),
        ("a.yaml", "null: x", "name is a string"),
        ("a.yaml", "? [a]\n: x", "name is a string"),
        ("a.yaml", "a: &a {x: 1}\nb:\n  <<: *a\n", "line 3, column 3, at '/b'"),
        ("a.yaml", "a: !Ref x", "line 1, column 4, at '/a'"),
        ("a.yaml", "a: !!binary aGk=", "tag"),
        ("a.yaml", "a: !!int x", "tag"),
        ("a.yaml", "a: *b", "line 1, column 4"),
        ("a.yaml", "a: &a [*a]", "inside its own anchor"),
        ("a.yaml", "a: 1\n---\nb: 2", "second document"),
        ("a.yaml", "a: [1\nb: 2", "not YAML"),
        ("a.yaml", "a:\n\t- b", "not YAML"),
        ("a.yaml", "", "no document"),
        ("a.yaml", "# nothing", "no document"),
        ("a.yaml", "- a", "/context_data"),
        ("a.toml", "a = 1\na = 2\n", "line 2, column 1"),
        ("a.toml", "a = nan", "line 1, column 5, at '/a'"),
        ("a.toml", "[a]\nb = [-inf]", "line 2, column 6, at '/a/b/0'"),
        ("a.toml", "a = 0.1234567890123456789", "line 1, column 5, at '/a'"),
        ("a.toml", "a = 99999999999999999999", "64 bits"),
        ("a.toml", "a = 0xFFFFFFFFFFFFFFFFFF", "64 bits"),
        ("a.toml", "a = \"x\\u0000\"", "U+0000"),
        ("a.toml", "a = 1\nb = \n", "line 2"),
        ("a.txt", "{}", "--format"),
        ("a", "{}", "--format"),
    ] {
        here.write(name, text);
        let errors = here.fails(2, &["context", "put", "--project", "web", name, "--if-match", "*"]);
        assert!(errors.contains(says), "{name}: {text}\n{errors}");
    }
    here.write("a.yaml", b"a: \xff");
    let errors = here.fails(2, &["context", "put", "--project", "api", "a.yaml"]);
    assert!(errors.contains("line 1, column 4") && errors.contains("UTF-8"), "{errors}");
    assert_eq!(here.json(&["context", "get", "--project", "web"])["version"], 1);
}

#[test]
fn hostile_texts_are_refused_quickly() {
    let here = installation();
    let doubled = (1..30).map(|level| {
        let alias = format!("*a{}", level - 1);
        format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "))
    });
    let bomb = format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{}", doubled.collect::<Vec<_>>().concat());
    let deep_blocks =
        (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<Vec<_>>().concat();
    let dots = vec!["a"; 100_000].join(".");
    for (name, text, says) in [
        ("a.yaml", bomb, "aliases"),
        ("a.yaml", "[".repeat(100_000), "recursion limit"),
        ("a.yaml", "{a: ".repeat(100_000), "recursion limit"),
        ("a.yaml", deep_blocks, "containers"),
        ("a.yaml", "- ".repeat(50_000), "containers"),
        ("a.toml", format!("{dots} = 1"), "recursion limit"),
        ("a.toml", format!("a = {}", "[".repeat(100_000)), "max recursion depth"),
        ("a.json", "[".repeat(100_000), "containers"),
        ("a.yaml", format!("a: {}", "x".repeat(9 * 1024 * 1024)), "are allowed"),
    ] {
        let start: String = text.chars().take(20).collect();
        here.write(name, text);
        let errors = here.fails(2, &["context", "put", "--project", "web", name, "--if-match", "*"]);
        assert!(errors.contains(says), "{name}: {start}\n{}", errors.chars().take(500).collect::<String>());
    }
}

#[test]
fn data_and_standard_input_are_json_unless_format_is_given() {
    let here = installation();
    let put = ["context", "put", "--project", "web", "--if-match", "*"];
    here.fails(2, &[&put[..], &["--data", "a: 1"]].concat());
    let written = here.json(&[&put[..], &["--data", "a: 1", "--format", "yaml"]].concat());
    assert_eq!(written["context"]["context_data"], json!({"a": 1}));
    let mut command = here.command(&[&put[..], &["-", "--format", "toml"]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a = 2").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(here.json(&["context", "get", "--project", "web"])["context_data"], json!({"a": 2}));
    here.write("odd.name", "a: 3");
    here.json(&[&put[..], &["odd.name", "--format", "yaml"]].concat());
    assert_eq!(here.json(&["context", "get", "--project", "web"])["context_data"], json!({"a": 3}));
}
