//! YAML 1.2 with the core schema, read from the parser's events: each has a position, and scalars are still
//! text as written.
//!
//! Aliases are expanded up to a limit. Merge keys (`<<`), tags beyond the core schema, names that are not
//! strings, and a second document are refused: JSON has no equivalent, and a guess would change what the file
//! means.

use std::borrow::Cow;
use std::collections::BTreeMap;

use context_domain::json::{REPEATED_MEMBER, compact_len};
use context_domain::limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_ENVELOPE_DEPTH};
use context_domain::pointer::to_member;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::refusal::DocumentRefusal;
use super::scalar;

/// Bytes, as compact JSON, that a file's anchors and aliases may add to it.
const MAX_EXPANDED_BYTES: usize = 4 * MAX_DOCUMENT_BYTES;

pub(super) fn read_yaml(text: &str) -> Result<Value, DocumentRefusal> {
    let mut reader = YamlReader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), expanded: 0 };
    let mut read = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => {
                return read.ok_or_else(|| DocumentRefusal::whole("the text contains no document"));
            }
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if read.is_some() => {
                return Err(refused(span, "a second document begins here: a text may contain only one"));
            }
            event => read = Some(reader.value(event, span, 0)?),
        }
    }
}

struct YamlReader<'i> {
    parser: Parser<'i, StrInput<'i>>,
    /// The value of each anchor, by the parser's number for it.
    anchors: BTreeMap<usize, Value>,
    expanded: usize,
}

type OptionalTag<'i> = Option<Cow<'i, Tag>>;

impl<'i> YamlReader<'i> {
    fn next(&mut self) -> Result<(Event<'i>, Span), DocumentRefusal> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                Err(DocumentRefusal::at(position(error.marker()), format!("not YAML: {}", error.info())))
            }
            None => Err(DocumentRefusal::whole("not YAML: the text ends within a document")),
        }
    }

    /// Reads the value that `event` begins; `depth` counts the containers around it.
    fn value(&mut self, event: Event<'i>, span: Span, depth: usize) -> Result<Value, DocumentRefusal> {
        let container = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        if container && depth >= MAX_DOCUMENT_DEPTH + MAX_ENVELOPE_DEPTH {
            return Err(DocumentRefusal::too_deep(position(&span.start)));
        }
        let (anchor, value) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar_value(&text, style, &tag, span)?),
            Event::SequenceStart(anchor, tag) => {
                known_tag(&tag, &["seq"], span)?;
                (anchor, self.sequence(depth + 1)?)
            }
            Event::MappingStart(anchor, tag) => {
                known_tag(&tag, &["map"], span)?;
                (anchor, self.mapping(depth + 1)?)
            }
            _ => return Err(refused(span, "not YAML: a value is missing here")),
        };
        // The parser counts anchors from 1.
        if anchor != 0 {
            self.expand(&value, span)?;
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, DocumentRefusal> {
        let mut elements = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Array(elements));
            }
            let value = self.value(event, span, depth);
            elements.push(value.map_err(|refusal| refusal.under(&format!("/{}", elements.len())))?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, DocumentRefusal> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Object(members));
            }
            let name = self.name(event, span)?;
            let pointer = to_member(&name);
            if members.contains_key(&name) {
                return Err(refused(span, REPEATED_MEMBER).under(&pointer));
            }
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth).map_err(|refusal| refusal.under(&pointer))?;
            members.insert(name, value);
        }
    }

    /// Reads the name of a member, which must be a string, written out.
    fn name(&mut self, event: Event<'i>, span: Span) -> Result<String, DocumentRefusal> {
        let Event::Scalar(text, style, anchor, tag) = event else {
            return Err(refused(
                span,
                "a member's name is a string: write it out instead of an alias or a container",
            ));
        };
        if style == ScalarStyle::Plain && text == "<<" {
            let rule = "'<<' merges in YAML 1.1 only: write the members out, or quote it if the member is \
                        called that";
            return Err(refused(span, rule));
        }
        match scalar_value(&text, style, &tag, span)? {
            Value::String(name) => {
                if anchor != 0 {
                    self.anchors.insert(anchor, Value::from(name.as_str()));
                }
                Ok(name)
            }
            other => {
                Err(refused(span, format!("a member's name is a string, and this is {other}: quote it")))
            }
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Value, DocumentRefusal> {
        let value = self.anchors.get(&anchor).cloned();
        let value = value.ok_or_else(|| refused(span, "the alias is inside its own anchor"))?;
        self.expand(&value, span)?;
        Ok(value)
    }

    /// Counts what anchors and aliases add, since a few lines of nested aliases could exhaust the memory.
    fn expand(&mut self, value: &Value, span: Span) -> Result<(), DocumentRefusal> {
        self.expanded += compact_len(value);
        if self.expanded > MAX_EXPANDED_BYTES {
            let rule = format!("anchors and aliases add more than {MAX_EXPANDED_BYTES} bytes: write it out");
            return Err(refused(span, rule));
        }
        Ok(())
    }
}

fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: &OptionalTag<'_>,
    span: Span,
) -> Result<Value, DocumentRefusal> {
    known_tag(tag, &["str", "null", "bool", "int", "float"], span)?;
    let tag = tag.as_ref().map(|tag| tag.suffix.as_str());
    let read = match tag {
        Some("str") => scalar::text_value(text),
        None if style != ScalarStyle::Plain => scalar::text_value(text),
        _ => plain_value(text),
    };
    let value = read.map_err(|rule| refused(span, rule))?;
    let fits = match tag {
        Some("null") => value.is_null(),
        Some("bool") => value.is_boolean(),
        Some("int") => value.is_i64() || value.is_u64(),
        Some("float") => value.is_number(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(refused(span, format!("{value} is not what its tag says"))) }
}

/// Refuses a tag that JSON has no equivalent of at this place.
fn known_tag(tag: &OptionalTag<'_>, known: &[&str], span: Span) -> Result<(), DocumentRefusal> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() || !known.contains(&tag.suffix.as_str()) => {
            Err(refused(span, format!("JSON has no equivalent of the tag {tag} here: leave it out")))
        }
        _ => Ok(()),
    }
}

/// Reads a scalar without quotes by the core schema of YAML 1.2 (section 10.3.2). Text that only YAML 1.1
/// reads as another type (`yes`, `1_000`, dates) is a string; `010`, which is eight in 1.1 and ten in 1.2, is
/// refused.
fn plain_value(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err("JSON has neither infinity nor NaN: quote it to write a string".to_owned());
    }
    for (prefix, base) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(base))
        {
            return scalar::integer_value(digits, base);
        }
    }
    if !is_decimal(unsigned) {
        return scalar::text_value(text);
    }
    let zeros = unsigned.bytes().take_while(|byte| *byte == b'0').count();
    if zeros > 0 && unsigned.as_bytes().get(zeros).is_some_and(u8::is_ascii_digit) || zeros > 1 {
        return Err(format!(
            "{text} begins with 0, which YAML 1.1 reads as octal: quote it, or remove the 0"
        ));
    }
    scalar::decimal_value(text)
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_decimal(unsigned: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let some = !whole.is_empty() || !fraction.is_empty();
    some && digits(whole) && digits(fraction) && exponent.is_none_or(|text| !text.is_empty() && digits(text))
}

fn refused(span: Span, rule: impl Into<String>) -> DocumentRefusal {
    DocumentRefusal::at(position(&span.start), rule)
}

fn position(marker: &Marker) -> (usize, usize) {
    (marker.line(), marker.col() + 1)
}
