//! Conditional headers (RFC 9110, section 13): each is honoured or refused, and none is ignored.

use axum::http::header::{
    CONTENT_RANGE, CONTENT_TYPE, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue};
use context_domain::change::{IdempotencyKey, RequestHash};
use context_domain::service::{Condition, Parents, WriteOptions};

use super::call::Call;
use super::problem::Problem;
use super::spec::{CREATE_PARENTS, Conditions, Idempotency, Spec};

/// The header under which a client may repeat a write.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells that a write was not done again.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What `If-Match` or `If-None-Match` says.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    /// A list.
    List(Vec<Tag>),
}

#[derive(Debug, PartialEq, Eq)]
struct Tag {
    strength: Strength,
    /// What stands between the quotes.
    opaque: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

/// Refuses the conditional headers and the idempotency key that the operation does not honour.
pub(crate) fn refuse_unhonoured(spec: &Spec, headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |name: &HeaderName, title: &str, rule: &str| refuse(headers, name, title, rule);
    if spec.idempotency == Idempotency::Refused {
        refuse(&IDEMPOTENCY_KEY, "Idempotency-Key", "only writes of contexts remember a key: leave it out")?;
    }
    if !matches!(spec.conditions, Conditions::IfMatch | Conditions::IfMatchOrAbsent) {
        refuse(&IF_MATCH, "If-Match", "this operation has no such condition: leave it out")?;
    }
    if !matches!(spec.conditions, Conditions::IfNoneMatch | Conditions::IfMatchOrAbsent) {
        refuse(&IF_NONE_MATCH, "If-None-Match", "this operation has no such condition: leave it out")?;
    }
    if spec.verb.writes() {
        // On a read these may be ignored without harm (RFC 9110, 13.1.3 and 14.2); a write would do what was not asked.
        let never = "a write has no such condition: contexts have entity tags, send If-Match";
        refuse(&IF_UNMODIFIED_SINCE, "If-Unmodified-Since", never)?;
        refuse(&IF_MODIFIED_SINCE, "If-Modified-Since", never)?;
        refuse(&IF_RANGE, "If-Range", never)?;
        let whole = "a context is written as a whole, or patched";
        refuse(&CONTENT_RANGE, "Content-Range", whole)?;
        refuse(&RANGE, "Range", whole)?;
    }
    Ok(())
}

impl Call {
    /// How the write is to be carried out, as the headers and parameters say.
    pub(crate) fn write_options(&self) -> Result<WriteOptions, Problem> {
        let parents = if self.query().flag(&CREATE_PARENTS) { Parents::Create } else { Parents::MustExist };
        Ok(WriteOptions { condition: self.condition()?, parents, idempotency: self.idempotency()? })
    }

    /// Whether the client says that it has the representation with this entity tag, so that 304 suffices.
    pub(crate) fn has(&self, etag: &str) -> Result<bool, Problem> {
        Ok(match tags(self.headers(), &IF_NONE_MATCH, "If-None-Match")? {
            None => false,
            Some(Tags::Any) => true,
            // The comparison is weak: a proxy may have weakened the tag on its way.
            Some(Tags::List(tags)) => tags.iter().any(|tag| tag.opaque == etag),
        })
    }

    /// Refuses `If-None-Match` on an answer that has no entity tag.
    pub(crate) fn refuse_if_none_match(&self, rule: &str) -> Result<(), Problem> {
        refuse(self.headers(), &IF_NONE_MATCH, "If-None-Match", rule)
    }

    fn condition(&self) -> Result<Condition, Problem> {
        let matching = tags(self.headers(), &IF_MATCH, "If-Match")?;
        let none_matching = tags(self.headers(), &IF_NONE_MATCH, "If-None-Match")?;
        match (matching, none_matching) {
            (None, None) => Ok(Condition::Unconditional),
            (Some(Tags::Any), None) => Ok(Condition::Exists),
            (Some(Tags::List(tags)), None) => Ok(Condition::IsOneOf(
                // A weak tag never matches here, and neither does one that no context ever had.
                tags.into_iter()
                    .filter(|tag| tag.strength == Strength::Strong)
                    .filter_map(|tag| tag.opaque.parse().ok())
                    .collect(),
            )),
            (None, Some(Tags::Any)) => Ok(Condition::Absent),
            (None, Some(Tags::List(_))) => Err(Problem::bad_parameter(
                "If-None-Match",
                "a write honours If-None-Match: * alone, which creates only; send If-Match with the entity tag \
                 that you have read",
            )),
            (Some(_), Some(_)) => {
                Err(Problem::bad_parameter("If-None-Match", "send either If-Match or If-None-Match"))
            }
        }
    }

    fn idempotency(&self) -> Result<Option<(IdempotencyKey, RequestHash)>, Problem> {
        let mut values = self.headers().get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Problem::bad_parameter("Idempotency-Key", "the header stands twice: send it once"));
        }
        let text = String::from_utf8_lossy(value.as_bytes());
        let key = text.parse().map_err(|rule: String| Problem::bad_parameter("Idempotency-Key", rule))?;
        Ok(Some((key, self.hash())))
    }

    /// What makes two requests the same one.
    fn hash(&self) -> RequestHash {
        let header = |name: &HeaderName| {
            let values: Vec<_> = self.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect();
            values.join(&b", "[..])
        };
        RequestHash::from_parts(&[
            self.method().as_str().as_bytes(),
            self.target().as_bytes(),
            &header(&IF_MATCH),
            &header(&IF_NONE_MATCH),
            &header(&CONTENT_TYPE),
            self.body(),
        ])
    }
}

fn refuse(headers: &HeaderMap, name: &HeaderName, title: &str, rule: &str) -> Result<(), Problem> {
    if headers.contains_key(name) {
        return Err(Problem::bad_parameter(title, rule));
    }
    Ok(())
}

/// The header's entity tags, from all its lines; none where it was not sent.
fn tags(headers: &HeaderMap, name: &HeaderName, title: &str) -> Result<Option<Tags>, Problem> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let lines: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    let text = lines.join(&b","[..]);
    if text.trim_ascii() == b"*" {
        return Ok(Some(Tags::Any));
    }
    let malformed = || {
        let rule = "the header holds * or entity tags in double quotes, with commas between them: \
                    \"ctx_0197…@3\", as the ETag header gave them";
        Problem::bad_parameter(title, rule)
    };
    let tags = list(&text).filter(|tags| !tags.is_empty()).ok_or_else(malformed)?;
    Ok(Some(Tags::List(tags)))
}

/// Reads `#entity-tag`; none where it is malformed. Empty elements do not count (RFC 9110, 5.6.1.2).
fn list(text: &[u8]) -> Option<Vec<Tag>> {
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
        tags.push(Tag { strength, opaque: String::from_utf8_lossy(opaque).into_owned() });
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
    fn a_list_of_tags_is_read_and_anything_else_is_not() {
        let tag = |strength, opaque: &str| Tag { strength, opaque: opaque.to_owned() };
        assert_eq!(
            list(b" \"a@1\" ,, W/\"b\",\"\" ").unwrap(),
            [tag(Strength::Strong, "a@1"), tag(Strength::Weak, "b"), tag(Strength::Strong, "")]
        );
        assert_eq!(list(b",").unwrap(), []);
        for text in
            ["a", "\"a", "\"a\"b", "\"a\" \"b\"", "w/\"a\"", "\"a b\"", "*,\"a\"", "\"a\",*", "W/a", "'a'"]
        {
            assert_eq!(list(text.as_bytes()), None, "{text}");
        }
    }
}
