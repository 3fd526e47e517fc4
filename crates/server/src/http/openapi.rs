//! The OpenAPI document, made from the same route table and descriptions that requests are checked against.

use axum::http::StatusCode;
use context_domain::access::Permission;
use context_domain::limits::MAX_IDEMPOTENCY_KEY_BYTES;
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

use super::Route;
use super::body::{JSON, JSON_PATCH, MERGE_PATCH};
use super::call::Rules;
use super::problem::{Kind, PROBLEM_JSON};
use super::schemas::{self, text};
use super::spec::{self, Access, Answer, Conditions, Idempotency, Shape, Spec, Tag, Values, Verb};

/// The OpenAPI document of every route.
pub fn openapi() -> OpenApi {
    let mut paths = Paths::new();
    for route in super::routes() {
        paths.add_path_operation(route.path, vec![method(route.rules.spec.verb)], operation(&route));
    }
    let license =
        LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Context Service")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license))
        .build();
    let tags = Tag::ALL.map(|tag| {
        let (name, about) = tag.named();
        TagBuilder::new().name(name).description(Some(about)).build()
    });
    OpenApiBuilder::new()
        .info(info)
        // The document is served by the server that it describes.
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .tags(Some(tags))
        .components(Some(schemas::components()))
        .build()
}

const ABOUT: &str = "A shared, multi-tenant memory of context for AI agents and the people who run them. Every problem \
                     is `application/problem+json` with a stable `code`. Unknown parameters and members are refused. \
                     Each request may carry `X-Request-Id`, and each answer does.";

fn method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
    }
}

fn operation(route: &Route) -> Operation {
    let spec = route.rules.spec;
    let description = Some(spec.description).filter(|text| !text.is_empty());
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(route)))
        .tag(spec.tag.named().0)
        .summary(Some(spec.summary))
        .description(description)
        .securities(Some(security(spec.access)))
        .request_body(request_body(spec.body));
    for parameter in path_parameters(route.path).chain(query_parameters(route.rules)).chain(headers(spec)) {
        operation = operation.parameter(parameter);
    }
    for (status, response) in answers(spec).chain(problems(route)) {
        operation = operation.response(status, response);
    }
    operation.build()
}

/// An operation at several paths is told apart by the last parameter of the path.
fn operation_id(route: &Route) -> String {
    let spec = route.rules.spec;
    match path_names(route.path).last() {
        Some(level) if spec.tag == Tag::Tree && level != "tenant" => format!("{}_{level}", spec.id),
        _ => spec.id.to_owned(),
    }
}

/// The names of the path's parameters.
fn path_names(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameters(path: &'static str) -> impl Iterator<Item = Parameter> {
    path_names(path).map(|name| {
        let (about, example) = match name {
            "tenant" => ("The tenant's id.", "default"),
            "id" => ("The context's id.", schemas::EXAMPLE_ID),
            "file" => ("The file's name.", "page.js"),
            "project" => ("The key of the project, percent-encoded.", "web"),
            "branch" => ("The key of the branch, percent-encoded: `feature%2Flogin`.", "main"),
            _ => ("The key of the task, percent-encoded.", "42"),
        };
        let schema = match name {
            "tenant" => Ref::from_schema_name("TenantId").into(),
            "id" => Ref::from_schema_name("ContextId").into(),
            "file" => schemas::one_of(&["page.css", "page.js"]),
            _ => RefOr::from(Ref::from_schema_name("NodeKey")),
        };
        parameter(name, ParameterIn::Path, about)
            .schema(Some(schema))
            .required(Required::True)
            .example(Some(json!(example)))
            .build()
    })
}

fn query_parameters(rules: Rules) -> impl Iterator<Item = Parameter> {
    rules.parameters().map(|known| {
        if let Values::Object = known.values {
            // A schema would describe the text, `content` describes what the text means.
            let object = ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::Object)));
            return parameter(known.name, ParameterIn::Query, known.about)
                .content(JSON, object.example(Some(json!({"status": "open"}))).build())
                .build();
        }
        parameter(known.name, ParameterIn::Query, known.about).schema(Some(schema_of(known.values))).build()
    })
}

fn schema_of(values: Values) -> RefOr<Schema> {
    match values {
        Values::Flag { default } => {
            ObjectBuilder::new().schema_type(Type::Boolean).default(Some(json!(default))).into()
        }
        Values::OneOf(values) => {
            let default = values.first().map(|value| json!(value));
            text().enum_values(Some(values.iter().copied())).default(default).into()
        }
        Values::Number { most, default } => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(most))
            .default(Some(json!(default)))
            .into(),
        Values::Text => text().into(),
        Values::NodeKey => Ref::from_schema_name("NodeKey").into(),
        Values::Word { most } => schemas::word(most),
        Values::Words { most, times } => {
            ArrayBuilder::new().items(schemas::word(most)).max_items(Some(times)).into()
        }
        Values::Chars { most } => text().min_length(Some(1)).max_length(Some(most)).into(),
        Values::SearchText { most } => {
            text().min_length(Some(1)).max_length(Some(most)).pattern(Some("[\\p{L}\\p{N}]")).into()
        }
        Values::Level => Ref::from_schema_name("Level").into(),
        Values::Moment => Ref::from_schema_name("Timestamp").into(),
        Values::Object => ObjectBuilder::new().schema_type(Type::Object).into(),
    }
}

fn headers(spec: &Spec) -> impl Iterator<Item = Parameter> {
    let header = |name: &str, about: &str, schema: RefOr<Schema>, example: &str| {
        let header = parameter(name, ParameterIn::Header, about).schema(Some(schema));
        header.example(Some(json!(example))).build()
    };
    let tags = || {
        let tags = text().min_length(Some(2)).pattern(Some(ENTITY_TAGS));
        RefOr::from(OneOfBuilder::new().item(schemas::one_of(&["*"])).item(tags))
    };
    let etag = format!("\"{}@3\"", schemas::EXAMPLE_ID);
    let about_id = "The request's id: 1 to 100 visible ASCII characters; another one is replaced.";
    let mut headers = vec![header("X-Request-Id", about_id, text().into(), "r-1")];
    if matches!(spec.conditions, Conditions::IfMatch | Conditions::IfMatchOrAbsent) {
        let about = "Write only if the context has one of these entity tags, or `*`.";
        headers.push(header("If-Match", about, tags(), &etag));
    }
    if spec.conditions == Conditions::IfMatchOrAbsent {
        let about = "`*` alone: write only if the context does not exist. Not together with If-Match.";
        headers.push(header("If-None-Match", about, schemas::one_of(&["*"]), "*"));
    }
    if spec.conditions == Conditions::IfNoneMatch {
        headers.push(header("If-None-Match", "Answer 304 if the entity tag is one of these.", tags(), &etag));
    }
    if spec.idempotency == Idempotency::Honoured {
        let about = "Names this request for 24 hours: sent again with the same key, it is answered again, not done \
                     again.";
        let key = text().pattern(Some(format!("^[!-~]{{1,{MAX_IDEMPOTENCY_KEY_BYTES}}}$")));
        headers.push(header("Idempotency-Key", about, key.into(), "7f3c1a"));
    }
    headers.into_iter()
}

/// Entity tags with commas between them.
const ENTITY_TAGS: &str = r#"^(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*$"#;

fn parameter(name: &str, place: ParameterIn, about: &str) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place).description(Some(about))
}

/// What a request must show; an empty list says that nothing is asked.
fn security(access: Access) -> Vec<SecurityRequirement> {
    let requirement = |scope| SecurityRequirement::new(schemas::BEARER, [scope]);
    access.scope().map(requirement).into_iter().collect()
}

fn request_body(body: spec::Body) -> Option<RequestBody> {
    let content = |schema: &str, example: Value| {
        ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).example(Some(example)).build()
    };
    let required = RequestBodyBuilder::new().required(Some(Required::True));
    let built = match body {
        spec::Body::None => return None,
        spec::Body::Tenant => required.content(JSON, content("TenantCreate", json!({"id": "my-team"}))),
        spec::Body::NewContext => {
            let scope = json!({"project": "web", "branch": "main"});
            let example = json!({"context_data": {"theme": "dark"}, "scope": scope});
            required.content(JSON, content("ContextCreate", example))
        }
        spec::Body::Content => {
            required.content(JSON, content("ContextWrite", json!({"context_data": {"theme": "dark"}})))
        }
        spec::Body::Patch => {
            let operations = json!([{"op": "replace", "path": "/context_data/theme", "value": "light"}]);
            required
                .content(MERGE_PATCH, content("MergePatch", json!({"context_data": {"theme": "light"}})))
                .content(JSON_PATCH, content("JsonPatch", operations))
        }
    };
    Some(built.build())
}

fn answers(spec: &'static Spec) -> impl Iterator<Item = (String, Response)> {
    spec.answers.iter().filter_map(|answer| {
        let (status, about, shape) = match answer {
            Answer::Ok(shape) => (StatusCode::OK, "Done.", Some(*shape)),
            Answer::Created(shape) => (StatusCode::CREATED, "Created.", Some(*shape)),
            Answer::NoContent => (StatusCode::NO_CONTENT, "Gone.", None),
            Answer::NotModified => (StatusCode::NOT_MODIFIED, "The client has it.", None),
            Answer::Unhealthy(_) => return None,
        };
        let mut response = answered(about);
        for (media_type, schema) in shape.into_iter().flat_map(schemas::of) {
            response = response.content(media_type, ContentBuilder::new().schema(Some(schema)).build());
        }
        if let Answer::Created(_) = answer {
            response = response.header("Location", told("Where the new thing is."));
        }
        let has_etag = match shape {
            Some(Shape::Context | Shape::Resolved | Shape::View) => true,
            _ => *answer == Answer::NotModified,
        };
        if has_etag {
            response = response.header("ETag", told("The strong entity tag."));
        }
        let resolves = |answer: &Answer| matches!(answer, Answer::Ok(Shape::Resolved | Shape::View));
        if resolves(answer) || *answer == Answer::NotModified && spec.answers.iter().any(resolves) {
            let text = "How a resolved context was come by: `validated` where it was in memory and the store has just \
                        shown that nothing it was made of has changed, `miss` where it was merged anew.";
            response = response.header("Context-Cache", told(text));
        }
        if spec.idempotency == Idempotency::Honoured {
            response =
                response.header("Idempotency-Replayed", told("`true` where an earlier request did it."));
        }
        Some((status.as_u16().to_string(), response.build()))
    })
}

/// The problems of an operation, those of one status together.
fn problems(route: &Route) -> impl Iterator<Item = (String, Response)> {
    let mut kinds = kinds(route);
    kinds.sort_by_key(|kind| kind.status);
    let mut responses = Vec::new();
    for same in kinds.chunk_by(|one, other| one.status == other.status) {
        let Some(first) = same.first() else { continue };
        let codes: Vec<_> = same.iter().map(|kind| format!("`{}`: {}.", kind.code, kind.title)).collect();
        let mut response = answered(&codes.join(" ")).content(PROBLEM_JSON, content("Problem"));
        // The findings of a health check share their status with problems.
        let findings = route.rules.spec.answers.iter().find_map(|answer| match answer {
            Answer::Unhealthy(shape) => Some(schemas::of(*shape)),
            _ => None,
        });
        let unhealthy = first.status == StatusCode::SERVICE_UNAVAILABLE;
        for (media_type, schema) in findings.into_iter().flatten().filter(|_| unhealthy) {
            response = response.content(media_type, ContentBuilder::new().schema(Some(schema)).build());
        }
        if first.status == StatusCode::UNAUTHORIZED {
            let about = "`Bearer`; with `error=\"invalid_token\"` where a token was sent that is not, or no longer, one.";
            response = response.header("WWW-Authenticate", told(about));
        }
        if same.iter().any(Kind::may_be_retried) {
            response = response.header("Retry-After", told("Seconds after which to try again."));
        }
        responses.push((first.status.as_u16().to_string(), response.build()));
    }
    responses.into_iter()
}

/// The kinds of problems that an operation may answer, each once.
fn kinds(route: &Route) -> Vec<Kind> {
    let spec = route.rules.spec;
    let mut kinds = vec![
        Kind::BAD_PARAMETER,
        Kind::HOST_NOT_ALLOWED,
        Kind::ORIGIN_NOT_ALLOWED,
        Kind::INTERNAL,
        Kind::TIMEOUT,
    ];
    if route.path.starts_with("/v1/") {
        kinds.push(Kind::STORE_UNAVAILABLE);
    }
    if spec.tag != Tag::Health {
        kinds.push(Kind::OVERLOADED);
    }
    if path_names(route.path).any(|name| name == "tenant") {
        kinds.extend([Kind::TENANT_NOT_FOUND, Kind::TENANT_UNWELL]);
    }
    if spec.access != Access::Public {
        kinds.push(Kind::UNAUTHENTICATED);
    }
    if matches!(spec.access, Access::Tenant(Permission::Write | Permission::Admin) | Access::Operator) {
        kinds.push(Kind::FORBIDDEN);
    }
    if spec.verb.writes() {
        kinds.push(Kind::OUTCOME_UNKNOWN);
    }
    if spec.idempotency == Idempotency::Honoured {
        kinds.extend([Kind::CONTENDED, Kind::IDEMPOTENCY_KEY_REUSED]);
    }
    if spec.body != spec::Body::None {
        kinds.extend([
            Kind::INVALID_JSON,
            Kind::INVALID,
            Kind::TOO_LARGE,
            Kind::UNSUPPORTED_MEDIA_TYPE,
            Kind::REQUEST_TIMEOUT,
        ]);
    }
    kinds.extend(spec.problems.iter().copied());
    kinds
}

fn content(schema: &str) -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build()
}

fn answered(about: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(about).header("X-Request-Id", told("The request's id."))
}

fn told(about: &str) -> Header {
    HeaderBuilder::new().schema(Some(text())).description(Some(about)).build()
}
