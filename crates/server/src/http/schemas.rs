//! The shapes of what is sent and answered, as the OpenAPI document names them.

use context_domain::limits::{
    MAX_CONTEXT_TYPE_CHARS, MAX_DESCRIPTION_CHARS, MAX_NODE_KEY_BYTES, MAX_PATCH_OPERATIONS, MAX_TAG_CHARS,
    MAX_TAGS, MAX_TENANT_ID_BYTES, MAX_TITLE_CHARS, MAX_USER_ID_CHARS,
};
use serde_json::json;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, Components, ComponentsBuilder, SchemaType, Type,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat,
};

use super::body::JSON;
use super::spec::Shape;

/// An id of a context, for examples.
pub(crate) const EXAMPLE_ID: &str = "ctx_0197f6a0-3b1c-7c43-9d0e-5a1b2c3d4e5f";

/// The name of the security scheme.
pub(crate) const BEARER: &str = "bearer";

/// The media types of an answer, each with its schema.
pub(crate) fn of(shape: Shape) -> Vec<(&'static str, RefOr<Schema>)> {
    let json = |schema: RefOr<Schema>| vec![(JSON, schema)];
    match shape {
        Shape::Context => json(named("Context")),
        Shape::ContextPage => json(named("ContextPage")),
        Shape::Resolved => json(named("Resolved")),
        Shape::View => {
            let views = ["Context", "Resolved", "ContextPage"].into_iter().map(Ref::from_schema_name);
            json(views.fold(OneOfBuilder::new(), OneOfBuilder::item).into())
        }
        Shape::ChangePage => json(named("ChangePage")),
        Shape::Tenant => json(named("Tenant")),
        Shape::TenantPage => json(named("TenantPage")),
        Shape::Probe => json(named("Probe")),
        Shape::Health => json(named("Health")),
        Shape::OpenApi => json(ObjectBuilder::new().into()),
        Shape::Page => vec![("text/html", text().into())],
        Shape::File => vec![("text/css", text().into()), ("text/javascript", text().into())],
    }
}

/// Every schema that has a name.
pub(crate) fn components() -> Components {
    let mut components = ComponentsBuilder::new();
    let plain: [(&str, RefOr<Schema>); 24] = [
        ("TenantId", pattern(format!("^[a-z0-9][a-z0-9_-]{{0,{}}}$", MAX_TENANT_ID_BYTES - 1))),
        ("ContextId", pattern("^ctx_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$".to_owned())),
        ("NodeKey", node_key()),
        ("Level", one_of(&["global", "project", "branch", "task"])),
        ("Timestamp", time(Type::String.into())),
        (
            "Scope",
            object(
                &[],
                &[("project", named("NodeKey")), ("branch", named("NodeKey")), ("task", named("NodeKey"))],
            ),
        ),
        ("Inheritance", inheritance()),
        ("ContextWrite", closed(&["context_data"], &writable())),
        ("ContextCreate", context_create()),
        ("MergePatch", closed(&[], &writable())),
        ("JsonPatch", json_patch()),
        ("Context", context()),
        ("ContextPage", page("Context")),
        ("ChainLink", chain_link()),
        ("Resolved", resolved()),
        ("Explanation", explanation()),
        ("Change", change()),
        ("ChangePage", page("Change")),
        ("TenantCreate", closed(&["id"], &[("id", named("TenantId"))])),
        ("Tenant", tenant()),
        ("TenantPage", page("Tenant")),
        ("Probe", object(&["status"], &[("status", one_of(&["alive", "ready"]))])),
        ("Health", health()),
        ("Problem", problem()),
    ];
    for (name, schema) in plain {
        components = components.schema(name, schema);
    }
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("cs_<id>_<secret>")
        .description(Some(
            "An API key; `context-service key create` prints one. Its scope is read, write or admin in one tenant, each \
             including those before it, or operator. A server that runs without authentication asks for none.",
        ))
        .build();
    components.security_scheme(BEARER, SecurityScheme::Http(key)).build()
}

/// A string.
pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// `[A-Za-z0-9._-]{1,most}`
pub(crate) fn word(most: usize) -> RefOr<Schema> {
    pattern(format!("^[A-Za-z0-9._-]{{1,{most}}}$"))
}

/// One of these strings.
pub(crate) fn one_of(values: &[&'static str]) -> RefOr<Schema> {
    text().enum_values(Some(values.iter().copied())).into()
}

type Members = Vec<(&'static str, RefOr<Schema>)>;

/// What a caller writes: an absent member and `null` take the default.
fn writable() -> Members {
    let mut members = content();
    for (name, schema) in &mut members {
        if matches!(*name, "context_type" | "tags") {
            *schema = nullable(schema.clone());
        }
    }
    members
}

/// What a caller reads of what was written.
fn content() -> Members {
    let tags = ArrayBuilder::new().items(word(MAX_TAG_CHARS)).max_items(Some(MAX_TAGS)).unique_items(true);
    vec![
        (
            "context_data",
            document("The document: at most 1 MiB of compact JSON, at most 64 containers deep."),
        ),
        ("context_type", word(MAX_CONTEXT_TYPE_CHARS)),
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
        ("inheritance", nullable(named("Inheritance"))),
    ]
}

fn context_create() -> RefOr<Schema> {
    let mut members = writable();
    members.push(("scope", nullable(named("Scope"))));
    closed(&["context_data"], &members)
}

fn context() -> RefOr<Schema> {
    let mut members = content();
    members.extend([
        ("id", named("ContextId")),
        ("tenant_id", named("TenantId")),
        ("created_at", named("Timestamp")),
        ("updated_at", named("Timestamp")),
        ("version", integer("Raised by one on each change; 0 for a node that nobody wrote yet.")),
        ("context_level", nullable(named("Level"))),
        ("parent_id", nullable(named("ContextId"))),
        ("node_key", nullable(named("NodeKey"))),
    ]);
    let required: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    object(&required, &members)
}

fn inheritance() -> RefOr<Schema> {
    let pointers =
        |about: &str| RefOr::from(ArrayBuilder::new().items(inner_pointer()).description(Some(about)));
    let inherit = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some("false: ancestors contribute neither data nor strategies, only their locks."));
    let by_key = text().min_length(Some(1));
    let strategy = OneOfBuilder::new()
        .item(one_of(&["replace", "deep", "append", "prepend", "union", "min", "max"]))
        .item(closed(&["by_key"], &[("by_key", by_key.into())]));
    let strategies = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("How the member at a pointer merges, for this node and those below."))
        .property_names(Some(inner_pointer()))
        .additional_properties(Some(RefOr::from(strategy)))
        .examples([json!({"/assignees": "union", "/servers": {"by_key": "name"}})]);
    closed(
        &[],
        &[
            ("inherit", inherit.into()),
            ("unset", pointers("Pointers to what is removed from what is inherited.")),
            ("strategies", strategies.into()),
            ("locked", pointers("Pointers whose values no node below may change.")),
        ],
    )
}

/// A pointer into an object, not to the whole of it.
fn inner_pointer() -> ObjectBuilder {
    text().min_length(Some(1)).pattern(Some("^(/([^~/]|~[01])*)+$"))
}

fn json_patch() -> RefOr<Schema> {
    let pointer = || RefOr::from(text().pattern(Some("^(/([^~/]|~[01])*)*$")));
    let value = || any("Any JSON value.");
    let forms = [
        object(
            &["op", "path", "value"],
            &[("op", one_of(&["add", "replace", "test"])), ("path", pointer()), ("value", value())],
        ),
        object(
            &["op", "path", "from"],
            &[("op", one_of(&["move", "copy"])), ("path", pointer()), ("from", pointer())],
        ),
        object(&["op", "path"], &[("op", one_of(&["remove"])), ("path", pointer())]),
    ];
    let operation = forms.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item);
    ArrayBuilder::new().items(operation).max_items(Some(MAX_PATCH_OPERATIONS)).into()
}

fn chain_link() -> RefOr<Schema> {
    object(
        &["context_id", "context_level", "node_key", "version"],
        &[
            ("context_id", named("ContextId")),
            ("context_level", nullable(named("Level"))),
            ("node_key", nullable(named("NodeKey"))),
            ("version", integer("The version that was merged.")),
        ],
    )
}

fn resolved() -> RefOr<Schema> {
    let members = [
        ("context_id", named("ContextId")),
        ("context_level", nullable(named("Level"))),
        ("resolved_context", document("The document merged over everything above it.")),
        ("chain", list("ChainLink")),
        ("resolution_path", text().description(Some("global/<project>/<branch>/<task>, or direct.")).into()),
        ("dependencies_hash", pattern("^[0-9a-f]{64}$".to_owned())),
        ("expires_at", time(nullable_type(Type::String))),
        ("explain", named("Explanation")),
    ];
    let required: Vec<_> = members.iter().map(|(name, _)| *name).filter(|name| *name != "explain").collect();
    object(&required, &members)
}

/// Where every value came from. Numbers index the answer's chain.
fn explanation() -> RefOr<Schema> {
    let at = || integer("A place in the chain.");
    let shadowed = list_of(object(&["from", "value"], &[("from", at()), ("value", any("What was there."))]));
    let source = object(&["at", "index"], &[("at", at()), ("index", integer("The element there."))]);
    let from = AnyOfBuilder::new().item(at()).item(list_of(list_of(source)));
    let leaf = object(
        &["from", "strategy", "shadowed"],
        &[("from", from.into()), ("strategy", any("The strategy that decided.")), ("shadowed", shadowed)],
    );
    let leaves = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("By pointer: where the value came from, and what it hides."))
        .additional_properties(Some(leaf));
    let place = || text().into();
    let unset = [("pointer", place()), ("by", at()), ("from", at()), ("value", any("What was removed."))];
    let blocked =
        [("pointer", place()), ("at", at()), ("locked_by", at()), ("value", any("What was ignored."))];
    let unfit = [("pointer", place()), ("strategy", any("The strategy.")), ("at", at())];
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
        ("revision", integer("The transaction; later ones of a tenant have greater numbers.")),
        ("context_id", named("ContextId")),
        ("version", integer("The version after the write.")),
        ("operation", one_of(&["create", "update", "delete", "expire", "none"])),
        ("changed_at", named("Timestamp")),
        ("changed_by", text().into()),
        ("request_id", text().into()),
        ("content", nullable(named("Context"))),
    ];
    let required: Vec<_> = members.iter().map(|(name, _)| *name).collect();
    object(&required, &members)
}

fn tenant() -> RefOr<Schema> {
    object(
        &["id", "generation", "created_at"],
        &[("id", named("TenantId")), ("generation", text().into()), ("created_at", named("Timestamp"))],
    )
}

fn health() -> RefOr<Schema> {
    let status = || one_of(&["healthy", "unhealthy"]);
    let check = object(
        &["name", "status", "detail"],
        &[("name", text().into()), ("status", status()), ("detail", optional_text(None))],
    );
    object(&["status"], &[("status", status()), ("checks", list_of(check))])
}

fn problem() -> RefOr<Schema> {
    let fault = object(&["pointer", "message"], &[("pointer", text().into()), ("message", text().into())]);
    object(
        &["type", "title", "status", "detail", "code", "request_id"],
        &[
            ("type", text().description(Some("urn:context-service:problem:<code>")).into()),
            ("title", text().into()),
            ("status", integer("The HTTP status.")),
            ("detail", text().description(Some("What is wrong, the rule, and what to do.")).into()),
            ("code", text().description(Some("A stable name for programs.")).into()),
            ("request_id", text().into()),
            ("errors", list_of(fault)),
            ("current_version", integer("The version of the context as it is now.")),
            ("current", named("Context")),
        ],
    )
}

fn page(of: &str) -> RefOr<Schema> {
    object(&["items", "next_page_token"], &[("items", list(of)), ("next_page_token", optional_text(None))])
}

fn object(required: &[&str], members: &[(&'static str, RefOr<Schema>)]) -> RefOr<Schema> {
    build(required, members).into()
}

/// An object that has no members but these.
fn closed(required: &[&str], members: &[(&'static str, RefOr<Schema>)]) -> RefOr<Schema> {
    build(required, members).additional_properties(Some(AdditionalProperties::FreeForm(false))).into()
}

fn build(required: &[&str], members: &[(&'static str, RefOr<Schema>)]) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Object);
    let object = members.iter().fold(object, |object, (name, schema)| object.property(*name, schema.clone()));
    required.iter().fold(object, |object, name| object.required(*name))
}

fn named(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

fn list(of: &str) -> RefOr<Schema> {
    list_of(named(of))
}

fn list_of(items: RefOr<Schema>) -> RefOr<Schema> {
    ArrayBuilder::new().items(items).into()
}

fn pattern(pattern: String) -> RefOr<Schema> {
    text().pattern(Some(pattern)).into()
}

/// Without control characters, and neither `.` nor `..`: a few dots and something else, or more dots.
const NODE_KEY: &str = r"^(\.{0,2}[^.\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*|\.{3}[^\u0000-\u001f\u007f-\u009f]*)$";

fn node_key() -> RefOr<Schema> {
    let about = "At most 255 bytes of UTF-8 without control characters, not `.` or `..`.";
    text()
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

fn any(about: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(about)).into()
}

fn time(kind: SchemaType) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(kind)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples([json!("2030-01-31T12:00:00.000000Z")])
        .into()
}

fn optional_text(most: impl Into<Option<usize>>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(nullable_type(Type::String)).max_length(most.into()).into()
}

fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    OneOfBuilder::new().item(ObjectBuilder::new().schema_type(Type::Null)).item(schema).into()
}

fn nullable_type(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}
