//! Random chains for property tests. They use few names and few values, so that documents and rules often
//! overlap.

use context_domain::inheritance::Inheritance;
use context_domain::merge::{Link, merge};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The names of members. Two of them must be escaped in pointers, and one is empty.
pub(crate) const NAMES: [&str; 6] = ["a", "b", "c", "~", "/", ""];

/// A chain that owns the documents and rules that links borrow.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// The documents, global first.
    pub(crate) data: Vec<Map<String, Value>>,
    /// The `inheritance` of each node, or null.
    pub(crate) rules: Vec<Value>,
}

/// The parsed rules of a chain.
pub(crate) struct ParsedRules(Vec<Option<Inheritance>>);

impl Chain {
    pub(crate) fn rules(&self) -> ParsedRules {
        ParsedRules(self.rules.iter().map(parse_rules).collect())
    }

    pub(crate) fn links<'a>(&'a self, rules: &'a ParsedRules) -> Vec<Link<'a>> {
        let rules = rules.0.iter().map(Option::as_ref);
        self.data.iter().zip(rules).map(|(data, inheritance)| Link { data, inheritance }).collect()
    }

    pub(crate) fn resolve(&self) -> Value {
        merge(&self.links(&self.rules())).to_value()
    }

    /// Returns the first nodes, up to and including `last`.
    pub(crate) fn up_to(&self, last: usize) -> Self {
        Self { data: self.data[..=last].to_vec(), rules: self.rules[..=last].to_vec() }
    }

    pub(crate) fn push(&mut self, data: Value, rules: Value) {
        self.data.push(object(data));
        self.rules.push(rules);
    }
}

fn parse_rules(rules: &Value) -> Option<Inheritance> {
    (!rules.is_null()).then(|| Inheritance::parse(rules).unwrap())
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not an object"),
    }
}

/// Generates chains of up to five nodes with every kind of rule.
pub(crate) fn chain() -> impl Strategy<Value = Chain> {
    chain_with(inheritance().boxed())
}

/// Generates chains whose nodes have these rules.
pub(crate) fn chain_with(rules: BoxedStrategy<Value>) -> impl Strategy<Value = Chain> {
    let rules = prop_oneof![1 => Just(Value::Null), 3 => rules];
    vec((document(), rules), 1..6).prop_map(|nodes| {
        let (data, rules) = nodes.into_iter().unzip();
        Chain { data, rules }
    })
}

/// Generates documents that often have an object at `/a` and arrays at `/b` and `/a/b`, so that strategies
/// and locks often find a value on both sides.
pub(crate) fn document() -> impl Strategy<Value = Map<String, Value>> {
    (members(), option::of(members()), option::of(array()), option::of(array())).prop_map(
        |(mut members, object, list, below)| {
            members.extend(list.map(|list| ("b".to_owned(), list)));
            members.extend(object.map(|mut object| {
                object.extend(below.map(|list| ("b".to_owned(), list)));
                ("a".to_owned(), Value::Object(object))
            }));
            members
        },
    )
}

fn members() -> impl Strategy<Value = Map<String, Value>> {
    btree_map(name(), value(), 0..4).prop_map(|members| members.into_iter().collect())
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1..3).prop_map(Value::from),
        Just(json!(u64::MAX)),
        Just(json!(0.5)),
        Just(json!("x")),
    ];
    let leaf = prop_oneof![4 => scalar, 1 => Just(json!({})), 3 => array()];
    leaf.prop_recursive(3, 24, 4, |inner| {
        btree_map(name(), inner, 0..4).prop_map(|members| Value::Object(members.into_iter().collect()))
    })
}

/// Generates arrays with repeated elements, and arrays of objects that can be matched by a member.
pub(crate) fn array() -> impl Strategy<Value = Value> {
    let plain = vec((0..3).prop_map(Value::from), 0..4).prop_map(Value::Array);
    let keyed = vec((0..3, document_of_scalars()), 0..4).prop_map(|elements| {
        let element = |(key, mut members): (i32, Map<String, Value>)| {
            members.insert("a".into(), key.into());
            Value::Object(members)
        };
        elements.into_iter().map(element).collect()
    });
    prop_oneof![plain, keyed]
}

fn document_of_scalars() -> impl Strategy<Value = Map<String, Value>> {
    btree_map(name(), (0..2).prop_map(Value::from), 0..3).prop_map(|members| members.into_iter().collect())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just("a"), 3 => Just("b"), 1 => proptest::sample::select(&NAMES[..])]
        .prop_map(String::from)
}

pub(crate) fn pointer() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => Just("a"),
        3 => Just("b"),
        1 => Just("c"),
        1 => Just("~0"),
        1 => Just("~1"),
        1 => Just(""),
        3 => Just("*"),
    ];
    let any = vec(segment, 1..4).prop_map(|segments| format!("/{}", segments.join("/")));
    prop_oneof![
        5 => any,
        1 => Just("/a".to_owned()),
        1 => Just("/b".to_owned()),
        1 => Just("/a/b".to_owned()),
    ]
}

fn pointers(most: usize) -> impl Strategy<Value = Value> {
    proptest::collection::btree_set(pointer(), 0..=most).prop_map(|set| set.into_iter().collect())
}

/// Generates the member `strategies`, with values from `choices`.
pub(crate) fn strategies(choices: &[Value]) -> BoxedStrategy<Value> {
    let strategy = proptest::sample::select(choices.to_vec());
    btree_map(pointer(), strategy, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
}

pub(crate) fn inheritance() -> impl Strategy<Value = Value> {
    let names = ["replace", "deep", "append", "prepend", "union", "min", "max"].map(Value::from);
    let more = [
        json!("replace"),
        json!("union"),
        json!({"by_key": "a"}),
        json!({"by_key": "a"}),
        json!({"by_key": "b"}),
    ];
    let every = [&names[..], &more[..]].concat();
    let inherit = prop_oneof![5 => Just(true), 1 => Just(false)];
    (inherit, pointers(2), strategies(&every), pointers(2)).prop_map(|(inherit, unset, strategies, locked)| {
        json!({"inherit": inherit, "unset": unset, "strategies": strategies, "locked": locked})
    })
}
