//! Conditional headers (RFC 9110, section 13) and the idempotency key: each is honoured or refused, none is
//! ignored.

use axum::http::header::{
    CONTENT_RANGE, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE,
};
use axum::http::{HeaderMap, HeaderValue};
use context_domain::change::IdempotencyKey;
use context_domain::service::Condition;

use super::problem::Problem;
use crate::api::spec::{ConditionHeaders, IdempotencySupport, OperationSpec};

/// The request header that names a write, so that repeating the request does not repeat the write.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The response header that says that an earlier request did the write.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, PartialEq, Eq)]
enum EntityTags {
    /// `*`
    Any,
    /// A list.
    List(Vec<EntityTag>),
}

#[derive(Debug, PartialEq, Eq)]
struct EntityTag {
    strength: Strength,
    /// The text between the quotes.
    opaque: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

/// Refuses conditional headers and an idempotency key that the operation does not honour.
pub(crate) fn refuse_unhonoured(spec: &OperationSpec, headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |name: &HeaderName, title: &str, rule: &str| refuse_header(headers, name, title, rule);
    if spec.idempotency == IdempotencySupport::Refused {
        refuse(&IDEMPOTENCY_KEY, "Idempotency-Key", "only writes of contexts take a key: leave it out")?;
    }
    if !matches!(spec.conditions, ConditionHeaders::IfMatch | ConditionHeaders::IfMatchOrAbsent) {
        refuse(&IF_MATCH, "If-Match", "this operation has no such condition: leave it out")?;
    }
    if !matches!(spec.conditions, ConditionHeaders::IfNoneMatch | ConditionHeaders::IfMatchOrAbsent) {
        refuse(&IF_NONE_MATCH, "If-None-Match", "this operation has no such condition: leave it out")?;
    }
    if spec.verb.writes() {
        // A read may ignore these without harm (RFC 9110, 13.1.3 and 14.2); a write would do what was not
        // requested.
        let never = "a write has no such condition: contexts have entity tags, send If-Match";
        refuse(&IF_UNMODIFIED_SINCE, "If-Unmodified-Since", never)?;
        refuse(&IF_MODIFIED_SINCE, "If-Modified-Since", never)?;
        refuse(&IF_RANGE, "If-Range", never)?;
        let whole = "a context is written as a whole, or patched: leave the header out";
        refuse(&CONTENT_RANGE, "Content-Range", whole)?;
        refuse(&RANGE, "Range", whole)?;
    }
    Ok(())
}

/// Refuses the header `name`, written as `title` in the message, if it was sent.
pub(crate) fn refuse_header(
    headers: &HeaderMap,
    name: &HeaderName,
    title: &str,
    rule: &str,
) -> Result<(), Problem> {
    if headers.contains_key(name) {
        return Err(Problem::bad_parameter(title, rule));
    }
    Ok(())
}

/// Returns the condition of a write, from `If-Match` and `If-None-Match`.
pub(crate) fn write_condition(headers: &HeaderMap) -> Result<Condition, Problem> {
    let matching = entity_tags(headers, &IF_MATCH, "If-Match")?;
    let none_matching = entity_tags(headers, &IF_NONE_MATCH, "If-None-Match")?;
    match (matching, none_matching) {
        (None, None) => Ok(Condition::Unconditional),
        (Some(EntityTags::Any), None) => Ok(Condition::Exists),
        (Some(EntityTags::List(tags)), None) => Ok(Condition::IsOneOf(
            // A weak tag never matches here, and neither does a tag that no context ever had.
            tags.into_iter()
                .filter(|tag| tag.strength == Strength::Strong)
                .filter_map(|tag| tag.opaque.parse().ok())
                .collect(),
        )),
        (None, Some(EntityTags::Any)) => Ok(Condition::Absent),
        (None, Some(EntityTags::List(_))) => Err(Problem::bad_parameter(
            "If-None-Match",
            "a write honours only If-None-Match: *, which creates and never replaces; send If-Match with the \
             entity tag that you read",
        )),
        (Some(_), Some(_)) => {
            Err(Problem::bad_parameter("If-None-Match", "send either If-Match or If-None-Match, not both"))
        }
    }
}

/// Whether `If-None-Match` says that the client has the representation with this entity tag, so that 304 is
/// enough.
pub(crate) fn client_has(headers: &HeaderMap, etag: &str) -> Result<bool, Problem> {
    Ok(match entity_tags(headers, &IF_NONE_MATCH, "If-None-Match")? {
        None => false,
        Some(EntityTags::Any) => true,
        // The comparison is weak: a proxy may have weakened the tag on its way.
        Some(EntityTags::List(tags)) => tags.iter().any(|tag| tag.opaque == etag),
    })
}

/// Returns the idempotency key, if one was sent.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_parameter("Idempotency-Key", "the header was sent twice: send it once"));
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    let key = text.parse().map_err(|rule: String| Problem::bad_parameter("Idempotency-Key", rule))?;
    Ok(Some(key))
}

/// Returns the header's entity tags, from all its lines; `None` if it was not sent.
fn entity_tags(headers: &HeaderMap, name: &HeaderName, title: &str) -> Result<Option<EntityTags>, Problem> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let lines: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    let text = lines.join(&b","[..]);
    if text.trim_ascii() == b"*" {
        return Ok(Some(EntityTags::Any));
    }
    let malformed = || {
        let rule = "the value must be *, or entity tags in double quotes, separated by commas, as in the \
                    ETag header: \"ctx_0197…@3\"";
        Problem::bad_parameter(title, rule)
    };
    let tags = parse_tag_list(&text).filter(|tags| !tags.is_empty()).ok_or_else(malformed)?;
    Ok(Some(EntityTags::List(tags)))
}

/// Parses `#entity-tag`; `None` if it is malformed. Empty elements are skipped (RFC 9110, 5.6.1.2).
fn parse_tag_list(text: &[u8]) -> Option<Vec<EntityTag>> {
    let mut tags = Vec::new();
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
            continue;
        }
        let (strength, quoted) = match rest.strip_prefix(b"W/") {
            Some(quoted) => (Strength::Weak, quoted),
            None => (Strength::Strong, rest),
        };
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|byte| *byte == b'"')?;
        let (opaque, after) = inner.split_at_checked(end)?;
        if !opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
            return None;
        }
        tags.push(EntityTag { strength, opaque: String::from_utf8_lossy(opaque).into_owned() });
        rest = after.strip_prefix(b"\"")?.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_entity_tags_is_parsed_and_anything_else_is_refused() {
        let tag = |strength, opaque: &str| EntityTag { strength, opaque: opaque.to_owned() };
        assert_eq!(
            parse_tag_list(b" \"a@1\" ,, W/\"b\",\"\" ").unwrap(),
            [tag(Strength::Strong, "a@1"), tag(Strength::Weak, "b"), tag(Strength::Strong, "")]
        );
        assert_eq!(parse_tag_list(b",").unwrap(), []);
        for text in
            ["a", "\"a", "\"a\"b", "\"a\" \"b\"", "w/\"a\"", "\"a b\"", "*,\"a\"", "\"a\",*", "W/a", "'a'"]
        {
            assert_eq!(parse_tag_list(text.as_bytes()), None, "{text}");
        }
    }
}
