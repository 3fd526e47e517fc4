//! The strategies that merge two arrays.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::element::{Element, ElementSource};
use super::slot::{MergeSlot, SlotValue};
use crate::inheritance::Strategy;

/// Returns the merged array; `None` if the strategy does not fit the two values.
pub(crate) fn merge_arrays<'a>(
    strategy: &Strategy,
    inherited: &MergeSlot<'a>,
    own: &MergeSlot<'a>,
) -> Option<Vec<Element<'a>>> {
    let inherited = elements_of(inherited)?;
    let own = elements_of(own)?;
    match strategy {
        Strategy::Append => Some(concatenate(inherited, own)),
        Strategy::Prepend => Some(concatenate(own, inherited)),
        Strategy::Union => Some(deduplicate(concatenate(inherited, own))),
        Strategy::ByKey(key) => match_by_key(key, inherited, own),
        Strategy::Replace | Strategy::Deep | Strategy::Min | Strategy::Max => None,
    }
}

fn elements_of<'a>(slot: &MergeSlot<'a>) -> Option<Vec<Element<'a>>> {
    match &slot.value {
        SlotValue::Whole { at, value: Value::Array(array) } => {
            let sources =
                array.iter().enumerate().map(|(index, value)| ElementSource { at: *at, index, value });
            Some(sources.map(|source| Element { sources: vec![source] }).collect())
        }
        SlotValue::List { elements, .. } => Some(elements.clone()),
        _ => None,
    }
}

fn concatenate<'a>(mut first: Vec<Element<'a>>, second: Vec<Element<'a>>) -> Vec<Element<'a>> {
    first.extend(second);
    first
}

fn deduplicate(elements: Vec<Element<'_>>) -> Vec<Element<'_>> {
    let mut seen = HashSet::new();
    elements.into_iter().filter(|element| seen.insert(element.value())).collect()
}

fn match_by_key<'a>(
    key: &str,
    inherited: Vec<Element<'a>>,
    own: Vec<Element<'a>>,
) -> Option<Vec<Element<'a>>> {
    let indexes = indexes_by_key(key, &inherited)?;
    indexes_by_key(key, &own)?;
    let mut merged = inherited;
    for element in own {
        let index = indexes.get(&key_of(key, &element)?);
        match index.and_then(|index| merged.get_mut(*index)) {
            Some(parent) => parent.sources.extend(element.sources),
            None => merged.push(element),
        }
    }
    Some(merged)
}

/// Returns the index of the element with each key; `None` if an element is not an object, lacks the key or
/// repeats that of another.
fn indexes_by_key<'a>(key: &str, elements: &[Element<'a>]) -> Option<HashMap<Cow<'a, Value>, usize>> {
    let mut indexes = HashMap::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        if indexes.insert(key_of(key, element)?, index).is_some() {
            return None;
        }
    }
    Some(indexes)
}

fn key_of<'a>(key: &str, element: &Element<'a>) -> Option<Cow<'a, Value>> {
    match element.value() {
        Cow::Borrowed(value) => value.get(key).map(Cow::Borrowed),
        Cow::Owned(value) => value.get(key).cloned().map(Cow::Owned),
    }
}
