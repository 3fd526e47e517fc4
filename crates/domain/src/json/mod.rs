//! The strict JSON reader that every interface uses, and the limits on documents.
//!
//! # What is accepted
//! UTF-8 text with one JSON value (RFC 8259), if it can be stored and returned without loss. [`parse_strict`]
//! refuses what other readers accept silently and change: a member that is repeated in its object, the
//! character U+0000 (which PostgreSQL cannot store), a number that would be returned as another number, and a
//! byte order mark. It also refuses values nested deeper than any document, before they are read further.
//!
//! The result is canonical: members are sorted, and a number that is a 64-bit integer is held as one,
//! however it was written (`1.0` and `1e0` are `1`, as RFC 8785 prints them). Comparing two values therefore
//! compares what they mean.
//!
//! A document must also keep the limits that [`check_document`] checks: depth, bytes, and bytes of its
//! pointers.

mod number;

use serde_json::{Map, Value};
use struson::reader::{JsonReader, JsonStreamReader, ReaderError, ReaderSettings, ValueType};

use crate::fault::Fault;
use crate::limits::{
    MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_ENVELOPE_DEPTH, MAX_POINTERS_BYTES, bytes_text,
};
use crate::pointer::{escape, to_member};

/// The reason why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// The text is not JSON (RFC 8259).
    Syntax {
        /// The line, from 1.
        line: u64,
        /// The character in the line, from 1.
        column: u64,
        /// The fault that was found there.
        message: String,
    },
    /// The text is JSON, but cannot be stored without loss.
    Rule(Fault),
}

/// The message for a member that is in its object twice.
pub const REPEATED_MEMBER: &str = "the member is repeated in its object: remove one";

/// Returns the message for containers that are nested too deeply.
pub fn depth_rule() -> String {
    format!("containers are nested more than {MAX_DOCUMENT_DEPTH} deep: flatten the document")
}

/// Reads one JSON value. The [module](self) says what is refused; values may be nested up to
/// [`MAX_DOCUMENT_DEPTH`] plus [`MAX_ENVELOPE_DEPTH`].
///
/// # Errors
/// [`ReadError`], with the line and column, or the pointer.
pub fn parse_strict(text: &[u8]) -> Result<Value, ReadError> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(not_utf8(text, error.valid_up_to()));
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        let message = "the text begins with a byte order mark: save it as UTF-8 without one".to_owned();
        return Err(ReadError::Syntax { line: 1, column: 1, message });
    }
    let settings = ReaderSettings {
        max_nesting_depth: None,
        restrict_number_values: false,
        track_path: false,
        ..ReaderSettings::default()
    };
    let mut reader = JsonStreamReader::new_custom(text, settings);
    let value = read_value(&mut reader, 0).and_then(|value| {
        reader.consume_trailing_whitespace().map_err(syntax_error)?;
        Ok(value)
    });
    value.map_err(|error| match error {
        ReadError::Syntax { line, column, message } => {
            ReadError::Syntax { line, column, message: serde_message(text).unwrap_or(message) }
        }
        rule @ ReadError::Rule(_) => rule,
    })
}

/// Checks that a document keeps [`MAX_DOCUMENT_DEPTH`], [`MAX_DOCUMENT_BYTES`] and [`MAX_POINTERS_BYTES`].
///
/// # Errors
/// The limit that is exceeded, as a fault on the whole document.
pub fn check_document(document: &Map<String, Value>) -> Result<(), Fault> {
    let depth = 1 + document.values().map(depth).max().unwrap_or(0);
    if depth > MAX_DOCUMENT_DEPTH {
        return Err(too_deep());
    }
    let bytes = compact_object_len(document);
    if bytes > MAX_DOCUMENT_BYTES {
        return Err(Fault::new(
            "",
            format!(
                "the document has {bytes} bytes of compact JSON (numbers counted as plain decimals), more \
                 than the limit of {}: split it into several contexts",
                bytes_text(MAX_DOCUMENT_BYTES)
            ),
        ));
    }
    let pointers = pointers_len(document);
    if pointers > MAX_POINTERS_BYTES {
        return Err(Fault::new(
            "",
            format!(
                "the pointers to all values of the document have {pointers} bytes together, more than the \
                 limit of {}: shorten the names of objects with many values",
                bytes_text(MAX_POINTERS_BYTES)
            ),
        ));
    }
    Ok(())
}

/// Returns the total length in bytes of the pointers (RFC 6901) to all leaves: scalars, arrays and empty
/// objects.
fn pointers_len(document: &Map<String, Value>) -> usize {
    leaf_pointers_len(document, 0)
}

fn leaf_pointers_len(members: &Map<String, Value>, above: usize) -> usize {
    let lens = members.iter().map(|(name, value)| {
        let pointer = above + 1 + escape(name).len();
        match value {
            Value::Object(members) if !members.is_empty() => leaf_pointers_len(members, pointer),
            _ => pointer,
        }
    });
    lens.sum()
}

/// Returns the number of containers on the deepest path of `value`: 0 for a scalar.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Returns the length in bytes of `value` as compact JSON, with numbers as plain decimals.
pub fn compact_len(value: &Value) -> usize {
    match value {
        Value::Null => 4,
        Value::Bool(truth) => 5 - usize::from(*truth),
        Value::Number(number) => number::plain_len(number),
        Value::String(text) => string_len(text),
        Value::Array(elements) => list_len(elements.iter().map(compact_len)),
        Value::Object(members) => compact_object_len(members),
    }
}

/// Returns the length in bytes of an object with these members as compact JSON, with numbers as plain
/// decimals.
pub fn compact_object_len(members: &Map<String, Value>) -> usize {
    list_len(members.iter().map(|(name, value)| string_len(name) + 1 + compact_len(value)))
}

fn list_len(items: impl Iterator<Item = usize>) -> usize {
    let (count, sum) = items.fold((0, 0), |(count, sum), len| (count + 1, sum + len));
    2 + sum + usize::saturating_sub(count, 1)
}

fn string_len(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    });
    2 + bytes.sum::<usize>()
}

/// Reads a value inside `depth` containers. The pointer of a fault is built while the fault is returned, so
/// reading a correct text does not pay for it.
fn read_value(reader: &mut impl JsonReader, depth: usize) -> Result<Value, ReadError> {
    match reader.peek().map_err(syntax_error)? {
        ValueType::Object => read_object(reader, enter_container(depth)?),
        ValueType::Array => read_array(reader, enter_container(depth)?),
        ValueType::String => read_string(reader),
        ValueType::Number => {
            let text = reader.next_number_as_str().map_err(syntax_error)?;
            number::parse_number(text)
                .map(Value::Number)
                .map_err(|rule| ReadError::Rule(Fault::new("", rule)))
        }
        ValueType::Boolean => reader.next_bool().map(Value::Bool).map_err(syntax_error),
        ValueType::Null => reader.next_null().map(|()| Value::Null).map_err(syntax_error),
    }
}

fn read_object(reader: &mut impl JsonReader, depth: usize) -> Result<Value, ReadError> {
    let mut members = Map::new();
    reader.begin_object().map_err(syntax_error)?;
    while reader.has_next().map_err(syntax_error)? {
        let name = reader.next_name_owned().map_err(syntax_error)?;
        if name.contains('\0') {
            return Err(ReadError::Rule(Fault::new(to_member(&name.replace('\0', "\\u0000")), NO_NUL)));
        }
        if members.contains_key(&name) {
            return Err(ReadError::Rule(Fault::new(to_member(&name), REPEATED_MEMBER)));
        }
        let value = read_value(reader, depth).map_err(|error| error.under(&to_member(&name)))?;
        members.insert(name, value);
    }
    reader.end_object().map_err(syntax_error)?;
    Ok(Value::Object(members))
}

fn read_array(reader: &mut impl JsonReader, depth: usize) -> Result<Value, ReadError> {
    let mut elements = Vec::new();
    reader.begin_array().map_err(syntax_error)?;
    while reader.has_next().map_err(syntax_error)? {
        let value =
            read_value(reader, depth).map_err(|error| error.under(&format!("/{}", elements.len())))?;
        elements.push(value);
    }
    reader.end_array().map_err(syntax_error)?;
    Ok(Value::Array(elements))
}

fn read_string(reader: &mut impl JsonReader) -> Result<Value, ReadError> {
    let text = reader.next_string().map_err(syntax_error)?;
    if text.contains('\0') {
        return Err(ReadError::Rule(Fault::new("", NO_NUL)));
    }
    Ok(Value::String(text))
}

const NO_NUL: &str = "the text contains the character U+0000, which PostgreSQL cannot store: leave it out";

/// Returns the depth inside one more container. The reader refuses nesting too deep for any request, before
/// recursion could exhaust the stack; [`check_document`] checks the exact limit of documents.
fn enter_container(depth: usize) -> Result<usize, ReadError> {
    if depth >= MAX_DOCUMENT_DEPTH + MAX_ENVELOPE_DEPTH {
        return Err(ReadError::Rule(too_deep()));
    }
    Ok(depth + 1)
}

fn too_deep() -> Fault {
    Fault::new("", depth_rule())
}

impl ReadError {
    fn under(self, prefix: &str) -> Self {
        match self {
            Self::Rule(fault) => Self::Rule(fault.under(prefix)),
            syntax @ Self::Syntax { .. } => syntax,
        }
    }
}

fn syntax_error(error: ReaderError) -> ReadError {
    let (message, place) = match error {
        ReaderError::SyntaxError(error) => (error.kind.to_string(), error.location.line_pos),
        // The reader asks for the kind of value that it peeked at, so only text after the value is
        // unexpected.
        ReaderError::UnexpectedStructure { location, .. } => {
            ("there is more text after the value".to_owned(), location.line_pos)
        }
        other => (other.to_string(), None),
    };
    let (line, column) = place.map_or((0, 0), |at| (at.line, at.column));
    ReadError::Syntax { line: line + 1, column: column + 1, message }
}

/// Returns the message of `serde_json` for the text, which more people know; `None` if it accepts the text.
fn serde_message(text: &[u8]) -> Option<String> {
    let error = serde_json::from_slice::<serde::de::IgnoredAny>(text).err()?.to_string();
    Some(error.rsplit_once(" at line ").map_or(error.as_str(), |(words, _)| words).to_owned())
}

fn not_utf8(text: &[u8], valid: usize) -> ReadError {
    let before = text.get(..valid).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    ReadError::Syntax {
        line: line as u64,
        column: (valid - line_start) as u64 + 1,
        message: "the bytes are not UTF-8".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Fault {
        match parse_strict(text.as_bytes()) {
            Err(ReadError::Rule(fault)) => fault,
            other => panic!("{text} gave {other:?}"),
        }
    }

    #[test]
    fn accepted_values_are_those_of_serde_json() {
        let text = concat!(
            r#"{"":[],"a":{"z":null,"é世界🌍":"\u0001\n\"\\"},"n":[0,-1,9223372036854775807,"#,
            "18446744073709551615,-9223372036854775808,0.1,5e-324,1.7976931348623157e308]}",
        );
        assert_eq!(parse_strict(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn members_are_sorted_and_numbers_are_canonical() {
        let value = parse_strict(br#"{"b":1.0,"a":[1e2,-0,100.50e-1,1E+19]}"#).unwrap();
        assert_eq!(value.to_string(), r#"{"a":[100,0,10.05,10000000000000000000],"b":1}"#);
    }

    #[test]
    fn values_that_cannot_be_stored_are_refused_with_their_pointer() {
        assert_eq!(rule(r#"{"a":{"b/c":1,"b\u002fc":2}}"#).pointer, "/a/b~1c");
        assert_eq!(rule(r#"{"a":[1,"x\u0000"]}"#).pointer, "/a/1");
        assert_eq!(rule(r#"{"a":{"x\u0000":1}}"#).pointer, "/a/x\\u0000");
        assert_eq!(rule("[[1e400]]").pointer, "/0/0");
        assert_eq!(rule(r#"{"n":0.1234567890123456789}"#).pointer, "/n");
    }

    #[test]
    fn malformed_json_is_refused_with_line_and_column() {
        for text in [
            "",
            " ",
            "{",
            "{\"a\":}",
            "[1,]",
            "01",
            "+1",
            "NaN",
            "'a'",
            "{a:1}",
            "[1] 2",
            "\u{feff}{}",
            "\"\\ud800\"",
            "// c\n1",
            "\"a\nb\"",
            "1.",
            ".5",
        ] {
            assert!(matches!(parse_strict(text.as_bytes()), Err(ReadError::Syntax { .. })), "{text:?}");
        }
        let Err(ReadError::Syntax { line, column, .. }) = parse_strict(b"{\n  \"a\": nul\n}") else {
            panic!()
        };
        assert_eq!((line, column), (2, 8));
        let Err(ReadError::Syntax { message, .. }) = parse_strict(b"\xef\xbb\xbf{}") else { panic!() };
        assert!(message.contains("byte order mark"), "{message}");
        let Err(ReadError::Syntax { line, column, .. }) = parse_strict(b"{\n\"\xff\"}") else { panic!() };
        assert_eq!((line, column), (2, 2));
    }

    #[test]
    fn nesting_that_is_too_deep_is_refused() {
        let deep = "[".repeat(1_000_000);
        assert!(matches!(parse_strict(deep.as_bytes()), Err(ReadError::Rule(_))));
        let nested = |levels: usize| {
            let text = format!("{}{}", "{\"a\":".repeat(levels - 1) + "{", "}".repeat(levels));
            let Value::Object(document) = parse_strict(text.as_bytes()).unwrap() else { panic!() };
            check_document(&document)
        };
        assert_eq!(nested(64), Ok(()));
        assert!(nested(65).is_err());
    }

    #[test]
    fn long_names_around_many_values_are_refused() {
        let deep = |leaves: usize, name: usize| {
            let mut value: Value =
                (0..leaves).map(|leaf| (leaf.to_string(), Value::from(0))).collect::<Map<_, _>>().into();
            for _ in 1..MAX_DOCUMENT_DEPTH {
                value = serde_json::json!({ "q".repeat(name): value });
            }
            let Value::Object(document) = value else { panic!() };
            check_document(&document)
        };
        assert_eq!(deep(1_000, 100), Ok(()));
        assert_eq!(deep(50_000, 1), Ok(()));
        assert!(deep(2_000, 200).is_err());
    }

    #[test]
    fn sizes_are_those_of_the_compact_text() {
        let text = r#"{"a":[true,false,null,"\u0001\n\"é",-1.5,0.001],"b":{},"c":[]}"#;
        assert_eq!(compact_len(&parse_strict(text.as_bytes()).unwrap()), text.len());
        let document = |bytes: usize| {
            let Value::Object(map) = serde_json::json!({"a": "x".repeat(bytes - 8)}) else { panic!() };
            check_document(&map)
        };
        assert_eq!(document(1024 * 1024), Ok(()));
        assert!(document(1024 * 1024 + 1).is_err());
    }
}
