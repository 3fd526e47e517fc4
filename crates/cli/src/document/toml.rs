//! TOML, read from the parser's values, in which numbers are still text as written.

use std::ops::Range;

use context_domain::limits::{MAX_DOCUMENT_DEPTH, MAX_ENVELOPE_DEPTH};
use context_domain::pointer::to_member;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::refusal::{DocumentRefusal, position_after};
use super::scalar;

pub(super) fn read_toml(text: &str) -> Result<Value, DocumentRefusal> {
    let position = |span: Range<usize>| position_after(text.get(..span.start).unwrap_or_default());
    let root = DeTable::parse(text).map_err(|error| {
        let message = format!("not TOML: {}", error.message());
        match error.span() {
            Some(span) => DocumentRefusal::at(position(span), message),
            None => DocumentRefusal::whole(message),
        }
    })?;
    TomlReader { position: &position }.table(root.get_ref(), 1)
}

struct TomlReader<'a> {
    position: &'a dyn Fn(Range<usize>) -> (usize, usize),
}

impl TomlReader<'_> {
    fn table(&self, table: &DeTable<'_>, depth: usize) -> Result<Value, DocumentRefusal> {
        let mut members = Map::new();
        for (name, value) in table {
            let pointer = to_member(name.get_ref());
            let key = scalar::text_value(name.get_ref());
            key.map_err(|rule| DocumentRefusal::at((self.position)(name.span()), rule))?;
            let value = self.value(value, depth).map_err(|refusal| refusal.under(&pointer))?;
            members.insert(name.get_ref().to_string(), value);
        }
        Ok(Value::Object(members))
    }

    /// Reads a value; `depth` counts the containers around it.
    fn value(&self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Value, DocumentRefusal> {
        let refused = |rule: String| DocumentRefusal::at((self.position)(value.span()), rule);
        let container = matches!(value.get_ref(), DeValue::Array(_) | DeValue::Table(_));
        if container && depth >= MAX_DOCUMENT_DEPTH + MAX_ENVELOPE_DEPTH {
            return Err(DocumentRefusal::too_deep((self.position)(value.span())));
        }
        match value.get_ref() {
            DeValue::String(text) => scalar::text_value(text).map_err(refused),
            DeValue::Integer(integer) if integer.radix() == 10 => {
                scalar::decimal_value(integer.as_str()).map_err(refused)
            }
            DeValue::Integer(integer) => {
                scalar::integer_value(integer.as_str(), integer.radix()).map_err(refused)
            }
            DeValue::Float(float) if float.as_str().ends_with(|end: char| end.is_ascii_digit()) => {
                scalar::decimal_value(float.as_str()).map_err(refused)
            }
            DeValue::Float(_) => Err(refused("JSON has neither infinity nor NaN: write a string".to_owned())),
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
