//! Descriptions of operations: what each accepts and returns, enforced on every request and printed as
//! OpenAPI.

use context_domain::access::Permission;
use context_domain::error::Code;
use context_domain::limits::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT};

use crate::auth::OperationAccess;

/// One operation: the single description from which requests are checked and the OpenAPI document is written,
/// so that the two cannot differ.
pub(crate) struct OperationSpec {
    /// The method.
    pub(crate) verb: Verb,
    /// The operation's id; at several paths, the path's last parameter is added to it.
    pub(crate) id: &'static str,
    /// The group of the operation.
    pub(crate) tag: ApiTag,
    /// The purpose, in a few words.
    pub(crate) summary: &'static str,
    /// Further information for callers; may be empty.
    pub(crate) description: &'static str,
    /// The callers that may use it.
    pub(crate) access: OperationAccess,
    /// The query parameters that it honours; any other is refused.
    pub(crate) parameters: &'static [QueryParameter],
    /// The conditional headers that it honours; any other is refused.
    pub(crate) conditions: ConditionHeaders,
    /// Whether an idempotency key is honoured or refused.
    pub(crate) idempotency: IdempotencySupport,
    /// The request's body.
    pub(crate) request: RequestShape,
    /// The successful responses.
    pub(crate) successes: &'static [Success],
    /// The problems in addition to those that follow from the other members.
    pub(crate) problems: &'static [Code],
}

impl OperationSpec {
    /// A read without parameters: the start of most descriptions.
    pub(crate) const READ: Self = Self {
        verb: Verb::Get,
        id: "",
        tag: ApiTag::Contexts,
        summary: "",
        description: "",
        access: OperationAccess::Tenant(Permission::Read),
        parameters: &[],
        conditions: ConditionHeaders::None,
        idempotency: IdempotencySupport::Refused,
        request: RequestShape::None,
        successes: &[],
        problems: &[],
    };
}

/// An operation at a path: the rules that a request there is checked against.
#[derive(Clone, Copy)]
pub(crate) struct RouteRules {
    pub(crate) path: &'static str,
    pub(crate) spec: &'static OperationSpec,
    /// The query parameters that the operation takes at this path, in addition to its own.
    pub(crate) more: &'static [QueryParameter],
}

impl RouteRules {
    /// Returns all query parameters that are honoured.
    pub(crate) fn parameters(self) -> impl Iterator<Item = &'static QueryParameter> + Clone {
        self.spec.parameters.iter().chain(self.more)
    }

    /// Returns the names of the path's parameters.
    pub(crate) fn path_names(self) -> impl DoubleEndedIterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// Whether requests with the method change something.
    pub(crate) fn writes(self) -> bool {
        self != Self::Get
    }
}

/// A group of operations in the OpenAPI document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiTag {
    Contexts,
    Tree,
    Changes,
    Tenants,
    Health,
    Documentation,
}

impl ApiTag {
    pub(crate) const ALL: [Self; 6] =
        [Self::Contexts, Self::Tree, Self::Changes, Self::Tenants, Self::Health, Self::Documentation];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contexts => "contexts",
            Self::Tree => "tree",
            Self::Changes => "changes",
            Self::Tenants => "tenants",
            Self::Health => "health",
            Self::Documentation => "documentation",
        }
    }

    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Contexts => "Contexts by id, in the tree or outside it.",
            Self::Tree => "Contexts by their place in the tree: global, project, branch, task.",
            Self::Changes => "The record of every write.",
            Self::Tenants => "Tenants: the unit of isolation. For operators.",
            Self::Health => "Liveness, readiness, and the state of every part.",
            Self::Documentation => "This description.",
        }
    }
}

/// A query parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryParameter {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) values: ParameterValues,
}

/// The values that a query parameter accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ParameterValues {
    /// `true` or `false`.
    Flag { default: bool },
    /// One of these; the first is the default.
    OneOf(&'static [&'static str]),
    /// A number from 1 to `max`.
    Number { max: usize, default: usize },
    /// Any text.
    Text,
    /// The key of a node.
    NodeKey,
    /// `[A-Za-z0-9._-]{1,max}`
    Word { max: usize },
    /// Such words; the parameter may be sent up to `times` times.
    Words { max: usize, times: usize },
    /// Text of 1 to `max` characters.
    Chars { max: usize },
    /// Text of 1 to `max` characters with at least one word.
    SearchText { max: usize },
    /// A level of the tree.
    Level,
    /// A time as in RFC 3339.
    Moment,
    /// A JSON object.
    Object,
}

pub(crate) const LIMIT: QueryParameter = QueryParameter {
    name: "limit",
    about: "The maximum number of items on the page.",
    values: ParameterValues::Number { max: MAX_PAGE_LIMIT, default: DEFAULT_PAGE_LIMIT },
};
pub(crate) const PAGE_TOKEN: QueryParameter = QueryParameter {
    name: "page_token",
    about: "The next_page_token of the previous page; the list continues after it.",
    values: ParameterValues::Text,
};
pub(crate) const EXPLAIN: QueryParameter = QueryParameter {
    name: "explain",
    about: "Whether the response says where every value came from.",
    values: ParameterValues::Flag { default: false },
};
pub(crate) const CONSISTENCY: QueryParameter = QueryParameter {
    name: "consistency",
    about: "strong: the response reflects every write that was finished when the request began.",
    values: ParameterValues::OneOf(&["strong"]),
};
pub(crate) const CREATE_PARENTS: QueryParameter = QueryParameter {
    name: "create_parents",
    about: "Whether missing nodes above are created, empty, at version 0.",
    values: ParameterValues::Flag { default: true },
};
pub(crate) const CASCADE: QueryParameter = QueryParameter {
    name: "cascade",
    about: "Whether the nodes below are deleted too, each with its own change record.",
    values: ParameterValues::Flag { default: false },
};

/// A place in the tree as query parameters, for clients whose proxy decodes `%2F` in paths.
pub(crate) const SCOPE: [QueryParameter; 3] = [
    scope_key("project", "The key of the project; without it, the global node is meant."),
    scope_key("branch", "The key of the branch."),
    scope_key("task", "The key of the task."),
];

const fn scope_key(name: &'static str, about: &'static str) -> QueryParameter {
    QueryParameter { name, about, values: ParameterValues::NodeKey }
}

/// The conditional headers that an operation honours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConditionHeaders {
    /// None.
    None,
    /// `If-None-Match` on a read: 304 if the client has the entity tag.
    IfNoneMatch,
    /// `If-Match`.
    IfMatch,
    /// `If-Match`, or `If-None-Match: *` to create only.
    IfMatchOrAbsent,
}

/// Whether an operation honours an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdempotencySupport {
    Honoured,
    Refused,
}

/// The content of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestShape {
    /// No body.
    None,
    /// A tenant's id.
    Tenant,
    /// A context's content, and its scope.
    NewContext,
    /// A context's content.
    Content,
    /// A merge patch or a JSON patch of a context's content.
    Patch,
}

/// A successful response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Success {
    /// 200
    Ok(ResponseShape),
    /// 201
    Created(ResponseShape),
    /// 204
    NoContent,
    /// 304
    NotModified,
    /// 503, but not a problem: the response has the findings of a health check.
    Unhealthy(ResponseShape),
}

/// The content of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseShape {
    Context,
    ContextPage,
    Resolved,
    /// A context, a resolved context or a page of contexts, depending on `view`.
    View,
    ChangePage,
    Tenant,
    TenantPage,
    Probe,
    Health,
    OpenApi,
    /// The documentation page.
    DocsPage,
    /// A file that the page needs.
    DocsFile,
}
