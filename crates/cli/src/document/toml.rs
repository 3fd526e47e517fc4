//! TOML, read from its parser's own values, in which numbers are still the text that was written.

use std::ops::Range;

use context_domain::limits::{MAX_DOCUMENT_DEPTH, MAX_ENVELOPE_DEPTH};
use context_domain::pointer::to_member;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Refusal, place_behind, scalar};

pub(super) fn read(text: &str) -> Result<Value, Refusal> {
    let place = |span: Range<usize>| place_behind(text.get(..span.start).unwrap_or_default());
    let root = DeTable::parse(text).map_err(|error| {
        let message = format!("not TOML: {}", error.message());
        match error.span() {
            Some(span) => Refusal::at(place(span), message),
            None => Refusal::whole(message),
        }
    })?;
    Reader { place: &place }.table(root.get_ref(), 1)
}

struct Reader<'a> {
    place: &'a dyn Fn(Range<usize>) -> (usize, usize),
}

impl Reader<'_> {
    fn table(&self, table: &DeTable<'_>, depth: usize) -> Result<Value, Refusal> {
        let mut members = Map::new();
        for (name, value) in table {
            let pointer = to_member(name.get_ref());
            let key = scalar::text(name.get_ref());
            key.map_err(|rule| Refusal::at((self.place)(name.span()), rule))?;
            let value = self.value(value, depth).map_err(|refusal| refusal.under(&pointer))?;
            members.insert(name.get_ref().to_string(), value);
        }
        Ok(Value::Object(members))
    }

    /// `depth` counts the containers around the value.
    fn value(&self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Value, Refusal> {
        let refused = |rule: String| Refusal::at((self.place)(value.span()), rule);
        let container = matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_));
        if container && depth >= MAX_DOCUMENT_DEPTH + MAX_ENVELOPE_DEPTH {
            return Err(refused(super::too_deep()));
        }
        match value.get_ref() {
            DeValue::String(text) => scalar::text(text).map_err(refused),
            DeValue::Integer(integer) if integer.radix() == 10 => {
                scalar::decimal(integer.as_str()).map_err(refused)
            }
            DeValue::Integer(integer) => scalar::integer(integer.as_str(), integer.radix()).map_err(refused),
            DeValue::Float(float) if float.as_str().ends_with(|end: char| end.is_ascii_digit()) => {
                scalar::decimal(float.as_str()).map_err(refused)
            }
            DeValue::Float(_) => {
                Err(refused("JSON knows neither infinity nor NaN: write a string".to_owned()))
            }
            DeValue::Boolean(truth) => Ok(Value::Bool(*truth)),
            DeValue::Datetime(moment) => Ok(Value::from(moment.to_string())),
            DeValue::Table(table) => self.table(table, depth + 1),
            DeValue::Array(elements) => {
                let read = elements.iter().enumerate().map(|(index, element)| {
                    self.value(element, depth + 1).map_err(|refusal| refusal.under(&format!("/{index}")))
                });
                read.collect()
            }
        }
    }
}
