//! Request bodies: their size, their media type, and JSON parsed by the domain's strict parser.

use axum::body::Body;
use axum::http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use context_domain::error::{Code, Error};
use context_domain::fault::Fault;
use context_domain::json;
use context_domain::limits::{MAX_BODY_BYTES, bytes_text};
use context_domain::patch::Patch;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::api::spec::RequestShape;
use crate::limits::MAX_DISCARDED_BYTES;

/// The media type of a whole document.
pub(crate) const JSON: &str = "application/json";
/// The media type of RFC 7396.
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
/// The media type of RFC 6902.
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";

/// Reads the body that an operation takes: of the right media type, and at most [`MAX_BODY_BYTES`] long.
pub(crate) async fn collect_body(
    wanted: RequestShape,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Problem> {
    match wanted {
        RequestShape::None => return Ok(Bytes::new()),
        RequestShape::Tenant | RequestShape::NewContext | RequestShape::Content => {
            check_media_type(headers, &[JSON], ACCEPT)?;
        }
        RequestShape::Patch => {
            let accept_patch = HeaderName::from_static("accept-patch");
            check_media_type(headers, &[MERGE_PATCH, JSON_PATCH], accept_patch)?;
        }
    }
    collect_bytes(headers, body).await
}

/// Refuses any body: a DELETE with one probably means something that would be ignored.
pub(crate) fn refuse_body(headers: &HeaderMap) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if announced || headers.contains_key(TRANSFER_ENCODING) {
        return Err(Problem::bad_parameter("body", "a DELETE must not have a body"));
    }
    Ok(())
}

/// Parses a body that must be a JSON object.
pub(crate) fn parse_object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match parse_json(body)? {
        Value::Object(members) => Ok(members),
        _ => Err(Error::Invalid(vec![Fault::new("", "the body must be a JSON object")]).into()),
    }
}

/// Parses a body that is a patch of the kind that its media type names.
pub(crate) fn parse_patch(headers: &HeaderMap, body: &[u8]) -> Result<Patch, Problem> {
    let body = parse_json(body)?;
    let patch = match media_type(headers)?.as_deref() {
        Some(JSON_PATCH) => Patch::operations(body),
        _ => Patch::merge(body),
    };
    patch.map_err(|fault| Error::Invalid(vec![fault]).into())
}

fn parse_json(body: &[u8]) -> Result<Value, Problem> {
    json::parse_strict(body).map_err(|error| Error::from(error).into())
}

async fn collect_bytes(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES as u64) && headers.contains_key(EXPECT) {
        // The sender waits for a response before it sends the body.
        return Err(too_large());
    }
    match Limited::new(&mut body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(too_large())
        }
        Err(_) => {
            Err(Problem::bad_parameter("body", "the body ended early, or its framing is not valid HTTP"))
        }
    }
}

/// Reads and discards the rest, up to a limit: if the connection closes while its client is still sending, it
/// is reset, and the client never reads the response.
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
    let most = bytes_text(MAX_BODY_BYTES);
    let detail = format!(
        "the body is longer than {most} ({MAX_BODY_BYTES} bytes): split the document over several contexts"
    );
    Problem::refusal(Code::TooLarge, detail)
}

/// Checks that the body has one of these media types and is not compressed. The header `accepted_in` of a
/// refusal lists the types.
fn check_media_type(
    headers: &HeaderMap,
    types: &[&'static str],
    accepted_in: HeaderName,
) -> Result<(), Problem> {
    let sent = media_type(headers)?;
    let refuse = |detail: String| {
        let all = HeaderValue::try_from(types.join(", "));
        let problem = Problem::refusal(Code::UnsupportedMediaType, detail);
        Err(match all {
            Ok(all) => problem.with_header(accepted_in, all),
            Err(_) => problem,
        })
    };
    if !sent.as_deref().is_some_and(|sent| types.contains(&sent)) {
        return refuse(format!("send Content-Type: {}", types.join(" or ")));
    }
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            refuse("send the body uncompressed, without a Content-Encoding".to_owned())
        }
        _ => Ok(()),
    }
}

/// Returns the media type of the body in lower case. The only parameter allowed is `charset=utf-8`, which
/// is always true of JSON.
fn media_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        if headers.contains_key(CONTENT_TYPE) {
            return Err(Problem::bad_parameter("Content-Type", "the header was sent twice: send it once"));
        }
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let known = |parameter: &str| matches!(parameter.trim(), "" | "charset=utf-8" | "charset=\"utf-8\"");
    if !parameters.split(';').all(known) {
        return Err(Problem::refusal(
            Code::UnsupportedMediaType,
            "JSON is always UTF-8: send the media type without parameters, or with charset=utf-8",
        ));
    }
    Ok(Some(essence.trim().to_owned()))
}
