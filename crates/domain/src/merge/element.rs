//! The elements of an array that a strategy merged.

use std::borrow::Cow;

use serde_json::Value;

/// An element of a merged array: one source, or several objects that rule 1 merges, global first.
#[derive(Clone)]
pub(crate) struct Element<'a> {
    pub(crate) sources: Vec<ElementSource<'a>>,
}

/// An element of the array that node `at` wrote.
#[derive(Clone, Copy)]
pub(crate) struct ElementSource<'a> {
    pub(crate) at: usize,
    pub(crate) index: usize,
    pub(crate) value: &'a Value,
}

impl<'a> Element<'a> {
    /// Returns the element's value in the merged array.
    pub(crate) fn value(&self) -> Cow<'a, Value> {
        match self.sources.as_slice() {
            [] => Cow::Owned(Value::Null),
            [only] => Cow::Borrowed(only.value),
            [first, rest @ ..] => {
                let mut merged = first.value.clone();
                for source in rest {
                    merge_plain(&mut merged, source.value);
                }
                Cow::Owned(merged)
            }
        }
    }
}

/// Merges `own` over `value` by rules 1 and 2. Pointers name no elements of arrays, so no strategy and no
/// lock applies inside one, and provenance is kept for the element as a whole.
fn merge_plain(value: &mut Value, own: &Value) {
    let (Value::Object(members), Value::Object(own)) = (&mut *value, own) else {
        *value = own.clone();
        return;
    };
    for (name, own) in own {
        match members.get_mut(name) {
            Some(member) => merge_plain(member, own),
            None => {
                members.insert(name.clone(), own.clone());
            }
        }
    }
}
