//! The strategies that make one array of two.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::slot::{Element, Slot, Source, Tree};
use crate::inheritance::Strategy;

/// The merged array, or none where the strategy does not fit what the two sides hold.
pub(crate) fn combine<'a>(
    strategy: &Strategy,
    inherited: &Slot<'a>,
    own: &Slot<'a>,
) -> Option<Vec<Element<'a>>> {
    let inherited = elements(inherited)?;
    let own = elements(own)?;
    match strategy {
        Strategy::Append => Some(join(inherited, own)),
        Strategy::Prepend => Some(join(own, inherited)),
        Strategy::Union => Some(once(join(inherited, own))),
        Strategy::ByKey(key) => matched(key, inherited, own),
        Strategy::Replace | Strategy::Deep | Strategy::Min | Strategy::Max => None,
    }
}

fn elements<'a>(slot: &Slot<'a>) -> Option<Vec<Element<'a>>> {
    match &slot.tree {
        Tree::Whole { at, value: Value::Array(array) } => {
            let sources = array.iter().enumerate().map(|(index, value)| Source { at: *at, index, value });
            Some(sources.map(|source| Element { sources: vec![source] }).collect())
        }
        Tree::List { elements, .. } => Some(elements.clone()),
        _ => None,
    }
}

fn join<'a>(mut first: Vec<Element<'a>>, second: Vec<Element<'a>>) -> Vec<Element<'a>> {
    first.extend(second);
    first
}

fn once(elements: Vec<Element<'_>>) -> Vec<Element<'_>> {
    let mut seen = HashSet::new();
    elements.into_iter().filter(|element| seen.insert(element.value())).collect()
}

fn matched<'a>(key: &str, inherited: Vec<Element<'a>>, own: Vec<Element<'a>>) -> Option<Vec<Element<'a>>> {
    let places = places_of(key, &inherited)?;
    places_of(key, &own)?;
    let mut merged = inherited;
    for element in own {
        let place = places.get(&key_of(key, &element)?);
        match place.and_then(|place| merged.get_mut(*place)) {
            Some(parent) => parent.sources.extend(element.sources),
            None => merged.push(element),
        }
    }
    Some(merged)
}

/// The place of each key's element; none where an element is no object, lacks the key, or repeats one.
fn places_of<'a>(key: &str, elements: &[Element<'a>]) -> Option<HashMap<Cow<'a, Value>, usize>> {
    let mut places = HashMap::with_capacity(elements.len());
    for (place, element) in elements.iter().enumerate() {
        if places.insert(key_of(key, element)?, place).is_some() {
            return None;
        }
    }
    Some(places)
}

fn key_of<'a>(key: &str, element: &Element<'a>) -> Option<Cow<'a, Value>> {
    match element.value() {
        Cow::Borrowed(value) => value.get(key).map(Cow::Borrowed),
        Cow::Owned(value) => value.get(key).cloned().map(Cow::Owned),
    }
}
