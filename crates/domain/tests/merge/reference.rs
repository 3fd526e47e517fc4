//! A second implementation of the merge law, simple and slow, compared with the product's.
//!
//! The product removes blocked values from a document before it merges; this one merges first and restores
//! what is locked afterwards. The product walks trees of patterns; this one compares every pattern with every
//! path.

use crate::chains::{Chain, chain};
use context_domain::pointer::members;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

type Path = Vec<String>;

/// A strategy as a node declares it.
struct Declared {
    node: usize,
    pattern: Path,
    strategy: Value,
}

fn resolve(chain: &Chain) -> Value {
    let mut inherited = json!({});
    let mut locks: Vec<Path> = Vec::new();
    let mut declared: Vec<Declared> = Vec::new();
    for (node, (data, rules)) in chain.data.iter().zip(&chain.rules).enumerate() {
        let before = inherited.clone();
        if rules["inherit"] == json!(false) {
            inherited = json!({});
            declared.clear();
        }
        for path in matching(&inherited, &patterns(&rules["unset"])) {
            remove(&mut inherited, &path);
        }
        let strategies = rules["strategies"].as_object().cloned().unwrap_or_default();
        declared.extend(strategies.into_iter().map(|(pattern, strategy)| Declared {
            node,
            pattern: split(&pattern),
            strategy,
        }));
        let mut own = Value::Object(data.clone());
        remove_obstacles(&mut own, &before, &locks);
        let mut merged = join(Some(inherited), own, &mut Vec::new(), &declared);
        for path in matching(&merged, &locks) {
            if at(&before, &path).is_none() {
                remove(&mut merged, &path);
            }
        }
        for path in matching(&before, &locks) {
            put(&mut merged, &path, at(&before, &path).unwrap().clone());
        }
        locks.extend(patterns(&rules["locked"]));
        inherited = merged;
    }
    inherited
}

fn join(inherited: Option<Value>, own: Value, path: &mut Path, declared: &[Declared]) -> Value {
    let Some(inherited) = inherited else { return own };
    if let Some(merged) =
        strategy(path, declared).and_then(|strategy| by_strategy(strategy, &inherited, &own))
    {
        return merged;
    }
    let (Value::Object(mut inherited), Value::Object(own)) = (inherited, own.clone()) else { return own };
    for (name, value) in own {
        path.push(name.clone());
        let merged = join(inherited.remove(&name), value, path, declared);
        path.pop();
        inherited.insert(name, merged);
    }
    Value::Object(inherited)
}

/// Returns the strategy that applies: that of the nearest node; of one node's, the pattern with fewer `*`,
/// then the one whose literal segment is further left.
fn strategy<'a>(path: &Path, declared: &'a [Declared]) -> Option<&'a Value> {
    let matching = declared.iter().filter(|declared| matches(&declared.pattern, path));
    let best = matching.max_by_key(|declared| {
        let stars = declared.pattern.iter().filter(|segment| *segment == "*").count();
        let literals: Vec<bool> = declared.pattern.iter().map(|segment| segment != "*").collect();
        (declared.node, usize::MAX - stars, literals)
    });
    best.map(|declared| &declared.strategy)
}

/// Returns the result of the strategy; `None` if it does not fit, or does what the rules do anyway.
fn by_strategy(strategy: &Value, inherited: &Value, own: &Value) -> Option<Value> {
    if strategy == "replace" {
        return Some(own.clone());
    }
    if let (Some(one), Some(other)) = (inherited.as_f64(), own.as_f64()) {
        let exact = |value: &Value| value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
        let own_is_less = match (exact(inherited), exact(own)) {
            (Some(one), Some(other)) => other < one,
            _ => other < one,
        };
        let equal = inherited == own;
        return match strategy.as_str()? {
            "min" => Some(if own_is_less { own } else { inherited }.clone()),
            "max" => Some(if own_is_less || equal { inherited } else { own }.clone()),
            _ => None,
        };
    }
    let (one, other) = (inherited.as_array()?, own.as_array()?);
    match strategy.as_str() {
        Some("append") => Some([&one[..], other].concat().into()),
        Some("prepend") => Some([&other[..], one].concat().into()),
        Some("union") => Some(distinct(&[&one[..], other].concat()).into()),
        Some(_) => None,
        None => by_key(strategy["by_key"].as_str()?, one, other),
    }
}

fn distinct(elements: &[Value]) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for element in elements {
        if !kept.contains(element) {
            kept.push(element.clone());
        }
    }
    kept
}

fn by_key(key: &str, one: &[Value], other: &[Value]) -> Option<Value> {
    for list in [one, other] {
        let keys: Option<Vec<Value>> =
            list.iter().map(|element| element.as_object()?.get(key).cloned()).collect();
        let keys = keys?;
        if distinct(&keys).len() != keys.len() {
            return None;
        }
    }
    let mut merged = one.to_vec();
    for element in other {
        match merged.iter_mut().find(|candidate| candidate[key] == element[key]) {
            Some(found) => *found = join(Some(found.clone()), element.clone(), &mut Vec::new(), &[]),
            None => merged.push(element.clone()),
        }
    }
    Some(merged.into())
}

/// Removes each value that is not an object but is where an object around a locked, present value must be.
fn remove_obstacles(own: &mut Value, before: &Value, locks: &[Path]) {
    for locked in matching(before, locks) {
        for length in 1..locked.len() {
            if at(own, &locked[..length]).is_some_and(|value| !value.is_object()) {
                remove(own, &locked[..length]);
            }
        }
    }
}

fn patterns(list: &Value) -> Vec<Path> {
    list.as_array()
        .map(|list| list.iter().map(|text| split(text.as_str().unwrap())).collect())
        .unwrap_or_default()
}

fn split(pointer: &str) -> Path {
    members(pointer).unwrap().into_iter().map(String::from).collect()
}

fn matches(pattern: &[String], path: &[String]) -> bool {
    pattern.len() == path.len()
        && pattern.iter().zip(path).all(|(segment, name)| segment == "*" || segment == name)
}

/// Returns the paths in the document that at least one of the patterns matches.
fn matching(document: &Value, patterns: &[Path]) -> Vec<Path> {
    let mut all = vec![Vec::new()];
    let mut next = 0;
    while let Some(path) = all.get(next).cloned() {
        let below = at(document, &path).and_then(Value::as_object).map(Map::keys).into_iter().flatten();
        all.extend(below.map(|name| [&path[..], std::slice::from_ref(name)].concat()));
        next += 1;
    }
    all.retain(|path| patterns.iter().any(|pattern| matches(pattern, path)));
    all
}

fn at<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, name| value.as_object()?.get(name))
}

fn remove(document: &mut Value, path: &[String]) {
    let (last, parents) = path.split_last().expect("patterns are not empty");
    let parent = parents.iter().try_fold(document, |value, name| value.get_mut(name));
    if let Some(Value::Object(parent)) = parent {
        parent.remove(last);
    }
}

fn put(document: &mut Value, path: &[String], value: Value) {
    let mut slot = document;
    for name in path {
        let Value::Object(members) = slot else {
            panic!("{name} is inside a value that is not an object, but is locked")
        };
        slot = members.entry(name.clone()).or_insert_with(|| json!({}));
    }
    *slot = value;
}

proptest! {
    #[test]
    fn the_product_resolves_to_the_same_document(chain in chain()) {
        prop_assert_eq!(chain.resolve(), resolve(&chain), "{:#?}", chain);
    }
}
