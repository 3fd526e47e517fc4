//! Request bodies: their size, their media type, and JSON read by the domain's strict reader.

use axum::body::Body;
use axum::http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use context_domain::error::Error;
use context_domain::fault::Fault;
use context_domain::json;
use context_domain::limits::MAX_BODY_BYTES;
use context_domain::patch::Patch;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::call::Call;
use super::limits::MAX_DISCARDED_BYTES;
use super::problem::{Kind, Problem};
use super::spec;

/// The media type of a whole document.
pub(crate) const JSON: &str = "application/json";
/// The media type of RFC 7396.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
/// The media type of RFC 6902.
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";

impl Call {
    /// The body, which must be a JSON object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Problem> {
        match self.json()? {
            Value::Object(members) => Ok(members),
            _ => Err(Error::Invalid(vec![Fault::new("", "the body is a JSON object")]).into()),
        }
    }

    /// The body as a patch of the kind that its media type names.
    pub(crate) fn patch(&self) -> Result<Patch, Problem> {
        let body = self.json()?;
        let patch = match media_type(self.headers())?.as_deref() {
            Some(JSON_PATCH) => Patch::operations(body),
            _ => Patch::merge(body),
        };
        patch.map_err(|fault| Error::Invalid(vec![fault]).into())
    }

    fn json(&self) -> Result<Value, Problem> {
        json::parse_strict(self.body()).map_err(|error| Error::from(error).into())
    }
}

/// Reads the body that an operation takes: of the right kind, and no longer than [`MAX_BODY_BYTES`].
pub(crate) async fn read(wanted: spec::Body, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    match wanted {
        spec::Body::None => return Ok(Bytes::new()),
        spec::Body::Tenant | spec::Body::NewContext | spec::Body::Content => {
            expect(headers, &[JSON], ACCEPT)?;
        }
        spec::Body::Patch => {
            expect(headers, &[MERGE_PATCH, JSON_PATCH], HeaderName::from_static("accept-patch"))?;
        }
    }
    collect(headers, body).await
}

/// Refuses a body where none means anything, on a request that is to remove something.
pub(crate) fn refuse(headers: &HeaderMap) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if announced || headers.contains_key(TRANSFER_ENCODING) {
        return Err(Problem::bad_parameter("body", "a DELETE carries no body"));
    }
    Ok(())
}

async fn collect(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) && headers.contains_key(EXPECT) {
        // Its sender waits to be told whether to send it at all.
        return Err(too_large());
    }
    match Limited::new(&mut body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(too_large())
        }
        Err(_) => {
            Err(Problem::bad_parameter("body", "the body broke off, or is not framed as HTTP frames bodies"))
        }
    }
}

/// Reads on for a while: a connection that is closed while its client still sends is reset, and the client never
/// learns why.
async fn discard(mut body: Body) {
    let mut left = MAX_DISCARDED_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn too_large() -> Problem {
    Problem::refusal(
        &Kind::TOO_LARGE,
        format!("the body is longer than {MAX_BODY_BYTES} bytes: split the document over several contexts"),
    )
}

/// Checks that the body has one of these media types and is sent as it is.
fn expect(headers: &HeaderMap, types: &[&'static str], told_in: HeaderName) -> Result<(), Problem> {
    let sent = media_type(headers)?;
    let refuse = |detail: String| {
        let all = HeaderValue::try_from(types.join(", "));
        let problem = Problem::refusal(&Kind::UNSUPPORTED_MEDIA_TYPE, detail);
        Err(match all {
            Ok(all) => problem.with_header(told_in, all),
            Err(_) => problem,
        })
    };
    if !sent.as_deref().is_some_and(|sent| types.contains(&sent)) {
        return refuse(format!("send Content-Type: {}", types.join(" or ")));
    }
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            refuse("send the body as it is, without a Content-Encoding".to_owned())
        }
        _ => Ok(()),
    }
}

/// The media type of the body in lower case; its only parameter may be the one that says what JSON is anyway.
fn media_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        if headers.contains_key(CONTENT_TYPE) {
            return Err(Problem::bad_parameter("Content-Type", "the header stands twice: send it once"));
        }
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let known = |parameter: &str| matches!(parameter.trim(), "" | "charset=utf-8" | "charset=\"utf-8\"");
    if !parameters.split(';').all(known) {
        return Err(Problem::refusal(
            &Kind::UNSUPPORTED_MEDIA_TYPE,
            "JSON is UTF-8: send the media type without parameters, or with charset=utf-8",
        ));
    }
    Ok(Some(essence.trim().to_owned()))
}
