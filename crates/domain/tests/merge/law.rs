//! Examples of the merge law: chains, the documents they resolve to, and their explanations.

use context_domain::explain::{Explanation, Leaf, Origin, SourceElement};
use context_domain::fault::Fault;
use context_domain::inheritance::{Inheritance, Strategy};
use context_domain::limits::MAX_INHERITANCE_POINTERS;
use context_domain::merge::{Fold, Link, RebuildError, blocked, merge, newly_blocked};
use serde_json::{Map, Value, json};

const INHERITANCE: &str = include_str!("cases/inheritance.json");
const EXPLAINED: &str = include_str!("cases/explained.json");

/// A chain that owns the documents and rules that links borrow.
struct ExampleChain(Vec<(Map<String, Value>, Option<Inheritance>)>);

impl ExampleChain {
    fn new(nodes: &Value) -> Self {
        let node = |node: &Value| {
            let rules = match &node["inheritance"] {
                Value::Null => None,
                rules => Some(Inheritance::parse(rules).unwrap()),
            };
            (node["data"].as_object().unwrap().clone(), rules)
        };
        Self(nodes.as_array().unwrap().iter().map(node).collect())
    }

    fn links(&self) -> Vec<Link<'_>> {
        self.0.iter().map(|(data, rules)| Link { data, inheritance: rules.as_ref() }).collect()
    }
}

#[test]
fn every_example_resolves_as_expected() {
    check_all(INHERITANCE);
}

#[test]
fn every_explained_example_resolves_and_is_explained_as_expected() {
    check_all(EXPLAINED);
}

fn check_all(text: &str) {
    let file: Value = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    let failed: Vec<String> = cases.iter().filter_map(failure).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn failure(case: &Value) -> Option<String> {
    let name = &case["name"];
    let chain = ExampleChain::new(&case["chain"]);
    let links = chain.links();
    let merged = merge(&links);
    let resolved = merged.to_value();
    if resolved != case["resolved"] {
        return Some(format!("{name} resolved to {resolved}"));
    }
    let explanation = merged.explain();
    let explained = serde_json::to_value(&explanation).unwrap();
    for part in ["leaves", "unset", "blocked", "not_applicable"] {
        if case.get(part).is_some_and(|expected| *expected != explained[part]) {
            return Some(format!("{name} explained {part} as {}", explained[part]));
        }
    }
    if explanation.rebuild(&links).as_ref() != Ok(&resolved) {
        return Some(format!("{name} is not rebuilt: {:?}", explanation.rebuild(&links)));
    }
    let (written, expected) = (serde_json::to_string(&merged).unwrap(), resolved.to_string());
    (written != expected).then(|| format!("{name} is serialized as {written}"))
}

#[test]
fn an_empty_chain_resolves_to_an_empty_document() {
    let merged = Fold::new().finish();
    assert_eq!(merged.to_value(), json!({}));
    assert_eq!(serde_json::to_string(&merged).unwrap(), "{}");
    assert_eq!(merged.explain().rebuild(&[]), Ok(json!({})));
}

#[test]
fn the_explanation_has_the_documented_shape() {
    let chain = ExampleChain::new(&json!([
        {"data": {"l": [1], "f": {"old": true}, "s": 1, "x": 1},
         "inheritance": {"strategies": {"/l": "union", "/x": "append"}, "locked": ["/s"]}},
        {"data": {"l": [1, 2], "s": 2, "x": 3}, "inheritance": {"unset": ["/f/old"]}},
    ]));
    let explained = serde_json::to_value(merge(&chain.links()).explain()).unwrap();
    assert_eq!(
        explained,
        json!({
            "leaves": {
                "/f": {"from": 0, "strategy": "deep", "shadowed": []},
                "/l": {
                    "from": [[{"at": 0, "index": 0}], [{"at": 1, "index": 1}]],
                    "strategy": "union",
                    "shadowed": [],
                },
                "/s": {"from": 0, "strategy": "deep", "shadowed": []},
                "/x": {"from": 1, "strategy": "deep", "shadowed": [{"from": 0, "value": 1}]},
            },
            "unset": [{"pointer": "/f/old", "by": 1, "from": 0, "value": true}],
            "blocked": [{"pointer": "/s", "at": 1, "locked_by": 0, "value": 2}],
            "not_applicable": [{"pointer": "/x", "strategy": "append", "at": 1}],
        })
    );
}

#[test]
fn only_blocked_values_that_a_write_adds_or_changes_are_reported() {
    let chain = ExampleChain::new(&json!([
        {"data": {"a": {"b": 1, "c": 2}, "d": 3}, "inheritance": {"locked": ["/a", "/d", "/e"]}},
    ]));
    let document = |value: Value| value.as_object().unwrap().clone();
    let pointers = |old: Option<Value>, new: Value| -> Vec<String> {
        let (old, new) = (old.map(document), document(new));
        newly_blocked(&chain.links(), old.as_ref(), &new).into_iter().map(|found| found.pointer).collect()
    };
    assert_eq!(pointers(None, json!({"a": {"b": 9, "c": 2}, "e": 1, "f": 1})), ["/a/b", "/e"]);
    assert_eq!(pointers(Some(json!({"a": {"b": 9}})), json!({"a": {"b": 9}, "f": 1})), [""; 0]);
    assert_eq!(pointers(Some(json!({"a": {"b": 9}})), json!({"a": {"b": 8}})), ["/a/b"]);
    assert_eq!(pointers(Some(json!({"a": {"b": 9}})), json!({"a": {"b": 9}, "d": 4})), ["/d"]);
    assert_eq!(pointers(Some(json!({"e": {"x": 1}})), json!({"e": {"x": 1, "y": 2}})), ["/e/y"]);
    // Leaving out members adds nothing.
    assert_eq!(pointers(Some(json!({"e": {"x": 1, "y": 2}})), json!({"e": {"x": 1}})), [""; 0]);
    assert_eq!(pointers(Some(json!({"e": {"x": {"z": 1}}})), json!({"e": {"x": {}}})), [""; 0]);
    assert_eq!(pointers(Some(json!({"e": {"x": 1}})), json!({"e": {"x": {"z": 1}}})), ["/e/x"]);
    assert_eq!(pointers(Some(json!({"e": 1})), json!({"e": {"x": 1}})), ["/e"]);
    assert_eq!(pointers(Some(json!({"a": {"b": 9}})), json!({})), [""; 0]);

    let data = document(json!({"a": 5}));
    let found = blocked(&chain.links(), &data);
    assert_eq!(
        serde_json::to_value(found).unwrap(),
        json!([{"pointer": "/a", "at": 1, "locked_by": 0, "value": 5}])
    );
}

#[test]
fn an_explanation_of_another_chain_is_not_rebuilt() {
    let chain = ExampleChain::new(&json!([{"data": {"a": {"b": 1}, "l": [1]}, "inheritance": null}]));
    let rebuild = |pointer: &str, from: Origin| {
        let leaf = Leaf { from, strategy: Strategy::Deep, shadowed: vec![] };
        let leaves = [(pointer.to_owned(), leaf)].into();
        Explanation { leaves, unset: vec![], blocked: vec![], not_applicable: vec![] }.rebuild(&chain.links())
    };
    let no_source = |pointer: &str, at| Err(RebuildError::NoSource { pointer: pointer.into(), at });
    assert_eq!(rebuild("/a/b", Origin::Node(1)), no_source("/a/b", 1));
    assert_eq!(rebuild("/a/c", Origin::Node(0)), no_source("/a/c", 0));
    assert_eq!(rebuild("/l/0", Origin::Node(0)), no_source("/l/0", 0));
    let element = SourceElement { at: 0, index: 1 };
    assert_eq!(rebuild("/l", Origin::Elements(vec![vec![element]])), no_source("/l", 0));
    assert_eq!(rebuild("l", Origin::Node(0)), Err(RebuildError::NoPlace { pointer: "l".into() }));

    let mut inside = merge(&chain.links()).explain();
    let leaf = inside.leaves["/a/b"].clone();
    inside.leaves.insert("/a".into(), Leaf { from: Origin::Elements(vec![]), ..leaf });
    assert_eq!(inside.rebuild(&chain.links()), Err(RebuildError::NoPlace { pointer: "/a/b".into() }));
}

#[test]
fn inheritance_is_serialized_as_it_was_written() {
    let source = json!({
        "inherit": true, "unset": ["/a"], "locked": ["/b/*"],
        "strategies": {"/*/*": "min", "/a/*": {"by_key": "k"}, "/*/b": "union"},
    });
    let rules = Inheritance::parse(&source).unwrap();
    assert_eq!(serde_json::to_value(&rules).unwrap(), source);
    assert_eq!(*rules.as_value(), source);
    assert_eq!(rules, Inheritance::parse(&source).unwrap());
    assert_ne!(rules, Inheritance::parse(&json!({})).unwrap());
    assert!(rules.inherit());
    assert_eq!(rules.unset()[0].to_string(), "/a");
    assert_eq!(rules.locked()[0].to_string(), "/b/*");
    let order: Vec<String> = rules.strategies().iter().map(|(pattern, _)| pattern.to_string()).collect();
    assert_eq!(order, ["/a/*", "/*/b", "/*/*"]);
    assert_eq!(rules.strategies()[0].1, Strategy::ByKey("k".into()));
}

#[test]
fn every_strategy_is_parsed_and_serialized() {
    let names = ["replace", "deep", "append", "prepend", "union", "min", "max", "by_key"];
    assert_eq!(Strategy::ALL.map(|strategy| strategy.as_str()), names);
    for written in names.map(|name| if name == "by_key" { json!({name: "name"}) } else { Value::from(name) })
    {
        let rules = Inheritance::parse(&json!({"strategies": {"/a": written}})).unwrap();
        assert_eq!(serde_json::to_value(&rules.strategies()[0].1).unwrap(), written);
    }
}

#[test]
fn the_message_for_an_unknown_strategy_lists_all_strategies() {
    let faults = Inheritance::parse(&json!({"strategies": {"/a": "merge"}})).unwrap_err();
    let expected = "a strategy is \"replace\", \"deep\", \"append\", \"prepend\", \"union\", \"min\", \
                    \"max\" or {\"by_key\": member}";
    assert_eq!(faults[0].message, expected);
    assert!("by_key".parse::<Strategy>().is_err());
}

#[test]
fn all_faults_of_inheritance_are_reported() {
    let faults = |value: Value| -> Vec<String> {
        let mut found = Inheritance::parse(&value).unwrap_err();
        let is_clause =
            |text: &str| text.starts_with(|first: char| first.is_ascii_lowercase()) && !text.ends_with('.');
        assert!(found.iter().all(|Fault { message, .. }| is_clause(message)), "{found:?}");
        found.sort_by(|one, other| one.pointer.cmp(&other.pointer));
        found.into_iter().map(|fault| fault.pointer).collect()
    };
    for value in [json!(null), json!([]), json!("x"), json!(true)] {
        assert_eq!(faults(value), [""]);
    }
    assert_eq!(
        faults(json!({"inherit": null, "unset": {}, "strategies": [], "locked": "x", "a/b": 1})),
        ["/a~1b", "/inherit", "/locked", "/strategies", "/unset"]
    );
    assert_eq!(
        faults(json!({"unset": ["a", "", 1, "/ok", "/ok", "/~"], "locked": ["/b", "/b", null]})),
        ["/locked/1", "/locked/2", "/unset/0", "/unset/1", "/unset/2", "/unset/4", "/unset/5"]
    );
    assert_eq!(
        faults(json!({"strategies": {
            "/a": "merge", "/b": {"by_key": ""}, "/c": {"by_key": 1}, "/d": {"by_key": "x", "y": 1}, "/e": {},
            "/f": null, "g": "bad", "": "min", "/~0": "min",
        }})),
        [
            "/strategies/",
            "/strategies/g",
            "/strategies/g",
            "/strategies/~1a",
            "/strategies/~1b/by_key",
            "/strategies/~1c/by_key",
            "/strategies/~1d",
            "/strategies/~1e",
            "/strategies/~1f"
        ]
    );
}

#[test]
fn the_pointers_of_inheritance_have_one_limit_together() {
    let pointers = |count: usize| (0..count).map(|index| format!("/{index}")).collect::<Vec<_>>();
    let rules =
        |count| json!({"unset": pointers(count), "locked": pointers(100), "strategies": {"/a": "min"}});
    assert!(Inheritance::parse(&rules(MAX_INHERITANCE_POINTERS - 101)).is_ok());
    let faults = Inheritance::parse(&rules(MAX_INHERITANCE_POINTERS - 100)).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].pointer, "");
}
