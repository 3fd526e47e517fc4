//! The OpenAPI document, made from the same descriptions that requests are checked against.

use axum::http::StatusCode;
use context_domain::access::Permission;
use context_domain::error::Code;
use context_domain::limits::{IDEMPOTENCY_WINDOW_HOURS, MAX_IDEMPOTENCY_KEY_BYTES, MAX_REQUEST_ID_BYTES};
use serde_json::{Value, json};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ArrayBuilder, Content, ContentBuilder, HttpMethod, InfoBuilder, LicenseBuilder, ObjectBuilder,
    OneOfBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required, Schema, Server,
};

use super::schemas::{self, string_schema};
use super::spec::{
    ApiTag, ConditionHeaders, IdempotencySupport, OperationSpec, ParameterValues, RequestShape,
    ResponseShape, RouteRules, Success, Verb,
};
use crate::auth::OperationAccess;
use crate::http::body::{JSON, JSON_PATCH, MERGE_PATCH};
use crate::http::problem::{PROBLEM_JSON, ProblemKind};

/// Returns the OpenAPI document of these routes.
pub(super) fn describe(routes: impl Iterator<Item = RouteRules>) -> OpenApi {
    let mut paths = Paths::new();
    for route in routes {
        paths.add_path_operation(route.path, vec![http_method(route.spec.verb)], describe_operation(route));
    }
    let license =
        LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Context Service")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license))
        .build();
    let tags = ApiTag::ALL
        .map(|tag| TagBuilder::new().name(tag.name()).description(Some(tag.description())).build());
    OpenApiBuilder::new()
        .info(info)
        // The document is served by the server that it describes.
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .tags(Some(tags))
        .components(Some(schemas::components()))
        .build()
}

const ABOUT: &str = "A shared, multi-tenant memory of context for AI agents and the people who run them. \
                     Every problem is `application/problem+json` with a stable `code`. Unknown parameters \
                     and members are refused. A request may have `X-Request-Id`, and every response has it.";

fn http_method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
    }
}

fn describe_operation(route: RouteRules) -> Operation {
    let spec = route.spec;
    let description = Some(spec.description).filter(|text| !text.is_empty());
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(route)))
        .tag(spec.tag.name())
        .summary(Some(spec.summary))
        .description(description)
        .securities(Some(security(spec.access)))
        .request_body(request_body(spec.request));
    for parameter in path_parameters(route).chain(query_parameters(route)).chain(header_parameters(spec)) {
        operation = operation.parameter(parameter);
    }
    for (status, response) in success_responses(spec).chain(problem_responses(route)) {
        operation = operation.response(status, response);
    }
    operation.build()
}

/// Returns the operation's id; an operation at several paths also gets the name of the path's last parameter.
fn operation_id(route: RouteRules) -> String {
    let spec = route.spec;
    match route.path_names().last() {
        Some(level) if spec.tag == ApiTag::Tree && level != "tenant" => format!("{}_{level}", spec.id),
        _ => spec.id.to_owned(),
    }
}

/// Describes the parameters of the path. A name that [`path_parameter`] does not know is left out, and a test
/// fails.
fn path_parameters(route: RouteRules) -> impl Iterator<Item = Parameter> {
    route.path_names().filter_map(path_parameter)
}

fn path_parameter(name: &str) -> Option<Parameter> {
    let named = |schema: &str| RefOr::from(Ref::from_schema_name(schema));
    let (about, schema, example) = match name {
        "tenant" => ("The tenant's id.", named("TenantId"), "default"),
        "id" => ("The context's id.", named("ContextId"), schemas::EXAMPLE_ID),
        "file" => ("The file's name.", schemas::enum_schema(&["page.css", "page.js"]), "page.js"),
        "project" => ("The key of the project, percent-encoded.", named("NodeKey"), "web"),
        "branch" => ("The key of the branch, percent-encoded: `feature%2Flogin`.", named("NodeKey"), "main"),
        "task" => ("The key of the task, percent-encoded.", named("NodeKey"), "42"),
        _ => return None,
    };
    let described = parameter(name, ParameterIn::Path, about).schema(Some(schema));
    Some(described.required(Required::True).example(Some(json!(example))).build())
}

fn query_parameters(route: RouteRules) -> impl Iterator<Item = Parameter> {
    route.parameters().map(|known| {
        if let ParameterValues::Object = known.values {
            // `schema` would describe the text; `content` describes the JSON in it.
            let object = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::Object)));
            return parameter(known.name, ParameterIn::Query, known.about)
                .content(JSON, object.example(Some(json!({"status": "open"}))).build())
                .build();
        }
        parameter(known.name, ParameterIn::Query, known.about)
            .schema(Some(values_schema(known.values)))
            .build()
    })
}

fn values_schema(values: ParameterValues) -> RefOr<Schema> {
    match values {
        ParameterValues::Flag { default } => {
            ObjectBuilder::new().schema_type(Type::Boolean).default(Some(json!(default))).into()
        }
        ParameterValues::OneOf(values) => {
            let default = values.first().map(|value| json!(value));
            string_schema().enum_values(Some(values.iter().copied())).default(default).into()
        }
        ParameterValues::Number { max, default } => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(max))
            .default(Some(json!(default)))
            .into(),
        ParameterValues::Text => string_schema().into(),
        ParameterValues::NodeKey => Ref::from_schema_name("NodeKey").into(),
        ParameterValues::Word { max } => schemas::word_schema(max),
        ParameterValues::Words { max, times } => {
            ArrayBuilder::new().items(schemas::word_schema(max)).max_items(Some(times)).into()
        }
        ParameterValues::Chars { max } => string_schema().min_length(Some(1)).max_length(Some(max)).into(),
        ParameterValues::SearchText { max } => {
            string_schema().min_length(Some(1)).max_length(Some(max)).pattern(Some("[\\p{L}\\p{N}]")).into()
        }
        ParameterValues::Level => Ref::from_schema_name("Level").into(),
        ParameterValues::Moment => Ref::from_schema_name("Timestamp").into(),
        ParameterValues::Object => ObjectBuilder::new().schema_type(Type::Object).into(),
    }
}

fn header_parameters(spec: &OperationSpec) -> impl Iterator<Item = Parameter> {
    let header = |name: &str, about: &str, schema: RefOr<Schema>, example: &str| {
        let header = parameter(name, ParameterIn::Header, about).schema(Some(schema));
        header.example(Some(json!(example))).build()
    };
    let tags = || {
        let tags = string_schema().min_length(Some(2)).pattern(Some(ENTITY_TAGS));
        RefOr::from(OneOfBuilder::new().item(schemas::enum_schema(&["*"])).item(tags))
    };
    let etag = format!("\"{}@3\"", schemas::EXAMPLE_ID);
    let about_id = format!(
        "The request's id: 1 to {MAX_REQUEST_ID_BYTES} visible ASCII characters; any other id is replaced."
    );
    let mut headers = vec![header("X-Request-Id", &about_id, string_schema().into(), "r-1")];
    if matches!(spec.conditions, ConditionHeaders::IfMatch | ConditionHeaders::IfMatchOrAbsent) {
        let about = "Write only if the context has one of these entity tags, or any version for `*`.";
        headers.push(header("If-Match", about, tags(), &etag));
    }
    if spec.conditions == ConditionHeaders::IfMatchOrAbsent {
        let about = "Only `*` is allowed: write only if the context does not exist. Excludes If-Match.";
        headers.push(header("If-None-Match", about, schemas::enum_schema(&["*"]), "*"));
    }
    if spec.conditions == ConditionHeaders::IfNoneMatch {
        headers.push(header("If-None-Match", "Return 304 if the entity tag is one of these.", tags(), &etag));
    }
    if spec.idempotency == IdempotencySupport::Honoured {
        let about = format!(
            "Names this request for {IDEMPOTENCY_WINDOW_HOURS} hours: if it is repeated with the same key, \
             it is not done again, and the first result is returned."
        );
        let key = string_schema().pattern(Some(format!("^[!-~]{{1,{MAX_IDEMPOTENCY_KEY_BYTES}}}$")));
        headers.push(header("Idempotency-Key", &about, key.into(), "7f3c1a"));
    }
    headers.into_iter()
}

/// Entity tags, separated by commas.
const ENTITY_TAGS: &str = r#"^(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*$"#;

fn parameter(name: &str, place: ParameterIn, about: &str) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place).description(Some(about))
}

/// Returns the credential that an operation requires; an empty list means none.
fn security(access: OperationAccess) -> Vec<SecurityRequirement> {
    let requirement = |scope| SecurityRequirement::new(schemas::BEARER, [scope]);
    access.scope().map(requirement).into_iter().collect()
}

fn request_body(shape: RequestShape) -> Option<RequestBody> {
    let with_example = |schema: &str, example: Value| {
        ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).example(Some(example)).build()
    };
    let required = RequestBodyBuilder::new().required(Some(Required::True));
    let built = match shape {
        RequestShape::None => return None,
        RequestShape::Tenant => {
            required.content(JSON, with_example("TenantCreate", json!({"id": "my-team"})))
        }
        RequestShape::NewContext => {
            let scope = json!({"project": "web", "branch": "main"});
            let example = json!({"context_data": {"theme": "dark"}, "scope": scope});
            required.content(JSON, with_example("ContextCreate", example))
        }
        RequestShape::Content => {
            required.content(JSON, with_example("ContextWrite", json!({"context_data": {"theme": "dark"}})))
        }
        RequestShape::Patch => {
            let operations = json!([{"op": "replace", "path": "/context_data/theme", "value": "light"}]);
            required
                .content(MERGE_PATCH, with_example("MergePatch", json!({"context_data": {"theme": "light"}})))
                .content(JSON_PATCH, with_example("JsonPatch", operations))
        }
    };
    Some(built.build())
}

fn success_responses(spec: &'static OperationSpec) -> impl Iterator<Item = (String, Response)> {
    spec.successes.iter().filter_map(|success| {
        let (status, about, shape) = match success {
            Success::Ok(shape) => (StatusCode::OK, "The result.", Some(*shape)),
            Success::Created(shape) => (StatusCode::CREATED, "Created.", Some(*shape)),
            Success::NoContent => (StatusCode::NO_CONTENT, "Deleted.", None),
            Success::NotModified => {
                (StatusCode::NOT_MODIFIED, "Not modified: the client has this version.", None)
            }
            Success::Unhealthy(_) => return None,
        };
        let mut response = response_builder(about);
        for (media_type, schema) in shape.into_iter().flat_map(schemas::response_schemas) {
            response = response.content(media_type, ContentBuilder::new().schema(Some(schema)).build());
        }
        if let Success::Created(_) = success {
            response = response.header("Location", response_header("The URL of what was created."));
        }
        let has_etag = match shape {
            Some(ResponseShape::Context | ResponseShape::Resolved | ResponseShape::View) => true,
            _ => *success == Success::NotModified,
        };
        if has_etag {
            response = response.header("ETag", response_header("The strong entity tag."));
        }
        let resolves =
            |success: &Success| matches!(success, Success::Ok(ResponseShape::Resolved | ResponseShape::View));
        if resolves(success) || *success == Success::NotModified && spec.successes.iter().any(resolves) {
            let text = "How a resolved context was produced: `validated` if it was in memory and the store \
                        has just confirmed that nothing it was merged from has changed, `miss` if it was \
                        merged for this request.";
            response = response.header("Context-Cache", response_header(text));
        }
        if spec.idempotency == IdempotencySupport::Honoured {
            let text = "`true` if an earlier request with the same key did this write.";
            response = response.header("Idempotency-Replayed", response_header(text));
        }
        Some((status.as_u16().to_string(), response.build()))
    })
}

/// Returns the problem responses of an operation; problems with the same status share one.
fn problem_responses(route: RouteRules) -> impl Iterator<Item = (String, Response)> {
    let mut problems: Vec<_> =
        problem_codes(route).into_iter().map(|code| (code, ProblemKind::from_code(code))).collect();
    problems.sort_by_key(|(_, kind)| kind.status);
    let mut responses = Vec::new();
    for same in problems.chunk_by(|(_, one), (_, other)| one.status == other.status) {
        let Some((_, ProblemKind { status, .. })) = same.first() else { continue };
        let codes: Vec<_> = same.iter().map(|(code, kind)| format!("`{code}`: {}.", kind.title)).collect();
        let mut response = response_builder(&codes.join(" ")).content(PROBLEM_JSON, content("Problem"));
        // The findings of a health check share their status with problems.
        let findings = route.spec.successes.iter().find_map(|success| match success {
            Success::Unhealthy(shape) => Some(schemas::response_schemas(*shape)),
            _ => None,
        });
        let unhealthy = *status == StatusCode::SERVICE_UNAVAILABLE;
        for (media_type, schema) in findings.into_iter().flatten().filter(|_| unhealthy) {
            response = response.content(media_type, ContentBuilder::new().schema(Some(schema)).build());
        }
        if *status == StatusCode::UNAUTHORIZED {
            let about = "`Bearer`; with `error=\"invalid_token\"` if the token that was sent is not valid.";
            response = response.header("WWW-Authenticate", response_header(about));
        }
        if same.iter().any(|(_, kind)| kind.may_be_retried()) {
            response = response.header("Retry-After", response_header("Seconds after which to try again."));
        }
        responses.push((status.as_u16().to_string(), response.build()));
    }
    responses.into_iter()
}

/// Returns the codes of the problems that an operation may return, each once.
fn problem_codes(route: RouteRules) -> Vec<Code> {
    let spec = route.spec;
    let mut codes =
        vec![Code::BadParameter, Code::HostNotAllowed, Code::OriginNotAllowed, Code::Internal, Code::Timeout];
    if route.path.starts_with("/v1/") {
        codes.push(Code::StoreUnavailable);
    }
    if spec.tag != ApiTag::Health {
        codes.push(Code::Overloaded);
    }
    if route.path_names().any(|name| name == "tenant") {
        codes.extend([Code::TenantNotFound, Code::TenantUnhealthy]);
    }
    if spec.access != OperationAccess::Public {
        codes.push(Code::Unauthenticated);
    }
    let needs_more_than_read = matches!(
        spec.access,
        OperationAccess::Tenant(Permission::Write | Permission::Admin) | OperationAccess::Operator
    );
    if needs_more_than_read {
        codes.push(Code::Forbidden);
    }
    if spec.verb.writes() {
        codes.push(Code::OutcomeUnknown);
    }
    if spec.idempotency == IdempotencySupport::Honoured {
        codes.extend([Code::Contended, Code::IdempotencyKeyReused]);
    }
    if spec.request != RequestShape::None {
        codes.extend([
            Code::InvalidJson,
            Code::Invalid,
            Code::TooLarge,
            Code::UnsupportedMediaType,
            Code::RequestTimeout,
        ]);
    }
    codes.extend(spec.problems);
    codes
}

fn content(schema: &str) -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

fn response_builder(about: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(about).header("X-Request-Id", response_header("The request's id."))
}

fn response_header(about: &str) -> Header {
    HeaderBuilder::new().schema(Some(string_schema())).description(Some(about)).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_a_path_is_described() {
        for route in super::super::routes() {
            for name in route.rules.path_names() {
                assert!(path_parameter(name).is_some(), "{name} of {}", route.rules.path);
            }
        }
        assert!(path_parameter("unknown").is_none());
    }
}
