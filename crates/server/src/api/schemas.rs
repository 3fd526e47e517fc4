//! The schemas of requests and responses, as the OpenAPI document names them.

use context_domain::access::Permission;
use context_domain::change::Operation;
use context_domain::content::word_pattern;
use context_domain::id::TENANT_ID_PATTERN;
use context_domain::inheritance::Strategy;
use context_domain::limits::{
    MAX_CONTEXT_TYPE_CHARS, MAX_DESCRIPTION_CHARS, MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH,
    MAX_NODE_KEY_BYTES, MAX_PATCH_OPERATIONS, MAX_TAG_CHARS, MAX_TAGS, MAX_TITLE_CHARS, MAX_USER_ID_CHARS,
    bytes_text,
};
use context_domain::tree::Level;
use serde_json::json;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, Components, ComponentsBuilder, SchemaType, Type,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat,
};

use super::health::{ALIVE, HEALTHY, READY_STATUS, UNHEALTHY};
use super::spec::ResponseShape;
use crate::http::body::JSON;

/// The id of a context, for examples.
pub(crate) const EXAMPLE_ID: &str = "ctx_0197f6a0-3b1c-7c43-9d0e-5a1b2c3d4e5f";

/// The name of the security scheme.
pub(crate) const BEARER: &str = "bearer";

/// Returns the media types of a response, each with its schema.
pub(crate) fn response_schemas(shape: ResponseShape) -> Vec<(&'static str, RefOr<Schema>)> {
    let json = |schema: RefOr<Schema>| vec![(JSON, schema)];
    match shape {
        ResponseShape::Context => json(reference("Context")),
        ResponseShape::ContextPage => json(reference("ContextPage")),
        ResponseShape::Resolved => json(reference("Resolved")),
        ResponseShape::View => {
            let views = ["Context", "Resolved", "ContextPage"].into_iter().map(Ref::from_schema_name);
            json(views.fold(OneOfBuilder::new(), OneOfBuilder::item).into())
        }
        ResponseShape::ChangePage => json(reference("ChangePage")),
        ResponseShape::Tenant => json(reference("Tenant")),
        ResponseShape::TenantPage => json(reference("TenantPage")),
        ResponseShape::Probe => json(reference("Probe")),
        ResponseShape::Health => json(reference("Health")),
        ResponseShape::OpenApi => json(ObjectBuilder::new().into()),
        ResponseShape::DocsPage => vec![("text/html", string_schema().into())],
        ResponseShape::DocsFile => {
            vec![("text/css", string_schema().into()), ("text/javascript", string_schema().into())]
        }
    }
}

/// Returns every named schema, and the security scheme.
pub(crate) fn components() -> Components {
    let mut components = ComponentsBuilder::new();
    let plain: [(&str, RefOr<Schema>); 24] = [
        ("TenantId", pattern_schema(TENANT_ID_PATTERN)),
        ("ContextId", pattern_schema("^ctx_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
        ("NodeKey", node_key()),
        ("Level", enum_schema(&Level::ALL.map(Level::as_str))),
        ("Timestamp", time(Type::String.into())),
        (
            "Scope",
            object(
                &[],
                &[
                    ("project", reference("NodeKey")),
                    ("branch", reference("NodeKey")),
                    ("task", reference("NodeKey")),
                ],
            ),
        ),
        ("Inheritance", inheritance()),
        ("ContextWrite", closed(&["context_data"], &writable())),
        ("ContextCreate", context_create()),
        ("MergePatch", closed(&[], &writable())),
        ("JsonPatch", json_patch()),
        ("Context", context()),
        ("ContextPage", page_schema("Context")),
        ("ChainLink", chain_link()),
        ("Resolved", resolved()),
        ("Explanation", explanation()),
        ("Change", change()),
        ("ChangePage", page_schema("Change")),
        ("TenantCreate", closed(&["id"], &[("id", reference("TenantId"))])),
        ("Tenant", tenant()),
        ("TenantPage", page_schema("Tenant")),
        ("Probe", object(&["status"], &[("status", enum_schema(&[ALIVE, READY_STATUS]))])),
        ("Health", health()),
        ("Problem", problem()),
    ];
    for (name, schema) in plain {
        components = components.schema(name, schema);
    }
    let scopes = Permission::ALL.map(Permission::as_str).join(", ");
    let about = format!(
        "An API key; `context-service key create` prints one. Its scope is one of {scopes} in one tenant, \
         each including those before it, or operator. A server without authentication requires none."
    );
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("cs_<id>_<secret>")
        .description(Some(about))
        .build();
    components.security_scheme(BEARER, SecurityScheme::Http(key)).build()
}

/// Returns the schema of a string.
pub(crate) fn string_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Returns the schema of `[A-Za-z0-9._-]{1,max}`.
pub(crate) fn word_schema(max: usize) -> RefOr<Schema> {
    pattern_schema(word_pattern(max))
}

/// Returns the schema of one of these strings.
pub(crate) fn enum_schema(values: &[&'static str]) -> RefOr<Schema> {
    string_schema().enum_values(Some(values.iter().copied())).into()
}

type SchemaMembers = Vec<(&'static str, RefOr<Schema>)>;

/// Returns the members that a caller writes: absent members and `null` get the default.
fn writable() -> SchemaMembers {
    let mut members = content();
    for (name, schema) in &mut members {
        if matches!(*name, "context_type" | "tags") {
            *schema = nullable(schema.clone());
        }
    }
    members
}

/// Returns the written members as a caller reads them.
fn content() -> SchemaMembers {
    let about_document = format!(
        "The document: at most {} of compact JSON, with at most {MAX_DOCUMENT_DEPTH} containers inside each \
         other.",
        bytes_text(MAX_DOCUMENT_BYTES)
    );
    let tags =
        ArrayBuilder::new().items(word_schema(MAX_TAG_CHARS)).max_items(Some(MAX_TAGS)).unique_items(true);
    vec![
        ("context_data", document(&about_document)),
        ("context_type", word_schema(MAX_CONTEXT_TYPE_CHARS)),
        ("title", optional_text(MAX_TITLE_CHARS)),
        ("description", optional_text(MAX_DESCRIPTION_CHARS)),
        ("tags", tags.into()),
        (
            "user_id",
            ObjectBuilder::new()
                .schema_type(nullable_type(Type::String))
                .min_length(Some(1))
                .max_length(Some(MAX_USER_ID_CHARS))
                .into(),
        ),
        ("expires_at", time(nullable_type(Type::String))),
        ("inheritance", nullable(reference("Inheritance"))),
    ]
}

fn context_create() -> RefOr<Schema> {
    let mut members = writable();
    members.push(("scope", nullable(reference("Scope"))));
    closed(&["context_data"], &members)
}

fn context() -> RefOr<Schema> {
    let mut members = content();
    members.extend([
        ("id", reference("ContextId")),
        ("tenant_id", reference("TenantId")),
        ("created_at", reference("Timestamp")),
        ("updated_at", reference("Timestamp")),
        ("version", integer("Increased by one on each change; 0 for a node that was never written.")),
        ("context_level", nullable(reference("Level"))),
        ("parent_id", nullable(reference("ContextId"))),
        ("node_key", nullable(reference("NodeKey"))),
    ]);
    let required: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    object(&required, &members)
}

fn inheritance() -> RefOr<Schema> {
    let pointers =
        |about: &str| RefOr::from(ArrayBuilder::new().items(inner_pointer()).description(Some(about)));
    let inherit = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some("false: ancestors contribute their locks, but neither data nor strategies."));
    let by_key = string_schema().min_length(Some(1));
    let plain_strategies: Vec<_> =
        Strategy::ALL.iter().filter(|strategy| strategy.is_plain()).map(Strategy::as_str).collect();
    let strategy = OneOfBuilder::new()
        .item(enum_schema(&plain_strategies))
        .item(closed(&["by_key"], &[("by_key", by_key.into())]));
    let strategies = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("How the member at a pointer is merged, for this node and those below."))
        .property_names(Some(inner_pointer()))
        .additional_properties(Some(RefOr::from(strategy)))
        .examples([json!({"/assignees": "union", "/servers": {"by_key": "name"}})]);
    closed(
        &[],
        &[
            ("inherit", inherit.into()),
            ("unset", pointers("Pointers to inherited values that are removed.")),
            ("strategies", strategies.into()),
            ("locked", pointers("Pointers to values that no node below can change.")),
        ],
    )
}

/// Returns the schema of a pointer into an object, but not to the object itself.
fn inner_pointer() -> ObjectBuilder {
    string_schema().min_length(Some(1)).pattern(Some("^(/([^~/]|~[01])*)+$"))
}

fn json_patch() -> RefOr<Schema> {
    let pointer = || RefOr::from(string_schema().pattern(Some("^(/([^~/]|~[01])*)*$")));
    let value = || any_value("Any JSON value.");
    let forms = [
        object(
            &["op", "path", "value"],
            &[("op", enum_schema(&["add", "replace", "test"])), ("path", pointer()), ("value", value())],
        ),
        object(
            &["op", "path", "from"],
            &[("op", enum_schema(&["move", "copy"])), ("path", pointer()), ("from", pointer())],
        ),
        object(&["op", "path"], &[("op", enum_schema(&["remove"])), ("path", pointer())]),
    ];
    let operation = forms.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item);
    ArrayBuilder::new().items(operation).max_items(Some(MAX_PATCH_OPERATIONS)).into()
}

fn chain_link() -> RefOr<Schema> {
    object(
        &["context_id", "context_level", "node_key", "version"],
        &[
            ("context_id", reference("ContextId")),
            ("context_level", nullable(reference("Level"))),
            ("node_key", nullable(reference("NodeKey"))),
            ("version", integer("The version that was merged.")),
        ],
    )
}

fn resolved() -> RefOr<Schema> {
    let members = [
        ("context_id", reference("ContextId")),
        ("context_level", nullable(reference("Level"))),
        ("resolved_context", document("The document merged over everything above it.")),
        ("chain", list_of_named("ChainLink")),
        (
            "resolution_path",
            string_schema()
                .description(Some("`global/<project>/<branch>/<task>`, or `direct` outside the tree."))
                .into(),
        ),
        ("dependencies_hash", pattern_schema("^[0-9a-f]{64}$")),
        ("expires_at", time(nullable_type(Type::String))),
        ("explain", reference("Explanation")),
    ];
    let required: Vec<_> = members.iter().map(|(name, _)| *name).filter(|name| *name != "explain").collect();
    object(&required, &members)
}

/// Returns the schema of an explanation: where every value came from. Its numbers index the response's chain.
fn explanation() -> RefOr<Schema> {
    let at = || integer("An index into the chain.");
    let shadowed =
        list_of(object(&["from", "value"], &[("from", at()), ("value", any_value("The hidden value."))]));
    let source = object(
        &["at", "index"],
        &[("at", at()), ("index", integer("The index of the element in that node's array."))],
    );
    let from = AnyOfBuilder::new().item(at()).item(list_of(list_of(source)));
    let leaf = object(
        &["from", "strategy", "shadowed"],
        &[
            ("from", from.into()),
            ("strategy", any_value("The strategy that produced the value.")),
            ("shadowed", shadowed),
        ],
    );
    let leaves = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("By pointer: where the value came from, and which values it hides."))
        .additional_properties(Some(leaf));
    let pointer = || string_schema().into();
    let unset =
        [("pointer", pointer()), ("by", at()), ("from", at()), ("value", any_value("The removed value."))];
    let blocked = [
        ("pointer", pointer()),
        ("at", at()),
        ("locked_by", at()),
        ("value", any_value("The ignored value.")),
    ];
    let unfit =
        [("pointer", pointer()), ("strategy", any_value("The strategy that was declared.")), ("at", at())];
    object(
        &["leaves", "unset", "blocked", "not_applicable"],
        &[
            ("leaves", leaves.into()),
            ("unset", list_of(object(&["pointer", "by", "from", "value"], &unset))),
            ("blocked", list_of(object(&["pointer", "at", "locked_by", "value"], &blocked))),
            ("not_applicable", list_of(object(&["pointer", "strategy", "at"], &unfit))),
        ],
    )
}

fn change() -> RefOr<Schema> {
    let members = [
        ("revision", integer("The transaction; later transactions of a tenant have greater numbers.")),
        ("context_id", reference("ContextId")),
        ("version", integer("The version after the write.")),
        ("operation", enum_schema(&Operation::ALL.map(Operation::as_str))),
        ("changed_at", reference("Timestamp")),
        ("changed_by", string_schema().into()),
        ("request_id", string_schema().into()),
        ("content", nullable(reference("Context"))),
    ];
    let required: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    object(&required, &members)
}

fn tenant() -> RefOr<Schema> {
    object(
        &["id", "generation", "created_at"],
        &[
            ("id", reference("TenantId")),
            ("generation", string_schema().into()),
            ("created_at", reference("Timestamp")),
        ],
    )
}

fn health() -> RefOr<Schema> {
    let status = || enum_schema(&[HEALTHY, UNHEALTHY]);
    let check = object(
        &["name", "status", "detail"],
        &[("name", string_schema().into()), ("status", status()), ("detail", optional_text(None))],
    );
    object(&["status"], &[("status", status()), ("checks", list_of(check))])
}

fn problem() -> RefOr<Schema> {
    let fault = object(
        &["pointer", "message"],
        &[("pointer", string_schema().into()), ("message", string_schema().into())],
    );
    object(
        &["type", "title", "status", "detail", "code", "request_id"],
        &[
            ("type", string_schema().description(Some("urn:context-service:problem:<code>")).into()),
            ("title", string_schema().into()),
            ("status", integer("The HTTP status.")),
            (
                "detail",
                string_schema().description(Some("What is wrong, the rule, and what to do next.")).into(),
            ),
            ("code", string_schema().description(Some("A stable name for programs.")).into()),
            ("request_id", string_schema().into()),
            ("errors", list_of(fault)),
            ("current_version", integer("The current version of the context.")),
            ("current", reference("Context")),
        ],
    )
}

fn page_schema(item: &str) -> RefOr<Schema> {
    object(
        &["items", "next_page_token"],
        &[("items", list_of_named(item)), ("next_page_token", optional_text(None))],
    )
}

fn object(required: &[&str], members: &[(&'static str, RefOr<Schema>)]) -> RefOr<Schema> {
    build(required, members).into()
}

/// Returns the schema of an object that allows no other members.
fn closed(required: &[&str], members: &[(&'static str, RefOr<Schema>)]) -> RefOr<Schema> {
    build(required, members).additional_properties(Some(AdditionalProperties::FreeForm(false))).into()
}

fn build(required: &[&str], members: &[(&'static str, RefOr<Schema>)]) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Object);
    let object = members.iter().fold(object, |object, (name, schema)| object.property(*name, schema.clone()));
    required.iter().fold(object, |object, name| object.required(*name))
}

fn reference(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

fn list_of_named(name: &str) -> RefOr<Schema> {
    list_of(reference(name))
}

fn list_of(items: RefOr<Schema>) -> RefOr<Schema> {
    ArrayBuilder::new().items(items).into()
}

fn pattern_schema(pattern: impl Into<String>) -> RefOr<Schema> {
    string_schema().pattern(Some(pattern)).into()
}

/// The pattern of a node's key: no control characters, and neither `.` nor `..`, so at most two dots before
/// another character, or at least three dots.
const NODE_KEY: &str = concat!(
    r"^(\.{0,2}[^.\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*",
    r"|\.{3}[^\u0000-\u001f\u007f-\u009f]*)$"
);

fn node_key() -> RefOr<Schema> {
    let about = format!(
        "At most {MAX_NODE_KEY_BYTES} bytes of UTF-8 without control characters, and not `.` or `..`."
    );
    string_schema()
        .min_length(Some(1))
        .max_length(Some(MAX_NODE_KEY_BYTES))
        .pattern(Some(NODE_KEY))
        .description(Some(about))
        .into()
}

fn integer(about: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).description(Some(about)).into()
}

fn document(about: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(about))
        .examples([json!({"theme": "dark"})])
        .into()
}

fn any_value(about: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(about)).into()
}

fn time(schema_type: SchemaType) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(schema_type)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2030-01-31T12:00:00.000000Z")])
        .into()
}

fn optional_text(max: impl Into<Option<usize>>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(nullable_type(Type::String)).max_length(max.into()).into()
}

fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    OneOfBuilder::new().item(ObjectBuilder::new().schema_type(Type::Null)).item(schema).into()
}

fn nullable_type(name: Type) -> SchemaType {
    SchemaType::from_iter([name, Type::Null])
}
