//! Properties of the merge law that hold for every chain.

use std::collections::BTreeSet;

use crate::chains::{Chain, NAMES, array, chain, chain_with, object, strategies};
use context_domain::explain::{Explanation, Origin};
use context_domain::merge::{Fold, blocked, merge, newly_blocked};
use context_domain::pointer::{members, push};
use proptest::prelude::*;
use serde_json::{Value, json};

fn at<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    members(pointer).unwrap().iter().try_fold(document, |value, name| value.as_object()?.get(name.as_ref()))
}

fn leaves(value: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    match value.as_object().filter(|object| !object.is_empty()) {
        None => found.push((pointer.to_owned(), value.clone())),
        Some(object) => {
            for (name, member) in object {
                let mut below = pointer.to_owned();
                push(&mut below, name);
                leaves(member, &below, found);
            }
        }
    }
}

fn leaves_of(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    leaves(value, "", &mut found);
    found
}

/// Returns every path that a pointer of these tests can name.
fn places() -> Vec<Vec<&'static str>> {
    let longer = |place: &Vec<&'static str>| {
        NAMES.map(|name| place.iter().copied().chain([name]).collect::<Vec<_>>()).to_vec()
    };
    let one: Vec<_> = longer(&Vec::new());
    let two: Vec<_> = one.iter().flat_map(longer).collect();
    let three: Vec<_> = two.iter().flat_map(longer).collect();
    [one, two, three].concat()
}

fn matches(pattern: &str, place: &[&str]) -> bool {
    let segments = members(pattern).unwrap();
    segments.len() == place.len()
        && segments.iter().zip(place).all(|(segment, name)| segment == "*" || segment == name)
}

fn pointer_to(place: &[&str]) -> String {
    let mut pointer = String::new();
    for name in place {
        push(&mut pointer, name);
    }
    pointer
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().map(|text| text.as_str().unwrap()).collect()).unwrap_or_default()
}

fn explain(chain: &Chain) -> Explanation {
    merge(&chain.links(&chain.rules())).explain()
}

proptest! {
    #[test]
    fn merging_an_empty_document_changes_nothing(chain in chain(), place in 0_usize..6) {
        let mut longer = chain.clone();
        longer.push(json!({}), Value::Null);
        prop_assert_eq!(longer.resolve(), chain.resolve());
        prop_assert_eq!(explain(&longer), explain(&chain));

        let mut between = chain.clone();
        let place = place.min(chain.data.len());
        between.data.insert(place, object(json!({})));
        between.rules.insert(place, Value::Null);
        prop_assert_eq!(between.resolve(), chain.resolve());
    }

    #[test]
    fn folding_once_equals_merging_level_by_level(chain in chain()) {
        let rules = chain.rules();
        let mut fold = Fold::new();
        for link in chain.links(&rules) {
            fold.push(link);
        }
        prop_assert_eq!(fold.finish().to_value(), chain.resolve());

        for last in 1..chain.data.len() {
            let whole = chain.up_to(last);
            let level = by_level(&chain, last);
            prop_assert_eq!(level.resolve(), whole.resolve());
            prop_assert_eq!(own_step_of_last(&level), own_step_of_last(&whole));
        }
    }

    #[test]
    fn the_explanation_rebuilds_the_result(chain in chain()) {
        let rules = chain.rules();
        let links = chain.links(&rules);
        let merged = merge(&links);
        let resolved = merged.to_value();
        let explanation = merged.explain();
        prop_assert_eq!(explanation.rebuild(&links), Ok(resolved.clone()));
        let explained: Vec<&String> = explanation.leaves.keys().collect();
        let mut present = leaves_of(&resolved);
        present.sort_by(|one, other| one.0.cmp(&other.0));
        prop_assert_eq!(explained, present.iter().map(|(pointer, _)| pointer).collect::<Vec<_>>());
        prop_assert_eq!(serde_json::to_string(&merged).unwrap(), resolved.to_string());
    }

    #[test]
    fn shadowed_unset_and_blocked_values_are_those_that_were_written(chain in chain()) {
        let explanation = explain(&chain);
        let was_written = |from: &Origin, pointer: &str, value: &Value| {
            let Origin::Node(node) = from else { return true };
            let document = Value::Object(chain.data[*node].clone());
            let source = at(&document, pointer);
            source == Some(value) || *value == json!({}) && source.is_some_and(Value::is_object)
        };
        for (pointer, leaf) in &explanation.leaves {
            for shadowed in &leaf.shadowed {
                let pointer = shadowed.pointer.as_ref().unwrap_or(pointer);
                prop_assert!(was_written(&shadowed.from, pointer, &shadowed.value), "{shadowed:?}");
            }
        }
        for unset in &explanation.unset {
            prop_assert!(was_written(&unset.from, &unset.pointer, &unset.value), "{unset:?}");
            let patterns = &chain.rules[unset.by]["unset"];
            let names = members(&unset.pointer).unwrap();
            let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
            let named =
                |length: usize| texts(patterns).iter().any(|pattern| matches(pattern, &names[..length]));
            prop_assert!((1..=names.len()).any(named), "{unset:?}");
        }
        for blocked in &explanation.blocked {
            prop_assert!(blocked.locked_by < blocked.at);
            let document = Value::Object(chain.data[blocked.at].clone());
            let written = at(&document, &blocked.pointer);
            prop_assert!(blocked.value.is_none() || written == blocked.value.as_ref());
        }
    }

    #[test]
    fn every_written_value_is_in_the_result_or_shadowed(
        chain in chain_with(strategies(&["replace", "deep", "min", "max"].map(Value::from))
            .prop_map(|strategies| json!({"strategies": strategies})).boxed())
    ) {
        let mut explained = Vec::new();
        for (pointer, leaf) in explain(&chain).leaves {
            explained.extend(leaf.shadowed.into_iter().map(|shadowed| {
                (shadowed.from, shadowed.pointer.unwrap_or_else(|| pointer.clone()))
            }));
            explained.push((leaf.from, pointer));
        }
        for (node, data) in chain.data.iter().enumerate() {
            for (pointer, value) in leaves_of(&Value::Object(data.clone())) {
                let entry = (Origin::Node(node), pointer);
                let times = explained.iter().filter(|explained| **explained == entry).count();
                // An empty object merged with another object is neither in the result nor replaced.
                let expected = times == 1 || times == 0 && value == json!({});
                prop_assert!(expected, "{entry:?} is explained {times} times");
            }
        }
    }

    #[test]
    fn no_descendant_changes_what_is_locked(chain in chain()) {
        let resolved: Vec<Value> = (0..chain.data.len()).map(|last| chain.up_to(last).resolve()).collect();
        let places = places();
        for (node, rules) in chain.rules.iter().enumerate() {
            for pattern in texts(&rules["locked"]) {
                for place in places.iter().filter(|place| matches(pattern, place)) {
                    let pointer = pointer_to(place);
                    let here = at(&resolved[node], &pointer);
                    for below in &resolved[node..] {
                        prop_assert_eq!(at(below, &pointer), here, "{} of node {}", &pointer, node);
                    }
                }
            }
        }
    }

    #[test]
    fn blocked_values_count_as_not_written(chain in chain()) {
        let explanation = explain(&chain);
        let mut obedient = chain.clone();
        for blocked in explanation.blocked.iter().filter(|blocked| blocked.value.is_some()) {
            let names = members(&blocked.pointer).unwrap();
            let (last, way) = names.split_last().unwrap();
            let mut object = &mut obedient.data[blocked.at];
            for name in way {
                object = object.get_mut(name.as_ref()).and_then(Value::as_object_mut).unwrap();
            }
            prop_assert!(object.remove(last.as_ref()).is_some());
        }
        prop_assert_eq!(obedient.resolve(), chain.resolve());
        let without = explain(&obedient);
        prop_assert_eq!(without.leaves, explanation.leaves);
        prop_assert_eq!(without.unset, explanation.unset);
        prop_assert!(without.blocked.iter().all(|blocked| blocked.value.is_none()));
    }

    #[test]
    fn a_write_is_checked_for_what_resolving_would_block(
        chain in chain(),
        other in crate::chains::document(),
    ) {
        let last = chain.data.len() - 1;
        let rules = chain.rules();
        let links = chain.links(&rules);
        let (ancestors, data) = (&links[..last], links[last].data);
        let found = blocked(ancestors, data);
        let mut explained = explain(&chain).blocked;
        explained.retain(|blocked| blocked.at == last && blocked.value.is_some());
        prop_assert_eq!(&found, &explained);
        prop_assert_eq!(newly_blocked(ancestors, None, data), found);
        prop_assert_eq!(newly_blocked(ancestors, Some(data), data), vec![]);
        let added = newly_blocked(ancestors, Some(&other), data);
        let old = Value::Object(other.clone());
        let new = Value::Object(data.clone());
        let under = |pointer: &str, above: &str| {
            pointer.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        for added in &added {
            prop_assert!(explained.iter().any(|blocked| under(&added.pointer, &blocked.pointer)));
            prop_assert_eq!(at(&new, &added.pointer), added.value.as_ref());
            prop_assert_ne!(at(&old, &added.pointer), added.value.as_ref());
        }
        // A leaf of a blocked value that differs from the old document is a change, whatever the old document
        // had there.
        for blocked in &explained {
            let mut inside = Vec::new();
            leaves(blocked.value.as_ref().unwrap(), &blocked.pointer, &mut inside);
            for (pointer, leaf) in inside {
                let before = at(&old, &pointer);
                let same = before == Some(&leaf) || leaf == json!({}) && before.is_some_and(Value::is_object);
                prop_assert!(same || added.iter().any(|added| under(&pointer, &added.pointer)), "{pointer}");
            }
        }
    }

    #[test]
    fn union_is_idempotent(first in array(), second in array()) {
        let mut chain = Chain { data: vec![], rules: vec![] };
        chain.push(json!({"l": first}), json!({"strategies": {"/l": "union"}}));
        chain.push(json!({"l": second}), Value::Null);
        let once = explain(&chain);
        let resolved = chain.resolve();
        let list = resolved["l"].as_array().unwrap();
        let distinct: BTreeSet<String> = list.iter().map(Value::to_string).collect();
        prop_assert_eq!(distinct.len(), list.len());
        for repeated in [first, second, resolved["l"].clone()] {
            chain.push(json!({"l": repeated}), Value::Null);
            prop_assert_eq!(chain.resolve(), resolved.clone());
            prop_assert_eq!(&explain(&chain).leaves, &once.leaves);
        }
    }

    #[test]
    fn the_order_of_members_in_the_text_does_not_matter(chain in chain()) {
        let reversed = |value: &Value| serde_json::from_str::<Value>(&backwards(value)).unwrap();
        let other = Chain {
            data: chain.data.iter().map(|data| object(reversed(&Value::Object(data.clone())))).collect(),
            rules: chain.rules.iter().map(reversed).collect(),
        };
        prop_assert_eq!(other.resolve().to_string(), chain.resolve().to_string());
        prop_assert_eq!(explain(&other), explain(&chain));
    }
}

/// Returns a chain in which the node `last` is merged over the document that its ancestors resolve to. The
/// ancestors' rules are declared on empty documents.
fn by_level(chain: &Chain, last: usize) -> Chain {
    let above = chain.up_to(last - 1);
    let mut level = Chain { data: vec![], rules: vec![] };
    let mut locked = BTreeSet::new();
    for rules in above.rules.iter().filter(|rules| !rules.is_null()) {
        level.push(json!({}), json!({"inherit": rules["inherit"], "strategies": rules["strategies"]}));
        locked.extend(texts(&rules["locked"]));
    }
    level.push(above.resolve(), json!({"locked": locked}));
    level.data.push(chain.data[last].clone());
    level.rules.push(chain.rules[last].clone());
    level
}

/// Returns the explanation of the last node's own step, without the numbers of other nodes.
fn own_step_of_last(chain: &Chain) -> Value {
    let last = chain.data.len() - 1;
    let explanation = explain(chain);
    let blocked = explanation.blocked.into_iter().filter(|blocked| blocked.at == last);
    let unset = explanation.unset.into_iter().filter(|unset| unset.by == last);
    let unfit = explanation.not_applicable.into_iter().filter(|unfit| unfit.at == last);
    json!({
        "blocked": blocked.map(|blocked| json!([blocked.pointer, blocked.value])).collect::<Vec<_>>(),
        "unset": unset.map(|unset| json!([unset.pointer, unset.value])).collect::<Vec<_>>(),
        "not_applicable": unfit.map(|unfit| json!([unfit.pointer, unfit.strategy])).collect::<Vec<_>>(),
    })
}

/// Returns the text of a value with the members of every object in reverse order.
fn backwards(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{}:{}", Value::from(name.as_str()), backwards(value))
            };
            format!("{{{}}}", object.iter().rev().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Array(array) => format!("[{}]", array.iter().map(backwards).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}
