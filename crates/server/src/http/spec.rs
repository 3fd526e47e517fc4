//! Descriptions of operations: what each takes and answers, enforced on every request and printed as OpenAPI.

use axum::routing::MethodFilter;
use context_domain::access::Permission;
use context_domain::limits::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT};

use super::problem::Kind;

/// One operation.
pub(crate) struct Spec {
    /// The method.
    pub(crate) verb: Verb,
    /// The operation's id, unique but for the path.
    pub(crate) id: &'static str,
    /// What it is about.
    pub(crate) tag: Tag,
    /// What it does, in a few words.
    pub(crate) summary: &'static str,
    /// What else to know.
    pub(crate) description: &'static str,
    /// Who may ask for it.
    pub(crate) access: Access,
    /// The query parameters that it honours; any other is refused.
    pub(crate) parameters: &'static [Parameter],
    /// The conditional headers that it honours; any other is refused.
    pub(crate) conditions: Conditions,
    /// Whether an idempotency key is honoured, or refused.
    pub(crate) idempotency: Idempotency,
    /// What stands in the body.
    pub(crate) body: Body,
    /// The successes.
    pub(crate) answers: &'static [Answer],
    /// The problems beside those that every operation may answer.
    pub(crate) problems: &'static [Kind],
}

impl Spec {
    /// A read that takes nothing: what most descriptions begin with.
    pub(crate) const READ: Self = Self {
        verb: Verb::Get,
        id: "",
        tag: Tag::Contexts,
        summary: "",
        description: "",
        access: Access::Tenant(Permission::Read),
        parameters: &[],
        conditions: Conditions::None,
        idempotency: Idempotency::Refused,
        body: Body::None,
        answers: &[],
        problems: &[],
    };
}

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody, without a credential.
    Public,
    /// Whoever bears a key that works.
    Bearer,
    /// Whoever may do this in the tenant that the path names.
    Tenant(Permission),
    /// Operators.
    Operator,
}

impl Access {
    /// The least scope of a key that suffices; none where no key is asked for.
    pub(crate) fn scope(self) -> Option<&'static str> {
        match self {
            Self::Public => None,
            Self::Bearer => Some(Permission::Read.as_str()),
            Self::Tenant(permission) => Some(permission.as_str()),
            Self::Operator => Some("operator"),
        }
    }
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// Whether requests of the method change something.
    pub(crate) fn writes(self) -> bool {
        self != Self::Get
    }

    /// The method for the router, which answers HEAD wherever it answers GET.
    pub(crate) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Contexts,
    Tree,
    Changes,
    Tenants,
    Health,
    Documentation,
}

impl Tag {
    pub(crate) const ALL: [Self; 6] =
        [Self::Contexts, Self::Tree, Self::Changes, Self::Tenants, Self::Health, Self::Documentation];

    /// The tag's name, and what it holds.
    pub(crate) fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::Contexts => ("contexts", "Contexts by id, in the tree or outside it."),
            Self::Tree => ("tree", "Contexts by their place in the tree: global, project, branch, task."),
            Self::Changes => ("changes", "The record of every write."),
            Self::Tenants => ("tenants", "Tenants: the unit of isolation. For operators."),
            Self::Health => ("health", "Liveness, readiness, and what is wrong."),
            Self::Documentation => ("documentation", "This description."),
        }
    }
}

/// A query parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) values: Values,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Values {
    /// `true` or `false`; the default is given.
    Flag { default: bool },
    /// One of these; the first is the default.
    OneOf(&'static [&'static str]),
    /// A number from 1 to the most, with its default.
    Number { most: usize, default: usize },
    /// Any text.
    Text,
    /// The key of a node.
    NodeKey,
    /// `[A-Za-z0-9._-]{1,most}`
    Word { most: usize },
    /// Words of that kind, in as many repetitions of the parameter, up to `times`.
    Words { most: usize, times: usize },
    /// Text of 1 to this many characters.
    Chars { most: usize },
    /// Text of 1 to this many characters in which words are.
    SearchText { most: usize },
    /// A level of the tree.
    Level,
    /// A time in RFC 3339.
    Moment,
    /// A JSON object.
    Object,
}

pub(crate) const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "Items on the page at the most.",
    values: Values::Number { most: MAX_PAGE_LIMIT, default: DEFAULT_PAGE_LIMIT },
};
pub(crate) const PAGE_TOKEN: Parameter = Parameter {
    name: "page_token",
    about: "Continues a list: the next_page_token of the page before.",
    values: Values::Text,
};
pub(crate) const EXPLAIN: Parameter = Parameter {
    name: "explain",
    about: "Whether the answer says where every value came from.",
    values: Values::Flag { default: false },
};
pub(crate) const CONSISTENCY: Parameter = Parameter {
    name: "consistency",
    about: "strong: the answer is that of this moment.",
    values: Values::OneOf(&["strong"]),
};
pub(crate) const CREATE_PARENTS: Parameter = Parameter {
    name: "create_parents",
    about: "Whether missing nodes above are made, empty, at version 0.",
    values: Values::Flag { default: true },
};
pub(crate) const CASCADE: Parameter = Parameter {
    name: "cascade",
    about: "Whether the nodes below are deleted too, each with its own change record.",
    values: Values::Flag { default: false },
};

/// The conditional headers that an operation honours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conditions {
    /// None.
    None,
    /// `If-None-Match` on a read: 304 where the entity tag is known.
    IfNoneMatch,
    /// `If-Match`.
    IfMatch,
    /// `If-Match`, or `If-None-Match: *` to create only.
    IfMatchOrAbsent,
}

/// Whether an idempotency key is honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idempotency {
    Honoured,
    Refused,
}

/// What stands in a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing.
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

/// A success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200
    Ok(Shape),
    /// 201
    Created(Shape),
    /// 204
    NoContent,
    /// 304
    NotModified,
    /// 503, and yet no problem: the findings are the answer.
    Unhealthy(Shape),
}

/// What stands in an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Context,
    ContextPage,
    Resolved,
    /// A context, a resolved context or a page of contexts, as `view` says.
    View,
    ChangePage,
    Tenant,
    TenantPage,
    Probe,
    Health,
    OpenApi,
    /// The documentation page.
    Page,
    /// A file that the page needs.
    File,
}
